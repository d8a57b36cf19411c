//! What a node does that may open no more files.

use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use serde_json::json;

use crate::harness::client::Client;
use crate::harness::{DEADLINE, Node, NodeOptions, http, packets};

/// Of the acknowledgement of a publish: the reason code.
fn reason(client: &mut Client) -> u8 {
    let (first, body) = client.read().unwrap();
    assert_eq!(first, 0x40);
    body.get(2).copied().unwrap_or(0)
}

#[test]
fn a_node_that_may_open_no_file_refuses_and_takes_messages_again_when_it_may() {
    let node = Node::start();
    assert_eq!(node.api_json("PUT", "/streams/all", &json!({ "bindings": ["shop/#"] })).status, 201);
    let connect = |number: u32| Client::connect(node.mqtt, &packets::connect(&format!("press {number}")));
    let mut clients: Vec<Client> = (0..30).map(connect).collect();
    let pid = Pid::from_raw(i32::try_from(node.pid()).unwrap());
    // The node has this test's hard limit.
    let none = Rlimit { current: Some(3), maximum: getrlimit(Resource::Nofile).maximum };
    let before = prlimit(pid, Resource::Nofile, none).unwrap();
    // The stream has no file yet. What came before that was noticed waits; what comes after it is refused.
    let mut waiting = Vec::new();
    let refused = loop {
        let mut client = clients.pop().unwrap();
        client.send(&packets::publish("shop/1", Some(1), b"late"));
        client.stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        let is_answered = client.stream.peek(&mut [0]).is_ok();
        client.stream.set_read_timeout(Some(DEADLINE)).unwrap();
        if is_answered {
            break reason(&mut client);
        }
        waiting.push(client);
    };
    assert_eq!(refused, 0x97);
    assert!(!waiting.is_empty());
    prlimit(pid, Resource::Nofile, before).unwrap();
    let taken = waiting.len() as u64;
    for mut client in waiting {
        assert_eq!(reason(&mut client), 0);
    }
    clients.pop().unwrap().publish("shop/1", b"after");
    assert_eq!(http(node.web, "GET", "/readyz", &[], b"").status, 200);
    assert_eq!(node.api("GET", "/streams/all").json()["messages"], taken + 1);
}

#[test]
fn connections_are_limited_by_the_files_that_the_process_may_open() {
    let node = Node::start_with(&NodeOptions { open_files_max: Some(160), ..NodeOptions::default() });
    assert!(node.log().contains("LimitNOFILE"), "{}", node.log());
    let connect = |number: u32| Client::connect(node.mqtt, &packets::connect(&format!("press {number}")));
    let _clients: Vec<Client> = (0..64).map(connect).collect();
    assert!(Client::open(node.mqtt).read().is_none());
    assert_eq!(http(node.web, "GET", "/readyz", &[], b"").status, 200);
}
