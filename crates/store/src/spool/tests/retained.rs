//! Retained messages that came with a QoS 2 handshake stay known until the table has them.

use super::*;
use crate::{DestinationLimits, FullPolicy, Revision, RevisionMark};

/// A message to be retained with this payload and revision, from session 9.
fn retain(bench: &Bench, topic: &str, payload: &str, revision: u64, to: &[u64]) -> Result<CommitPoint, AppendError> {
    let publication = Publication { topic: TopicName::parse(topic).unwrap(), ..publication(payload) };
    let publication = Publication { retain: true, ..publication };
    let packet = NonZeroU16::new(u16::try_from(revision).unwrap()).unwrap();
    let origin = ExactlyOnce { session: DestinationId::new(9), packet, revision: Some(Revision(revision)) };
    bench.add(9, DestinationOptions::default());
    to.iter().filter(|id| bench.spool.state(DestinationId::new(**id)).is_none()).for_each(|id| {
        bench.add(*id, DestinationOptions::default());
    });
    let to: Vec<Placement> = to.iter().map(|id| placement(*id)).collect();
    bench.spool.append(Timestamp::default(), &publication, Some(origin), &to, |_, _, _| {})
}

/// What the table may not have: revision, topic and payload.
fn untold(bench: &Bench) -> Vec<(u64, String, String)> {
    let text = |payload: &Bytes| String::from_utf8(payload.to_vec()).unwrap();
    let found = bench.spool.retained();
    found.iter().map(|(revision, it)| (revision.0, it.topic.to_string(), text(&it.payload))).collect()
}

fn entry(revision: u64, topic: &str, payload: &str) -> (u64, String, String) {
    (revision, topic.to_owned(), payload.to_owned())
}

#[test]
fn the_last_of_each_topic_is_known_until_the_table_has_it_whatever_becomes_of_its_segment() {
    let mut bench = Bench::new();
    for (topic, payload, revision) in [("a", "1", 1), ("b", "2", 2), ("a", "", 3)] {
        retain(&bench, topic, payload, revision, &[1]).unwrap();
    }
    let expected = [entry(3, "a", ""), entry(2, "b", "2")];
    bench.acknowledge(1, &[0, 1, 2]);
    bench.commit();
    let first = bench.segments();
    for round in 0..3u64 {
        assert_eq!(untold(&bench), expected, "round {round}");
        // Enough for several segments.
        for number in 0..40 {
            bench.append(&format!("{number:0>100}"), &[1]).unwrap();
            bench.acknowledge(1, &[3 + round * 40 + number]);
            bench.commit();
        }
        bench = bench.kill();
    }
    assert!(bench.segments().iter().all(|path| !first.contains(path)));
    let mark = RevisionMark::new(Revision(2));
    bench.spool.follow_retained(mark.clone());
    assert_eq!(untold(&bench), [entry(3, "a", "")]);
    mark.raise(Revision(3));
    assert_eq!(untold(&bench), []);
    // The next segment does not have them any more.
    for number in 0..40 {
        bench.append(&format!("{number:0>100}"), &[1]).unwrap();
    }
    bench.commit();
    assert_eq!(untold(&bench.kill()), []);
}

#[test]
fn a_handshake_that_a_loss_of_power_leaves_leaves_what_is_retained() {
    let is_whole = |bench: &Bench| {
        let found = bench.spool.state(DestinationId::new(9)).unwrap_or_default().inbound;
        let known: Vec<u16> = untold(bench).iter().map(|(revision, ..)| u16::try_from(*revision).unwrap()).collect();
        assert!(found.iter().all(|packet| known.contains(packet)), "{found:?} were taken, {known:?} are retained");
        found.len()
    };
    let mut seen = [false; 3];
    for step in 0..150 {
        let bench = Bench::new();
        bench.add(2, DestinationOptions { limits: NO_MESSAGE, policy: FullPolicy::DropNewest, ..Default::default() });
        bench.disk.cut_power_at(step);
        // Nobody gets the second: its handshake is written by itself. When the power is gone, nothing is taken.
        for (topic, revision) in [("a", 1), ("b", 2)] {
            let _ = retain(&bench, topic, "x", revision, &[revision]);
            bench.committer.commit_once();
        }
        // The next segments begin.
        for _ in 0..30 {
            let _ = bench.append(&"x".repeat(100), &[1]);
            bench.committer.commit_once();
        }
        let found = is_whole(&Bench::open(bench.disk.power_cut()));
        seen[found] = true;
    }
    assert_eq!(seen, [true; 3]);
}

const NO_MESSAGE: DestinationLimits = DestinationLimits { messages_max: 0, ..DestinationLimits::NONE };
