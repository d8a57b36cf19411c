//! The retained store against a plain map, its limits, its journal.

use std::collections::BTreeMap;
use std::task::{Poll, Waker};
use std::time::Duration;

use message::{Bytes, PublicationProperties, QoS, TopicFilter};
use proptest::prelude::*;

use super::*;
use crate::promise::Broken;
use crate::router::{Router, RouterOptions};

#[derive(Debug, Default)]
struct Journal(Mutex<Vec<String>>);

impl RetainedJournal for Journal {
    fn record(&self, change: RetainedChange, _: Turn) {
        self.0.lock().push(match change {
            RetainedChange::Kept { publication, replaces: false } => format!("+{}", publication.topic),
            RetainedChange::Kept { publication, replaces: true } => format!("={}", publication.topic),
            RetainedChange::Cleared(topic) => format!("-{topic}"),
        });
    }

    fn promise(&self) -> Box<dyn Pending> {
        Box::new(Recorded(self.0.lock().len()))
    }
}

/// A promise about so many changes, which is broken.
#[derive(Debug)]
struct Recorded(usize);

impl Pending for Recorded {
    fn poll_kept(&mut self, _: &Waker) -> Poll<Result<(), Broken>> {
        Poll::Ready(Err(if self.0 == 1 { Broken::NoRoom } else { Broken::Failed }))
    }
}

fn keep(store: &Retained, publication: &Arc<Publication>) -> Keeping {
    store.keep(publication, None, &mut Promises::default())
}

fn store(messages_max: usize, bytes_max: usize) -> (Retained, Arc<Journal>) {
    let journal = Arc::new(Journal::default());
    let limits = RetainedLimits { messages_max, bytes_max };
    (Retained::new(limits, FixedState::with_seed(1), Some(Arc::clone(&journal) as _)), journal)
}

fn message(topic: &str, payload: &str, expiry_s: Option<u32>) -> Arc<Publication> {
    let properties =
        expiry_s.map(|_| Box::new(PublicationProperties { message_expiry_s: expiry_s, ..Default::default() }));
    let topic = TopicName::parse(topic).unwrap();
    let payload = Bytes::from(payload.to_owned());
    Arc::new(Publication { properties, ..Publication::new(topic, payload, QoS::AtLeastOnce, Timestamp::default()) })
}

fn found(store: &Retained, filter: &str) -> Vec<String> {
    let mut found = Vec::new();
    store.topics().for_each_match(&TopicFilter::parse(filter).unwrap(), &store.hasher, &mut |publication| {
        found.push(publication.topic.to_string());
    });
    found.sort();
    found
}

fn after(seconds: u64) -> Timestamp {
    Timestamp::default().saturating_add(Duration::from_secs(seconds))
}

#[test]
fn a_full_store_keeps_what_it_has_and_still_replaces_it() {
    let (store, journal) = store(2, usize::MAX);
    assert_eq!(keep(&store, &message("a", "1", None)), Keeping::Kept);
    assert_eq!(keep(&store, &message("b", "1", None)), Keeping::Kept);
    assert_eq!(keep(&store, &message("c", "1", None)), Keeping::Full);
    assert_eq!(keep(&store, &message("a", "2", None)), Keeping::Kept);
    assert_eq!(keep(&store, &message("b", "", None)), Keeping::Cleared);
    assert_eq!(keep(&store, &message("b", "", None)), Keeping::Cleared);
    assert_eq!(keep(&store, &message("c", "1", None)), Keeping::Kept);
    assert_eq!(found(&store, "#"), ["a", "c"]);
    assert_eq!(*journal.0.lock(), ["+a", "+b", "=a", "-b", "+c"]);
}

#[test]
fn what_the_node_says_of_itself_is_kept_but_not_recorded() {
    let (store, journal) = store(10, usize::MAX);
    for payload in ["1", ""] {
        keep(&store, &message("$SYS/broker/uptime", payload, None));
        keep(&store, &message("$SYSTEM", payload, None));
    }
    assert_eq!(*journal.0.lock(), ["+$SYSTEM", "-$SYSTEM"]);
}

#[test]
fn bytes_are_limited_too_and_given_back() {
    let weight = message("a", "1", None).weight_bytes();
    let (store, _) = store(10, 2 * weight);
    keep(&store, &message("a", "1", None));
    keep(&store, &message("b", "1", None));
    assert_eq!(keep(&store, &message("a", "12", None)), Keeping::Full);
    assert_eq!(store.size(), (2, 2 * weight));
    keep(&store, &message("b", "", None));
    assert_eq!(keep(&store, &message("a", "12", None)), Keeping::Kept);
    assert_eq!(store.size(), (1, weight + 1));
}

#[test]
fn messages_expire_and_a_newer_one_does_not_with_them() {
    let (store, journal) = store(10, usize::MAX);
    keep(&store, &message("a", "1", Some(10)));
    keep(&store, &message("b", "1", Some(5)));
    keep(&store, &message("b", "2", None));
    keep(&store, &message("c", "1", Some(20)));
    assert_eq!(store.next_expiry(), Some(after(10)));
    store.expire(after(9));
    assert_eq!(found(&store, "#"), ["a", "b", "c"]);
    store.expire(after(10));
    assert_eq!(found(&store, "#"), ["b", "c"]);
    assert_eq!(store.next_expiry(), Some(after(20)));
    assert_eq!(journal.0.lock().last().unwrap(), "-a");
}

#[test]
fn an_acknowledgement_depends_on_the_journal_and_nothing_else_does() {
    let journal = Arc::new(Journal::default());
    let options = RouterOptions { retained_journal: Some(Arc::clone(&journal) as _), ..RouterOptions::new(1) };
    let router = Router::new(options);
    let mut cache = router.route_cache();
    let mut publish = |topic: &str, payload: &str, qos: QoS| {
        let publication = Publication { retain: true, qos, ..Publication::clone(&message(topic, payload, None)) };
        let mut routed = router.publish(publication, None, &mut cache);
        let waits = !routed.is_settled();
        assert_eq!(routed.poll_settled(Waker::noop()), Poll::Ready(()));
        (waits, routed.broken())
    };
    assert_eq!(publish("a", "1", QoS::AtMostOnce), (false, None));
    assert_eq!(publish("a", "", QoS::AtLeastOnce), (true, Some(Broken::Failed)));
    assert_eq!(publish("$SYS/a", "1", QoS::ExactlyOnce), (false, None));
    journal.0.lock().clear();
    assert_eq!(publish("a", "1", QoS::ExactlyOnce), (true, Some(Broken::NoRoom)));
    journal.0.lock().truncate(0);
    assert_eq!(publish("b", "", QoS::AtLeastOnce), (true, Some(Broken::Failed)), "what was cleared before counts");
}

#[test]
fn what_is_restored_is_not_recorded_again_and_knows_its_limits() {
    let (store, journal) = store(1, usize::MAX);
    let mut restored = RestoredRetained::new(&store, after(0), Vec::new());
    for (topic, expiry_s) in [("a", Some(5)), ("b", None)] {
        restored.take(Publication::clone(&message(topic, "1", expiry_s)), Revision::default());
    }
    assert_eq!(restored.finish(Revision::default()), RestoredFigures { caught_up: 0, surplus: 1 });
    assert_eq!((found(&store, "#"), store.next_expiry()), (vec!["a".to_owned()], Some(after(5))));
    assert_eq!(keep(&store, &message("a", "2", None)), Keeping::Kept);
    assert_eq!(*journal.0.lock(), ["-b", "=a"]);
}

/// What was recorded of which topic, in which turn.
#[derive(Debug, Default)]
struct Turns(Mutex<Vec<(String, Turn)>>);

impl RetainedJournal for Turns {
    fn record(&self, change: RetainedChange, turn: Turn) {
        let topic = match change {
            RetainedChange::Kept { publication, .. } => publication.topic.to_string(),
            RetainedChange::Cleared(topic) => topic.to_string(),
        };
        self.0.lock().push((topic, turn));
    }

    fn promise(&self) -> Box<dyn Pending> {
        Box::new(Recorded(0))
    }
}

fn turn(topic: &str, revision: u64, complete: u64) -> (String, Turn) {
    (topic.to_owned(), Turn { revision: Revision(revision), complete: Revision(complete) })
}

#[test]
fn what_the_spool_has_is_complete_when_the_last_of_it_was_recorded() {
    let turns = Arc::new(Turns::default());
    let limits = RetainedLimits { messages_max: 10, bytes_max: usize::MAX };
    let store = Retained::new(limits, FixedState::with_seed(1), Some(Arc::clone(&turns) as _));
    let untold = [("z", 12), ("a", 15), ("b", 14), ("late", 13), ("known", 9)];
    let untold = untold.map(|(topic, revision)| {
        (Revision(revision), Publication::clone(&message(topic, "x", (topic == "late").then_some(1))))
    });
    let mut restored = RestoredRetained::new(&store, after(1), untold.to_vec());
    restored.take(Publication::clone(&message("b", "newer", None)), Revision(20));
    restored.take(Publication::clone(&message("gone", "", None)), Revision(11));
    assert_eq!(restored.finish(Revision(10)), RestoredFigures { caught_up: 2, surplus: 0 });
    assert_eq!(*turns.0.lock(), [turn("gone", 21, 11), turn("z", 22, 12), turn("a", 23, 23)]);
}

#[test]
fn a_change_is_complete_when_none_that_was_begun_before_is_still_to_come() {
    let turns = Arc::new(Turns::default());
    let limits = RetainedLimits { messages_max: 10, bytes_max: usize::MAX };
    let store = Retained::new(limits, FixedState::with_seed(1), Some(Arc::clone(&turns) as _));
    let [first, second] = [(); 2].map(|()| store.begin(&message("a", "x", None)));
    keep(&store, &message("other", "x", None));
    store.keep(&message("a", "x", None), second, &mut Promises::default());
    store.forgo(first.unwrap());
    keep(&store, &message("other", "y", None));
    assert_eq!(*turns.0.lock(), [turn("other", 3, 0), turn("a", 4, 0), turn("other", 5, 5)]);
    assert_eq!(store.begin(&message("$SYS/a", "x", None)), None, "the journal does not hear of it");
}

proptest! {
    #[test]
    fn a_filter_finds_the_topics_that_it_matches(
        steps in prop::collection::vec((any::<bool>(), "[ab$]?(/[ab$]?){0,3}"), 0..60),
        filter in "([ab$]|\\+)(/([ab$]|\\+)){0,2}(/#)?",
    ) {
        let (store, _) = store(1000, usize::MAX);
        let mut model = BTreeMap::new();
        for (is_kept, topic) in steps.into_iter().filter(|(_, topic)| !topic.is_empty()) {
            let message = message(&topic, if is_kept { "x" } else { "" }, None);
            keep(&store, &message);
            if is_kept {
                model.insert(topic, message.topic.clone());
            } else {
                model.remove(&topic);
            }
        }
        for filter in [filter.as_str(), "#", "$/#"] {
            let pattern = TopicFilter::parse(filter).unwrap();
            let expect: Vec<String> =
                model.iter().filter(|(_, topic)| pattern.matches(topic)).map(|(text, _)| text.clone()).collect();
            prop_assert_eq!(found(&store, filter), expect);
        }
        prop_assert_eq!(store.size().0, model.len());
    }
}
