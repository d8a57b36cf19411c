//! Prints what reading and writing a PUBLISH costs, in nanoseconds a packet: for the codec alone, and for a connection
//! with everything that it checks. Run it in release mode: `cargo run --release -p mqtt --example codec_speed`.

use std::hint::black_box;
use std::num::NonZeroU16;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use bytestring::ByteString;
use message::{Moment, Now, Publication, QoS, Timestamp, TopicName};
use mqtt::packet::{Ack, Connect, ConnectProperties, Publish};
use mqtt::{Accept, Connection, Delivery, Event, Packet, ReasonCode, Settings, Version};

/// Packets in one buffer, as a busy socket fills 64 KiB with them.
const PACKETS: u32 = 640;
const ROUNDS: u32 = 5;
const RUNS: usize = 401;
const TOPICS: u32 = 8;

fn main() {
    println!("{:<44} {:>10}", "64-byte payload, 21-byte topic", "ns/packet");
    for (name, version, qos) in [
        ("3.1.1 QoS 0", Version::V3_1_1, QoS::AtMostOnce),
        ("3.1.1 QoS 1", Version::V3_1_1, QoS::AtLeastOnce),
        ("5.0 QoS 0", Version::V5, QoS::AtMostOnce),
        ("5.0 QoS 1", Version::V5, QoS::AtLeastOnce),
    ] {
        let stream = stream(version, qos);
        report(name, "decode", || decode(version, &stream));
        report(name, "decode + encode", || decode_encode(version, &stream));
        let mut inbound = open(version);
        report(name, "connection: bytes to events and acks", || receive(&mut inbound, &stream));
        let mut outbound = open(version);
        let publications = publications();
        report(name, "connection: delivery to bytes", || deliver(&mut outbound, &publications, qos));
    }
}

/// The median of many runs, each shorter than a time slice, so that a busy machine disturbs few of them.
fn report(name: &str, what: &str, mut run: impl FnMut()) {
    let mut times: Vec<f64> = (0..=RUNS)
        .map(|_| {
            #[expect(clippy::disallowed_methods, reason = "this program measures; it belongs to no machine")]
            let start = Instant::now();
            for _ in 0..ROUNDS {
                run();
            }
            start.elapsed().as_nanos() as f64 / f64::from(ROUNDS * PACKETS)
        })
        .skip(1)
        .collect();
    times.sort_by(f64::total_cmp);
    println!("{name:<12} {what:<40} {:>8.1}", times.get(RUNS / 2).copied().unwrap_or_default());
}

fn topic(number: u32) -> TopicName {
    TopicName::parse(&format!("plant/line{}/temp/{number:04}", number % 4)).unwrap_or_else(|_| unreachable!())
}

fn publications() -> Vec<Publication> {
    let payload = Bytes::from_static(&[b'x'; 64]);
    let publication = |number| Publication::new(topic(number), payload.clone(), QoS::AtLeastOnce, now().wall);
    (0..TOPICS).map(publication).collect()
}

fn stream(version: Version, qos: QoS) -> Bytes {
    let mut stream = BytesMut::new();
    for number in 0..PACKETS {
        let packet = Packet::Publish(Publish {
            dup: false,
            qos,
            retain: false,
            topic: Some(topic(number % TOPICS)),
            packet_id: NonZeroU16::new(number as u16 + 1).filter(|_| qos != QoS::AtMostOnce),
            topic_alias: None,
            subscription_ids: Vec::new(),
            properties: None,
            payload: Bytes::from_static(&[b'x'; 64]),
        });
        packet.encode(version, &mut stream, usize::MAX).unwrap_or_default();
    }
    stream.freeze()
}

fn decode(version: Version, stream: &[u8]) {
    let mut input = BytesMut::from(stream);
    while let Ok(Some(packet)) = Packet::decode(version, &mut input, usize::MAX) {
        black_box(&packet);
    }
}

fn decode_encode(version: Version, stream: &[u8]) {
    let mut input = BytesMut::from(stream);
    let mut out = BytesMut::with_capacity(stream.len());
    while let Ok(Some(packet)) = Packet::decode(version, &mut input, usize::MAX) {
        packet.encode(version, &mut out, usize::MAX).unwrap_or_default();
    }
    black_box(&out);
}

fn now() -> Now {
    Now { moment: Moment::default(), wall: Timestamp::from_millis(1_700_000_000_000) }
}

fn open(version: Version) -> Connection {
    let mut connection = Connection::new(Settings::default(), now());
    let connect = Connect {
        version,
        clean_start: true,
        keep_alive_s: 60,
        properties: ConnectProperties::default(),
        client_id: ByteString::from_static("a"),
        will: None,
        user_name: None,
        password: None,
    };
    let mut input = BytesMut::new();
    Packet::Connect(Box::new(connect)).encode(version, &mut input, usize::MAX).unwrap_or_default();
    connection.handle_bytes(now(), &mut input);
    if let Some(Event::Connect(request)) = connection.poll_event()
        && let Some(client_id) = request.client_id
    {
        connection.handle_accepted(now(), Accept::new_session(client_id));
    }
    connection.transmit().clear();
    connection
}

fn receive(connection: &mut Connection, stream: &[u8]) {
    let mut input = BytesMut::from(stream);
    let mut more = true;
    while more {
        more = connection.handle_bytes(now(), &mut input);
        while let Some(event) = connection.poll_event() {
            if let Event::Publish { publication, ticket } = event {
                black_box(&publication);
                if let Some(ticket) = ticket {
                    connection.handle_published(ticket, ReasonCode::Success);
                }
            }
        }
    }
    connection.transmit().clear();
}

fn deliver(connection: &mut Connection, publications: &[Publication], qos: QoS) {
    let mut acks = BytesMut::new();
    for number in 1..=PACKETS {
        let Some(publication) = publications.get(number as usize % publications.len()) else {
            return;
        };
        let slot = NonZeroU16::new(number as u16).filter(|_| qos != QoS::AtMostOnce);
        let delivery = Delivery { publication, qos, retain: false, dup: false, slot, subscription_ids: &[] };
        let _ = black_box(connection.handle_delivery(now(), &delivery));
        if let Some(slot) = slot {
            let ack = Packet::Puback(Ack::new(slot, ReasonCode::Success));
            ack.encode(connection.version(), &mut acks, usize::MAX).unwrap_or_default();
        }
    }
    connection.transmit().clear();
    let mut more = !acks.is_empty();
    while more {
        more = connection.handle_bytes(now(), &mut acks);
        while connection.poll_event().is_some() {}
    }
}
