//! Publishing: who gets what, in which form, and what the publisher hears.

use std::collections::VecDeque;
use std::time::Duration;

use message::{Bytes, Moment, PublicationProperties, QoS};

use super::*;
use crate::local::LocalSubscriber;
use crate::mailbox::Overflow;
use crate::subscription::RetainHandling;

fn now() -> Now {
    Now { moment: Moment::default(), wall: Timestamp::default() }
}

fn router() -> Arc<Router> {
    Router::new(RouterOptions::new(1))
}

fn filter(text: &str) -> TopicFilter {
    TopicFilter::parse(text).unwrap()
}

fn message(topic: &str, payload: &str, qos: QoS, retain: bool) -> Publication {
    let topic = TopicName::parse(topic).unwrap();
    let publication = Publication::new(topic, Bytes::from(payload.to_owned()), qos, Timestamp::default());
    Publication { retain, ..publication }
}

fn subscription(text: &str, options: SubscribeOptions) -> Subscription {
    Subscription { filter: filter(text), options }
}

fn at_least_once() -> SubscribeOptions {
    SubscribeOptions { qos: QoS::AtLeastOnce, ..SubscribeOptions::default() }
}

fn subscriber(router: &Arc<Router>, text: &str, options: SubscribeOptions) -> LocalSubscriber {
    let subscriber = LocalSubscriber::open(router, MailboxOptions::for_flow(10, Overflow::Wait));
    subscriber.subscribe(now(), vec![subscription(text, options)]);
    subscriber
}

fn drained(subscriber: &LocalSubscriber) -> Vec<Delivery> {
    let mut batch = VecDeque::new();
    subscriber.drain(now(), &mut batch, usize::MAX);
    batch.into()
}

fn payloads(subscriber: &LocalSubscriber) -> Vec<String> {
    drained(subscriber)
        .iter()
        .map(|delivery| String::from_utf8(delivery.publication.payload.to_vec()).unwrap())
        .collect()
}

#[test]
fn the_lower_quality_of_service_counts() {
    let router = router();
    let mut cache = router.route_cache();
    for granted in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let subscriber = subscriber(&router, "a", SubscribeOptions { qos: granted, ..SubscribeOptions::default() });
        for published in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
            let routed = router.publish(message("a", "x", published, false), None, &mut cache);
            assert_eq!((routed.matched(), routed.is_settled()), (1, true));
            assert_eq!(drained(&subscriber)[0].qos, published.min(granted));
        }
    }
    assert_eq!(router.publish(message("a", "x", QoS::AtMostOnce, false), None, &mut cache).matched(), 0);
}

#[test]
fn a_change_of_subscriptions_shows_in_the_next_publish() {
    let router = router();
    let mut cache = router.route_cache();
    let publish = |cache: &mut RouteCache| router.publish(message("a", "x", QoS::AtMostOnce, false), None, cache);
    assert_eq!(publish(&mut cache).matched(), 0);
    let one = subscriber(&router, "a", at_least_once());
    assert_eq!(publish(&mut cache).matched(), 1);
    let two = subscriber(&router, "+", at_least_once());
    assert_eq!(publish(&mut cache).matched(), 2);
    drop(one);
    assert_eq!(publish(&mut cache).matched(), 1);
    assert_eq!(payloads(&two).len(), 2);
    assert_eq!(router.reach(&TopicName::parse("a").unwrap()), 1);
}

#[test]
fn no_local_keeps_a_publishers_own_messages_away_from_it_alone() {
    let router = router();
    let mut cache = router.route_cache();
    let own = subscriber(&router, "a", SubscribeOptions { no_local: true, ..at_least_once() });
    let other = subscriber(&router, "a", SubscribeOptions { no_local: true, ..at_least_once() });
    let routed = router.publish(message("a", "x", QoS::AtLeastOnce, false), Some(own.id()), &mut cache);
    assert_eq!(routed.matched(), 1);
    assert_eq!((payloads(&own).len(), payloads(&other).len()), (0, 1));
}

#[test]
fn the_retain_flag_is_shown_on_kept_messages_and_where_it_was_asked_for() {
    let router = router();
    let mut cache = router.route_cache();
    let plain = subscriber(&router, "a", at_least_once());
    let as_published = subscriber(&router, "a", SubscribeOptions { retain_as_published: true, ..at_least_once() });
    for retain in [true, false] {
        drop(router.publish(message("a", "x", QoS::AtLeastOnce, retain), None, &mut cache));
        assert!(!drained(&plain)[0].retain);
        assert_eq!(drained(&as_published)[0].retain, retain);
    }
    assert!(drained(&subscriber(&router, "a", at_least_once()))[0].retain);
}

#[test]
fn retained_messages_come_as_the_subscription_asks() {
    let router = router();
    let mut cache = router.route_cache();
    drop(router.publish(message("a/b", "kept", QoS::AtLeastOnce, true), None, &mut cache));
    for (text, handling, first, again) in [
        ("a/+", RetainHandling::Always, 1, 1),
        ("a/+", RetainHandling::IfNew, 1, 0),
        ("a/+", RetainHandling::Never, 0, 0),
        ("$share/g/a/+", RetainHandling::Always, 0, 0),
        ("b", RetainHandling::Always, 0, 0),
    ] {
        let options = SubscribeOptions { retain_handling: handling, ..at_least_once() };
        let subscriber = subscriber(&router, text, options);
        assert_eq!(payloads(&subscriber).len(), first, "{text}, {handling:?}");
        subscriber.subscribe(now(), vec![subscription(text, options)]);
        assert_eq!(payloads(&subscriber).len(), again, "{text}, {handling:?} again");
    }
    drop(router.publish(message("a/b", "", QoS::AtLeastOnce, true), None, &mut cache));
    assert!(payloads(&subscriber(&router, "#", at_least_once())).is_empty());
    assert_eq!(router.figures().retained_messages, 0);
}

#[test]
fn expired_messages_are_neither_kept_nor_delivered() {
    let router = router();
    let mut cache = router.route_cache();
    let subscriber_of_all = subscriber(&router, "#", at_least_once());
    let properties = PublicationProperties { message_expiry_s: Some(2), ..PublicationProperties::default() };
    let brief = Publication { properties: Some(Box::new(properties)), ..message("a", "x", QoS::AtLeastOnce, true) };
    drop(router.publish(brief, None, &mut cache));
    drop(router.publish(message("b", "y", QoS::AtLeastOnce, false), None, &mut cache));
    let later = Now { wall: now().wall.saturating_add(Duration::from_secs(2)), ..now() };
    let mut batch = VecDeque::new();
    subscriber_of_all.drain(later, &mut batch, 10);
    assert_eq!(batch.len(), 1);
    assert_eq!(router.figures().dropped(DropReason::Expired), 1);
    assert_eq!(router.retained(&filter("#"), now().wall).len(), 1);
    assert!(router.retained(&filter("#"), later.wall).is_empty());
    assert_eq!(router.poll_timeout(), Some(later.wall));
    router.handle_timeout(later);
    assert_eq!((router.poll_timeout(), router.figures().retained_messages), (None, 0));
}

#[test]
fn a_share_goes_round_its_members_and_passes_over_the_crowded() {
    let router = router();
    let mut cache = router.route_cache();
    let members: Vec<_> = (0..3).map(|_| subscriber(&router, "$share/g/a", at_least_once())).collect();
    let mut publish = |count: usize| {
        (0..count).for_each(|_| {
            let routed = router.publish(message("a", "x", QoS::AtLeastOnce, false), None, &mut cache);
            assert_eq!(routed.matched(), 1);
        });
    };
    publish(9);
    assert_eq!(members.iter().map(LocalSubscriber::depth).collect::<Vec<_>>(), [3, 3, 3]);
    members.iter().skip(1).for_each(|member| drop(drained(member)));
    // The first fills up at ten: what would be its turn goes to the others.
    for _ in 0..20 {
        publish(3);
        members.iter().skip(1).for_each(|member| drop(drained(member)));
    }
    assert_eq!(members[0].depth(), 10);
}

#[test]
fn what_a_leaving_member_did_not_deliver_goes_to_the_others() {
    let router = router();
    let mut cache = router.route_cache();
    let leaving = subscriber(&router, "$share/g/a", at_least_once());
    for payload in ["1", "2", "3"] {
        drop(router.publish(message("a", payload, QoS::AtLeastOnce, false), None, &mut cache));
    }
    let staying = subscriber(&router, "$share/g/a", at_least_once());
    drop(leaving);
    assert_eq!(payloads(&staying), ["1", "2", "3"]);
}

#[test]
fn a_full_mailbox_presses_its_publishers_but_not_itself() {
    let router = router();
    let mut cache = router.route_cache();
    let slow = subscriber(&router, "a", at_least_once());
    let mut all = Routed::default();
    for _ in 0..12 {
        all.merge(router.publish(message("a", "x", QoS::AtLeastOnce, false), None, &mut cache));
    }
    assert!(!all.is_settled());
    assert!(router.publish(message("a", "x", QoS::AtLeastOnce, false), Some(slow.id()), &mut cache).is_settled());
    assert_eq!(drained(&slow).len(), 13);
    assert!(all.is_settled());
    assert_eq!((all.matched(), all.dropped()), (12, 0));
}

#[test]
fn a_kept_message_does_not_keep_the_buffer_that_it_came_in() {
    let router = router();
    let buffer = Bytes::from(vec![b'a'; 60_000]);
    let topic = TopicName::from_bytes(buffer.slice(..1)).unwrap();
    let publication = Publication::new(topic, buffer.slice(10..20), QoS::AtMostOnce, Timestamp::default());
    drop(router.publish(Publication { retain: true, ..publication }, None, &mut router.route_cache()));
    assert!(buffer.is_unique());
}

#[test]
fn figures_add_up() {
    let router = router();
    let mut cache = router.route_cache();
    let dropping = LocalSubscriber::open(&router, MailboxOptions::for_flow(1, Overflow::DropWrite));
    dropping.subscribe(now(), vec![subscription("a", at_least_once()), subscription("b", at_least_once())]);
    for payload in ["12", "345", "6789"] {
        drop(router.publish(message("a", payload, QoS::AtLeastOnce, false), None, &mut cache));
    }
    drained(&dropping);
    let figures = router.figures();
    assert_eq!((figures.messages_received, figures.bytes_received), (3, 9));
    assert_eq!((figures.messages_sent, figures.bytes_sent), (1, 2));
    assert_eq!((figures.dropped(DropReason::Overflow), dropping.dropped()), (2, 2));
    assert_eq!(figures.subscriptions, 2);
}
