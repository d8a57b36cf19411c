//! What happens when a destination, the spool or the disk is full, or fails.

use super::*;
use crate::disk::Fault;
use crate::spool::DropReason;
use crate::{DestinationLimits, FullPolicy};
use message::limits;

fn options(policy: FullPolicy, messages: u64) -> DestinationOptions {
    DestinationOptions {
        policy,
        limits: DestinationLimits { messages_max: messages, ..DestinationLimits::NONE },
        ..DestinationOptions::default()
    }
}

fn dropped(bench: &Bench, id: u64, reason: DropReason) -> u64 {
    bench.spool.state(DestinationId::new(id)).unwrap().dropped[reason as usize]
}

#[test]
fn a_full_destination_follows_its_policy_and_counts_every_loss() {
    for (policy, third, left, reason) in [
        (FullPolicy::Refuse, None, ["a", "b"], None),
        (FullPolicy::DropNewest, Some(Placed::DroppedNewest), ["a", "b"], Some(DropReason::Newest)),
        (FullPolicy::DropOldest, Some(Placed::At(Ordinal(2))), ["b", "c"], Some(DropReason::Oldest)),
    ] {
        let mut bench = Bench::new();
        bench.add(1, options(policy, 2));
        for payload in ["a", "b"] {
            bench.append(payload, &[1]).unwrap();
        }
        let expected = third.map(|placed| vec![placed]).ok_or(AppendError::Refused);
        assert_eq!(bench.append("c", &[1]).map(|(_, placed)| placed), expected, "{policy:?}");
        bench.commit();
        for _ in 0..2 {
            assert_eq!(bench.payloads(1), left, "{policy:?}");
            let expected = DropReason::ALL.map(|counted| u64::from(Some(counted) == reason));
            // What was dropped when it came in is written down with what is written next.
            if reason != Some(DropReason::Newest) {
                assert_eq!(bench.spool.state(DestinationId::new(1)).unwrap().dropped, expected, "{policy:?}");
            }
            bench = bench.kill();
        }
    }
}

#[test]
fn a_message_that_one_refuses_goes_to_nobody_and_nobody_makes_room_for_it() {
    let bench = Bench::new();
    bench.add(1, options(FullPolicy::Refuse, 1));
    bench.add(3, options(FullPolicy::DropOldest, 1));
    bench.append("a", &[1, 2, 3]).unwrap();
    bench.commit();
    let mut refused = Vec::new();
    let to = [2, 1, 3].map(placement);
    let origin = Some(ExactlyOnce { session: DestinationId::new(2), packet: NonZeroU16::MIN, revision: None });
    let appended = bench.spool.append(Timestamp::default(), &publication("b"), origin, &to, |at, placed, _| {
        refused.push((at, placed));
    });
    assert_eq!((appended, refused), (Err(AppendError::Refused), vec![(1, Placed::Refused)]));
    assert!(!bench.committer.commit_once(), "there is nothing to write");
    for id in 1..=3 {
        assert_eq!(bench.payloads(id), ["a"]);
    }
    let publisher = bench.spool.state(DestinationId::new(2)).unwrap();
    assert!(publisher.inbound.is_empty(), "it is not taken from its publisher");
    bench.acknowledge(1, &[0]);
    bench.append("b", &[2, 1, 3]).unwrap();
    assert_eq!([1, 2, 3].map(|id| bench.payloads(id).len()), [1, 2, 1]);
}

#[test]
fn a_destination_that_is_named_twice_refuses_what_it_has_room_for_once() {
    let bench = Bench::new();
    bench.add(1, options(FullPolicy::Refuse, 3));
    bench.append("a", &[1, 1]).unwrap();
    assert_eq!(bench.append("b", &[1, 1]).unwrap_err(), AppendError::Refused);
    bench.append("c", &[1]).unwrap();
    assert_eq!(bench.payloads(1), ["a", "a", "c"]);
}

#[test]
fn bytes_are_limited_too() {
    let bench = Bench::new();
    let each = limits::SPOOL_MESSAGE_OVERHEAD_BYTES as u64 + "plant/line".len() as u64 + 10;
    let limits = DestinationLimits { bytes_max: 3 * each, ..DestinationLimits::NONE };
    bench.add(1, DestinationOptions { policy: FullPolicy::DropOldest, limits, ..DestinationOptions::default() });
    for index in 0..5 {
        bench.append(&format!("{index:010}"), &[1]).unwrap();
    }
    assert_eq!(bench.payloads(1), ["0000000002", "0000000003", "0000000004"]);
    assert_eq!(bench.append(&"x".repeat(1000), &[1]).unwrap().1, [Placed::DroppedNewest]);
    assert_eq!((dropped(&bench, 1, DropReason::Oldest), dropped(&bench, 1, DropReason::Newest)), (2, 1));
}

#[test]
fn the_last_message_of_each_topic_is_kept_also_by_the_next_process() {
    let put = |bench: &Bench, topic: &str, payload: &str| {
        let publication = Publication { topic: TopicName::parse(topic).unwrap(), ..publication(payload) };
        bench.spool.append(Timestamp::default(), &publication, None, &[placement(1)], |_, _, _| {}).unwrap();
    };
    let mut bench = Bench::new();
    bench.add(1, options(FullPolicy::KeepLastPerKey, 3));
    for (topic, payload) in [("a", "1"), ("b", "2"), ("a", "3"), ("c", "4")] {
        put(&bench, topic, payload);
    }
    assert_eq!(bench.payloads(1), ["2", "3", "4"]);
    bench.commit();
    bench = bench.kill();
    bench.add(1, options(FullPolicy::KeepLastPerKey, 3));
    put(&bench, "b", "5");
    assert_eq!(bench.payloads(1), ["3", "4", "5"]);
    put(&bench, "d", "6");
    assert_eq!(bench.payloads(1), ["4", "5", "6"]);
    assert_eq!((dropped(&bench, 1, DropReason::Replaced), dropped(&bench, 1, DropReason::Oldest)), (2, 1));
}

#[test]
fn a_message_that_is_too_large_for_its_destination_leaves_the_last_one_of_its_topic_there() {
    let mut bench = Bench::new();
    let limits = DestinationLimits { bytes_max: 1000, ..DestinationLimits::NONE };
    let options = DestinationOptions { policy: FullPolicy::KeepLastPerKey, limits, ..DestinationOptions::default() };
    bench.add(1, options);
    for payload in ["1", "2"] {
        bench.append(payload, &[1]).unwrap();
    }
    assert_eq!(bench.append(&"x".repeat(1000), &[1]).unwrap().1, [Placed::DroppedNewest]);
    assert_eq!((dropped(&bench, 1, DropReason::Replaced), dropped(&bench, 1, DropReason::Newest)), (1, 1));
    bench.commit();
    for _ in 0..2 {
        assert_eq!(bench.payloads(1), ["2"]);
        bench = bench.kill();
    }
}

#[test]
fn a_full_disk_refuses_and_goes_on_by_itself_when_there_is_room() {
    let mut bench = Bench::new();
    bench.append("before", &[1]).unwrap();
    bench.commit();
    bench.disk.set_capacity(Some(limits::LOG_DISK_RESERVE_BYTES));
    bench.append("still in doubt", &[1]).unwrap();
    bench.commit();
    assert!(matches!(bench.append("refused", &[1]), Err(AppendError::NoRoom { .. })));
    let point = bench.acknowledge(1, &[0]);
    bench.commit();
    assert!(bench.spool.committed(point), "an acknowledgement goes on");
    bench.disk.set_capacity(Some(1024));
    let late = bench.acknowledge(1, &[1]);
    assert!(bench.committer.commit_once());
    assert!(!bench.spool.committed(late));
    bench.disk.set_capacity(None);
    bench.commit();
    assert!(bench.spool.committed(late));
    bench.append("after", &[1]).unwrap();
    bench.commit();
    assert_eq!(bench.spool.failure(), None);
    bench = bench.kill();
    assert_eq!(bench.payloads(1), ["after"]);
}

#[test]
fn the_first_message_is_taken_after_a_full_disk_has_room_again() {
    let bench = Bench::new();
    bench.append("before", &[1]).unwrap();
    bench.commit();
    bench.disk.set_capacity(Some(limits::LOG_DISK_RESERVE_BYTES));
    bench.append("still in doubt", &[1]).unwrap();
    bench.commit();
    for _ in 0..2 {
        assert!(matches!(bench.append("refused", &[1]), Err(AppendError::NoRoom { .. })));
        bench.commit();
    }
    bench.disk.set_capacity(None);
    bench.append("after", &[1]).unwrap();
    bench.commit();
    assert_eq!(bench.payloads(1), ["before", "still in doubt", "after"]);
}

#[test]
fn a_disk_that_fills_up_in_the_middle_of_a_write_loses_nothing() {
    for fault in [Fault::WritesFindNoRoom, Fault::WritesExceedQuota] {
        fills_up(fault);
    }
}

fn fills_up(fault: Fault) {
    let mut bench = Bench::new();
    bench.append("a", &[1]).unwrap();
    bench.commit();
    bench.append("b", &[1]).unwrap();
    let (point, _) = bench.append("c", &[1]).unwrap();
    bench.disk.plan(fault);
    assert!(bench.committer.commit_once());
    assert!(!bench.spool.committed(point));
    assert_eq!(bench.payloads(1), ["a", "b", "c"]);
    bench.disk.heal();
    bench.commit();
    assert!(bench.spool.committed(point));
    bench = bench.kill();
    assert_eq!(bench.payloads(1), ["a", "b", "c"]);
}

#[test]
fn a_file_that_cannot_be_made_for_now_loses_nothing_and_ends_nothing() {
    let mut bench = Bench::new();
    bench.add(2, options(FullPolicy::DropOldest, u64::MAX));
    bench.append("0", &[1, 2]).unwrap();
    bench.commit();
    bench.disk.plan(Fault::NoFileOpens);
    // More than a segment takes: another file is needed.
    let expected: Vec<String> = (0..100).map(|index| index.to_string()).collect();
    let append = |payload: &String| bench.append(payload, &[1]).unwrap().0;
    let points: Vec<CommitPoint> = expected.iter().skip(1).map(append).collect();
    let last = *points.last().unwrap();
    for _ in 0..3 {
        assert!(bench.committer.commit_once());
        assert!(!bench.spool.committed(last));
        for id in [1, 2] {
            assert!(matches!(bench.append("refused", &[id]), Err(AppendError::NoRoom { .. })));
        }
        assert_eq!(bench.payloads(1), expected, "all of it can be read meanwhile");
    }
    assert_eq!(bench.spool.failure(), None);
    bench.disk.heal();
    bench.commit();
    assert!(bench.spool.committed(last));
    bench.append("after", &[1]).unwrap();
    bench.commit();
    bench = bench.kill();
    assert_eq!(bench.payloads(1), [expected, vec!["after".to_owned()]].concat());
    assert_eq!(bench.payloads(2), ["0"], "nothing was dropped to make room");
    assert_eq!(bench.recovery.damage, []);
}

#[test]
fn files_are_removed_though_their_folder_cannot_be_synced_for_now() {
    let mut bench = Bench::new();
    for index in 0..100 {
        bench.append(&index.to_string(), &[1]).unwrap();
    }
    bench.commit();
    let before = bench.segments().len();
    bench.disk.plan(Fault::NoFileOpens);
    let point = bench.acknowledge(1, &(0..90).collect::<Vec<u64>>());
    bench.commit();
    assert!(bench.spool.committed(point));
    assert!(bench.segments().len() < before);
    assert_eq!(bench.spool.failure(), None);
    bench = bench.kill();
    assert_eq!(bench.payloads(1), (90..100).map(|index| index.to_string()).collect::<Vec<_>>());
}

#[test]
fn a_failed_write_or_sync_ends_the_taking_of_messages() {
    for fault in [Fault::WriteFails, Fault::SyncFails] {
        let bench = Bench::new();
        let (safe, _) = bench.append("safe", &[1]).unwrap();
        bench.commit();
        let (lost, _) = bench.append("lost", &[1]).unwrap();
        bench.disk.plan(fault);
        bench.commit();
        assert!(bench.spool.committed(safe));
        let poll = bench.spool.poll_committed(lost, std::task::Waker::noop());
        assert!(matches!(poll, std::task::Poll::Ready(Err(_))), "{fault:?}");
        assert!(matches!(bench.append("more", &[1]), Err(AppendError::Poisoned(_))), "{fault:?}");
        bench.commit();
        assert!(!bench.spool.committed(lost), "{fault:?}: nothing pretends later that it went well");
        let after = Bench::open(bench.disk.power_cut());
        assert_eq!(after.payloads(1).first().map(String::as_str), Some("safe"), "{fault:?}");
    }
}

#[test]
fn short_writes_are_gone_on_with() {
    let mut bench = Bench::new();
    bench.disk.plan(Fault::ShortWrites);
    let expected: Vec<String> = (0..50).map(|index| index.to_string()).collect();
    for payload in &expected {
        bench.append(payload, &[1]).unwrap();
    }
    bench.commit();
    bench = bench.kill();
    assert_eq!(bench.payloads(1), expected);
}

#[test]
fn messages_that_are_too_old_are_dropped_and_counted() {
    let age_max = Some(std::time::Duration::from_secs(60));
    let aged = DestinationOptions {
        limits: DestinationLimits { age_max, ..DestinationLimits::NONE },
        ..DestinationOptions::default()
    };
    let mut bench = Bench::new();
    bench.add(1, aged);
    for second in 0..700 {
        let now = Timestamp::from_millis(second * 1000);
        let publication = Publication { published_at: now, ..publication(&second.to_string()) };
        let to = [placement(1)];
        bench.spool.append(now, &publication, None, &to, |_, _, _| {}).unwrap();
        if second == 300 {
            bench.commit();
        }
    }
    assert_eq!(bench.spool.drop_aged(Timestamp::from_millis(10_000)), Ok(0));
    assert_eq!(bench.spool.drop_aged(Timestamp::from_millis(660_000)), Ok(600));
    assert_eq!(bench.spool.drop_aged(Timestamp::from_millis(660_000)), Ok(0));
    bench.commit();
    for _ in 0..2 {
        assert_eq!(bench.payloads(1), (600..700).map(|second| second.to_string()).collect::<Vec<_>>());
        assert_eq!(dropped(&bench, 1, DropReason::Age), 600);
        bench = bench.kill();
    }
}

/// A spool of some segments on a disk that has no more room, whose destinations have these policies; 1 and 2 have all
/// messages, 3 has the last one.
fn short(policies: [FullPolicy; 3]) -> Bench {
    let bench = Bench::new();
    for (id, policy) in [1, 2, 3].into_iter().zip(policies) {
        bench.add(id, options(policy, u64::MAX));
    }
    for index in 0..60 {
        bench.append(&format!("message {index:050}"), &[1, 2]).unwrap();
        bench.commit();
    }
    bench.append("other", &[3]).unwrap();
    bench.commit();
    bench.disk.set_capacity(Some(bench.disk_bytes() as u64 + limits::LOG_DISK_RESERVE_BYTES));
    bench.spool.log.look_at_room();
    bench
}

#[test]
fn a_disk_that_is_short_of_room_follows_the_policies_too() {
    use FullPolicy::{DropNewest, DropOldest, Refuse};
    // Those who drop their oldest give the oldest segment back, whoever of them the message is for.
    for (policies, to) in [([DropOldest, DropOldest, Refuse], 1), ([DropOldest, DropOldest, DropOldest], 3)] {
        let bench = short(policies);
        let (files, before) = (bench.segments().len(), bench.waiting(2).len());
        let (point, results) = bench.append("new", &[to]).unwrap();
        assert!(matches!(results[..], [Placed::At(_)]), "{results:?}");
        bench.commit();
        assert!(bench.spool.committed(point));
        assert_eq!(bench.payloads(to).last().map(String::as_str), Some("new"));
        let lost = dropped(&bench, 2, DropReason::Oldest);
        assert!(lost > 0 && lost < 20, "{lost}");
        assert_eq!(bench.waiting(2).len() as u64, before as u64 - lost);
        assert!(bench.segments().len() <= files, "the oldest file is gone");
        let after = bench.kill();
        assert_eq!(dropped(&after, 2, DropReason::Oldest), lost);
    }
    // What another one needs is not dropped: it would give nothing back.
    let bench = short([DropOldest, Refuse, DropOldest]);
    assert!(matches!(bench.append("new", &[1]), Err(AppendError::NoRoom { .. })));
    assert_eq!((bench.waiting(1).len(), dropped(&bench, 1, DropReason::Oldest)), (60, 0));
    // One that refuses refuses for all.
    let bench = short([DropOldest, DropOldest, Refuse]);
    assert!(matches!(bench.append("new", &[1, 3]), Err(AppendError::NoRoom { .. })));
    assert_eq!(bench.waiting(1).len(), 60);
    // One that drops what is new drops this, and counts it also for the next process.
    let bench = short([DropNewest, DropOldest, Refuse]);
    assert_eq!(bench.append("new", &[1]).unwrap().1, [Placed::DroppedNewest]);
    assert_eq!((bench.waiting(1).len(), dropped(&bench, 1, DropReason::Newest)), (60, 1));
    bench.acknowledge(1, &[0]);
    bench.commit();
    assert_eq!(dropped(&bench.kill(), 1, DropReason::Newest), 1);
}

#[test]
fn a_spool_that_may_have_no_more_bytes_follows_the_policies_too() {
    let options_of_spool = SpoolOptions { segment_bytes: 1024, bytes_max: 8 * 1024 };
    let bench = Bench::open_with(SimulatedDisk::new(1), options_of_spool);
    bench.add(1, options(FullPolicy::DropOldest, u64::MAX));
    bench.add(2, options(FullPolicy::Refuse, u64::MAX));
    for index in 0..300 {
        bench.append(&format!("message {index:050}"), &[1]).unwrap();
        bench.commit();
        assert!(bench.spool.figures().bytes <= 8 * 1024);
    }
    let waiting = bench.payloads(1);
    assert_eq!(waiting.last(), Some(&format!("message {:050}", 299)));
    assert_eq!(waiting.len() as u64 + dropped(&bench, 1, DropReason::Oldest), 300);
    while bench.append("more", &[1]).is_ok() && bench.spool.figures().bytes < 8 * 1024 - 150 {}
    assert!(matches!(bench.append(&"x".repeat(500), &[2]), Err(AppendError::LogFull { .. })));
}
