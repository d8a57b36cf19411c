//! Letting subscribers leave and join in one step.

use std::collections::VecDeque;

use message::{Bytes, Moment, Publication, QoS, Timestamp, TopicFilter, TopicName};

use super::*;
use crate::collector::{Bindings, Collector};
use crate::mailbox::{Overflow, Pushed};
use crate::promise::{Broken, Promises};
use crate::router::RouterOptions;
use crate::subscription::{RetainHandling, SubscribeOptions};

fn now() -> Now {
    Now { moment: Moment::default(), wall: Timestamp::default() }
}

fn open(router: &Arc<Router>) -> LocalSubscriber {
    LocalSubscriber::open(router, MailboxOptions::for_flow(100, Overflow::Wait))
}

fn subscriptions(filters: &[&str], retain_handling: RetainHandling) -> Vec<Subscription> {
    let options = SubscribeOptions { qos: QoS::AtLeastOnce, retain_handling, ..SubscribeOptions::default() };
    filters.iter().map(|text| Subscription { filter: TopicFilter::parse(text).unwrap(), options }).collect()
}

fn publish(router: &Router, topic: &str, retain: bool) -> u32 {
    let topic = TopicName::parse(topic).unwrap();
    let publication = Publication::new(topic, Bytes::from_static(b"x"), QoS::AtLeastOnce, Timestamp::default());
    router.publish(Publication { retain, ..publication }, None, &mut router.route_cache()).matched()
}

fn topics(subscriber: &LocalSubscriber) -> Vec<String> {
    let mut batch = VecDeque::new();
    subscriber.drain(now(), &mut batch, usize::MAX);
    batch.iter().map(|delivery| delivery.publication.topic.to_string()).collect()
}

#[test]
fn after_a_switch_the_new_one_has_what_waited_and_the_old_one_what_nobody_took_over() {
    let router = Router::new(RouterOptions::new(1));
    let (old, new) = (open(&router), open(&router));
    old.subscribe(now(), subscriptions(&["a", "b"], RetainHandling::Never));
    ["a", "b", "a"].iter().for_each(|topic| assert_eq!(publish(&router, topic, false), 1));
    switch(&router, now(), &[&old], vec![(&new, subscriptions(&["a", "c"], RetainHandling::Never))]);
    assert_eq!([publish(&router, "c", false), publish(&router, "b", false), publish(&router, "a", false)], [1, 0, 1]);
    assert_eq!(topics(&old), ["b"]);
    assert_eq!(topics(&new), ["a", "a", "c", "a"]);
    assert_eq!(router.figures().subscriptions, 2);
}

#[test]
fn a_collector_takes_over_in_the_same_step_and_gets_what_is_retained_unless_the_one_before_had_it() {
    #[derive(Debug, Default)]
    struct Collected(Mutex<Vec<(String, bool)>>);
    impl Collector for Collected {
        fn collect(&self, publication: &Publication) -> Result<Promises, Broken> {
            self.0.lock().push((publication.topic.to_string(), publication.retain));
            Ok(Promises::default())
        }
    }
    let filters = |texts: &[&str]| texts.iter().map(|text| TopicFilter::parse(text).unwrap()).collect();
    let router = Router::new(RouterOptions::new(1));
    for topic in ["a", "b", "c"] {
        publish(&router, topic, true);
    }
    let old = open(&router);
    old.subscribe(now(), subscriptions(&["a"], RetainHandling::Never));
    let collected = Arc::<Collected>::default();
    let bindings = Bindings::new(&router, Arc::clone(&collected) as Arc<dyn Collector>);
    let bind = |texts: &[&str], leaving: &[&LocalSubscriber], with_retained| {
        let rebinding = Rebinding { bindings: &bindings, filters: filters(texts), with_retained };
        switch_and_bind(&router, now(), leaving, Vec::new(), &[rebinding]);
        std::mem::take(&mut *collected.0.lock())
    };
    assert_eq!(bind(&["a", "b"], &[&old], true), [("b".to_owned(), true)]);
    assert_eq!(publish(&router, "a", false), 1);
    assert_eq!(bind(&["+", "c"], &[], true).len(), 1 + 3);
    assert_eq!(publish(&router, "c", false), 1);
    assert_eq!(bind(&["d"], &[], false), [("c".to_owned(), false)]);
    assert_eq!((publish(&router, "c", false), publish(&router, "d", false)), (0, 1));
    assert_eq!(bind(&["a"], &[], false), [("d".to_owned(), false)]);
    // A subscriber goes on with what the collector had.
    let rebinding = Rebinding { bindings: &bindings, filters: Vec::new(), with_retained: false };
    switch_and_bind(&router, now(), &[], vec![(&old, subscriptions(&["a", "b"], RetainHandling::IfNew))], &[rebinding]);
    assert_eq!(topics(&old), ["b"]);
    assert_eq!(router.figures().subscriptions, 2);
}

#[test]
fn whoever_leaves_without_an_heir_keeps_what_waited() {
    let router = Router::new(RouterOptions::new(1));
    let old = open(&router);
    old.subscribe(now(), subscriptions(&["a"], RetainHandling::Never));
    publish(&router, "a", false);
    switch(&router, now(), &[&old], Vec::new());
    assert_eq!(topics(&old), ["a"]);
}

#[test]
fn retained_messages_that_waited_move_to_the_same_subscription_only() {
    let router = Router::new(RouterOptions::new(1));
    publish(&router, "a", true);
    publish(&router, "b", true);
    let (old, same, other) = (open(&router), open(&router), open(&router));
    old.subscribe(now(), subscriptions(&["a", "b"], RetainHandling::IfNew));
    let joining = vec![
        (&same, subscriptions(&["a"], RetainHandling::IfNew)),
        (&other, subscriptions(&["+"], RetainHandling::Never)),
    ];
    switch(&router, now(), &[&old], joining);
    assert_eq!((topics(&same), topics(&other)), (vec!["a".to_owned()], Vec::new()));
    assert_eq!(topics(&old), ["b"]);
}

#[test]
fn what_moves_presses_its_publishers_as_before() {
    let router = Router::new(RouterOptions::new(1));
    let options = || MailboxOptions::for_flow(4, Overflow::Wait);
    let (old, new) = (LocalSubscriber::open(&router, options()), LocalSubscriber::open(&router, options()));
    old.subscribe(now(), subscriptions(&["a"], RetainHandling::Never));
    (0..6).for_each(|_| assert_eq!(publish(&router, "a", false), 1));
    switch(&router, now(), &[&old], vec![(&new, subscriptions(&["a"], RetainHandling::Never))]);
    assert!(!old.mailbox.is_crowded() && new.mailbox.is_crowded());
    assert_eq!((topics(&new).len(), new.dropped()), (6, 0));
    assert!(!new.mailbox.is_crowded());
}

#[test]
fn a_new_version_gets_retained_messages_only_for_what_is_new_if_it_says_so() {
    let router = Router::new(RouterOptions::new(1));
    publish(&router, "a", true);
    publish(&router, "b", true);
    let (old, new) = (open(&router), open(&router));
    old.subscribe(now(), subscriptions(&["a"], RetainHandling::Never));
    switch(&router, now(), &[&old], vec![(&new, subscriptions(&["a", "b"], RetainHandling::IfNew))]);
    assert_eq!(topics(&new), ["b"]);
}

#[test]
fn a_message_that_comes_late_to_one_who_left_goes_to_whoever_took_over() {
    let router = Router::new(RouterOptions::new(1));
    let (old_a, old_b, new_a, new_all) = (open(&router), open(&router), open(&router), open(&router));
    old_a.subscribe(now(), subscriptions(&["a/#"], RetainHandling::Never));
    old_b.subscribe(now(), subscriptions(&["a/b"], RetainHandling::Never));
    // A publisher that read the tree before the switch and delivers after the old ones closed.
    publish(&router, "a/b", false);
    let mut late = VecDeque::new();
    old_a.drain(now(), &mut late, 1);
    old_b.drain(now(), &mut late, 1);
    let joining = vec![
        (&new_a, subscriptions(&["a/b"], RetainHandling::Never)),
        (&new_all, subscriptions(&["a/#"], RetainHandling::Never)),
    ];
    switch(&router, now(), &[&old_a, &old_b], joining);
    for (old, delivery) in [&old_a, &old_b].iter().zip(late) {
        assert!(old.close().is_empty());
        old.mailbox.push(delivery);
    }
    assert_eq!((topics(&new_a), topics(&new_all)), (vec!["a/b".to_owned()], vec!["a/b".to_owned()]));
}

#[test]
fn one_that_is_dropped_is_gone() {
    let router = Router::new(RouterOptions::new(1));
    let subscriber = open(&router);
    subscriber.subscribe(now(), subscriptions(&["a", "b"], RetainHandling::Never));
    subscriber.subscribe(now(), subscriptions(&["b"], RetainHandling::Never));
    assert_eq!(router.figures().subscriptions, 2);
    drop(subscriber);
    assert_eq!(router.figures().subscriptions, 0);
    assert_eq!(publish(&router, "a", false), 0);
}

#[test]
fn many_switches_leave_nothing_behind_and_late_messages_still_find_the_last() {
    let router = Router::new(RouterOptions::new(1));
    let first = open(&router);
    first.subscribe(now(), subscriptions(&["a"], RetainHandling::Never));
    publish(&router, "a", false);
    let mut late = VecDeque::new();
    first.drain(now(), &mut late, 1);
    // What a publisher's memory of routes keeps of a version that is long gone.
    let stale = Arc::clone(&first.mailbox);
    let mut versions = Vec::new();
    let mut current = first;
    for _ in 0..20_000 {
        let next = open(&router);
        switch(&router, now(), &[&current], vec![(&next, subscriptions(&["a"], RetainHandling::Never))]);
        versions.push(Arc::downgrade(&current.mailbox));
        current = next;
    }
    assert_eq!(versions.iter().filter(|version| version.strong_count() > 0).count(), 1);
    late.into_iter().for_each(|delivery| assert_eq!(stale.push(delivery), Pushed::Accepted));
    assert_eq!(topics(&current), ["a"]);
    let last = Arc::downgrade(&current.mailbox);
    drop(current);
    assert_eq!(last.strong_count(), 0);
}
