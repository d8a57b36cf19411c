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
