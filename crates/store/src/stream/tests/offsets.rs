//! No offset is given twice, and none is left out without a reason, also when nothing is left of a stream.

use std::task::Waker;
use std::time::Duration;

use super::*;

const AGED: DestinationLimits = DestinationLimits { age_max: Some(Duration::from_secs(10)), ..DestinationLimits::NONE };

/// A stream of which ten messages are gone, and how.
fn emptied(how: &str) -> Bench {
    let bench = Bench::open(SimulatedDisk::new(1), small(AGED));
    bench.fill(0..10);
    match how {
        "purged" => assert_eq!(bench.stream.purge().messages, 10),
        "aged out" => assert_eq!(bench.stream.trim(Timestamp::from_millis(1_000_000)), 10),
        _ => {
            // The next process finds a sealed file, and lets it go.
            let bench = Bench::open(bench.disk.after_kill(), small(AGED));
            bench.commit();
            assert_eq!(bench.stream.trim(Timestamp::from_millis(1_000_000)), 10);
            bench.commit();
            return bench;
        }
    }
    bench.commit();
    bench
}

#[test]
fn starts_of_an_empty_stream_take_no_offset_away() {
    for how in ["purged", "aged out", "aged out later"] {
        let mut bench = emptied(how);
        for round in 0..3 {
            let context = format!("{how}, round {round}");
            let state = bench.stream.state();
            assert_eq!((state.earliest.0, state.next.0, state.messages), (10, 10, 0), "{context}");
            assert_eq!(bench.read(10), (vec![], 0), "{context}");
            assert!(bench.stream.poll_readable(Offset(10), Waker::noop()).is_pending(), "{context}");
            bench.stream.trim(Timestamp::from_millis(2_000_000));
            bench.commit();
            assert_eq!(crate::tests::segments(&bench.disk).len(), 1, "{context}");
            bench = bench.kill();
        }
        assert_eq!(bench.append(10, "message 10").0, 10, "{how}");
        bench.commit();
        assert_eq!(bench.read(10), (numbered(10..11), 0), "{how}");
        assert_eq!(crate::tests::segments(&bench.disk).len(), 1, "{how}");
        bench = bench.kill();
        assert_eq!(bench.read(10), (numbered(10..11), 0), "{how}");
        assert_eq!(bench.append(11, "message 11").0, 11, "{how}");
    }
}

/// Fills, empties and fills again, in two processes, until the power goes. What was safe by then is the answer.
fn empty_and_fill(bench: Bench) -> (SimulatedDisk, Vec<(u64, String)>, bool) {
    let (mut bench, mut safe, mut purged) = (bench, Vec::new(), false);
    for process in 0..2_i64 {
        let mut appended = Vec::new();
        for number in process * 100..process * 100 + 6 {
            let payload = format!("message {number}");
            let Ok((offset, point)) = bench.try_append(number, &payload) else { break };
            appended.push((offset, payload, point));
            if number % 2 == 1 {
                bench.commit();
            }
        }
        let is_safe = |point: &CommitPoint| bench.stream.committed(*point);
        safe.extend(appended.iter().filter(|(.., point)| is_safe(point)).map(|it| (it.0, it.1.clone())));
        if process == 0 {
            let purge = bench.stream.purge();
            bench.commit();
            purged = matches!(bench.stream.poll_purged(purge, Waker::noop()), std::task::Poll::Ready(Ok(())));
            let (disk, folder) = (Arc::new(bench.disk.clone()), Path::new(FOLDER));
            let committer = Committer::stepped();
            let options = small(DestinationLimits::NONE);
            let Ok((stream, recovery)) = Stream::open(disk, folder, options, &committer) else { break };
            bench = Bench { disk: bench.disk.clone(), committer, stream, recovery };
        }
    }
    (bench.disk.clone(), safe, purged)
}

#[test]
fn no_offset_is_given_twice_wherever_the_power_goes_while_a_stream_is_emptied_and_filled_again() {
    let (whole, ..) = empty_and_fill(Bench::new());
    let steps = whole.steps();
    assert!(steps > 20, "{steps}");
    for seed in 0..10 {
        for step in 1..=steps {
            let context = format!("seed {seed}, step {step}");
            let bench = Bench::open(SimulatedDisk::new(seed * 1000 + step), small(DestinationLimits::NONE));
            bench.disk.cut_power_at(step);
            let (disk, safe, purged) = empty_and_fill(bench);
            let mut disk = disk.power_cut();
            for _ in 0..3 {
                let after = Bench::open(disk, small(DestinationLimits::NONE));
                assert_eq!(after.recovery.damage, [], "{context}");
                let next = after.stream.state().next.0;
                let highest = safe.iter().map(|(offset, _)| *offset).max();
                assert!(highest.is_none_or(|offset| offset < next), "{context}: {highest:?} is given twice");
                let (found, _) = after.read(0);
                assert!(!purged || found.iter().all(|(offset, _)| *offset >= 6), "{context}: what was purged is back");
                for message in safe.iter().filter(|(offset, _)| *offset >= 6) {
                    assert!(found.contains(message), "{context}: {message:?} is lost");
                }
                after.disk.cut_power_at(1 + seed);
                after.commit();
                disk = after.disk.power_cut();
            }
            let after = Bench::open(disk, small(DestinationLimits::NONE));
            let next = after.stream.state().next;
            after.commit();
            for disk in [after.disk.after_kill(), after.disk.power_cut()] {
                let again = Bench::open(disk, small(DestinationLimits::NONE));
                assert_eq!(
                    again.stream.state().next,
                    next,
                    "{context}: offsets that may have been given are forgotten"
                );
            }
        }
    }
}

#[test]
fn a_purge_is_done_when_it_is_on_the_disk() {
    let bench = Bench::new();
    bench.fill(0..100);
    let purge = bench.stream.purge();
    let polled = |purge| bench.stream.poll_purged(purge, Waker::noop());
    assert!(polled(purge).is_pending());
    let again = bench.stream.purge();
    assert_eq!(again.messages, 0);
    assert!(polled(again).is_pending(), "it is not safe that nothing is there");
    bench.commit();
    assert!(polled(purge).is_ready() && polled(again).is_ready());
    for disk in [bench.disk.after_kill(), bench.disk.power_cut()] {
        let state = Bench::open(disk, small(DestinationLimits::NONE)).stream.state();
        assert_eq!((state.earliest.0, state.next.0, state.messages), (100, 100, 0));
    }
    bench.append(100, "new");
    let purge = bench.stream.purge();
    bench.disk.plan(crate::disk::Fault::SyncFails);
    bench.commit();
    assert!(matches!(bench.stream.poll_purged(purge, Waker::noop()), std::task::Poll::Ready(Err(_))));
}

#[test]
fn what_is_cut_off_is_counted_and_no_more_than_that_is_missing() {
    let bench = Bench::open(SimulatedDisk::new(1), StreamOptions::default());
    let mut tenth_ends = 0;
    let path = |bench: &Bench| crate::tests::segments(&bench.disk)[0].clone();
    for number in 0..20 {
        bench.append(number, &format!("message {number}"));
        bench.commit();
        if number == 9 {
            tenth_ends = bench.disk.content(&path(&bench)).unwrap().len();
        }
    }
    for cut_at in [tenth_ends, tenth_ends + 30] {
        let disk = bench.disk.copy();
        disk.damage(&path(&bench), |bytes| bytes.truncate(cut_at)).unwrap();
        let mut bench = Bench::open(disk, StreamOptions::default());
        let state = bench.stream.state();
        assert_eq!((state.next.0, state.damaged), (20, 10), "cut at {cut_at}");
        for _ in 0..2 {
            assert_eq!(bench.read(0), (numbered(0..10), 10), "cut at {cut_at}");
            bench.commit();
            bench = Bench::open(bench.disk.after_kill(), StreamOptions::default());
            let state = bench.stream.state();
            assert_eq!((state.next.0, state.damaged), (20, 0), "it was told once");
        }
        assert_eq!(bench.append(20, "message 20").0, 20);
    }
}

/// A reader that is told again and again that there is something would read again and again.
#[test]
fn who_has_read_all_waits_also_where_offsets_are_left_out_behind() {
    let bench = Bench::open(SimulatedDisk::new(1), StreamOptions::default());
    bench.fill(0..10);
    let disk = bench.disk.after_kill();
    let path = &crate::tests::segments(&disk)[0];
    disk.damage(path, |bytes| bytes.extend_from_slice(&[7; 1000])).unwrap();
    let mut bench = Bench::open(disk, StreamOptions::default());
    for _ in 0..2 {
        let state = bench.stream.state();
        assert_eq!((state.next.0, state.messages, state.damaged), (50, 10, 0), "so many may have been given");
        assert!(bench.stream.poll_readable(Offset(9), Waker::noop()).is_ready());
        assert_eq!(bench.read(9), (numbered(9..10), 0));
        for from in [10, 49, 50] {
            assert!(bench.stream.poll_readable(Offset(from), Waker::noop()).is_pending(), "from {from}");
        }
        bench.commit();
        bench = Bench::open(bench.disk.after_kill(), StreamOptions::default());
    }
    assert_eq!(bench.append(50, "message 50").0, 50);
    bench.commit();
    assert!(bench.stream.poll_readable(Offset(10), Waker::noop()).is_ready());
    assert_eq!(bench.read(10), (numbered(50..51), 40));
}

/// Of one that was being written, as its beginning says.
#[test]
fn a_message_that_was_being_written_leaves_out_one_offset() {
    let bench = Bench::open(SimulatedDisk::new(1), StreamOptions::default());
    bench.fill(0..10);
    let disk = bench.disk.copy();
    let path = crate::tests::segments(&disk)[0].clone();
    bench.append(10, &"x".repeat(1000));
    bench.commit();
    let bytes = bench.disk.content(&path).unwrap();
    disk.damage(&path, |before| *before = bytes[..before.len() + 800].to_vec()).unwrap();
    let bench = Bench::open(disk, StreamOptions::default());
    assert_eq!((bench.stream.state().next.0, bench.recovery.cut_bytes > 0), (11, true));
}

#[test]
fn few_messages_are_kept_where_few_are_to_be() {
    for (messages_max, most) in [(5, 5 + 128), (2000, 2500)] {
        let retention = DestinationLimits { messages_max, ..DestinationLimits::NONE };
        let bench = Bench::open(SimulatedDisk::new(1), StreamOptions { retention, ..StreamOptions::default() });
        for number in 0..5000 {
            bench.append(number, "x");
            if number % 100 == 0 {
                bench.commit();
            }
            let messages = bench.stream.state().messages;
            let least = messages_max.min(number.unsigned_abs() + 1);
            assert!((least..=most).contains(&messages), "{messages} of {messages_max} after {number}");
        }
    }
}
