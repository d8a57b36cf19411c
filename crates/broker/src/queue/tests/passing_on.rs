//! Messages that some consumers cannot take.

use super::*;

fn bench(dies_when_all_refuse: bool, messages: usize) -> Bench {
    let mut bench = Bench::new(QueueOptions { deliveries_max: 2, dies_when_all_refuse, ..QueueOptions::default() });
    (0..messages).for_each(|_| bench.append(&[]));
    bench
}

fn delivered(consumer: ConsumerId, ordinal: u64, delivery: u32) -> Seen {
    Seen::Delivered(consumer, tag(ordinal, delivery))
}

#[test]
fn what_one_cannot_take_goes_to_another_and_not_to_the_same_again() {
    for dies in [false, true] {
        let mut bench = bench(dies, 2);
        let (small, large) = (bench.join(1), bench.join(1));
        assert_eq!(bench.see(), [delivered(small, 0, 1), delivered(large, 1, 1)]);
        bench.nack(small, tag(0, 1), Nack::PassOn);
        // It waits for the one that is busy, and does not keep the other from the next message.
        bench.append(&[]);
        assert_eq!(bench.see(), [delivered(small, 2, 1)]);
        bench.acknowledge(small, tag(2, 1)).unwrap();
        bench.acknowledge(large, tag(1, 1)).unwrap();
        // That it was shown to the first does not count.
        assert_eq!(bench.see(), [delivered(large, 0, 1)]);
        bench.acknowledge(large, tag(0, 1)).unwrap();
        assert_eq!((bench.backlog.left(), bench.queue.figures().dead_lettered), (vec![], [0; 3]));
    }
}

#[test]
fn what_all_refuse_counts_as_a_delivery_and_comes_again_after_a_moment() {
    let mut bench = bench(false, 1);
    let (one, two) = (bench.join(1), bench.join(1));
    for delivery in [1, 2] {
        let first = bench.see();
        let [Seen::Delivered(consumer, at)] = first[..] else { panic!("{first:?}") };
        assert_eq!(at, tag(0, delivery));
        bench.nack(consumer, at, Nack::PassOn);
        let other = if consumer == one { two } else { one };
        assert_eq!(bench.see(), [delivered(other, 0, delivery)]);
        bench.nack(other, at, Nack::PassOn);
        if delivery == 1 {
            assert_eq!(bench.see(), []);
            bench.pass(1);
        }
    }
    assert_eq!(bench.see(), [Seen::DeadLetter(Ordinal(0), DeathReason::Deliveries, 2)]);
}

#[test]
fn what_all_refuse_is_dead_at_once_where_the_options_say_so() {
    let mut bench = bench(true, 3);
    let (one, two) = (bench.join(1), bench.join(3));
    assert_eq!(bench.see(), [delivered(one, 0, 1), delivered(two, 1, 1), delivered(two, 2, 1)]);
    bench.nack(one, tag(0, 1), Nack::PassOn);
    assert_eq!(bench.see(), [delivered(two, 0, 1)]);
    bench.nack(two, tag(0, 1), Nack::PassOn);
    assert_eq!(bench.see(), [Seen::DeadLetter(Ordinal(0), DeathReason::Rejected, 1)]);
    assert_eq!(bench.backlog.left(), [Ordinal(1), Ordinal(2)]);
}

#[test]
fn what_waited_for_one_that_leaves_is_refused_by_all_that_are_left() {
    for retires in [false, true] {
        let mut bench = bench(true, 2);
        let (small, large) = (bench.join(1), bench.join(1));
        assert_eq!(bench.see(), [delivered(small, 0, 1), delivered(large, 1, 1)]);
        bench.nack(small, tag(0, 1), Nack::PassOn);
        assert_eq!(bench.see(), []);
        if retires {
            bench.queue.handle_retired(large);
        } else {
            let now = bench.now();
            bench.queue.handle_left(now, large);
        }
        assert_eq!(bench.see()[0], Seen::DeadLetter(Ordinal(0), DeathReason::Rejected, 0));
    }
}

#[test]
fn those_who_left_refuse_nothing() {
    let mut bench = bench(true, 2);
    let (small, large) = (bench.join(1), bench.join(1));
    assert_eq!(bench.see().len(), 2);
    bench.nack(small, tag(0, 1), Nack::PassOn);
    let now = bench.now();
    bench.queue.handle_left(now, small);
    bench.queue.handle_left(now, large);
    assert_eq!(bench.see(), []);
    let next = bench.join(2);
    assert_eq!(bench.see(), [delivered(next, 0, 1), delivered(next, 1, 2)]);
}
