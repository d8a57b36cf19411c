//! What a scenario gets: a server, a protocol version, a transport, and names that no other scenario uses.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::client::Client;
use super::properties::{Property, WILL_DELAY};
use super::server::{Over, Server};
use super::transport::{Tcp, Transport, WebSocket};
use super::write::{Connect, Publish, Version, Will};

/// One run of a scenario.
pub(crate) struct Case<'a> {
    pub(crate) server: &'a Server,
    pub(crate) version: Version,
    pub(crate) over: Over,
    /// How long a server may take to do what it must.
    pub(crate) patience: Duration,
    /// Set before every topic, client identifier and share name.
    pub(crate) prefix: String,
    names: AtomicU32,
}

impl<'a> Case<'a> {
    pub(crate) fn new(server: &'a Server, version: Version, over: Over, patience: Duration, prefix: String) -> Self {
        Self { server, version, over, patience, prefix, names: AtomicU32::new(0) }
    }

    pub(crate) fn is_5(&self) -> bool {
        self.version.is_5()
    }

    pub(crate) fn is_mosquitto(&self) -> bool {
        matches!(self.server, Server::Mosquitto(_))
    }

    /// A topic of this case.
    pub(crate) fn topic(&self, name: &str) -> String {
        format!("{}/{name}", self.prefix)
    }

    /// A client identifier of this case.
    pub(crate) fn id(&self, name: &str) -> String {
        format!("{}:{name}", self.prefix)
    }

    fn new_name(&self, what: &str) -> String {
        format!("{what}{}", self.names.fetch_add(1, Ordering::Relaxed))
    }

    /// A topic of this case that was not used before.
    pub(crate) fn new_topic(&self) -> String {
        self.topic(&self.new_name("new"))
    }

    /// A topic to which the server lets no client publish.
    pub(crate) fn forbidden_topic(&self) -> &'static str {
        if self.is_mosquitto() { "$forbidden/topic" } else { "$SYS/forbidden" }
    }

    /// A CONNECT that is well-formed, and that the server refuses all the same: not authorized.
    pub(crate) fn forbidden_connect(&self, name: &str) -> Connect {
        let mut connect = self.connect(name);
        if self.is_mosquitto() {
            (connect.user_name, connect.password) = (Some("stranger".to_owned()), Some(b"guess".to_vec()));
            connect
        } else {
            connect.will(Will::new("$SYS/will", "forbidden"))
        }
    }

    /// A CONNECT for a new session of this name.
    pub(crate) fn connect(&self, name: &str) -> Connect {
        Connect::new(self.version, &self.id(name))
    }

    /// A transport on which nothing was sent.
    pub(crate) fn transport(&self) -> Box<dyn Transport> {
        match self.over {
            Over::Tcp => Box::new(Tcp::connect(self.server.address(self.over), self.patience)),
            Over::WebSocket => Box::new(self.web_socket("mqtt").expect("the server opens a WebSocket for MQTT")),
        }
    }

    /// A WebSocket on which nothing was sent, if the server opens one with these subprotocols.
    pub(crate) fn web_socket(&self, subprotocols: &str) -> Option<WebSocket> {
        WebSocket::open(self.server.address(self.over), self.patience, subprotocols)
    }

    /// A client on a transport that a scenario has prepared.
    pub(crate) fn client_on(&self, transport: Box<dyn Transport>) -> Client {
        Client::new(self.version, transport, self.is_mosquitto())
    }

    /// A client that has sent nothing.
    pub(crate) fn open(&self) -> Client {
        self.client_on(self.transport())
    }

    /// A client that has sent this and awaits its CONNACK.
    pub(crate) fn ask(&self, connect: &Connect) -> Client {
        let mut client = self.open();
        client.send_connect(connect);
        client
    }

    /// A client that was accepted, and whether its session was present.
    pub(crate) fn accepted(&self, connect: &Connect) -> (Client, bool) {
        let mut client = self.ask(connect);
        let (present, _) = client.expect_connack();
        (client, present)
    }

    /// A client that was accepted.
    pub(crate) fn client_with(&self, connect: &Connect) -> Client {
        self.accepted(connect).0
    }

    /// A client that was accepted with a new session.
    pub(crate) fn client(&self, name: &str) -> Client {
        self.client_with(&self.connect(name))
    }

    /// A client of a name that no other has.
    pub(crate) fn someone(&self) -> Client {
        self.client(&self.new_name("someone"))
    }

    /// A client that is subscribed to a filter.
    pub(crate) fn subscriber(&self, filter: &str, options: u8) -> Client {
        let mut client = self.someone();
        client.subscribe(filter, options);
        client
    }

    /// Publishes by a client of its own.
    pub(crate) fn publish(&self, publish: &Publish) {
        let mut client = self.someone();
        let code = client.publish(publish);
        assert!(code < 0x80, "publishing was answered with {code:#04x}");
        client.leave();
    }

    /// Nothing waits for the subscriber.
    pub(crate) fn assert_nothing_waits(&self, subscriber: &mut Client) {
        let waiting = self.take_all(subscriber);
        assert!(waiting.is_empty(), "nothing was to come: {waiting:?}");
    }

    /// Takes all messages that wait for the subscriber: what is published now comes after them.
    pub(crate) fn take_all(&self, subscriber: &mut Client) -> Vec<Publish> {
        let topic = self.new_topic();
        subscriber.subscribe(&topic, 0);
        self.publish(&Publish::new(&topic, "last").qos(1));
        std::iter::repeat_with(|| subscriber.take()).take_while(|message| message.topic != topic).collect()
    }

    /// The server is well and serves others: a message passes.
    pub(crate) fn assert_alive(&self) {
        let topic = self.new_topic();
        let mut subscriber = self.subscriber(&topic, 0);
        self.publish(&Publish::new(&topic, "alive").qos(1));
        assert_eq!(subscriber.take_text(), "alive");
    }

    /// Lets two seconds of the server's own time go by, which a delayed will tells.
    pub(crate) fn let_time_pass(&self) {
        let topic = self.new_topic();
        let connect = |name: &str| Connect::new(Version::V5, &self.id(&self.new_name(name)));
        let on_clock = |connect: &Connect| {
            let mut client = Client::new(Version::V5, self.transport(), self.is_mosquitto());
            client.send_connect(connect);
            client.expect_connack();
            client
        };
        let mut watcher = on_clock(&connect("watcher"));
        watcher.subscribe(&topic, 1);
        let will = Will::new(&topic, "it is time").with(Property::number(WILL_DELAY, 2));
        on_clock(&connect("clock").kept().will(will)).vanish();
        assert_eq!(watcher.take_text(), "it is time");
    }
}
