//! What a mailbox takes, drops and says.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Poll, Wake};

use message::{Bytes, Publication, Timestamp, TopicFilter, TopicName, limits};

use super::*;
use crate::subscription::SubscriptionIds;

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Count {
    fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

fn mailbox(messages_max: usize, overflow: Overflow) -> Arc<Mailbox> {
    Arc::new(Mailbox::new(SubscriberId(1), MailboxOptions::for_flow(messages_max, overflow)))
}

fn delivery(qos: QoS, number: usize) -> Delivery {
    let topic = TopicName::parse("a").unwrap();
    let publication = Publication::new(topic, Bytes::from(number.to_string()), qos, Timestamp::default());
    Delivery {
        qos,
        retain: false,
        identifiers: SubscriptionIds::default(),
        share: None,
        place: None,
        receipt: None,
        weight_bytes: Delivery::weight_of(&publication),
        publication: Arc::new(publication),
    }
}

fn numbers(batch: &VecDeque<Delivery>) -> Vec<usize> {
    batch.iter().map(|delivery| std::str::from_utf8(&delivery.publication.payload).unwrap().parse().unwrap()).collect()
}

fn drained(mailbox: &Mailbox) -> Vec<usize> {
    let mut batch = VecDeque::new();
    assert_eq!(mailbox.drain(&mut batch, usize::MAX), Drained::All);
    numbers(&batch)
}

#[test]
fn a_full_mailbox_does_what_its_policy_says() {
    for (overflow, expect, dropped) in [
        (Overflow::DropWrite, vec![0, 1, 2], 2),
        (Overflow::DropOldest, vec![2, 3, 4], 2),
        (Overflow::DropNewest, vec![0, 1, 4], 2),
        (Overflow::Wait, vec![0, 1, 2, 3, 4], 0),
    ] {
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce] {
            let mailbox = mailbox(3, overflow);
            for number in 0..5 {
                mailbox.push(delivery(qos, number));
            }
            assert_eq!(mailbox.depth_and_dropped().1, dropped, "{overflow:?}");
            assert_eq!(drained(&mailbox), expect, "{overflow:?}");
        }
    }
}

#[test]
fn bytes_fill_a_mailbox_as_well_and_an_oversized_message_pushes_nothing_out() {
    let one = Delivery::weight_of(&delivery(QoS::AtLeastOnce, 0).publication) as usize;
    let options = MailboxOptions { bytes_max: 2 * one, ..MailboxOptions::for_flow(100, Overflow::DropOldest) };
    let mailbox = Mailbox::new(SubscriberId(1), options);
    for number in 0..3 {
        mailbox.push(delivery(QoS::AtLeastOnce, number));
    }
    let oversized = Delivery { weight_bytes: 1_000_000, ..delivery(QoS::AtLeastOnce, 9) };
    assert_eq!(mailbox.push(oversized), Pushed::Dropped(DropReason::Overflow));
    assert_eq!(drained(&mailbox), [1, 2]);
}

#[test]
fn what_nobody_is_promised_pushes_out_only_its_like() {
    let options = MailboxOptions {
        messages_max: 3,
        overflow_at_most_once: Overflow::DropOldest,
        ..MailboxOptions::for_session()
    };
    let mailbox = Mailbox::new(SubscriberId(1), options);
    for (number, qos) in [QoS::AtLeastOnce, QoS::AtMostOnce, QoS::AtLeastOnce].into_iter().enumerate() {
        assert_eq!(mailbox.push(delivery(qos, number)), Pushed::Accepted);
    }
    assert_eq!(mailbox.push(delivery(QoS::AtMostOnce, 3)), Pushed::Replacing(1));
    assert_eq!(drained(&mailbox), [0, 2, 3]);
    for number in 0..3 {
        mailbox.push(delivery(QoS::AtLeastOnce, number));
    }
    assert_eq!(mailbox.push(delivery(QoS::AtMostOnce, 9)), Pushed::Dropped(DropReason::Overflow));
    assert_eq!(drained(&mailbox), [0, 1, 2]);
}

#[test]
fn the_owner_is_woken_only_when_the_mailbox_was_empty() {
    let mailbox = mailbox(10, Overflow::Wait);
    let woken = Arc::new(Count::default());
    mailbox.set_waker(Waker::from(Arc::clone(&woken)));
    for (pushes, takes, expect) in [(3, 2, 1), (1, 1, 1), (0, 1, 1), (1, 1, 2), (2, 2, 3)] {
        for number in 0..pushes {
            mailbox.push(delivery(QoS::AtMostOnce, number));
        }
        let mut batch = VecDeque::new();
        let more = mailbox.drain(&mut batch, takes);
        assert_eq!(more == Drained::More, mailbox.depth_and_dropped().0 > 0);
        assert_eq!(woken.get(), expect);
    }
}

#[test]
fn pressure_lasts_from_full_to_the_low_water_mark() {
    let mailbox = mailbox(4, Overflow::Wait);
    for number in 0..3 {
        assert_eq!(mailbox.push(delivery(QoS::AtLeastOnce, number)), Pushed::Accepted);
    }
    assert_eq!(mailbox.push(delivery(QoS::AtLeastOnce, 3)), Pushed::Pressing);
    let mut pressure = Pressure::default();
    pressure.add(&mailbox);
    let woken = Arc::new(Count::default());
    let waker = Waker::from(Arc::clone(&woken));
    assert_eq!(pressure.poll_released(&waker), Poll::Pending);
    assert_eq!(pressure.poll_released(&waker), Poll::Pending);
    let mut batch = VecDeque::new();
    mailbox.drain(&mut batch, 1);
    assert!(!pressure.is_released());
    // Still above the mark: the next publisher waits as well.
    assert_eq!(mailbox.push(delivery(QoS::AtLeastOnce, 4)), Pushed::Pressing);
    mailbox.drain(&mut batch, 2);
    assert!(pressure.is_released());
    assert_eq!(woken.get(), 1);
    assert_eq!(pressure.poll_released(&waker), Poll::Ready(()));
    assert_eq!(mailbox.push(delivery(QoS::AtLeastOnce, 5)), Pushed::Accepted);
}

#[test]
fn waiting_has_a_hard_limit() {
    let mailbox = mailbox(1, Overflow::Wait);
    for number in 0..=limits::MAILBOX_OVERSHOOT_MESSAGES_MAX {
        assert_eq!(mailbox.push(delivery(QoS::AtLeastOnce, number)), Pushed::Pressing);
    }
    assert_eq!(mailbox.push(delivery(QoS::AtLeastOnce, 0)), Pushed::Dropped(DropReason::Overflow));
}

#[test]
fn nobody_waits_for_an_owner_who_is_away() {
    let mailbox = mailbox(2, Overflow::Wait);
    let woken = Arc::new(Count::default());
    mailbox.push(delivery(QoS::AtLeastOnce, 0));
    mailbox.push(delivery(QoS::AtLeastOnce, 1));
    let mut pressure = Pressure::default();
    pressure.add(&mailbox);
    assert_eq!(pressure.poll_released(&Waker::from(Arc::clone(&woken))), Poll::Pending);
    mailbox.set_attended(false);
    assert_eq!(woken.get(), 1);
    assert!(pressure.is_released());
    assert_eq!(mailbox.push(delivery(QoS::AtLeastOnce, 2)), Pushed::Dropped(DropReason::Overflow));
    assert_eq!(mailbox.push(delivery(QoS::AtMostOnce, 2)), Pushed::Dropped(DropReason::Absent));
    mailbox.set_attended(true);
    assert_eq!(drained(&mailbox), [0, 1]);
}

#[test]
fn closing_returns_what_is_left_and_late_messages_go_to_the_heirs_that_want_them() {
    let old = mailbox(10, Overflow::Wait);
    old.push(delivery(QoS::AtLeastOnce, 0));
    let heirs: Vec<Arc<Mailbox>> = [2, 3, 4]
        .map(|id| Arc::new(Mailbox::new(SubscriberId(id), MailboxOptions::for_flow(10, Overflow::Wait))))
        .into();
    let list = [(0, "a"), (0, "#"), (1, "b"), (2, "+")].map(|(index, filter)| Heir {
        mailbox: Arc::clone(&heirs[index]),
        filter: TopicFilter::parse(filter).unwrap(),
        qos: QoS::AtMostOnce,
        goes_on: true,
    });
    let succession = Arc::new(Succession::default());
    succession.replace(old.id(), &list);
    let left: VecDeque<Delivery> = old.close(succession).into();
    assert_eq!(numbers(&left), [0]);
    assert_eq!(old.push(delivery(QoS::AtLeastOnce, 1)), Pushed::Accepted);
    let got: Vec<Vec<usize>> = heirs.iter().map(|mailbox| drained(mailbox)).collect();
    assert_eq!(got, [vec![1], vec![], vec![1]]);
    assert!(heirs[1].close(Arc::default()).is_empty());
    assert_eq!(heirs[1].push(delivery(QoS::AtLeastOnce, 2)), Pushed::Closed);
}

#[test]
fn retained_messages_come_first() {
    let mailbox = mailbox(2, Overflow::DropWrite);
    mailbox.push(delivery(QoS::AtLeastOnce, 10));
    mailbox.replay((0..5).map(|number| delivery(QoS::AtLeastOnce, number)));
    mailbox.push(delivery(QoS::AtLeastOnce, 11));
    let mut batch = VecDeque::new();
    assert_eq!(mailbox.drain(&mut batch, 3), Drained::More);
    assert_eq!(mailbox.drain(&mut batch, 10), Drained::All);
    assert_eq!(numbers(&batch), [0, 1, 2, 3, 4, 10, 11]);
}
