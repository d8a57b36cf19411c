//! A queue over a log in memory, step by step.

mod against_model;
mod bounds;
mod delays;
mod memory;
mod passing_on;
mod spooled;

use std::time::Duration;

use message::{ByteString, Bytes, Moment, Now, Publication, PublicationProperties, QoS, Timestamp, TopicName};

use super::*;
use memory::{Broken, MemoryBacklog};

/// A queue with its log and a clock.
struct Bench {
    queue: Queue,
    backlog: MemoryBacklog,
    passed: Duration,
    /// Dead letters are taken.
    letters_taken: bool,
}

/// What a test wants to see of an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    Delivered(ConsumerId, DeliveryTag),
    DeadLetter(Ordinal, DeathReason, u32),
    Expired(u64),
}

fn message(user_properties: &[(&'static str, &str)], expiry_s: Option<u32>, published_at: Timestamp) -> Publication {
    let topic = TopicName::parse("orders").unwrap();
    let pairs = user_properties.iter().map(|(key, value)| (ByteString::from(*key), ByteString::from(*value)));
    let properties = PublicationProperties {
        message_expiry_s: expiry_s,
        user_properties: pairs.collect(),
        ..PublicationProperties::default()
    };
    Publication {
        properties: Some(Box::new(properties)),
        ..Publication::new(topic, Bytes::from_static(b"1"), QoS::AtLeastOnce, published_at)
    }
}

fn tag(ordinal: u64, delivery: u32) -> DeliveryTag {
    DeliveryTag { ordinal: Ordinal(ordinal), delivery }
}

impl Bench {
    fn new(options: QueueOptions) -> Self {
        Self {
            queue: Queue::new(options, Ordinal(0)),
            backlog: MemoryBacklog::default(),
            passed: Duration::ZERO,
            letters_taken: true,
        }
    }

    /// One that holds so many plain messages.
    fn with_messages(count: usize) -> Self {
        let mut bench = Self::new(QueueOptions::default());
        (0..count).for_each(|_| bench.append(&[]));
        bench
    }

    fn now(&self) -> Now {
        Now {
            moment: Moment::since_start(self.passed),
            wall: Timestamp::from_millis(1_000_000).saturating_add(self.passed),
        }
    }

    fn append(&mut self, user_properties: &[(&'static str, &str)]) {
        self.append_message(user_properties, None);
    }

    fn append_message(&mut self, user_properties: &[(&'static str, &str)], expiry_s: Option<u32>) {
        self.backlog.append(message(user_properties, expiry_s, self.now().wall));
        self.queue.handle_appended();
    }

    fn pass(&mut self, seconds: u64) {
        self.passed += Duration::from_secs(seconds);
        let now = self.now();
        self.queue.handle_timeout(now);
    }

    fn join(&mut self, in_flight_max: usize) -> ConsumerId {
        self.queue.handle_joined(in_flight_max).unwrap()
    }

    fn see(&mut self) -> Vec<Seen> {
        let mut seen = Vec::new();
        while let Some(output) = self.queue.poll_output(self.now(), &mut self.backlog).unwrap() {
            seen.push(match output {
                QueueOutput::Deliver { consumer, tag, .. } => Seen::Delivered(consumer, tag),
                QueueOutput::DeadLetter { ordinal, reason, deliveries, .. } => {
                    let now = self.now();
                    self.queue.handle_dead_lettered(now, ordinal, self.letters_taken, &mut self.backlog);
                    Seen::DeadLetter(ordinal, reason, deliveries)
                }
                QueueOutput::Expired { messages } => Seen::Expired(messages),
                QueueOutput::Searching => continue,
            });
        }
        seen
    }

    fn acknowledge(&mut self, consumer: ConsumerId, tag: DeliveryTag) -> Result<(), SettleError> {
        self.queue.handle_acknowledged(consumer, tag, &mut self.backlog)
    }

    fn nack(&mut self, consumer: ConsumerId, tag: DeliveryTag, nack: Nack) {
        let now = self.now();
        self.queue.handle_nack(now, consumer, tag, nack, &mut self.backlog).unwrap();
    }

    fn retry(&mut self, consumer: ConsumerId, tag: DeliveryTag, seconds: u64) {
        self.nack(consumer, tag, Nack::Retry { delay: Duration::from_secs(seconds) });
    }

    /// The process is started again over the same log.
    fn restart(&mut self) {
        let oldest = self.backlog.left().first().copied().unwrap_or_default();
        self.queue = Queue::new(*self.queue.options(), oldest);
    }
}

#[test]
fn consumers_with_room_take_turns() {
    let mut bench = Bench::with_messages(7);
    let (one, two, three) = (bench.join(2), bench.join(1), bench.join(3));
    let delivered = |consumer, ordinal| Seen::Delivered(consumer, tag(ordinal, 1));
    assert_eq!(
        bench.see(),
        [
            delivered(one, 0),
            delivered(two, 1),
            delivered(three, 2),
            delivered(one, 3),
            delivered(three, 4),
            delivered(three, 5)
        ]
    );
    bench.acknowledge(two, tag(1, 1)).unwrap();
    assert_eq!(bench.see(), [delivered(two, 6)]);
    assert_eq!(bench.backlog.left().len(), 6);
}

#[test]
fn a_consumer_that_is_gone_leaves_its_messages_in_their_old_place() {
    let mut bench = Bench::with_messages(4);
    let one = bench.join(3);
    bench.see();
    let now = bench.now();
    bench.queue.handle_left(now, one);
    let two = bench.join(4);
    let delivered = |ordinal, delivery| Seen::Delivered(two, tag(ordinal, delivery));
    assert_eq!(bench.see(), [delivered(0, 2), delivered(1, 2), delivered(2, 2), delivered(3, 1)]);
    assert_eq!(bench.acknowledge(one, tag(0, 1)), Err(SettleError::NotHeld));
}

#[test]
fn a_message_given_back_comes_before_newer_ones_unless_it_shall_wait() {
    let mut bench = Bench::with_messages(4);
    let one = bench.join(1);
    bench.see();
    bench.retry(one, tag(0, 1), 0);
    assert_eq!(bench.see(), [Seen::Delivered(one, tag(0, 2))]);
    bench.retry(one, tag(0, 2), 5);
    assert_eq!(bench.see(), [Seen::Delivered(one, tag(1, 1))]);
    bench.pass(4);
    bench.acknowledge(one, tag(1, 1)).unwrap();
    assert_eq!(bench.see(), [Seen::Delivered(one, tag(2, 1))]);
    bench.pass(1);
    bench.acknowledge(one, tag(2, 1)).unwrap();
    assert_eq!(bench.see(), [Seen::Delivered(one, tag(0, 3))]);
}

#[test]
fn who_hangs_loses_its_messages_and_gets_no_more_of_them() {
    let mut bench = Bench::with_messages(3);
    let hangs = bench.join(1);
    bench.see();
    assert_eq!(bench.queue.poll_timeout(), Some(Moment::since_start(Duration::from_secs(30))));
    bench.pass(30);
    assert_eq!(bench.see(), []);
    let works = bench.join(1);
    assert_eq!(bench.see(), [Seen::Delivered(works, tag(0, 2))]);
    assert_eq!(bench.acknowledge(hangs, tag(0, 1)), Err(SettleError::TooLate));
    assert_eq!(bench.see(), [Seen::Delivered(hangs, tag(1, 1))]);
    bench.acknowledge(works, tag(0, 2)).unwrap();
    assert_eq!(bench.queue.figures().timed_out, 1);
}

#[test]
fn a_late_acknowledgement_counts_while_nobody_else_has_the_message() {
    let mut bench = Bench::with_messages(1);
    let slow = bench.join(1);
    bench.see();
    bench.pass(31);
    bench.acknowledge(slow, tag(0, 1)).unwrap();
    assert_eq!(bench.see(), []);
    assert!(bench.backlog.left().is_empty());
}

#[test]
fn a_message_is_dead_after_its_last_delivery() {
    let mut bench = Bench::new(QueueOptions { deliveries_max: 3, ..QueueOptions::default() });
    bench.append(&[]);
    let one = bench.join(1);
    for delivery in 1..=3 {
        assert_eq!(bench.see(), [Seen::Delivered(one, tag(0, delivery))]);
        bench.retry(one, tag(0, delivery), 0);
    }
    assert_eq!(bench.see(), [Seen::DeadLetter(Ordinal(0), DeathReason::Deliveries, 3)]);
    assert!(bench.backlog.left().is_empty());
    assert_eq!(bench.queue.figures().dead_lettered(DeathReason::Deliveries), 1);
}

#[test]
fn a_dead_letter_that_finds_no_room_is_kept_and_tried_again() {
    let mut bench = Bench::with_messages(1);
    let one = bench.join(1);
    bench.see();
    bench.letters_taken = false;
    bench.nack(one, tag(0, 1), Nack::Reject);
    let letter = Seen::DeadLetter(Ordinal(0), DeathReason::Rejected, 1);
    assert_eq!(bench.see(), [letter]);
    assert_eq!(bench.see(), []);
    bench.pass(1);
    assert_eq!(bench.see(), [letter]);
    assert_eq!(bench.backlog.left(), [Ordinal(0)]);
    bench.letters_taken = true;
    bench.pass(1);
    assert_eq!(bench.see(), [letter]);
    assert!(bench.backlog.left().is_empty());
}

#[test]
fn counts_of_deliveries_survive_a_restart() {
    let mut bench = Bench::new(QueueOptions { deliveries_max: 2, ..QueueOptions::default() });
    bench.append(&[]);
    bench.append(&[]);
    bench.join(1);
    bench.see();
    bench.restart();
    let two = bench.join(1);
    assert_eq!(bench.see(), [Seen::Delivered(two, tag(0, 2))]);
    bench.restart();
    let three = bench.join(1);
    assert_eq!(
        bench.see(),
        [Seen::DeadLetter(Ordinal(0), DeathReason::Deliveries, 2), Seen::Delivered(three, tag(1, 1))]
    );
}

#[test]
fn what_a_consumer_never_saw_does_not_count_as_delivered() {
    let mut bench = Bench::with_messages(1);
    let one = bench.join(1);
    bench.see();
    bench.nack(one, tag(0, 1), Nack::Return);
    assert_eq!(bench.see(), [Seen::Delivered(one, tag(0, 1))]);
    bench.nack(one, tag(0, 1), Nack::Return);
    bench.restart();
    let two = bench.join(1);
    assert_eq!(bench.see(), [Seen::Delivered(two, tag(0, 1))]);
}

#[test]
fn the_most_urgent_goes_first_where_priorities_count() {
    for (ordering, expect) in [(Ordering::Priority, [3, 1, 4, 0, 2]), (Ordering::Arrival, [0, 1, 2, 3, 4])] {
        let mut bench = Bench::new(QueueOptions::new(ordering));
        for priority in ["0", "5", "0", "9", "5"] {
            bench.append(&[(PRIORITY, priority)]);
        }
        let one = bench.join(5);
        assert_eq!(bench.see(), expect.map(|ordinal| Seen::Delivered(one, tag(ordinal, 1))));
    }
}

#[test]
fn what_expired_is_dropped_or_kept_among_the_dead() {
    for keep_expired in [false, true] {
        let mut bench = Bench::new(QueueOptions { keep_expired, ..QueueOptions::default() });
        bench.append_message(&[], Some(5));
        bench.append_message(&[], Some(60));
        bench.append_message(&[], Some(10));
        let one = bench.join(1);
        assert_eq!(bench.see(), [Seen::Delivered(one, tag(0, 1))]);
        bench.pass(10);
        bench.retry(one, tag(0, 1), 0);
        let expect = if keep_expired {
            vec![Seen::DeadLetter(Ordinal(0), DeathReason::Expired, 1), Seen::Delivered(one, tag(1, 1))]
        } else {
            vec![Seen::Expired(1), Seen::Delivered(one, tag(1, 1))]
        };
        assert_eq!(bench.see(), expect);
        assert_eq!(bench.queue.figures().expired, u64::from(!keep_expired));
    }
}

#[test]
fn a_retired_consumer_gets_no_more_but_may_acknowledge() {
    let mut bench = Bench::with_messages(3);
    let one = bench.join(2);
    bench.see();
    bench.queue.handle_retired(one);
    bench.acknowledge(one, tag(0, 1)).unwrap();
    assert_eq!(bench.see(), []);
    bench.pass(30);
    assert_eq!(bench.queue.figures().consumers, 0);
    assert_eq!(bench.acknowledge(one, tag(1, 1)), Err(SettleError::NotHeld));
    let two = bench.join(2);
    assert_eq!(bench.see(), [Seen::Delivered(two, tag(1, 2)), Seen::Delivered(two, tag(2, 1))]);
}

#[test]
fn an_error_of_the_log_loses_nothing() {
    let mut bench = Bench::with_messages(2);
    let one = bench.join(1);
    bench.backlog.broken = true;
    let now = bench.now();
    assert_eq!(bench.queue.poll_output(now, &mut bench.backlog).unwrap_err(), Broken);
    bench.backlog.broken = false;
    assert_eq!(bench.see(), [Seen::Delivered(one, tag(0, 1))]);
    bench.nack(one, tag(0, 1), Nack::Reject);
    bench.backlog.broken = true;
    assert_eq!(bench.queue.poll_output(now, &mut bench.backlog).unwrap_err(), Broken);
    bench.backlog.broken = false;
    assert_eq!(bench.see(), [Seen::DeadLetter(Ordinal(0), DeathReason::Rejected, 1), Seen::Delivered(one, tag(1, 1))]);
}

#[test]
fn a_purge_leaves_what_consumers_have_and_what_came_after() {
    let mut bench = Bench::with_messages(3_000);
    let one = bench.join(2);
    bench.see();
    let until = bench.backlog.next();
    bench.append(&[]);
    let mut purged = 0;
    loop {
        let step = bench.queue.handle_purge(until, &mut bench.backlog).unwrap();
        purged += step.messages;
        if !step.more {
            break;
        }
    }
    assert_eq!(purged, 2_998);
    assert_eq!(bench.backlog.left(), [Ordinal(0), Ordinal(1), until]);
    bench.acknowledge(one, tag(0, 1)).unwrap();
    assert_eq!(bench.see(), [Seen::Delivered(one, tag(3_000, 1))]);
}

#[test]
fn one_message_can_be_thrown_away_unless_a_consumer_has_it() {
    let mut bench = Bench::with_messages(1_000);
    let one = bench.join(1);
    bench.see();
    for (ordinal, there) in [(0, false), (1, true), (900, true), (900, false), (1_000, false)] {
        assert_eq!(bench.queue.handle_discarded(Ordinal(ordinal), &mut bench.backlog), Ok(there), "{ordinal}");
    }
    bench.acknowledge(one, tag(0, 1)).unwrap();
    assert_eq!(bench.see(), [Seen::Delivered(one, tag(2, 1))]);
}

#[test]
fn looking_at_messages_takes_none() {
    let mut bench = Bench::with_messages(3);
    bench.append(&[(DELAY, "60")]);
    let one = bench.join(1);
    bench.see();
    let mut peeked = Vec::new();
    let on = bench.queue.peek(bench.now(), Ordinal(0), 10, usize::MAX, &mut bench.backlog, &mut peeked).unwrap();
    assert_eq!(on, ReadOn { from: Ordinal(4), more: false });
    let states: Vec<_> = peeked.iter().map(|peeked| (peeked.stored.deliveries, peeked.state)).collect();
    assert_eq!(
        states,
        [
            (1, MessageState::InFlight(one)),
            (0, MessageState::Waiting),
            (0, MessageState::Waiting),
            (0, MessageState::Delayed)
        ]
    );
    bench.acknowledge(one, tag(0, 1)).unwrap();
    assert_eq!(bench.see(), [Seen::Delivered(one, tag(1, 1))]);
}
