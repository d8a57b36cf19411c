//! A client that sends anything and a driver that answers in any order: the machine ends at most once, and all that it
//! sends can be read.

use std::num::NonZeroU16;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use message::{ClientId, Publication, QoS, TopicName};
use mqtt::{
    Accept, Connection, Delivery, Event, Packet, PublishTicket, ReasonCode, Settings, SubscribeTicket,
    UnsubscribeTicket,
};
use sim::Clock;

use crate::Target;
use crate::input::Input;

pub(super) const TARGET: Target = Target {
    name: "mqtt_connection",
    what: "the machine withstands any client and any driver",
    run,
    seeds: &[
        b"\x00\x0f\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01a\x01\x00\x00\x09\x32\x06\x00\x01a\x00\x01M\x01\x00",
        b"\x00\x10\x10\x0e\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x01a\x01\x00\x04\x02\x00\x04\x40\x02\x00\x01",
        b"\x00\x10\x10\x0e\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x01a\x01\x00\x00\x0a\x82\x08\x00\x01\x00\x00\x01a\x00\x01\x00\x07",
        b"\x00\x0f\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01a\x01\x00\x05\xff\x06\x01\x07",
    ],
};

/// Answers that the driver still owes.
enum Owed {
    Connect,
    Publish(PublishTicket),
    Subscribe(SubscribeTicket),
    Unsubscribe(UnsubscribeTicket),
    Release(NonZeroU16),
    Released(NonZeroU16),
}

struct Driver {
    connection: Connection,
    clock: Clock,
    input: BytesMut,
    owed: Vec<Owed>,
    ends: usize,
}

fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let clock = Clock::default();
    let settings = Settings { receive_max: 3, topic_alias_max: 2, packet_bytes_max: 500, ..Settings::default() };
    let connection = Connection::new(settings, clock.now());
    let mut driver = Driver { connection, clock, input: BytesMut::new(), owed: Vec::new(), ends: 0 };
    while !input.is_empty() {
        driver.step(&mut input);
        driver.look();
    }
    driver.connection.handle_transport_lost();
    driver.look();
    assert_eq!(driver.ends, 1, "every connection ends once");
}

impl Driver {
    fn step(&mut self, input: &mut Input<'_>) {
        let now = self.clock.now();
        let connection = &mut self.connection;
        match input.below(9) {
            0 => {
                let count = input.below(64);
                self.input.extend_from_slice(input.take(count));
                connection.handle_bytes(now, &mut self.input);
            }
            1 if !self.owed.is_empty() => {
                let owed = self.owed.swap_remove(input.below(self.owed.len()));
                let reason = input.pick(&[ReasonCode::Success, ReasonCode::Success, ReasonCode::NotAuthorized]);
                self.answer(owed, reason);
            }
            2 => drop(connection.handle_bytes(now, &mut self.input)),
            3 => connection.handle_release(slot(input)),
            4 => self.deliver(input),
            5 => {
                let span = Duration::from_secs(u64::from(input.byte()));
                self.clock.advance_to(now.moment + span);
                connection.handle_timeout(self.clock.now());
            }
            6 => connection.handle_close(ReasonCode::ServerShuttingDown),
            7 => connection.handle_transport_lost(),
            _ => {}
        }
    }

    fn answer(&mut self, owed: Owed, reason: ReasonCode) {
        let connection = &mut self.connection;
        match owed {
            Owed::Connect if reason.is_error() => connection.handle_refused(reason),
            Owed::Connect => {
                if let Ok(client_id) = ClientId::parse("a") {
                    connection.handle_accepted(self.clock.now(), Accept::new_session(client_id));
                }
            }
            Owed::Release(slot) => connection.handle_release(slot),
            Owed::Released(packet_id) => connection.handle_released(packet_id),
            Owed::Publish(ticket) => connection.handle_published(ticket, reason),
            Owed::Subscribe(ticket) => connection.handle_subscribed(ticket, &[reason]),
            Owed::Unsubscribe(ticket) => connection.handle_unsubscribed(ticket, &[reason]),
        }
    }

    fn deliver(&mut self, input: &mut Input<'_>) {
        let Ok(topic) = TopicName::parse(input.pick(&["a", "a/b"])) else { return };
        let now = self.clock.now();
        let qos = input.pick(&[QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce]);
        let publication = Publication::new(topic, Bytes::from_static(b"M"), qos, now.wall);
        let slot = (qos > QoS::AtMostOnce).then(|| slot(input));
        let ids = [1, 2];
        let subscription_ids = &ids[..input.below(3)];
        let (dup, retain) = (slot.is_some() && input.bool(), input.bool());
        let delivery = Delivery { publication: &publication, qos, retain, dup, slot, subscription_ids };
        let _ = self.connection.handle_delivery(now, &delivery);
    }

    /// Takes all events and reads all that is sent.
    fn look(&mut self) {
        while let Some(event) = self.connection.poll_event() {
            assert_eq!(self.ends, 0, "nothing comes after the end");
            match event {
                Event::Connect(_) => self.owed.push(Owed::Connect),
                Event::Publish { ticket, .. } => self.owed.extend(ticket.map(Owed::Publish)),
                Event::Subscribe(request) => self.owed.push(Owed::Subscribe(request.ticket)),
                Event::Unsubscribe(request) => self.owed.push(Owed::Unsubscribe(request.ticket)),
                Event::Received { slot } => self.owed.push(Owed::Release(slot)),
                Event::Released { packet_id } => self.owed.push(Owed::Released(packet_id)),
                Event::Delivered { .. } => {}
                Event::Closed(_) => self.ends += 1,
            }
        }
        let mut sent = self.connection.transmit().split();
        let version = self.connection.version();
        while !sent.is_empty() {
            match Packet::decode(version, &mut sent, usize::MAX) {
                Ok(Some(_)) => {}
                other => panic!("what is sent cannot be read: {other:?}"),
            }
        }
    }
}

fn slot(input: &mut Input<'_>) -> NonZeroU16 {
    NonZeroU16::new(input.below(3) as u16 + 1).unwrap_or(NonZeroU16::MIN)
}
