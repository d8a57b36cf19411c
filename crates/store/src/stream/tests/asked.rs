//! A stream that was asked whether it takes a message.

use super::*;
use crate::disk::Fault;
use message::limits;

fn publication(bytes: usize) -> Publication {
    let topic = TopicName::parse("plant/line").unwrap();
    Publication::new(topic, Bytes::from(vec![0; bytes]), QoS::AtLeastOnce, Timestamp::default())
}

#[test]
fn it_keeps_its_word_whatever_others_bring_in_between() {
    let bench = Bench::open(SimulatedDisk::new(1), StreamOptions::default());
    let message = publication(1024 * 1024);
    bench.stream.ask(&message).unwrap();
    let others = (0..100).take_while(|_| bench.stream.append(Timestamp::default(), &message, |_| {}).is_ok()).count();
    assert!(matches!(bench.stream.ask(&message), Err(AppendError::Full { .. })));
    let (offset, point) = bench.stream.append_asked(Timestamp::default(), &message).unwrap();
    assert_eq!(offset, Offset(others as u64));
    bench.commit();
    assert!(bench.stream.committed(point));
    bench.disk.set_capacity(Some(limits::LOG_DISK_RESERVE_BYTES));
    bench.append(1, "what shows that there is no room");
    // Once: the committer tries it again until there is room.
    assert!(bench.committer.commit_once());
    assert!(matches!(bench.stream.ask(&message), Err(AppendError::NoRoom { .. })));
    bench.disk.set_capacity(None);
    bench.commit();
    bench.stream.ask(&message).unwrap();
    bench.disk.plan(Fault::SyncFails);
    bench.stream.append_asked(Timestamp::default(), &message).unwrap();
    bench.commit();
    assert!(matches!(bench.stream.ask(&message), Err(AppendError::Poisoned(_))));
    assert!(matches!(bench.stream.append_asked(Timestamp::default(), &message), Err(AppendError::Poisoned(_))));
}

#[test]
fn it_does_not_take_what_no_record_holds() {
    let bench = Bench::new();
    let asked = bench.stream.ask(&publication(limits::LOG_RECORD_BYTES_MAX));
    assert!(matches!(asked, Err(AppendError::TooLarge { .. })));
}
