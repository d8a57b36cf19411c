//! Messages that their publishers delayed.

use super::*;

/// A queue that keeps so many delayed messages in memory.
fn bench(ordering: Ordering, delayed_messages_kept: usize) -> Bench {
    Bench::new(QueueOptions { delayed_messages_kept, ..QueueOptions::new(ordering) })
}

/// The ordinals that go out now, acknowledged one by one.
fn work_off(bench: &mut Bench) -> Vec<u64> {
    let mut ordinals = Vec::new();
    loop {
        let seen = bench.see();
        if seen.is_empty() {
            return ordinals;
        }
        for seen in seen {
            let Seen::Delivered(consumer, tag) = seen else { panic!("{seen:?}") };
            ordinals.push(tag.ordinal.0);
            bench.acknowledge(consumer, tag).unwrap();
        }
    }
}

#[test]
fn a_delayed_message_waits_while_others_pass_also_over_a_restart() {
    let mut bench = Bench::new(QueueOptions::default());
    bench.append(&[(DELAY, "10")]);
    bench.append(&[]);
    let one = bench.join(1);
    assert_eq!(bench.see(), [Seen::Delivered(one, tag(1, 1))]);
    assert_eq!(bench.queue.figures().delayed, 1);
    bench.acknowledge(one, tag(1, 1)).unwrap();
    bench.pass(4);
    bench.restart();
    let two = bench.join(1);
    assert_eq!(bench.see(), []);
    assert_eq!(bench.queue.poll_timeout(), Some(Moment::since_start(Duration::from_secs(10))));
    bench.pass(6);
    assert_eq!(bench.see(), [Seen::Delivered(two, tag(0, 1))]);
}

#[test]
fn a_message_whose_delay_is_over_stands_in_line_as_if_it_was_published_then() {
    let mut bench = bench(Ordering::Arrival, 10);
    bench.append(&[(DELAY, "5")]);
    bench.append(&[(DELAY, "3")]);
    bench.append(&[]);
    bench.pass(4);
    bench.append(&[]);
    bench.pass(4);
    bench.append(&[]);
    bench.join(1);
    assert_eq!(work_off(&mut bench), [2, 1, 3, 0, 4]);
}

#[test]
fn any_number_of_delayed_messages_keeps_nothing_back_and_comes_in_its_time() {
    for ordering in [Ordering::Arrival, Ordering::Priority] {
        let mut bench = bench(ordering, 100);
        let delays: Vec<u64> = (0..3_000).map(|index| 10 + index * 7_919 % 500).collect();
        for delay in &delays {
            bench.append(&[(DELAY, &delay.to_string())]);
        }
        bench.append(&[]);
        bench.join(7);
        assert_eq!(work_off(&mut bench), [3_000]);
        assert_eq!(bench.queue.figures().delayed, 3_000);
        let mut came = Vec::new();
        for _ in 0..51 {
            bench.pass(10);
            came.append(&mut work_off(&mut bench));
            assert!(bench.queue.delayed.kept_len() <= 100 && bench.queue.held.len() <= 7);
            assert_eq!(bench.queue.figures().delayed, 3_000 - came.len() as u64);
        }
        let mut expect: Vec<u64> = (0..3_000).collect();
        expect.sort_by_key(|ordinal| delays[*ordinal as usize]);
        assert_eq!(came, expect);
        assert!(bench.backlog.left().is_empty());
    }
}

#[test]
fn memory_has_room_for_a_hundred_thousand_delayed_messages_and_no_more() {
    let mut bench = Bench::new(QueueOptions::default());
    let count = limits::QUEUE_DELAYED_MESSAGES_KEPT as u64 + 500;
    for _ in 0..count {
        bench.append(&[(DELAY, "10")]);
    }
    bench.append(&[]);
    let one = bench.join(1);
    assert_eq!(bench.see(), [Seen::Delivered(one, tag(count, 1))]);
    assert_eq!(bench.queue.delayed.kept_len(), limits::QUEUE_DELAYED_MESSAGES_KEPT);
    bench.acknowledge(one, tag(count, 1)).unwrap();
    bench.pass(10);
    assert_eq!(work_off(&mut bench), (0..count).collect::<Vec<_>>());
}

#[test]
fn others_have_their_turn_while_a_queue_reads_over_delayed_messages() {
    let mut bench = bench(Ordering::Arrival, 10);
    for _ in 0..5_000 {
        bench.append(&[(DELAY, "60")]);
    }
    bench.join(1);
    let mut searched = 0;
    while let Some(output) = bench.queue.poll_output(bench.now(), &mut bench.backlog).unwrap() {
        assert!(matches!(output, QueueOutput::Searching), "{output:?}");
        searched += 1;
    }
    assert!(searched >= 5_000 / (limits::QUEUE_READS_MAX * limits::QUEUE_READ_MESSAGES_MAX));
    assert_eq!(bench.queue.poll_timeout(), Some(Moment::since_start(Duration::from_secs(60))));
}

#[test]
fn a_step_of_the_clock_on_the_wall_changes_neither_the_order_nor_makes_a_delay_longer() {
    for set_back in [false, true] {
        let mut bench = bench(Ordering::Arrival, 10);
        bench.append(&[(DELAY, "10")]);
        let mut later = message(&[(DELAY, "10")], None, bench.now().wall);
        let step_us = if set_back { -3_600_000_000 } else { 3_600_000_000 };
        later.published_at = Timestamp::from_micros(later.published_at.as_micros() + step_us);
        bench.backlog.append(later);
        bench.append(&[(DELAY, "10")]);
        bench.join(1);
        assert!(work_off(&mut bench).is_empty());
        bench.pass(10);
        assert_eq!(work_off(&mut bench), [0, 1, 2]);
    }
}

#[test]
fn a_purge_takes_delayed_messages_wherever_they_are_known() {
    let mut bench = bench(Ordering::Arrival, 10);
    for _ in 0..3_000 {
        bench.append(&[(DELAY, "60")]);
    }
    bench.append(&[]);
    let one = bench.join(1);
    assert_eq!(bench.see(), [Seen::Delivered(one, tag(3_000, 1))]);
    let until = bench.backlog.next();
    bench.append(&[(DELAY, "60")]);
    let mut purged = 0;
    loop {
        let step = bench.queue.handle_purge(until, &mut bench.backlog).unwrap();
        purged += step.messages;
        if !step.more {
            break;
        }
    }
    assert_eq!((purged, bench.backlog.left()), (3_000, vec![Ordinal(3_000), until]));
    bench.acknowledge(one, tag(3_000, 1)).unwrap();
    assert!(work_off(&mut bench).is_empty());
    assert_eq!(bench.queue.figures().delayed, 1);
    bench.pass(60);
    assert_eq!(work_off(&mut bench), [3_001]);
}

#[test]
fn one_delayed_message_can_be_thrown_away() {
    let mut bench = bench(Ordering::Arrival, 2);
    for _ in 0..4 {
        bench.append(&[(DELAY, "60")]);
    }
    bench.join(4);
    assert_eq!(bench.see(), []);
    for (ordinal, left) in [(0, 3), (3, 2)] {
        assert_eq!(bench.queue.handle_discarded(Ordinal(ordinal), &mut bench.backlog), Ok(true));
        assert_eq!(bench.queue.figures().delayed, left);
    }
    bench.pass(60);
    assert_eq!(work_off(&mut bench), [1, 2]);
}
