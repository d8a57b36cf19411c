//! Clients whose messages are for a log that is crowded, on a disk that writes when a test says so.

use std::path::Path;

use broker::{
    Bindings, Broken, Collector, OpenAccess, Pending, Promises, RouterOptions, SessionChange, SessionJournal,
    SessionStore,
};
use bytes::BytesMut;
use message::{Bytes, DestinationId, Moment, Now, Publication, QoS, Timestamp, TopicFilter, TopicName};
use mqtt::ReasonCode;
use parking_lot::Mutex;
use std::task::{Poll, Waker};
use store::disk::SimulatedDisk;
use store::log::{Committer, Intake};
use store::spool::{AppendError, DestinationOptions, Placement, Spool, SpoolOptions};
use store::stream::{Stream, StreamOptions};

use super::*;

/// Appends to a stream, as the node does it.
#[derive(Debug)]
struct Appending {
    stream: Stream,
    payloads: Mutex<Vec<Bytes>>,
}

impl Collector for Appending {
    fn ask(&self, publication: &Publication) -> Result<(), AppendError> {
        self.stream.ask(publication)
    }

    fn collect(&self, publication: &Publication) -> Result<Promises, Broken> {
        self.payloads.lock().push(publication.payload.clone());
        let (_, point) = self.stream.append_asked(now().wall, publication).map_err(|_| Broken::Failed)?;
        Ok(Promises::of_stream(&self.stream, point))
    }

    fn intake(&self) -> Option<&Arc<Intake>> {
        Some(self.stream.intake())
    }
}

fn now() -> Now {
    Now { moment: Moment::since_start(Duration::from_secs(1)), wall: Timestamp::from_millis(1) }
}

/// Nothing is written down of sessions.
#[derive(Debug)]
struct Unwritten;

impl SessionJournal for Unwritten {
    fn new_destination(&self) -> Result<DestinationId, Broken> {
        Ok(DestinationId::new(1))
    }

    fn record(&self, _: SessionChange<'_>) -> Box<dyn Pending> {
        Box::new(Self)
    }
}

impl Pending for Unwritten {
    fn poll_kept(&mut self, _: &Waker) -> Poll<Result<(), Broken>> {
        Poll::Ready(Ok(()))
    }
}

struct World {
    committer: Committer,
    spool: Spool,
    appending: Arc<Appending>,
    mqtt: Arc<Mqtt>,
    _bindings: Bindings,
}

impl World {
    /// A node with a stream of what comes to the topic `a`, whose log is crowded.
    fn crowded() -> Self {
        let disk = SimulatedDisk::new(1);
        let committer = Committer::stepped();
        let (stream, _) =
            Stream::open(Arc::new(disk.clone()), Path::new("/stream"), StreamOptions::default(), &committer).unwrap();
        let (spool, _) = Spool::open(Arc::new(disk), Path::new("/spool"), SpoolOptions::default(), &committer).unwrap();
        let router = Router::new(RouterOptions { spool: Some(spool.clone()), ..RouterOptions::new(1) });
        let options = DestinationOptions::default();
        let store = SessionStore { spool: spool.clone(), journal: Arc::new(Unwritten), options };
        let appending = Arc::new(Appending { stream, payloads: Mutex::default() });
        let bindings = Bindings::new(&router, Arc::clone(&appending) as Arc<dyn Collector>);
        bindings.set(vec![TopicFilter::parse("a").unwrap()]);
        let mqtt = Arc::new(Mqtt {
            sessions: Sessions::with_store(&router, 10, Some(store)),
            router,
            access: Arc::new(OpenAccess),
            queues: Arc::new(NoQueues),
            streams: Arc::new(NoStreams),
            settings: Settings::default(),
            keep_alive_s_max: u16::MAX,
            mailbox: MailboxOptions::for_session(),
            connections_max: 10,
            subscriptions_max: 10,
            slow_client_max: None,
            assigned_ids: AssignedIds::Counted(AtomicU64::new(1)),
            figures: MqttFigures::default(),
        });
        let mut cache = mqtt.router.route_cache();
        let topic = TopicName::parse("a").unwrap();
        let large = Publication::new(topic, vec![7; 1_000_000].into(), QoS::AtLeastOnce, now().wall);
        while mqtt.router.publish(large.clone(), None, &mut cache).is_released() {}
        Self { committer, spool, appending, mqtt, _bindings: bindings }
    }

    /// A client that has sent its CONNECT, and what it was answered.
    fn connect(&self) -> (Peer, Vec<u8>) {
        let mut peer = Peer(Client::new(Arc::clone(&self.mqtt), now()));
        // MQTT 5.0, without keep alive, with a session that stays for an hour.
        let body = [&text("MQTT")[..], &[5, 0, 0, 0, 5, 0x11, 0, 0, 14, 16], &text("one")].concat();
        let answer = peer.send(0x10, &body);
        (peer, answer)
    }

    /// The messages in the stream that the test is about.
    fn taken(&self) -> Vec<Bytes> {
        self.appending.payloads.lock().iter().filter(|payload| payload.len() < 100).cloned().collect()
    }
}

fn text(text: &str) -> Vec<u8> {
    [&[0, u8::try_from(text.len()).unwrap()], text.as_bytes()].concat()
}

struct Peer(Client);

impl Peer {
    /// Sends a packet and lets the node work; what it answers.
    fn send(&mut self, first: u8, body: &[u8]) -> Vec<u8> {
        let mut input = BytesMut::from(&[&[first, u8::try_from(body.len()).unwrap()], body].concat()[..]);
        self.0.handle_bytes(now(), &mut input);
        assert_eq!(input.len(), 0, "the node reads it");
        self.work()
    }

    /// PUBLISH to `a`.
    fn publish(&mut self, qos: u8, packet_id: u8, payload: &str) -> Vec<u8> {
        let packet_id = if qos > 0 { vec![0, packet_id] } else { Vec::new() };
        self.send(0x30 | qos << 1, &[&text("a")[..], &packet_id, &[0], payload.as_bytes()].concat())
    }

    /// Lets the node work; what it sends.
    fn work(&mut self) -> Vec<u8> {
        self.0.poll(now(), Waker::noop());
        self.0.transmit().split().to_vec()
    }
}

const CONNACK: u8 = 0x20;
const DISCONNECT: u8 = 0xe0;
const NOTHING: [u8; 0] = [];

#[test]
fn a_connection_that_waits_for_a_crowded_log_is_taken_over_at_once_and_what_waited_is_sent_again() {
    for qos in [1, 2] {
        let world = World::crowded();
        let (mut old, answer) = world.connect();
        assert_eq!(answer.first(), Some(&CONNACK));
        assert_eq!(old.publish(qos, 7, "first"), NOTHING);
        assert!(!old.0.wants_bytes() && !old.0.is_closed());
        let (mut new, answer) = world.connect();
        assert_eq!(answer, NOTHING, "the session is held");
        assert_eq!(old.work(), [DISCONNECT, 1, ReasonCode::SessionTakenOver as u8]);
        assert!(old.0.is_closed());
        old.0.leave(now());
        let answer = new.work();
        assert_eq!((answer.first(), answer.get(2)), (Some(&CONNACK), Some(&1)), "its session is present");
        assert_eq!(world.taken(), Vec::<Bytes>::new());
        // The client sends it again: it is the same message, which came to nothing.
        assert_eq!(new.publish(qos | 4, 7, "first"), NOTHING);
        while world.committer.commit_once() {}
        assert_eq!(new.work(), NOTHING);
        while world.committer.commit_once() {}
        let answer = if qos == 1 { 0x40 } else { 0x50 };
        assert_eq!(new.work(), [answer, 2, 0, 7]);
        assert_eq!(world.taken(), ["first"]);
    }
}

#[test]
fn a_connection_that_waits_for_a_crowded_log_ends_at_once_with_the_node() {
    for qos in 0..3 {
        let world = World::crowded();
        let (mut client, _) = world.connect();
        assert_eq!(client.publish(qos, 7, "first"), NOTHING);
        client.0.take_no_more();
        assert_eq!(client.work(), NOTHING);
        assert!(client.0.wants_bytes(), "what it sends is read, so that it can acknowledge what it gets");
        assert_eq!(client.publish(qos, 8, "second"), NOTHING);
        client.0.close(now(), ReasonCode::ServerShuttingDown);
        assert_eq!(client.work(), [DISCONNECT, 1, ReasonCode::ServerShuttingDown as u8]);
        assert!(client.0.is_closed());
        client.0.leave(now());
        while world.committer.commit_once() {}
        assert_eq!(world.taken(), Vec::<Bytes>::new(), "it is left to the next life of the node");
    }
}

#[test]
fn a_subscription_that_brings_retained_messages_waits_for_a_crowded_spool() {
    let world = World::crowded();
    while world.committer.commit_once() {}
    let retained = Publication::new(TopicName::parse("b").unwrap(), "kept".into(), QoS::AtLeastOnce, now().wall);
    let retained = Publication { retain: true, ..retained };
    drop(world.mqtt.router.publish(retained.clone(), None, &mut world.mqtt.router.route_cache()));
    let (mut client, _) = world.connect();
    let other = DestinationId::new(99);
    world.spool.add(other, DestinationOptions::default()).unwrap();
    let to = [Placement { destination: other, qos: QoS::AtLeastOnce, retain: false, identifiers: Vec::new() }];
    let large = Publication { payload: vec![7; 1_000_000].into(), ..retained };
    while !world.spool.intake().is_crowded() {
        world.spool.append(now().wall, &large, None, &to, |_, _, _| {}).unwrap();
    }
    // SUBSCRIBE to `b` with QoS 1, and what it is answered.
    let subscribe = [&[0, 5, 0][..], &text("b"), &[1]].concat();
    assert_eq!(client.send(0x82, &subscribe), NOTHING);
    assert!(!client.0.wants_bytes(), "what comes after it waits too");
    world.committer.commit_once();
    let message = client.work();
    assert!(message.ends_with(b"kept"), "{message:?}");
    while world.committer.commit_once() {}
    assert_eq!(client.work(), [0x90, 4, 0, 5, 0, 1]);
}
