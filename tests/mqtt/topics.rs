//! Topic names, topic filters and shared subscriptions: sections 4.7 and 4.8.

use crate::harness::pool::scenarios;
use crate::harness::{AckKind, Case, Packet, Publish, subscribe};

scenarios! {
    BOTH:
        filters_match_level_by_level,
        wildcards_out_of_place_are_refused,
        wildcards_do_not_match_topics_that_begin_with_a_dollar_sign,
        topics_are_compared_as_they_are,
        a_byte_order_mark_is_kept,
        names_and_filters_have_at_least_one_character,
        the_longest_names_are_carried;
    ONLY_5:
        a_share_has_a_name_and_a_filter,
        a_shared_message_goes_to_one_member,
        members_of_a_share_get_what_they_were_granted,
        a_shared_message_of_qos_2_stays_with_its_member,
        a_shared_message_of_a_member_that_is_gone_is_sent_to_no_other,
        a_shared_message_that_was_refused_goes_to_no_other;
}

const MATCHES: &[(&str, &[&str], &[&str])] = &[
    ("a/b", &["a/b"], &["a", "a/b/c", "a/B", "a/b/", "/a/b"]),
    ("a/+", &["a/b", "a/"], &["a", "a/b/c", "b/b"]),
    ("a/#", &["a", "a/", "a/b", "a/b/c"], &["b", "ab", "A/b"]),
    ("a/+/c", &["a/b/c", "a//c"], &["a/c", "a/b/b/c", "a/b"]),
    ("a/+/#", &["a/b", "a/b/c/d", "a/"], &["a"]),
    ("+/b/#", &["a/b", "x/b/c"], &["a/c/b"]),
    ("a//b", &["a//b"], &["a/b", "a///b"]),
];

fn filters_match_level_by_level(case: &Case<'_>) {
    let mut publisher = case.someone();
    for (number, (filter, matching, others)) in MATCHES.iter().enumerate() {
        let place = case.topic(&number.to_string());
        let mut subscriber = case.subscriber(&format!("{place}/{filter}"), 1);
        for topic in matching.iter().chain(*others) {
            publisher.publish(&Publish::new(&format!("{place}/{topic}"), topic).qos(1));
        }
        for topic in *matching {
            assert_eq!(subscriber.take().topic, format!("{place}/{topic}"), "for `{filter}`");
        }
        case.assert_nothing_waits(&mut subscriber);
    }
}

/// Asks for a filter that no server may grant: it says so in SUBACK, or ends the connection.
fn assert_not_granted(case: &Case<'_>, filter: &str, options: u8) {
    let mut client = case.someone();
    client.send(&subscribe(case.version, 1, &[], &[(filter, options)]));
    match client.receive() {
        Some(Packet::Suback { codes, .. }) => assert!(codes.len() == 1 && codes[0] >= 0x80, "`{filter}`: {codes:?}"),
        Some(Packet::Disconnect { code: 0x81 | 0x82 | 0x8F, .. }) | None => client.expect_closed(),
        other => panic!("`{filter}`: {other:?}"),
    }
}

fn wildcards_out_of_place_are_refused(case: &Case<'_>) {
    for filter in ["a/#/b", "#/a", "a#", "a/b#", "##", "a/##", "+a", "a+", "a/+b/c", "a/b+", "++", "#+"] {
        assert_not_granted(case, filter, 0);
    }
    for filter in ["+", "+/+", "/+", "/#", "+/#"] {
        // These may stand alone. Nobody listens: others publish too.
        let codes = case.someone().subscribe_all(&[], &[(filter, 0)]);
        assert_eq!(codes, [0], "`{filter}`");
    }
}

fn wildcards_do_not_match_topics_that_begin_with_a_dollar_sign(case: &Case<'_>) {
    let hidden = format!("$test/{}", case.topic("t"));
    let mut by_name = case.subscriber(&hidden, 0);
    let mut by_root = case.subscriber("$test/#", 0);
    let mut all = case.subscriber("#", 0);
    let mut first_level = case.subscriber(&format!("+/{}", case.topic("t")), 0);
    let mut publisher = case.someone();
    publisher.publish(&Publish::new(&hidden, "hidden").qos(1));
    publisher.publish(&Publish::new(&case.topic("plain"), "plain").qos(1));
    publisher.publish(&Publish::new(&format!("x/{}", case.topic("t")), "plain").qos(1));
    assert_eq!(by_name.take_text(), "hidden");
    // Other scenarios publish there too.
    while by_root.take().topic != hidden {}
    loop {
        let message = all.take();
        assert!(!message.topic.starts_with('$'), "`#` matched `{}`", message.topic);
        if message.topic == case.topic("plain") {
            break;
        }
    }
    assert_eq!(first_level.take_text(), "plain");
}

fn topics_are_compared_as_they_are(case: &Case<'_>) {
    // One character or two, upper and lower case, blanks, levels without a name, what looks like a path.
    let names =
        ["caf\u{E9}", "cafe\u{301}", "Caf\u{E9}", " x", "x", "x ", "y/", "y", "/y", "../y", "./y", "%79", "y\u{AD}"];
    let topics = names.map(|name| case.topic(name));
    let mut subscribers = topics.each_ref().map(|topic| case.subscriber(topic, 0));
    let mut publisher = case.someone();
    for topic in &topics {
        publisher.publish(&Publish::new(topic, topic).qos(1));
    }
    for (subscriber, topic) in subscribers.iter_mut().zip(&topics) {
        assert_eq!(subscriber.take().topic, *topic);
        case.assert_nothing_waits(subscriber);
    }
}

fn a_byte_order_mark_is_kept(case: &Case<'_>) {
    let (plain, marked) = (case.topic("x"), case.topic("\u{FEFF}x"));
    let mut subscriber = case.subscriber(&case.topic("+"), 0);
    let mut exact = case.subscriber(&marked, 0);
    for topic in [&plain, &marked] {
        case.publish(&Publish::new(topic, "m").qos(1));
        assert_eq!(subscriber.take().topic, *topic);
    }
    assert_eq!(exact.take().topic, marked);
}

fn names_and_filters_have_at_least_one_character(case: &Case<'_>) {
    assert_not_granted(case, "", 0);
    let mut client = case.someone();
    client.send(&Publish::new("", "m").qos(1).id(1).bytes(case.version));
    client.expect_disconnect(0x82);
    // One is enough, even if it is a separator.
    let mut client = case.subscriber("/", 0);
    let mut publisher = case.someone();
    let payload = case.topic("m");
    publisher.publish(&Publish::new("/", &payload));
    while client.take_text() != payload {}
}

fn the_longest_names_are_carried(case: &Case<'_>) {
    let longest = format!("{}/", case.prefix) + &"x".repeat(65_535 - case.prefix.len() - 1);
    let mut subscriber = case.subscriber(&longest, 1);
    case.publish(&Publish::new(&longest, "far").qos(1));
    let message = subscriber.take();
    assert_eq!((message.topic.len(), message.text().as_str()), (65_535, "far"));
}

fn a_share_has_a_name_and_a_filter(case: &Case<'_>) {
    let topic = case.topic("t");
    for filter in [format!("$share//{topic}"), format!("$share/a+/{topic}"), format!("$share/a#/{topic}")] {
        assert_not_granted(case, &filter, 0);
    }
    for filter in ["$share/+/x", "$share/#", "$share/a", "$share/a/", "$share/"] {
        assert_not_granted(case, filter, 0);
    }
}

/// The filter of a share of this case.
fn share(case: &Case<'_>) -> String {
    format!("$share/{}/{}", case.version.name(), case.topic("t"))
}

fn publish(case: &Case<'_>, count: u32, qos: u8) {
    let mut publisher = case.someone();
    for number in 0..count {
        publisher.publish(&Publish::new(&case.topic("t"), &number.to_string()).qos(qos));
    }
}

fn a_shared_message_goes_to_one_member(case: &Case<'_>) {
    let mut members = [0, 1, 2].map(|_| case.subscriber(&share(case), 1));
    let mut other_share = case.subscriber(&format!("$share/other/{}", case.topic("t")), 1);
    let mut alone = case.subscriber(&case.topic("t"), 1);
    publish(case, 30, 1);
    let shares: Vec<Vec<Publish>> = members.iter_mut().map(|member| case.take_all(member)).collect();
    let mut numbers: Vec<u32> = shares.iter().flatten().map(|message| message.text().parse().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..30).collect::<Vec<_>>(), "each message once");
    assert!(shares.iter().all(|share| !share.is_empty()), "all members work");
    assert_eq!(case.take_all(&mut other_share).len(), 30);
    assert_eq!(case.take_all(&mut alone).len(), 30);
}

fn members_of_a_share_get_what_they_were_granted(case: &Case<'_>) {
    let mut members = [0, 1, 2].map(|qos| (qos, case.subscriber(&share(case), qos)));
    for published in 0..=2 {
        publish(case, 9, published);
        let mut count = 0;
        for (granted, member) in &mut members {
            let got = case.take_all(member);
            count += got.len();
            assert!(got.iter().all(|message| message.qos == published.min(*granted)), "{got:?}");
        }
        assert_eq!(count, 9);
    }
}

fn a_shared_message_of_qos_2_stays_with_its_member(case: &Case<'_>) {
    let connect = case.connect("chosen").kept();
    let mut chosen = case.client_with(&connect);
    chosen.subscribe(&share(case), 2);
    publish(case, 1, 2);
    let message = chosen.expect_publish();
    let mut other = case.subscriber(&share(case), 2);
    chosen.send_ack(AckKind::Pubrec, message.id);
    chosen.expect_ack(AckKind::Pubrel, message.id);
    chosen.vanish();
    let mut chosen = case.client_with(&connect);
    chosen.expect_ack(AckKind::Pubrel, message.id);
    chosen.send_ack(AckKind::Pubcomp, message.id);
    assert!(case.take_all(&mut other).is_empty(), "it went to another member too");
}

fn a_shared_message_of_a_member_that_is_gone_is_sent_to_no_other(case: &Case<'_>) {
    let mut chosen = case.client("chosen");
    chosen.subscribe(&share(case), 2);
    publish(case, 1, 2);
    chosen.expect_publish();
    let mut other = case.subscriber(&share(case), 2);
    // The session ends with the connection, in the middle of the handshake.
    chosen.leave();
    assert!(case.take_all(&mut other).is_empty(), "it went to another member");
}

fn a_shared_message_that_was_refused_goes_to_no_other(case: &Case<'_>) {
    let mut chosen = case.client("chosen");
    chosen.subscribe(&share(case), 2);
    publish(case, 1, 1);
    publish(case, 1, 2);
    let messages = [chosen.expect_publish(), chosen.expect_publish()];
    let mut other = case.subscriber(&share(case), 2);
    chosen.send_ack_code(AckKind::Puback, messages[0].id, 0x83);
    chosen.send_ack_code(AckKind::Pubrec, messages[1].id, 0x83);
    chosen.ping();
    chosen.leave();
    assert!(case.take_all(&mut other).is_empty(), "it went to another member");
}
