//! The retained store against a plain map, its limits, its journal.

use std::collections::BTreeMap;
use std::time::Duration;

use message::{Bytes, PublicationProperties, QoS, TopicFilter};
use proptest::prelude::*;

use super::*;

#[derive(Debug, Default)]
struct Journal(Mutex<Vec<String>>);

impl RetainedJournal for Journal {
    fn record(&self, change: RetainedChange) {
        self.0.lock().push(match change {
            RetainedChange::Kept(publication) => format!("+{}", publication.topic),
            RetainedChange::Cleared(topic) => format!("-{topic}"),
        });
    }
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
    assert_eq!(store.keep(&message("a", "1", None)), Keeping::Kept);
    assert_eq!(store.keep(&message("b", "1", None)), Keeping::Kept);
    assert_eq!(store.keep(&message("c", "1", None)), Keeping::Full);
    assert_eq!(store.keep(&message("a", "2", None)), Keeping::Kept);
    assert_eq!(store.keep(&message("b", "", None)), Keeping::Cleared);
    assert_eq!(store.keep(&message("b", "", None)), Keeping::Cleared);
    assert_eq!(store.keep(&message("c", "1", None)), Keeping::Kept);
    assert_eq!(found(&store, "#"), ["a", "c"]);
    assert_eq!(*journal.0.lock(), ["+a", "+b", "+a", "-b", "+c"]);
}

#[test]
fn what_the_node_says_of_itself_is_kept_but_not_recorded() {
    let (store, journal) = store(10, usize::MAX);
    for payload in ["1", ""] {
        store.keep(&message("$SYS/broker/uptime", payload, None));
        store.keep(&message("$SYSTEM", payload, None));
    }
    assert_eq!(*journal.0.lock(), ["+$SYSTEM", "-$SYSTEM"]);
}

#[test]
fn bytes_are_limited_too_and_given_back() {
    let weight = message("a", "1", None).weight_bytes();
    let (store, _) = store(10, 2 * weight);
    store.keep(&message("a", "1", None));
    store.keep(&message("b", "1", None));
    assert_eq!(store.keep(&message("a", "12", None)), Keeping::Full);
    assert_eq!(store.size(), (2, 2 * weight));
    store.keep(&message("b", "", None));
    assert_eq!(store.keep(&message("a", "12", None)), Keeping::Kept);
    assert_eq!(store.size(), (1, weight + 1));
}

#[test]
fn messages_expire_and_a_newer_one_does_not_with_them() {
    let (store, journal) = store(10, usize::MAX);
    store.keep(&message("a", "1", Some(10)));
    store.keep(&message("b", "1", Some(5)));
    store.keep(&message("b", "2", None));
    store.keep(&message("c", "1", Some(20)));
    assert_eq!(store.next_expiry(), Some(after(10)));
    store.expire(after(9));
    assert_eq!(found(&store, "#"), ["a", "b", "c"]);
    store.expire(after(10));
    assert_eq!(found(&store, "#"), ["b", "c"]);
    assert_eq!(store.next_expiry(), Some(after(20)));
    assert_eq!(journal.0.lock().last().unwrap(), "-a");
}

proptest! {
    #[test]
    fn a_filter_finds_the_topics_that_it_matches(
        steps in prop::collection::vec((any::<bool>(), "[ab$]?(/[ab$]?){0,3}"), 0..60),
        filter in "([ab$]|\\+)(/([ab$]|\\+)){0,2}(/#)?",
    ) {
        let (store, _) = store(1000, usize::MAX);
        let mut model = BTreeMap::new();
        for (keep, topic) in steps.into_iter().filter(|(_, topic)| !topic.is_empty()) {
            let message = message(&topic, if keep { "x" } else { "" }, None);
            store.keep(&message);
            if keep {
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
