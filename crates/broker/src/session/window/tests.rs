//! Slots, replay and the client's limit.

use std::sync::Arc;

use message::{Bytes, Publication, QoS, Timestamp, TopicName};
use proptest::prelude::*;

use super::*;
use crate::subscription::SubscriptionIds;

fn delivery(qos: QoS, number: u64) -> Delivery {
    let topic = TopicName::parse("a").unwrap();
    let publication = Publication::new(topic, Bytes::from(number.to_string()), qos, Timestamp::default());
    Delivery {
        qos,
        retain: false,
        identifiers: SubscriptionIds::default(),
        share: None,
        place: None,
        receipt: None,
        weight_bytes: 0,
        publication: Arc::new(publication),
    }
}

fn sent_slot(outgoing: &Outgoing) -> Slot {
    match outgoing {
        Outgoing::Message { slot: Some(slot), .. } => *slot,
        other => panic!("{other:?} has no slot"),
    }
}

/// What was sent again, as `d1` for a duplicate in slot 1 and `r2` for the release of slot 2.
fn words(out: &[Outgoing]) -> Vec<String> {
    out.iter()
        .map(|outgoing| match outgoing {
            Outgoing::Message { slot: Some(slot), duplicate: true, .. } => format!("d{slot}"),
            Outgoing::Release { slot } => format!("r{slot}"),
            other => panic!("{other:?} is nothing to send again"),
        })
        .collect()
}

fn window(sent: u64) -> Window {
    let mut window = Window::default();
    for number in 0..sent {
        assert!(window.has_room(usize::MAX));
        window.send(delivery(if number % 2 == 0 { QoS::AtLeastOnce } else { QoS::ExactlyOnce }, number));
    }
    window
}

fn slot(number: u16) -> Slot {
    Slot::new(number).unwrap()
}

#[test]
fn a_new_connection_repeats_messages_in_order_then_releases_in_order() {
    let mut window = window(6);
    window.receive(slot(2)).unwrap();
    window.receive(slot(4)).unwrap();
    window.complete(slot(3)).unwrap();
    for _ in 0..2 {
        window.start_connection();
        assert!(!window.has_room(100));
        let mut out = Vec::new();
        window.resend(100, 100, || true, &mut out);
        assert_eq!(words(&out), ["d1", "d5", "d6", "r2", "r4"]);
        assert!(window.has_room(100));
        window.resend(100, 100, || true, &mut out);
        assert_eq!(out.len(), 5);
    }
}

#[test]
fn a_client_that_came_back_with_a_smaller_limit_gets_no_more_at_once() {
    let mut window = window(5);
    window.receive(slot(4)).unwrap();
    window.start_connection();
    let mut out = Vec::new();
    window.resend(2, 100, || true, &mut out);
    assert_eq!(words(&out), ["d1", "d2"]);
    window.resend(2, 100, || true, &mut out);
    assert_eq!(out.len(), 2);
    window.complete(slot(1)).unwrap();
    window.complete(slot(2)).unwrap();
    window.resend(2, 1, || true, &mut out);
    window.resend(2, 1, || true, &mut out);
    assert_eq!(words(&out), ["d1", "d2", "d3", "d5"]);
    // The release needs no room.
    window.resend(2, 100, || true, &mut out);
    assert_eq!(words(&out[4..]), ["r4"]);
    assert!(!window.has_room(2));
    window.complete(slot(3)).unwrap();
    assert!(window.has_room(2));
}

#[test]
fn slots_wrap_and_pass_over_one_that_is_still_in_use() {
    let mut window = Window::default();
    let stuck = sent_slot(&window.send(delivery(QoS::AtLeastOnce, 0)));
    assert_eq!(stuck.get(), 1);
    let mut previous = stuck;
    for number in 0..150_000 {
        let slot = sent_slot(&window.send(delivery(QoS::AtLeastOnce, number)));
        assert_ne!(slot, stuck);
        let expect = if previous.get() == u16::MAX { 2 } else { previous.get() + 1 };
        assert_eq!(slot.get(), expect);
        window.complete(slot).unwrap();
        previous = slot;
    }
    window.complete(stuck).unwrap();
    assert_eq!(window.len(), 0);
}

#[test]
fn all_slots_can_be_in_use_and_then_there_is_no_room() {
    let mut window = window(u64::from(u16::MAX));
    assert!(!window.has_room(usize::MAX));
    window.complete(slot(30)).unwrap();
    assert!(window.has_room(usize::MAX));
    assert_eq!(sent_slot(&window.send(delivery(QoS::AtLeastOnce, 0))), slot(30));
}

#[test]
fn an_acknowledgement_of_nothing_is_told_so() {
    let mut window = window(1);
    assert_eq!(window.complete(slot(9)).unwrap_err().to_string(), "packet identifier 9 is not in use");
    window.complete(slot(1)).unwrap();
    assert_eq!(window.receive(slot(1)), Err(UnknownSlot { slot: slot(1) }));
}

#[test]
fn only_at_least_once_may_be_delivered_by_someone_else() {
    let mut window = window(4);
    let left = window.abandon();
    assert_eq!(left.iter().map(|delivery| delivery.qos).collect::<Vec<_>>(), [QoS::AtLeastOnce; 2]);
    assert_eq!(window.len(), 0);
}

proptest! {
    #[test]
    fn slots_in_use_are_unique_and_the_limit_holds(
        steps in prop::collection::vec((0u8..10, any::<prop::sample::Index>()), 0..300),
        limit in 1usize..6,
    ) {
        let mut window = Window { next: SLOTS - 20, ..Window::default() };
        let mut in_use: Vec<Slot> = Vec::new();
        for (kind, pick) in steps {
            match kind {
                0..5 if window.has_room(limit) => {
                    let slot = sent_slot(&window.send(delivery(QoS::ExactlyOnce, 0)));
                    prop_assert!(!in_use.contains(&slot));
                    in_use.push(slot);
                }
                5..8 if !in_use.is_empty() => {
                    let slot = in_use.remove(pick.index(in_use.len()));
                    prop_assert!(window.complete(slot).is_ok());
                }
                8 if !in_use.is_empty() => {
                    prop_assert!(window.receive(in_use[pick.index(in_use.len())]).is_ok());
                }
                9 => {
                    window.start_connection();
                    window.resend(limit, usize::MAX, || true, &mut Vec::new());
                }
                _ => {}
            }
            prop_assert_eq!(window.len(), in_use.len());
            prop_assert!(window.occupied <= limit);
        }
    }
}

#[derive(Debug)]
struct Unheard;

impl Receipt for Unheard {
    fn handle_sent(&self) {}

    fn handle_settled(&self, _: crate::receipt::Settled) {}
}

/// As of a queue, which gives them to others when a connection ends.
#[test]
fn the_slot_of_a_message_that_others_got_is_not_used_before_the_client_has_let_it_go() {
    let mut window = Window::default();
    for (number, qos) in [(0, QoS::ExactlyOnce), (1, QoS::AtLeastOnce), (2, QoS::ExactlyOnce)] {
        window.send(Delivery { receipt: Some(Arc::new(Unheard)), ..delivery(qos, number) });
    }
    window.receive(slot(3)).unwrap();
    window.start_connection();
    let mut out = Vec::new();
    window.resend(100, 100, || true, &mut out);
    assert_eq!(words(&out), ["r1", "r3"], "the client may have the first as well, and takes no other for it");
    assert_eq!(window.complete(slot(1)).unwrap().1.map(|_| ()), None, "nobody waits for it any more");
    window.complete(slot(3)).unwrap();
    assert_eq!(window.len(), 0);
}

fn placed(ordinal: u64) -> Delivery {
    let point = store::log::CommitPoint::REACHED;
    let place = crate::delivery::Place { ordinal: Ordinal(ordinal), point, was_sent: false };
    Delivery { place: Some(place), ..delivery(QoS::AtLeastOnce, ordinal) }
}

/// A job of a queue that is not worked off yet, in a session that has other messages on disk.
#[test]
fn what_is_only_in_memory_and_not_acknowledged_holds_nothing_up_that_lies_on_disk() {
    for first in [0, 1, 40_000, SLOTS - 1, SLOTS, 1_000_000] {
        let mut window = Window::default();
        window.begin_on_disk(Ordinal(first));
        let mut ordinal = first;
        // Before any message on disk was sent, and from time to time between them.
        for _ in 0..6 {
            window.send(delivery(QoS::AtLeastOnce, 0));
            for _ in 0..2_500 {
                assert!(window.has_room_for(&placed(ordinal), 100), "{ordinal} after {first}");
                let slot = sent_slot(&window.send(placed(ordinal)));
                window.complete(slot).unwrap();
                ordinal += 1;
            }
        }
        assert_eq!((window.len(), window.loose), (6, 6));
    }
}

#[test]
fn what_is_under_way_has_a_limit_in_bytes_and_one_message_always_fits() {
    let heavy = |part: usize| Delivery {
        weight_bytes: u32::try_from(limits::SESSION_IN_FLIGHT_BYTES_MAX / part).unwrap(),
        ..delivery(QoS::ExactlyOnce, 0)
    };
    let mut window = Window::default();
    let sent: Vec<Slot> = (0..4)
        .map(|_| {
            assert!(window.has_room_for(&heavy(4), 100));
            sent_slot(&window.send(heavy(4)))
        })
        .collect();
    assert!(!window.has_room_for(&heavy(4), 100) && window.has_room_for(&delivery(QoS::AtLeastOnce, 0), 100));
    // The client has it: it is not sent again.
    window.receive(sent[1]).unwrap();
    assert!(window.has_room_for(&heavy(4), 100) && !window.has_room_for(&heavy(3), 100));
    window.complete(sent[1]).unwrap();
    window.start_connection();
    window.resend(100, 100, || true, &mut Vec::new());
    assert!(window.has_room_for(&heavy(4), 100) && !window.has_room_for(&heavy(2), 100));
    for slot in [sent[0], sent[2], sent[3]] {
        window.complete(slot).unwrap();
    }
    let two = Delivery { weight_bytes: u32::MAX, ..delivery(QoS::AtLeastOnce, 0) };
    assert!(window.has_room_for(&two, 100));
    window.send(two.clone());
    assert!(!window.has_room_for(&two, 100) && !window.has_room_for(&delivery(QoS::AtLeastOnce, 0), 100));
}
