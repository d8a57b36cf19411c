//! Endpoints over real connections, with a flow that the test plays itself.

use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use flow::services::{EndpointRequest, Endpoints as _, HttpInbox, HttpRequest, HttpResponse};
use message::{Bytes, FlowId, ModuleId, Text, limits};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::{EndpointSet, EndpointTable, handler};
use crate::http::{HttpServer, Stop};

/// A listener for endpoints; the stop holds it open.
struct Node {
    table: Arc<EndpointTable>,
    address: SocketAddr,
    _stop: tokio::sync::watch::Sender<bool>,
}

async fn node() -> Node {
    let table = EndpointTable::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, stop) = Stop::new();
    tokio::spawn(
        HttpServer { listener, name: "endpoints", connections_max: 10, handle: handler(Arc::clone(&table), None) }
            .run(stop),
    );
    Node { table, address, _stop: sender }
}

impl Node {
    fn set(&self, flow: &str) -> Arc<EndpointSet> {
        EndpointSet::new(&self.table, &FlowId::parse(flow).unwrap())
    }

    /// A set with one endpoint, live.
    fn live(&self, flow: &str, verb: &str, path: &str) -> (Arc<EndpointSet>, Box<dyn HttpInbox>) {
        let set = self.set(flow);
        let inbox = set.open(&module("in"), request(verb, path)).unwrap();
        self.table.switch(None, Some(&set));
        (set, inbox)
    }

    async fn connect(&self) -> Client {
        Client { stream: BufReader::new(TcpStream::connect(self.address).await.unwrap()) }
    }

    async fn ask(&self, text: &str) -> Answer {
        let mut client = self.connect().await;
        client.send(text).await;
        client.answer().await
    }
}

/// A connection that speaks HTTP/1.1 by hand.
struct Client {
    stream: BufReader<TcpStream>,
}

#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Client {
    /// Sends a request; the text is its first line, its header fields, an empty line, its body.
    async fn send(&mut self, text: &str) {
        let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
        let length = if head.to_ascii_lowercase().contains("\ncontent-length") {
            String::new()
        } else {
            format!("content-length: {}\r\n", body.len())
        };
        let (first, fields) = head.split_once('\n').unwrap_or((head, ""));
        let fields: String = fields.lines().map(|field| format!("{field}\r\n")).collect();
        let text = format!("{first} HTTP/1.1\r\nhost: x\r\n{fields}{length}\r\n{body}");
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    async fn answer(&mut self) -> Answer {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(self.stream.read_line(&mut head).await.unwrap() > 0, "the connection ended: {head}");
        }
        let head = head.to_ascii_lowercase();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        self.stream.read_exact(&mut body).await.unwrap();
        Answer { status, head, body: String::from_utf8(body).unwrap() }
    }
}

fn module(id: &str) -> ModuleId {
    ModuleId::parse(id).unwrap()
}

fn request(verb: &str, path: &str) -> EndpointRequest {
    EndpointRequest {
        path: Text::new(path),
        verb: Text::new(verb),
        response_timeout: Duration::from_secs(60),
        waiting_max: 2,
    }
}

/// Waits for the next request of an endpoint.
async fn taken(inbox: &mut dyn HttpInbox) -> HttpRequest {
    let mut taken = Vec::new();
    std::future::poll_fn(|cx| {
        inbox.poll_take(cx, 1, &mut taken);
        if taken.is_empty() { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    taken.remove(0)
}

fn response(status: u16, body: &'static str) -> HttpResponse {
    HttpResponse {
        status,
        headers: vec![(Text::new("x-a"), Text::new("b"))],
        body: Bytes::from_static(body.as_bytes()),
    }
}

#[tokio::test]
async fn a_flow_gets_the_request_and_its_answer_goes_to_the_caller_on_a_kept_connection() {
    let node = node().await;
    let (set, mut inbox) = node.live("a", "POST", "lines/+/orders");
    let mut client = node.connect().await;
    for round in 0..2 {
        client.send("POST /lines/l%C3%A4/orders?a=1&b=x+y%21&a=2\nX-Two: 1\nx-two: 2\n\nhello").await;
        let request = taken(inbox.as_mut()).await;
        assert_eq!((request.verb.as_str(), request.path.as_str()), ("POST", "/lines/lä/orders"));
        let query: Vec<_> = request.query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(query, ["a=2", "b=x y!"]);
        assert!(request.headers.contains(&(Text::new("x-two"), Text::new("1, 2"))), "{:?}", request.headers);
        assert_eq!(request.body, "hello");
        set.respond(&request.id, response(201, "made")).unwrap();
        let answer = client.answer().await;
        assert_eq!((answer.status, answer.body.as_str()), (201, "made"), "round {round}");
        assert!(answer.head.contains("x-a: b"), "{}", answer.head);
        assert!(set.respond(&request.id, response(200, "")).is_err(), "a request is answered once");
    }
}

#[tokio::test]
async fn what_nobody_takes_is_told_as_a_problem_document() {
    let node = node().await;
    let (_set, _inbox) = node.live("a", "POST", "orders");
    let answer = node.ask("GET /nothing").await;
    assert_eq!(answer.status, 404);
    assert!(answer.head.contains("content-type: application/problem+json"), "{}", answer.head);
    assert!(answer.body.contains("no running flow listens at `/nothing`"), "{}", answer.body);
    let answer = node.ask("GET /orders").await;
    assert_eq!(answer.status, 405);
    assert!(answer.head.contains("allow: post"), "{}", answer.head);
    let answer = node.ask("POST /%ff").await;
    assert_eq!(answer.status, 400);
    let length = limits::HTTP_BODY_BYTES_MAX + 1;
    let answer = node.ask(&format!("POST /orders\ncontent-length: {length}\n\n")).await;
    assert_eq!(answer.status, 413);
}

#[tokio::test]
async fn a_body_that_grows_beyond_the_limit_is_refused() {
    let node = node().await;
    let (_set, _inbox) = node.live("a", "POST", "orders");
    let mut client = node.connect().await;
    let head = "POST /orders HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
    client.stream.write_all(head.as_bytes()).await.unwrap();
    let chunk = format!("{:x}\r\n{}\r\n", 1 << 20, "x".repeat(1 << 20));
    for _ in 0..limits::HTTP_BODY_BYTES_MAX >> 20 {
        client.stream.write_all(chunk.as_bytes()).await.unwrap();
    }
    // One byte too many, and the end of the body still to come.
    client.stream.write_all(b"1\r\nx\r\n").await.unwrap();
    assert_eq!(client.answer().await.status, 413);
}

#[tokio::test]
async fn the_path_that_says_most_is_asked_first_and_the_next_if_it_does_not_take_the_verb() {
    let node = node().await;
    let (_a, mut literal) = node.live("a", "POST", "x/y");
    let (_b, mut open) = node.live("b", "ALL", "x/#");
    let (mut post, mut get) = (node.connect().await, node.connect().await);
    post.send("POST /x/y").await;
    assert_eq!(taken(literal.as_mut()).await.verb, "POST");
    get.send("GET /x/y").await;
    assert_eq!(taken(open.as_mut()).await.verb, "GET");
}

#[tokio::test]
async fn a_flow_that_is_full_says_when_to_try_again() {
    let node = node().await;
    let (_set, inbox) = node.live("a", "GET", "p");
    let mut waiting = Vec::new();
    for number in 1..=2 {
        let mut client = node.connect().await;
        client.send("GET /p").await;
        until(|| inbox.waiting() == number).await;
        waiting.push(client);
    }
    let answer = node.ask("GET /p").await;
    assert_eq!(answer.status, 503);
    assert!(answer.head.contains("retry-after: 1"), "{}", answer.head);
    // A caller that hangs up makes room.
    drop(waiting.pop());
    until(|| inbox.waiting() == 1).await;
    assert_eq!(node.table.waiting(), 1);
}

#[tokio::test]
async fn a_caller_that_is_not_answered_in_time_gets_504_and_a_late_answer_is_refused() {
    let node = node().await;
    let set = node.set("a");
    let quick = EndpointRequest { response_timeout: Duration::from_millis(50), ..request("GET", "p") };
    let mut inbox = set.open(&module("in"), quick).unwrap();
    node.table.switch(None, Some(&set));
    let mut client = node.connect().await;
    client.send("GET /p").await;
    let request = taken(inbox.as_mut()).await;
    let answer = client.answer().await;
    assert_eq!(answer.status, 504);
    assert!(answer.body.contains("flow `a` gave no answer within 0.05 s"), "{}", answer.body);
    let error = set.respond(&request.id, response(200, "")).unwrap_err().to_string();
    assert!(error.contains("has timed out"), "{error}");
    assert_eq!(node.table.waiting(), 0);
}

#[tokio::test]
async fn a_switch_sends_new_requests_to_the_new_version_and_leaves_the_old_what_it_holds() {
    let node = node().await;
    let (old, mut old_inbox) = node.live("a", "GET", "p");
    let new = node.set("a");
    let mut new_inbox = new.open(&module("in"), request("GET", "p")).unwrap();
    let (mut first, mut second) = (node.connect().await, node.connect().await);
    first.send("GET /p?n=1").await;
    until(|| old_inbox.waiting() == 1).await;
    node.table.switch(Some(&old), Some(&new));
    second.send("GET /p?n=2").await;
    let (late, early) = (taken(new_inbox.as_mut()).await, taken(old_inbox.as_mut()).await);
    assert_eq!((early.query[0].1.as_str(), late.query[0].1.as_str()), ("1", "2"));
    old.respond(&early.id, response(200, "old")).unwrap();
    new.respond(&late.id, response(200, "new")).unwrap();
    assert_eq!(first.answer().await.body, "old");
    assert_eq!(second.answer().await.body, "new");
    node.table.switch(Some(&new), None);
    assert_eq!(node.ask("GET /p").await.status, 404);
}

#[tokio::test]
async fn whoever_waits_for_a_flow_that_goes_is_told_at_once() {
    let node = node().await;
    let (set, inbox) = node.live("a", "GET", "p");
    let mut client = node.connect().await;
    client.send("GET /p").await;
    until(|| inbox.waiting() == 1).await;
    node.table.switch(Some(&set), None);
    drop((set, inbox));
    let answer = client.answer().await;
    assert_eq!(answer.status, 503);
    assert!(answer.body.contains("flow `a` stopped before it took the request"), "{}", answer.body);
}

#[tokio::test]
async fn one_path_and_verb_belong_to_one_flow() {
    let node = node().await;
    let (set, _inbox) = node.live("a", "GET", "p");
    let refused =
        |verb, path| node.set("b").open(&module("x"), request(verb, path)).err().map(|error| error.to_string());
    for verb in ["GET", "ALL"] {
        let error = refused(verb, "p").unwrap();
        assert!(error.contains("path `/p` is taken") && error.contains("module `in` of flow `a`"), "{error}");
    }
    assert_eq!(refused("POST", "p"), None);
    assert_eq!(refused("GET", "p/+"), None);
    assert!(set.open(&module("other"), request("GET", "p")).is_err(), "also within one flow");
    assert!(set.open(&module("in"), request("GET", "p")).is_ok(), "a module that is built again goes on");
    node.table.switch(Some(&set), None);
    assert_eq!(refused("GET", "p"), None);
}

#[tokio::test]
async fn an_answer_that_cannot_be_sent_is_told_to_the_caller() {
    let node = node().await;
    let (set, mut inbox) = node.live("a", "GET", "p");
    let bad_header = HttpResponse { headers: vec![(Text::new("a b"), Text::new("c"))], ..response(200, "") };
    for (answer, status) in
        [(response(100, ""), 500), (response(99, ""), 500), (bad_header, 500), (response(204, "x"), 204)]
    {
        let mut client = node.connect().await;
        client.send("GET /p").await;
        set.respond(&taken(inbox.as_mut()).await.id, answer).unwrap();
        assert_eq!(client.answer().await.status, status);
    }
}

/// Lets the other tasks work until something holds.
async fn until(holds: impl Fn() -> bool) {
    while !holds() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
