//! SUBSCRIBE, SUBACK, UNSUBSCRIBE and UNSUBACK: sections 3.8 to 3.11.

use crate::harness::pool::scenarios;
use crate::harness::properties::{Property, SUBSCRIPTION_ID};
use crate::harness::{AckKind, Body, Case, Publish, subscribe, unsubscribe};

scenarios! {
    BOTH:
        topic_filters_are_well_formed,
        a_request_names_at_least_one_filter,
        reserved_bits_of_the_options_are_refused,
        options_that_do_not_exist_are_refused,
        each_filter_of_a_request_is_answered_in_its_order,
        a_filter_that_cannot_be_granted_fails_alone,
        the_same_filter_replaces_its_subscription,
        replacing_a_subscription_loses_no_message,
        messages_come_with_the_lower_qos,
        unsubscribing_compares_filters_as_they_are,
        unsubscribing_stops_new_messages,
        unsubscribing_completes_what_is_under_way,
        unsubscribing_is_answered_even_if_nothing_was_there;
    ONLY_5:
        own_messages_do_not_come_back_where_not_wanted,
        no_local_is_not_for_shared_subscriptions,
        a_subscription_identifier_of_zero_is_refused,
        a_new_subscription_identifier_replaces_the_old;
}

fn topic_filters_are_well_formed(case: &Case<'_>) {
    for filter in [&b"a/\xED\xA0\x80"[..], b"a\0b", b"\xC1\x81"] {
        let head = || Body::new().u16(1).properties(case.version, &[]);
        for bytes in [head().binary(filter).u8(0).packet(0x82), head().binary(filter).packet(0xA2)] {
            let mut client = case.someone();
            client.send(&bytes);
            client.expect_disconnect(0x81);
        }
    }
}

fn a_request_names_at_least_one_filter(case: &Case<'_>) {
    for bytes in [subscribe(case.version, 1, &[], &[]), unsubscribe(case.version, 1, &[])] {
        let mut client = case.someone();
        client.send(&bytes);
        client.expect_disconnect(0x82);
    }
}

fn reserved_bits_of_the_options_are_refused(case: &Case<'_>) {
    let reserved: &[u8] = if case.is_5() { &[0x40, 0x80, 0xC1] } else { &[0x04, 0x08, 0x10, 0x20, 0x40, 0x80] };
    for options in reserved {
        let mut client = case.someone();
        client.send(&subscribe(case.version, 1, &[], &[(&case.topic("t"), *options)]));
        client.expect_disconnect(0x81);
    }
}

fn each_filter_of_a_request_is_answered_in_its_order(case: &Case<'_>) {
    let topics: Vec<String> = (0..7).map(|number| case.topic(&format!("t/{number}"))).collect();
    let asked: Vec<(&str, u8)> = topics.iter().map(String::as_str).zip([2, 0, 1, 1, 0, 2, 0]).collect();
    let mut client = case.someone();
    assert_eq!(client.subscribe_all(&[], &asked), [2, 0, 1, 1, 0, 2, 0]);
    // As if each had been asked for alone.
    for (topic, qos) in &asked {
        case.publish(&Publish::new(topic, topic).qos(2));
        let message = client.take();
        assert_eq!((message.text().as_str(), message.qos), (*topic, *qos));
    }
    let mixed = [topics[0].as_str(), "never/subscribed", &topics[1], &topics[2]];
    let codes = client.unsubscribe(&mixed);
    assert_eq!(codes, if case.is_5() { vec![0, 0x11, 0, 0] } else { vec![] });
    for topic in &topics {
        case.publish(&Publish::new(topic, topic).qos(1));
    }
    for topic in &topics[3..] {
        assert_eq!(client.take_text(), *topic);
    }
}

fn a_filter_that_cannot_be_granted_fails_alone(case: &Case<'_>) {
    let mut client = case.someone();
    let (first, last) = (case.topic("first"), case.topic("last"));
    let codes = client.subscribe_all(&[], &[(&first, 1), ("a/#/b", 1), (&last, 2)]);
    let failure = if case.is_5() { 0x8F } else { 0x80 };
    assert_eq!(codes, [1, failure, 2]);
    case.publish(&Publish::new(&last, "m").qos(1));
    assert_eq!(client.take_text(), "m");
}

fn the_same_filter_replaces_its_subscription(case: &Case<'_>) {
    let filter = case.topic("a/+");
    case.publish(&Publish::new(&case.topic("a/kept"), "kept").qos(2).retained());
    let mut client = case.someone();
    for qos in [0, 2, 1] {
        client.subscribe(&filter, qos);
        // The retained message comes again; no message comes twice.
        let kept = client.take();
        assert_eq!((kept.text().as_str(), kept.qos, kept.retain), ("kept", qos, true));
        case.publish(&Publish::new(&case.topic("a/b"), "m").qos(2));
        assert_eq!(client.take().qos, qos);
        case.assert_nothing_waits(&mut client);
    }
}

fn replacing_a_subscription_loses_no_message(case: &Case<'_>) {
    const MESSAGES: u16 = 500;
    let topic = case.topic("t");
    let mut client = case.subscriber(&topic, 1);
    let mut publisher = case.someone();
    // All at once: they come while the subscription is replaced again and again.
    let publish = |number: u16| Publish::new(&topic, &number.to_string()).qos(1).id(number).bytes(case.version);
    publisher.send(&(1..=MESSAGES).flat_map(publish).collect::<Vec<u8>>());
    for qos in [2, 1].into_iter().cycle().take(50) {
        client.subscribe(&topic, qos);
    }
    for number in 1..=MESSAGES {
        assert_eq!(client.take_text(), number.to_string());
    }
    case.assert_nothing_waits(&mut client);
}

fn messages_come_with_the_lower_qos(case: &Case<'_>) {
    for granted in 0..=2 {
        let mut client = case.subscriber(&case.topic("t"), granted);
        for published in 0..=2 {
            case.publish(&Publish::new(&case.topic("t"), "m").qos(published));
            assert_eq!(client.take().qos, granted.min(published));
        }
    }
}

fn unsubscribing_compares_filters_as_they_are(case: &Case<'_>) {
    let mut client = case.subscriber(&case.topic("a/+"), 1);
    let others = ["a/b", "a/#", "a/+/", "A/+", "a"].map(|filter| case.topic(filter));
    let codes = client.unsubscribe(&others.each_ref().map(String::as_str));
    assert_eq!(codes, if case.is_5() { vec![0x11; 5] } else { vec![] });
    case.publish(&Publish::new(&case.topic("a/b"), "still").qos(1));
    assert_eq!(client.take_text(), "still");
    client.unsubscribe(&[&case.topic("a/+")]);
    case.publish(&Publish::new(&case.topic("a/b"), "no more").qos(1));
    case.assert_nothing_waits(&mut client);
}

fn unsubscribing_stops_new_messages(case: &Case<'_>) {
    let mut client = case.someone();
    client.subscribe_all(&[], &[(&case.topic("a"), 2), (&case.topic("b"), 2)]);
    client.unsubscribe(&[&case.topic("a")]);
    for topic in ["a", "b"] {
        case.publish(&Publish::new(&case.topic(topic), topic).qos(2));
    }
    assert_eq!(client.take_text(), "b");
    case.assert_nothing_waits(&mut client);
}

fn unsubscribing_completes_what_is_under_way(case: &Case<'_>) {
    let connect = case.connect("kept").kept();
    let mut client = case.client_with(&connect);
    client.subscribe(&case.topic("t"), 2);
    for qos in [1, 2] {
        case.publish(&Publish::new(&case.topic("t"), "m").qos(qos));
    }
    let under_way = [client.expect_publish(), client.expect_publish()];
    client.unsubscribe(&[&case.topic("t")]);
    client.vanish();
    let mut client = case.client_with(&connect);
    for message in &under_way {
        assert_eq!(client.expect_publish(), message.clone().dup());
    }
    client.send_ack(AckKind::Puback, under_way[0].id);
    client.send_ack(AckKind::Pubrec, under_way[1].id);
    client.expect_ack(AckKind::Pubrel, under_way[1].id);
    client.send_ack(AckKind::Pubcomp, under_way[1].id);
    case.assert_nothing_waits(&mut client);
}

fn unsubscribing_is_answered_even_if_nothing_was_there(case: &Case<'_>) {
    let mut client = case.someone();
    let codes = client.unsubscribe(&["never/subscribed", "#", "never/+"]);
    assert_eq!(codes, if case.is_5() { vec![0x11; 3] } else { vec![] });
}

const NO_LOCAL: u8 = 0x04;

fn own_messages_do_not_come_back_where_not_wanted(case: &Case<'_>) {
    let mut client = case.someone();
    client.subscribe(&case.topic("t"), NO_LOCAL | 1);
    client.publish(&Publish::new(&case.topic("t"), "own").qos(1));
    case.publish(&Publish::new(&case.topic("t"), "another's").qos(1));
    assert_eq!(client.take_text(), "another's");
}

fn no_local_is_not_for_shared_subscriptions(case: &Case<'_>) {
    let mut client = case.someone();
    client.send(&subscribe(case.version, 1, &[], &[(&format!("$share/s/{}", case.topic("t")), NO_LOCAL)]));
    client.expect_disconnect(0x82);
}

fn options_that_do_not_exist_are_refused(case: &Case<'_>) {
    // QoS 3, and retain handling 3.
    let options: &[u8] = if case.is_5() { &[0x03, 0x30] } else { &[0x03] };
    for options in options {
        let mut client = case.someone();
        client.send(&subscribe(case.version, 1, &[], &[(&case.topic("t"), *options)]));
        client.expect_disconnect(0x82);
    }
}

fn a_subscription_identifier_of_zero_is_refused(case: &Case<'_>) {
    let zero = [Property::number(SUBSCRIPTION_ID, 0)];
    let mut client = case.someone();
    client.send(&subscribe(case.version, 1, &zero, &[(&case.topic("t"), 0)]));
    client.expect_disconnect(0x82);
}

fn a_new_subscription_identifier_replaces_the_old(case: &Case<'_>) {
    let mut client = case.someone();
    for id in [Some(7), Some(8), None] {
        let properties: Vec<Property> = id.map(|id| Property::number(SUBSCRIPTION_ID, id)).into_iter().collect();
        client.subscribe_all(&properties, &[(&case.topic("t"), 1)]);
        case.publish(&Publish::new(&case.topic("t"), "m").qos(1));
        assert_eq!(client.take().properties, properties);
    }
}
