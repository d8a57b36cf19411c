//! What goes in comes out: in order, once for each destination, before and after it is on the disk and in the next process.

use std::num::NonZeroU16;
use std::task::{Context, Poll, Waker};

use message::limits;

use super::*;
use crate::Durability;
use crate::spool::{DropReason, ReadError};

fn at(ordinal: u64) -> Placed {
    Placed::At(Ordinal(ordinal))
}

#[test]
fn a_destination_that_nobody_added_takes_nothing() {
    let bench = Bench::new();
    bench.add(1, DestinationOptions::default());
    let mut results = Vec::new();
    let to = [placement(1), placement(2)];
    let now = Timestamp::from_millis(1);
    bench.spool.append(now, &publication("x"), None, &to, |_, placed, _| results.push(placed)).unwrap();
    assert_eq!(results, [at(0), Placed::Unknown]);
    bench.spool.remove(DestinationId::new(1));
    results.clear();
    bench.spool.append(now, &publication("y"), None, &to, |_, placed, _| results.push(placed)).unwrap();
    assert_eq!(results, [Placed::Unknown; 2]);
    assert!(bench.spool.destinations().is_empty());
}

#[test]
fn a_message_is_stored_once_and_waits_for_each_destination() {
    let bench = Bench::new();
    assert_eq!(bench.append("a", &[1, 2]).unwrap().1, [at(0), at(0)]);
    assert_eq!(bench.append("b", &[2]).unwrap().1, [at(1)]);
    assert_eq!(bench.payloads(1), ["a"]);
    assert_eq!(bench.waiting(2), [(0, "a".to_owned()), (1, "b".to_owned())]);
    bench.acknowledge(2, &[0]);
    assert_eq!((bench.payloads(1), bench.payloads(2)), (vec!["a".to_owned()], vec!["b".to_owned()]));
    let state = bench.spool.state(DestinationId::new(2)).unwrap();
    assert_eq!((state.low, state.next, state.waiting_messages), (Ordinal(1), Ordinal(2), 1));
}

#[test]
fn a_record_of_very_many_destinations_is_kept_until_each_has_read_it() {
    let bench = Bench::new();
    let all: Vec<u64> = (1..=100).collect();
    for index in 0..3 {
        bench.append(&format!("to all {index}"), &all).unwrap();
    }
    // This one is in one of the records with others that are none of its.
    bench.append("to few", &[1, 2]).unwrap();
    bench.acknowledge(50, &[1]);
    bench.commit();
    assert_eq!(bench.spool.wide.len(), 0);
    let each = ["to all 0", "to all 1", "to all 2"];
    for id in all.iter().copied().filter(|id| *id != 50) {
        let expected = each.iter().copied().chain((id <= 2).then_some("to few"));
        assert_eq!(bench.payloads(id), expected.collect::<Vec<_>>(), "{id}");
        assert_eq!(bench.spool.wide.len(), 3, "{id}");
    }
    assert_eq!(bench.payloads(50), ["to all 0", "to all 2"]);
    assert_eq!(bench.spool.wide.len(), 1, "one waits for the destination that has acknowledged it");
    let other = bench.kill();
    let read = other.read_all(77);
    assert_eq!(read.iter().map(|spooled| spooled.ordinal.0).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(read[2].publication, publication("to all 2"));
}

#[test]
fn records_of_very_many_destinations_take_so_much_memory_and_no_more() {
    let bench = Bench::new();
    let all: Vec<u64> = (1..=100).collect();
    let large = "x".repeat(limits::SPOOL_WIDE_BYTES_MAX / 4);
    for _ in 0..7 {
        bench.append(&large, &all).unwrap();
        bench.append(&format!("{large}{large}"), &all).unwrap();
    }
    bench.commit();
    for id in [9, 10] {
        let lengths: Vec<usize> = bench.payloads(id).iter().map(String::len).collect();
        assert_eq!(lengths, [large.len(), large.len() * 2].repeat(7));
        assert_eq!(bench.spool.wide.len(), 3);
    }
}

#[test]
fn all_that_a_subscriber_sees_is_kept() {
    let bench = Bench::new();
    let wanted = Placement { qos: QoS::ExactlyOnce, retain: true, identifiers: vec![7, 268_435_455], ..placement(3) };
    let now = Timestamp::from_millis(5000);
    bench.add(3, DestinationOptions::default());
    let point =
        bench.spool.append(now, &publication("x"), None, &[placement(1), wanted.clone()], |_, _, _| {}).unwrap();
    for step in ["in memory", "on the disk"] {
        let found = bench.read_all(3).remove(0);
        assert_eq!(found.publication, publication("x"), "{step}");
        assert_eq!((found.qos, found.retain), (wanted.qos, wanted.retain), "{step}");
        assert_eq!((found.identifiers, found.point), (wanted.identifiers.clone(), point), "{step}");
        bench.commit();
    }
}

#[test]
fn more_than_one_buffer_waits_in_order_and_is_written_in_one_group() {
    let disk = SimulatedDisk::new(1);
    let committer = Committer::stepped();
    let open = |options| Spool::open(Arc::new(disk.clone()), Path::new(FOLDER), options, &committer).unwrap().0;
    let (spool, id) = (open(SpoolOptions::default()), DestinationId::new(1));
    spool.add(id, DestinationOptions::default()).unwrap();
    let payload = |index: usize| format!("{index} {}", "x".repeat(limits::LOG_BUFFER_BYTES / 20));
    let mut last = CommitPoint::REACHED;
    for index in 0..60 {
        let now = Timestamp::from_millis(1);
        last = spool.append(now, &publication(&payload(index)), None, &[placement(1)], |_, _, _| {}).unwrap();
    }
    let check = |spool: &Spool, context: &str| {
        let mut found = Vec::new();
        spool.read(id, Ordinal(0), 100, usize::MAX, &mut found).unwrap();
        let all: Vec<&[u8]> = found.iter().map(|spooled| &*spooled.publication.payload).collect();
        assert_eq!(
            all,
            (0..60).map(payload).collect::<Vec<_>>().iter().map(String::as_bytes).collect::<Vec<_>>(),
            "{context}"
        );
    };
    check(&spool, "in memory");
    assert!(committer.commit_once());
    assert!(spool.committed(last));
    check(&spool, "on the disk");
    check(&open(SpoolOptions::default()), "by the next process");
}

#[test]
fn a_point_is_reached_when_the_disk_has_it() {
    let bench = Bench::new();
    let (point, _) = bench.append("a", &[1]).unwrap();
    let context = Context::from_waker(Waker::noop());
    assert!(!bench.spool.committed(point));
    assert_eq!(bench.spool.poll_committed(point, context.waker()), Poll::Pending);
    bench.commit();
    assert!(bench.spool.committed(point));
    assert_eq!(bench.spool.poll_committed(point, context.waker()), Poll::Ready(Ok(())));
    let nothing = bench.append("nobody wants it", &[]).unwrap().0;
    assert!(bench.spool.committed(nothing));
}

#[test]
fn many_segments_come_and_go_with_what_waits() {
    let bench = Bench::new();
    for index in 0..300 {
        bench.append(&format!("message {index}"), &[1]).unwrap();
        if index % 10 == 0 {
            bench.commit();
        }
    }
    let expected: Vec<String> = (0..300).map(|index| format!("message {index}")).collect();
    assert_eq!(bench.payloads(1), expected);
    bench.commit();
    assert_eq!(bench.payloads(1), expected);
    let files = bench.segments().len();
    assert!(files > 10, "{files}");
    bench.acknowledge(1, &(0..300).collect::<Vec<_>>());
    bench.commit();
    bench.append("last", &[1]).unwrap();
    bench.commit();
    assert!(bench.segments().len() <= 2, "{:?}", bench.segments());
    assert_eq!(bench.payloads(1), ["last"]);
}

#[test]
fn the_next_process_finds_what_was_not_acknowledged() {
    let mut bench = Bench::new();
    for index in 0..100 {
        bench.append(&format!("{index}"), &[1, 2]).unwrap();
        bench.acknowledge(1, &[index / 2 * 2]);
    }
    bench.commit();
    for round in 0..3 {
        bench = bench.kill();
        assert_eq!(bench.recovery.damage, []);
        assert_eq!((bench.recovery.cut_bytes, bench.recovery.lost_messages), (0, 0));
        assert_eq!(bench.recovery.destinations, [DestinationId::new(1), DestinationId::new(2)]);
        let odd: Vec<(u64, String)> = (0..100).filter(|index| index % 2 == 1).map(|it| (it, it.to_string())).collect();
        assert_eq!(bench.waiting(1), odd, "round {round}");
        assert_eq!(bench.waiting(2).len(), 100);
        let state = bench.spool.state(DestinationId::new(1)).unwrap();
        assert_eq!((state.low, state.next, state.waiting_messages), (Ordinal(1), Ordinal(100), 50));
        if round == 1 {
            bench.commit();
        }
    }
    bench.append("new", &[1]).unwrap();
    assert_eq!(bench.waiting(1).pop(), Some((100, "new".to_owned())));
}

#[test]
fn the_state_of_handshakes_is_kept() {
    let packet = |number| NonZeroU16::new(number).unwrap();
    let mut bench = Bench::new();
    bench.append_at(1, "a", &[1], Some((9, 5))).unwrap();
    bench.append_at(1, "for nobody", &[], Some((9, 6))).unwrap();
    bench.append_at(1, "b", &[1], None).unwrap();
    bench.spool.release(DestinationId::new(9), packet(5));
    bench.spool.mark_received(DestinationId::new(1), Ordinal(1));
    bench.spool.mark_received(DestinationId::new(1), Ordinal(7));
    for _ in 0..2 {
        let state = bench.spool.state(DestinationId::new(1)).unwrap();
        assert_eq!(state.received, [Ordinal(1)]);
        assert_eq!(bench.spool.state(DestinationId::new(9)).unwrap().inbound, [6]);
        bench.commit();
        bench = bench.kill();
    }
    bench.acknowledge(1, &[1]);
    assert_eq!(bench.spool.state(DestinationId::new(1)).unwrap().received, []);
}

#[test]
fn what_was_sent_is_told_from_what_was_not() {
    let mut bench = Bench::new();
    for payload in ["a", "b", "c"] {
        bench.append(payload, &[1]).unwrap();
    }
    bench.spool.sent(DestinationId::new(1), Ordinal(2));
    let sent = |bench: &Bench| bench.read_all(1).iter().map(|spooled| spooled.was_sent).collect::<Vec<_>>();
    assert_eq!(sent(&bench), [true, true, false]);
    bench.commit();
    bench = bench.kill();
    assert_eq!(sent(&bench), [true, true, false], "it outlives the process though nothing was acknowledged");
    bench.commit();
    bench.spool.sent(DestinationId::new(1), Ordinal(1));
    bench.spool.sent(DestinationId::new(1), Ordinal(2));
    assert!(!bench.committer.has_work(), "what is known is not written again");
    bench.acknowledge(1, &[0]);
    bench.commit();
    bench = bench.kill();
    assert_eq!(sent(&bench), [true, false]);
}

#[test]
fn a_removed_destination_is_gone_and_holds_no_file() {
    let mut bench = Bench::new();
    for index in 0..100 {
        bench.append(&index.to_string(), &[1]).unwrap();
    }
    bench.spool.remove(DestinationId::new(1));
    bench.commit();
    assert_eq!(bench.spool.state(DestinationId::new(1)), None);
    let read = bench.spool.read(DestinationId::new(1), Ordinal(0), 1, 1, &mut Vec::new());
    assert_eq!(read, Err(ReadError::Unknown(DestinationId::new(1))));
    assert!(bench.segments().len() <= 2, "{:?}", bench.segments());
    bench = bench.kill();
    assert_eq!(bench.recovery.destinations, []);
    assert_eq!(bench.recovery.lost_messages, 0);
}

#[test]
fn a_large_message_has_a_segment_for_itself() {
    let bench = Bench::new();
    let large = "x".repeat(100_000);
    bench.append("before", &[1]).unwrap();
    bench.append(&large, &[1]).unwrap();
    bench.append("after", &[1]).unwrap();
    for _ in 0..2 {
        assert_eq!(bench.payloads(1), ["before", &large, "after"]);
        bench.commit();
    }
    assert_eq!(bench.kill().payloads(1), ["before", &large, "after"]);
}

#[test]
fn a_message_waits_for_what_its_safest_destination_asks_for() {
    let bench = Bench::new();
    for (id, durability) in [(1, Durability::Memory), (2, Durability::Os), (3, Durability::Fsync)] {
        bench.add(id, DestinationOptions { durability, ..DestinationOptions::default() });
    }
    let (memory, _) = bench.append("a", &[1]).unwrap();
    let (all, _) = bench.append("b", &[1, 2, 3]).unwrap();
    let acknowledged = bench.acknowledge(1, &[0]);
    assert!(bench.spool.committed(memory) && bench.spool.committed(acknowledged), "memory waits for nothing");
    assert!(!bench.spool.committed(all));
    assert_eq!(bench.payloads(1), ["b"]);
    bench.commit();
    assert!(bench.spool.committed(all));
}

#[test]
fn what_is_not_known_to_wait_is_released_when_all_before_it_is_safe() {
    let bench = Bench::new();
    bench.add(1, DestinationOptions { durability: Durability::Os, ..DestinationOptions::default() });
    bench.add(2, DestinationOptions::default());
    bench.append("a", &[1]).unwrap();
    bench.commit();
    // Nothing has asked for a sync, so this must.
    let released = bench.spool.release(DestinationId::new(2), NonZeroU16::MIN);
    bench.commit();
    assert!(bench.spool.committed(released));
}

#[test]
fn a_reader_beside_the_committer_finds_every_message_whole() {
    let disk = SimulatedDisk::new(1);
    let committer = Committer::start().unwrap();
    let (spool, _) = Spool::open(Arc::new(disk), Path::new(FOLDER), SMALL, &committer).unwrap();
    let id = DestinationId::new(1);
    spool.add(id, DestinationOptions::default()).unwrap();
    let messages = 20_000;
    let reader = {
        let spool = spool.clone();
        std::thread::spawn(move || {
            let (mut from, mut found) = (Ordinal(0), Vec::new());
            while found.len() < messages && spool.state(id).unwrap().dropped == [0; DropReason::ALL.len()] {
                from = spool.read(id, from, 64, 4096, &mut found).unwrap().from;
            }
            found.len()
        })
    };
    for number in 0..messages {
        let publication = publication(&number.to_string());
        spool.append(Timestamp::default(), &publication, None, &[placement(1)], |_, _, _| {}).unwrap();
        if number % 16 == 0 {
            std::thread::yield_now();
        }
    }
    assert_eq!(reader.join().unwrap(), messages);
    assert_eq!(spool.state(id).unwrap().dropped, [0; DropReason::ALL.len()]);
}
