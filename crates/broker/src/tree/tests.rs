//! The tree against the meaning of its filters, one by one.

use std::num::NonZeroU32;

use message::QoS;
use proptest::prelude::*;

use super::*;
use crate::mailbox::MailboxOptions;

fn tree() -> Tree {
    Tree::new(FixedState::with_seed(1))
}

fn binding(id: u64, options: SubscribeOptions) -> Binding {
    Binding { mailbox: Arc::new(Mailbox::new(SubscriberId(id), MailboxOptions::for_session())), options }
}

fn filter(text: &str) -> TopicFilter {
    TopicFilter::parse(text).unwrap()
}

fn topic(text: &str) -> TopicName {
    TopicName::parse(text).unwrap()
}

fn matched(tree: &Tree, name: &str) -> Vec<u64> {
    let mut ids: Vec<u64> = tree.route(&topic(name)).targets.iter().map(|target| target.mailbox.id().0).collect();
    ids.sort_unstable();
    ids
}

#[test]
fn a_topic_reaches_the_filters_that_match_it() {
    let filters = ["#", "a/#", "a/+", "a/b", "+/b", "+", "a/b/#", "$SYS/#", "+/+/#", "/", "+/", "a//b", "$SYS/+/x"];
    let mut tree = tree();
    for (id, text) in filters.iter().enumerate() {
        assert!(!tree.insert(&filter(text), binding(id as u64, SubscribeOptions::default())));
    }
    for (name, expect) in [
        ("a", vec!["#", "a/#", "+"]),
        ("a/b", vec!["#", "a/#", "a/+", "a/b", "+/b", "a/b/#", "+/+/#"]),
        ("a/b/c", vec!["#", "a/#", "a/b/#", "+/+/#"]),
        ("$SYS", vec!["$SYS/#"]),
        ("$SYS/b", vec!["$SYS/#"]),
        ("$SYS/b/x", vec!["$SYS/#", "$SYS/+/x"]),
        ("/", vec!["#", "+/+/#", "/", "+/"]),
        ("a//b", vec!["#", "a/#", "+/+/#", "a//b"]),
        ("a/$b", vec!["#", "a/#", "a/+", "+/+/#"]),
    ] {
        let names: Vec<&str> = matched(&tree, name).iter().map(|id| filters[*id as usize]).collect();
        assert_eq!(names, expect, "{name}");
    }
}

#[test]
fn overlapping_subscriptions_of_one_subscriber_become_one_target() {
    let mut tree = tree();
    let both = |qos, id, no_local, retain_as_published| SubscribeOptions {
        qos,
        identifier: NonZeroU32::new(id),
        no_local,
        retain_as_published,
        ..SubscribeOptions::default()
    };
    let one = binding(1, both(QoS::AtMostOnce, 7, false, false));
    tree.insert(&filter("a/+"), one.clone());
    tree.insert(&filter("a/#"), Binding { options: both(QoS::ExactlyOnce, 8, true, true), ..one.clone() });
    tree.insert(&filter("a/b"), binding(2, SubscribeOptions::default()));
    let route = tree.route(&topic("a/b"));
    assert_eq!(matched(&tree, "a/b"), [1, 2]);
    let target = &route.targets[0];
    assert_eq!((target.grant.qos, target.grant.retain_as_published), (QoS::ExactlyOnce, true));
    let mut ids: Vec<u32> = target.grant.identifiers.as_slice().iter().map(|id| id.get()).collect();
    ids.sort_unstable();
    assert_eq!(ids, [7, 8]);
    // Of its own messages it gets what the subscription without "no local" grants.
    let own = target.own_grant().unwrap();
    assert_eq!((own.qos, own.identifiers.as_slice()), (QoS::AtMostOnce, &[NonZeroU32::new(7).unwrap()][..]));
}

#[test]
fn a_share_stands_beside_a_plain_subscription_and_its_members_are_one_group() {
    let mut tree = tree();
    for (id, text) in [(1, "a/#"), (1, "$share/g/a/#"), (2, "$share/g/a/#"), (2, "$share/h/a/#"), (3, "$share/g/a/+")] {
        tree.insert(&filter(text), binding(id, SubscribeOptions::default()));
    }
    assert_eq!(tree.subscriptions, 5);
    let route = tree.route(&topic("a/b"));
    assert_eq!(route.targets.len(), 1);
    let mut groups: Vec<(String, usize)> =
        route.groups.iter().map(|group| (group.share.filter.to_string(), group.members.len())).collect();
    groups.sort();
    assert_eq!(groups, [("$share/g/a/#".into(), 2), ("$share/g/a/+".into(), 1), ("$share/h/a/#".into(), 1)]);
    assert_eq!(tree.group(&filter("$share/g/a/#")).unwrap().members.len(), 2);
    tree.remove(&filter("$share/g/a/+"), SubscriberId(3));
    assert!(tree.group(&filter("$share/g/a/+")).is_none());
}

fn any_level() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["a", "b", "", "$x"])
}

fn any_topic() -> impl Strategy<Value = TopicName> {
    prop::collection::vec(any_level(), 1..5)
        .prop_map(|levels| levels.join("/"))
        .prop_filter("not empty", |text| !text.is_empty())
        .prop_map(|text| topic(&text))
}

fn any_filter() -> impl Strategy<Value = TopicFilter> {
    let level = prop_oneof![3 => any_level(), 1 => Just("+")];
    (prop::collection::vec(level, 1..4), any::<bool>())
        .prop_map(|(mut levels, rest)| {
            if rest {
                levels.push("#");
            }
            levels.join("/")
        })
        .prop_filter("not empty", |text| !text.is_empty())
        .prop_map(|text| filter(&text))
}

proptest! {
    #[test]
    fn it_matches_what_its_filters_match(
        steps in prop::collection::vec((any::<bool>(), 0u64..4, any_filter()), 1..60),
        topics in prop::collection::vec(any_topic(), 1..20),
    ) {
        let mut tree = tree();
        let mut model: Vec<(u64, TopicFilter)> = Vec::new();
        for (subscribe, id, filter) in steps {
            let known = model.contains(&(id, filter.clone()));
            if subscribe {
                prop_assert_eq!(tree.insert(&filter, binding(id, SubscribeOptions::default())), known);
                if !known {
                    model.push((id, filter));
                }
            } else {
                prop_assert_eq!(tree.remove(&filter, SubscriberId(id)), known);
                model.retain(|held| *held != (id, filter.clone()));
            }
            prop_assert_eq!(tree.subscriptions, model.len());
        }
        for topic in &topics {
            let mut expect: Vec<u64> =
                model.iter().filter(|(_, filter)| filter.matches(topic)).map(|(id, _)| *id).collect();
            expect.sort_unstable();
            expect.dedup();
            prop_assert_eq!(matched(&tree, topic.as_str()), expect, "{}", topic);
        }
        // Taking all out again leaves nothing behind.
        for (id, filter) in &model {
            prop_assert!(tree.remove(filter, SubscriberId(*id)));
        }
        prop_assert!(tree.root.is_empty());
    }
}
