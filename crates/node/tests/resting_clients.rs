//! What a client holds that does nothing: most devices are silent most of the time, and a node has thousands of them. Counted
//! in bytes that are allocated, so it is the same on every machine.
#![expect(unsafe_code, reason = "an allocator that counts has to pass on what the system's own promises")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::task::Waker;

use broker::{MailboxOptions, OpenAccess, Router, RouterOptions, Sessions};
use bytes::BytesMut;
use message::{Moment, Now, Timestamp, limits};
use node::mqtt::{AssignedIds, Client, Mqtt, MqttFigures, NoQueues, NoStreams};

/// Enough for tables that double to be spread over many.
const CLIENTS: usize = 1_000;

struct Counting;

thread_local! {
    static ALLOCATED_BYTES: Cell<isize> = const { Cell::new(0) };
}

fn count(bytes: isize) {
    ALLOCATED_BYTES.with(|allocated| allocated.set(allocated.get() + bytes));
}

// SAFETY: all is done by the system's allocator; the count beside it allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size().cast_signed());
        // SAFETY: the caller promises what `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-layout.size().cast_signed());
        // SAFETY: the caller promises what `System` asks for.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn now() -> Now {
    Now { moment: Moment::default(), wall: Timestamp::from_micros(1) }
}

fn mqtt() -> Arc<Mqtt> {
    let router = Router::new(RouterOptions::new(1));
    Arc::new(Mqtt {
        sessions: Sessions::new(&router, limits::SESSIONS_MAX),
        router,
        access: Arc::new(OpenAccess),
        queues: Arc::new(NoQueues),
        streams: Arc::new(NoStreams),
        settings: mqtt::Settings::default(),
        keep_alive_s_max: u16::MAX,
        mailbox: MailboxOptions::for_session(),
        connections_max: usize::MAX,
        subscriptions_max: limits::MQTT_SUBSCRIPTIONS_PER_SESSION_MAX,
        slow_client_max: None,
        assigned_ids: AssignedIds::Counted(AtomicU64::new(1)),
        figures: MqttFigures::default(),
    })
}

/// Hands in one packet as the driver of a connection does, takes the answer, and lets the client rest.
fn exchange(client: &mut Client, packet: &[u8], answer: u8) {
    client.handle_bytes(now(), &mut BytesMut::from(packet));
    client.poll(now(), Waker::noop());
    assert_eq!(client.transmit().first(), Some(&answer));
    client.transmit().clear();
    client.rest();
}

fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    [&[first, u8::try_from(body.len()).unwrap_or(u8::MAX)], body].concat()
}

fn connect(number: usize) -> Vec<u8> {
    let head = [0, 4, b'M', b'Q', b'T', b'T', 4, 2, 0, 60, 0, 8];
    packet(0x10, &[&head[..], format!("{number:08}").as_bytes()].concat())
}

fn subscribe(number: usize) -> Vec<u8> {
    packet(0x82, &[&[0, 1, 0, 8][..], format!("{number:08}").as_bytes(), &[0]].concat())
}

fn publish(number: usize) -> Vec<u8> {
    packet(0x32, &[&[0, 8][..], format!("{number:08}").as_bytes(), &[0, 1], b"21.5"].concat())
}

/// Bytes that `work` leaves allocated for each of the clients.
fn bytes_each(work: impl FnOnce()) -> usize {
    let before = ALLOCATED_BYTES.get();
    work();
    usize::try_from(ALLOCATED_BYTES.get() - before).unwrap_or(0) / CLIENTS
}

/// The bounds stand some way above what it is today. Whoever runs into one asks whether a node with thousands of
/// connections should pay for what was added, or only those that use it.
#[test]
fn a_client_that_rests_holds_little() {
    let mqtt = mqtt();
    let mut clients: Vec<Client> = (0..CLIENTS).map(|_| Client::new(Arc::clone(&mqtt), now())).collect();
    let work = |clients: &mut [Client], packet: fn(usize) -> Vec<u8>, answer| {
        for (number, client) in clients.iter_mut().enumerate() {
            exchange(client, &packet(number), answer);
        }
    };
    let connected = bytes_each(|| work(&mut clients, connect, 0x20));
    let subscribed = bytes_each(|| work(&mut clients, subscribe, 0x90));
    let own = bytes_each(|| work(&mut clients, publish, 0x40));
    let size = size_of::<Client>();
    println!(
        "a client is {size} bytes, connected {connected} more, subscribed {subscribed} more, published {own} more"
    );
    assert!(size <= 1_024, "a client is {size} bytes");
    assert!(connected <= 480, "a connected client holds {connected} bytes beside its own {size}");
    assert!(subscribed <= 450, "a subscription holds {subscribed} bytes");
    assert!(own <= 1_300, "a client that published holds {own} bytes for that");
}
