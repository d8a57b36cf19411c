//! What is appended can be read from any offset and by time, until retention takes it.

use std::collections::BTreeSet;
use std::time::Duration;

use super::*;
use crate::Durability;
use crate::spool::Ordinal;

#[test]
fn messages_are_read_from_any_offset_also_by_the_next_process() {
    let mut bench = Bench::new();
    bench.fill(0..200);
    for round in 0..3 {
        for from in [0, 1, 57, 199, 200] {
            assert_eq!(bench.read(from), (numbered(from as i64..200), 0), "round {round} from {from}");
        }
        if round == 1 {
            bench.commit();
        }
        bench = bench.kill();
        assert_eq!((bench.recovery.damage.len(), bench.recovery.cut_bytes), (0, 0));
    }
    assert_eq!(bench.append(200, "message 200").0, 200);
    bench.commit();
    assert_eq!(bench.read(150), (numbered(150..201), 0));
}

#[test]
fn only_what_is_safe_can_be_read() {
    let bench = Bench::new();
    bench.append(0, "message 0");
    assert_eq!(bench.read(0), (vec![], 0));
    let waker = std::task::Waker::noop();
    assert!(bench.stream.poll_readable(Offset(0), waker).is_pending());
    bench.commit();
    assert_eq!(bench.read(0), (numbered(0..1), 0));
    assert!(bench.stream.poll_readable(Offset(0), waker).is_ready());
    assert!(bench.stream.poll_readable(Offset(1), waker).is_pending());
}

#[test]
fn the_operating_system_is_safe_enough_for_a_stream_that_says_so() {
    let options = StreamOptions { durability: Durability::Os, ..small(DestinationLimits::NONE) };
    let bench = Bench::open(SimulatedDisk::new(1), options);
    let (_, point) = bench.append(0, "message 0");
    bench.disk.plan(crate::disk::Fault::SyncFails);
    bench.commit();
    assert!(bench.stream.committed(point), "nothing was synced");
    assert_eq!(bench.read(0), (numbered(0..1), 0));
}

#[test]
fn an_offset_is_found_by_time() {
    let mut bench = Bench::new();
    bench.fill(100..300);
    for round in 0..2 {
        for (seconds, offset) in [(0, 0), (100, 0), (101, 1), (257, 157), (299, 199), (300, 200), (9999, 200)] {
            let found = bench.stream.offset_at(Timestamp::from_millis(seconds * 1000)).unwrap();
            assert_eq!(found, Offset(offset), "round {round}, second {seconds}");
        }
        bench = bench.kill();
    }
    let between = bench.stream.offset_at(Timestamp::from_millis(150_001)).unwrap();
    assert_eq!(between, Offset(51));
}

#[test]
fn retention_takes_whole_segments_and_says_what_is_missing() {
    for retention in [
        DestinationLimits { messages_max: 50, ..DestinationLimits::NONE },
        DestinationLimits { bytes_max: 5000, ..DestinationLimits::NONE },
        DestinationLimits { age_max: Some(Duration::from_secs(50)), ..DestinationLimits::NONE },
    ] {
        let bench = Bench::open(SimulatedDisk::new(1), small(retention));
        bench.fill(0..200);
        bench.stream.trim(Timestamp::from_millis(199_000));
        bench.commit();
        let state = bench.stream.state();
        let files = crate::tests::segments(&bench.disk).len() as u64;
        assert!(files * 1024 < state.bytes + 2048, "{files} files");
        let earliest = state.earliest.0;
        assert!((120..=165).contains(&earliest), "{earliest} by {retention:?}");
        assert_eq!((state.messages, state.trimmed), (200 - earliest, earliest));
        assert_eq!(bench.read(0), (numbered(earliest as i64..200), earliest));
        assert_eq!(bench.read(60).1, earliest - 60);
        assert_eq!(bench.kill().read(60), (numbered(earliest as i64..200), earliest - 60));
    }
}

#[test]
fn no_offset_is_given_twice_when_all_is_gone() {
    let retention = DestinationLimits { age_max: Some(Duration::from_secs(10)), ..DestinationLimits::NONE };
    let mut bench = Bench::open(SimulatedDisk::new(1), small(retention));
    bench.fill(0..100);
    bench.stream.trim(Timestamp::from_millis(1_000_000));
    assert_eq!(bench.stream.state().trimmed, 100);
    bench.commit();
    assert_eq!(bench.read(0), (vec![], 100));
    assert_eq!(crate::tests::segments(&bench.disk).len(), 1);
    for _ in 0..3 {
        bench = bench.kill();
        assert!(bench.stream.state().next >= Offset(100));
        bench.commit();
    }
    assert!(bench.append(2000, "new").0 >= 100);
}

#[test]
fn a_segment_ends_when_it_has_a_part_of_the_age() {
    let retention = DestinationLimits { age_max: Some(Duration::from_secs(80)), ..DestinationLimits::NONE };
    let bench = Bench::open(SimulatedDisk::new(1), StreamOptions { retention, ..StreamOptions::default() });
    for second in 0..200 {
        bench.append(second, "x");
        bench.stream.trim(Timestamp::from_millis(second * 1000));
        bench.commit();
    }
    let state = bench.stream.state();
    assert!((108..120).contains(&state.earliest.0), "{state:?}");
    assert!((8..=10).contains(&crate::tests::segments(&bench.disk).len()), "{:?}", bench.disk.paths());
}

#[test]
fn a_purge_takes_all_and_offsets_go_on() {
    let mut bench = Bench::new();
    bench.fill(0..100);
    bench.append(100, "unwritten");
    assert_eq!(bench.stream.purge().messages, 101);
    bench.commit();
    let state = bench.stream.state();
    let files = crate::tests::segments(&bench.disk).len();
    assert_eq!((state.earliest.0, state.next.0, state.messages, files), (101, 101, 0, 1));
    assert_eq!((bench.read(0), bench.stream.purge().messages), ((vec![], 101), 0));
    let (first, _) = bench.append(101, "new");
    bench.commit();
    bench = bench.kill();
    assert_eq!(bench.read(first).0, [(first, "new".to_owned())]);
}

#[test]
fn what_waited_in_the_spool_is_found_by_its_ordinal_there() {
    let mut bench = Bench::new();
    for number in 0..60_i64 {
        if number % 3 == 0 {
            bench.append(number, &format!("message {number}"));
            continue;
        }
        let (ordinal, now) = (Ordinal(number.unsigned_abs() * 10), Timestamp::from_millis(number * 1000));
        let payload = Bytes::from(format!("message {number}"));
        let publication = Publication::new(TopicName::parse("plant").unwrap(), payload, QoS::ExactlyOnce, now);
        bench.stream.append_staged(now, &publication, ordinal).unwrap();
    }
    bench.commit();
    let ordinals = |from: u64| -> BTreeSet<Ordinal> {
        (from..60).filter(|number| number % 3 != 0).map(|number| Ordinal(number * 10)).collect()
    };
    for _ in 0..2 {
        assert_eq!(bench.read(0), (numbered(0..60), 0));
        for from in [0, 7, 58, 60] {
            let staged = bench.stream.staged(Timestamp::default(), Ordinal(from * 10)).unwrap();
            assert_eq!(staged, ordinals(from), "from {from}");
        }
        let late = bench.stream.staged(Timestamp::from_millis(50_000), Ordinal(0)).unwrap();
        assert!(late.is_superset(&ordinals(50)) && !late.contains(&Ordinal(10)), "{late:?}");
        bench = bench.kill();
    }
}
