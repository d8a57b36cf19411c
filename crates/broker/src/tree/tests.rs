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
    Binding::new(&Arc::new(Mailbox::new(SubscriberId(id), MailboxOptions::for_session())), options)
}

fn filter(text: &str) -> TopicFilter {
    TopicFilter::parse(text).unwrap()
}

fn topic(text: &str) -> TopicName {
    TopicName::parse(text).unwrap()
}

fn matched(tree: &Tree, name: &str) -> Vec<u64> {
    let mut ids: Vec<u64> = tree.route(&topic(name)).targets.iter().map(|target| target.subscriber.0).collect();
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
    prop::sample::select(vec!["a", "b", "", "$x", "longer than what fits beside a node"])
}

fn any_topic() -> impl Strategy<Value = TopicName> {
    prop::collection::vec(any_level(), 1..7)
        .prop_map(|levels| levels.join("/"))
        .prop_filter("not empty", |text| !text.is_empty())
        .prop_map(|text| topic(&text))
}

fn any_filter() -> impl Strategy<Value = TopicFilter> {
    let level = prop_oneof![3 => any_level(), 1 => Just("+")];
    let group = prop::sample::select(vec!["", "", "", "$share/g/", "$share/h/"]);
    (group, prop::collection::vec(level, 0..6), any::<bool>())
        .prop_map(|(group, mut levels, rest)| {
            if rest {
                levels.push("#");
            }
            (group, levels.join("/"))
        })
        .prop_filter("not empty", |(_, pattern)| !pattern.is_empty())
        .prop_map(|(group, pattern)| filter(&format!("{group}{pattern}")))
}

fn any_options() -> impl Strategy<Value = SubscribeOptions> {
    (0..3usize, any::<bool>(), any::<bool>(), 0u32..6).prop_map(|(qos, no_local, retain_as_published, identifier)| {
        SubscribeOptions {
            qos: [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][qos],
            no_local,
            retain_as_published,
            identifier: NonZeroU32::new(identifier),
            ..SubscribeOptions::default()
        }
    })
}

type Model = Vec<(u64, TopicFilter, SubscribeOptions)>;

/// What is granted: quality of service, retain as published, identifiers in order.
type Granted = (QoS, bool, Vec<u32>);

fn granted(grant: &Grant) -> Granted {
    let mut identifiers: Vec<u32> = grant.identifiers.as_slice().iter().map(|id| id.get()).collect();
    identifiers.sort_unstable();
    (grant.qos, grant.retain_as_published, identifiers)
}

/// What subscriptions of one subscriber grant together.
fn expected<'m>(options: impl Iterator<Item = &'m SubscribeOptions> + Clone) -> Option<Granted> {
    let mut identifiers: Vec<u32> = options.clone().filter_map(|options| Some(options.identifier?.get())).collect();
    identifiers.sort_unstable();
    Some((
        options.clone().map(|options| options.qos).max()?,
        options.clone().any(|o| o.retain_as_published),
        identifiers,
    ))
}

/// Each subscriber with what it is granted, and of its own messages.
fn expected_targets(model: &Model, topic: &TopicName) -> Vec<(u64, Option<Granted>, Option<Granted>)> {
    let of = |id: u64| {
        let own = move |(held, filter, _): &&(u64, TopicFilter, SubscribeOptions)| {
            *held == id && filter.share_group().is_none() && filter.matches(topic)
        };
        model.iter().filter(own).map(|(_, _, options)| options)
    };
    let targets = (0..4).filter(|id| of(*id).next().is_some());
    targets.map(|id| (id, expected(of(id)), expected(of(id).filter(|options| !options.no_local)))).collect()
}

/// Each shared subscription with its members.
fn expected_groups(model: &Model, topic: &TopicName) -> Vec<(String, Vec<u64>)> {
    let mut groups = std::collections::BTreeMap::<String, Vec<u64>>::new();
    for (id, filter, _) in model {
        if filter.share_group().is_some() && filter.matches(topic) {
            groups.entry(filter.to_string()).or_default().push(*id);
        }
    }
    groups.values_mut().for_each(|members| members.sort_unstable());
    groups.into_iter().collect()
}

fn members<M>(group: &Group<M>) -> Vec<u64> {
    group.members.iter().map(|member| member.subscriber.0).collect()
}

fn assert_routes(tree: &Tree, model: &Model, topic: &TopicName) {
    let route = tree.route(topic);
    let mut targets: Vec<_> = route
        .targets
        .iter()
        .map(|target| (target.subscriber.0, Some(granted(&target.grant)), target.own_grant().map(granted)))
        .collect();
    targets.sort_by_key(|(id, ..)| *id);
    assert_eq!(targets, expected_targets(model, topic), "{topic}");
    let mut groups: Vec<_> =
        route.groups.iter().map(|group| (group.share.filter.to_string(), members(group))).collect();
    groups.sort();
    assert_eq!(groups, expected_groups(model, topic), "{topic}");
}

proptest! {
    #[test]
    fn it_matches_what_its_filters_match(
        steps in prop::collection::vec((0..4u8, 0u64..4, any_filter(), any_options()), 1..80),
        topics in prop::collection::vec(any_topic(), 1..20),
    ) {
        let mut tree = tree();
        let mut model = Model::new();
        let mut versions = Vec::new();
        for (step, id, filter, options) in steps {
            let place = model.iter().position(|(held, other, _)| *held == id && *other == filter);
            // Removals are few, and some of them miss.
            if step > 0 {
                prop_assert_eq!(tree.insert(&filter, binding(id, options)), place.is_some());
            } else {
                prop_assert_eq!(tree.remove(&filter, SubscriberId(id)), place.is_some());
            }
            place.map(|place| model.remove(place));
            if step > 0 {
                model.push((id, filter, options));
            }
            prop_assert_eq!(tree.subscriptions, model.len());
            prop_assert!(tree.root.is_compact());
            versions.push((tree.clone(), model.clone()));
        }
        for (tree, model) in versions.iter().rev().step_by(19) {
            topics.iter().for_each(|topic| assert_routes(tree, model, topic));
        }
        for (id, filter, _) in &model {
            if filter.share_group().is_some() {
                prop_assert!(members(&tree.group(filter).unwrap()).contains(id));
            }
        }
        // Taking all out again leaves nothing behind.
        for (id, filter, _) in &model {
            prop_assert!(tree.remove(filter, SubscriberId(*id)));
            prop_assert!(tree.root.is_compact());
        }
        prop_assert!(tree.root.is_empty());
    }

    /// More targets than are held against each other.
    #[test]
    fn very_many_targets_are_merged_too(ids in prop::collection::vec(0u64..30, 0..60)) {
        let mut tree = tree();
        for (number, id) in ids.iter().enumerate() {
            let pattern = ["a/b/c", "a/b/+", "a/+/c", "+/b/c", "a/#", "#"][number % 6];
            tree.insert(&filter(pattern), binding(*id, SubscribeOptions::default()));
        }
        let mut expect = ids;
        expect.sort_unstable();
        expect.dedup();
        prop_assert_eq!(matched(&tree, "a/b/c"), expect);
    }
}
