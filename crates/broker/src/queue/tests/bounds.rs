//! What keeps a queue small, whatever its log holds and its limits drop.

use super::*;

#[test]
fn what_the_limits_dropped_is_forgotten() {
    let mut bench = Bench::with_messages(4);
    let one = bench.join(1);
    bench.see();
    bench.backlog.drop_message(Ordinal(0));
    bench.backlog.drop_message(Ordinal(2));
    bench.retry(one, tag(0, 1), 0);
    // The second was read ahead with its content before; the third would be, too.
    assert_eq!(bench.see(), [Seen::Delivered(one, tag(1, 1))]);
    bench.acknowledge(one, tag(1, 1)).unwrap();
    bench.see();
    assert_eq!(bench.acknowledge(one, tag(0, 1)), Err(SettleError::NotHeld));
}

#[test]
fn memory_does_not_grow_with_the_backlog() {
    let mut bench = Bench::with_messages(20_000);
    bench.join(10);
    bench.see();
    assert_eq!(bench.queue.held.len(), limits::QUEUE_READ_AHEAD_MESSAGES);
}

#[test]
fn content_beyond_the_limit_is_read_a_second_time() {
    let mut bench = Bench::new(QueueOptions::default());
    let big = Bytes::from(vec![0; limits::QUEUE_READ_AHEAD_BYTES / 3]);
    for _ in 0..8 {
        let publication = Publication { payload: big.clone(), ..message(&[], None, bench.now().wall) };
        bench.backlog.append(publication);
    }
    let one = bench.join(8);
    let expect: Vec<_> = (0..8).map(|ordinal| Seen::Delivered(one, tag(ordinal, 1))).collect();
    assert_eq!(bench.see(), expect);
}

#[test]
fn there_is_a_limit_of_consumers() {
    let mut bench = Bench::with_messages(0);
    for _ in 0..limits::QUEUE_CONSUMERS_MAX {
        bench.join(1);
    }
    assert_eq!(bench.queue.handle_joined(1), Err(TooManyConsumers));
}

#[test]
fn a_consumer_has_few_large_messages_at_a_time_and_gets_the_next_when_it_has_settled_some() {
    let mut bench = Bench::new(QueueOptions::default());
    for bytes in [300, 300, 300, 5_000, 10, 10] {
        let publication = Publication { payload: Bytes::from(vec![0; bytes]), ..message(&[], None, bench.now().wall) };
        bench.backlog.append(publication);
    }
    let one = bench.queue.handle_joined(Room { messages_max: 10, bytes_max: 600 }).unwrap();
    let delivered = |ordinal, delivery| Seen::Delivered(one, tag(ordinal, delivery));
    assert_eq!(bench.see(), [delivered(0, 1), delivered(1, 1)]);
    bench.retry(one, tag(1, 1), 0);
    assert_eq!(bench.see(), [delivered(1, 2)]);
    bench.acknowledge(one, tag(0, 1)).unwrap();
    assert_eq!(bench.see(), [delivered(2, 1)]);
    // What it kept for too long is in its hands still.
    bench.pass(31);
    assert_eq!(bench.see(), []);
    bench.acknowledge(one, tag(1, 2)).unwrap();
    assert_eq!(bench.see(), [delivered(2, 2)]);
    bench.acknowledge(one, tag(2, 2)).unwrap();
    assert_eq!(bench.acknowledge(one, tag(2, 1)), Err(SettleError::TooLate));
    // One that is too large alone comes alone.
    assert_eq!(bench.see(), [delivered(3, 1)]);
    bench.acknowledge(one, tag(3, 1)).unwrap();
    assert_eq!(bench.see(), [delivered(4, 1), delivered(5, 1)]);
}

#[test]
fn a_consumer_that_is_crowded_gets_nothing_until_it_has_drained_and_then_what_it_gave_back_first() {
    let mut bench = Bench::with_messages(4);
    let one = bench.join(10);
    let now = bench.now();
    let first = bench.queue.poll_output(now, &mut bench.backlog).unwrap();
    assert!(matches!(first, Some(QueueOutput::Deliver { tag: DeliveryTag { ordinal: Ordinal(0), .. }, .. })));
    bench.queue.handle_crowded(one);
    bench.nack(one, tag(0, 1), Nack::Return);
    assert_eq!(bench.see(), []);
    assert!(!bench.queue.wants_messages());
    // Others get what it cannot take.
    let two = bench.join(1);
    assert_eq!(bench.see(), [Seen::Delivered(two, tag(0, 1))]);
    bench.nack(two, tag(0, 1), Nack::Return);
    bench.queue.handle_retired(two);
    bench.queue.handle_drained(one);
    assert!(bench.queue.wants_messages());
    let all: Vec<_> = (0..4).map(|ordinal| Seen::Delivered(one, tag(ordinal, 1))).collect();
    assert_eq!(bench.see(), all);
}
