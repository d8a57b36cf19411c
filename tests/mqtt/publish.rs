//! PUBLISH, section 3.3: its flags, its properties, and who gets it.

use crate::harness::pool::scenarios;
use crate::harness::properties::{
    CONTENT_TYPE, CORRELATION_DATA, MESSAGE_EXPIRY, PAYLOAD_FORMAT, Properties, Property, RESPONSE_TOPIC,
    SUBSCRIPTION_ID, TOPIC_ALIAS, TOPIC_ALIAS_MAX,
};
use crate::harness::{AckKind, Body, Case, Packet, Publish};

scenarios! {
    BOTH:
        a_message_of_qos_0_has_no_packet_identifier,
        dup_is_not_for_qos_0,
        dup_is_not_passed_on,
        qos_3_is_refused,
        the_topic_name_has_no_wildcards,
        an_empty_topic_name_is_refused,
        the_topic_name_is_well_formed,
        each_qos_has_its_answer,
        overlapping_subscriptions_get_the_highest_qos,
        a_message_without_permission_is_not_passed_on;
    ONLY_5:
        properties_are_passed_on_unaltered,
        texts_of_properties_are_well_formed,
        a_response_topic_has_no_wildcards,
        a_message_expires_while_it_waits,
        the_expiry_runs_down_while_a_message_waits,
        an_alias_stands_for_its_topic,
        an_alias_ends_with_its_connection,
        aliases_that_do_not_exist_are_refused,
        subscription_identifiers_come_with_the_message,
        a_client_publishes_no_subscription_identifier;
}

fn a_message_of_qos_0_has_no_packet_identifier(case: &Case<'_>) {
    let topic = case.topic("t");
    let mut subscriber = case.subscriber(&topic, 2);
    // What would be the identifier is part of the payload, in both directions.
    let body = Body::new().text(&topic).properties(case.version, &[]).raw(&[0, 7, 0x55]);
    let mut publisher = case.someone();
    publisher.send(&body.packet(0x30));
    let message = subscriber.take();
    assert_eq!((message.qos, message.payload), (0, vec![0, 7, 0x55]));
}

fn dup_is_not_for_qos_0(case: &Case<'_>) {
    let mut client = case.someone();
    client.send(&Publish::new(&case.topic("t"), "m").dup().bytes(case.version));
    client.expect_disconnect(0x81);
}

fn dup_is_not_passed_on(case: &Case<'_>) {
    let mut subscriber = case.subscriber(&case.topic("t"), 2);
    for qos in [1, 2] {
        case.publish(&Publish::new(&case.topic("t"), "m").qos(qos).dup());
        let message = subscriber.take();
        assert_eq!((message.qos, message.dup), (qos, false));
    }
}

fn qos_3_is_refused(case: &Case<'_>) {
    for dup in [false, true] {
        let mut client = case.someone();
        let mut publish = Publish::new(&case.topic("t"), "m").qos(3).id(1);
        publish.dup = dup;
        client.send(&publish.bytes(case.version));
        client.expect_disconnect(0x81);
    }
}

fn the_topic_name_has_no_wildcards(case: &Case<'_>) {
    for topic in ["#", "+", "a/+/b", "a/#", "a+b", "a#"] {
        for qos in 0..=2 {
            let mut client = case.someone();
            client.send(&Publish::new(topic, "m").qos(qos).id(1).bytes(case.version));
            client.expect_disconnect(0x90);
        }
    }
}

fn an_empty_topic_name_is_refused(case: &Case<'_>) {
    let mut client = case.someone();
    client.send(&Publish::new("", "m").bytes(case.version));
    client.expect_disconnect(0x82);
}

fn the_topic_name_is_well_formed(case: &Case<'_>) {
    for topic in [&b"a\xED\xA0\x80"[..], b"a\0b", b"a/\xC0\xAF", b"\xFF"] {
        let mut client = case.someone();
        client.send(&Body::new().binary(topic).properties(case.version, &[]).packet(0x30));
        client.expect_disconnect(0x81);
    }
}

fn each_qos_has_its_answer(case: &Case<'_>) {
    let mut client = case.someone();
    let topic = case.topic("t");
    client.send(&Publish::new(&topic, "m").bytes(case.version));
    client.ping();
    client.send(&Publish::new(&topic, "m").qos(1).id(5).bytes(case.version));
    client.expect_ack(AckKind::Puback, 5);
    client.send(&Publish::new(&topic, "m").qos(2).id(6).bytes(case.version));
    client.expect_ack(AckKind::Pubrec, 6);
    client.send_ack(AckKind::Pubrel, 6);
    client.expect_ack(AckKind::Pubcomp, 6);
    client.ping();
}

fn overlapping_subscriptions_get_the_highest_qos(case: &Case<'_>) {
    let mut subscriber = case.someone();
    for (filter, qos) in [("a/+", 0), ("a/b", 2), ("a/#", 1)] {
        subscriber.subscribe(&case.topic(filter), qos);
    }
    let mut publisher = case.someone();
    for qos in 0..=2 {
        publisher.publish(&Publish::new(&case.topic("a/b"), "m").qos(qos));
        let copies = case.take_all(&mut subscriber);
        let highest = copies.iter().map(|copy| copy.qos).max();
        // A server may send a copy for each subscription; one of them has the highest QoS.
        assert!((1..=3).contains(&copies.len()) && highest == Some(qos), "{copies:?}");
    }
}

fn a_message_without_permission_is_not_passed_on(case: &Case<'_>) {
    let topic = case.forbidden_topic();
    let mut subscriber = case.subscriber(topic, 2);
    for qos in 0..=2 {
        let mut client = case.someone();
        client.send(&Publish::new(topic, "m").qos(qos).id(1).bytes(case.version));
        if qos == 0 {
            client.send(&[0xC0, 0]);
        }
        match client.receive() {
            Some(Packet::Pingresp) => assert_eq!(qos, 0),
            // 3.1.1 has no word for it: either the connection ends, or the client is left in the belief.
            Some(Packet::Ack { kind, id: 1, code, .. }) => {
                let answer = if qos == 1 { AckKind::Puback } else { AckKind::Pubrec };
                assert_eq!((kind, code), (answer, if case.is_5() { 0x87 } else { 0 }));
            }
            None => assert!(!case.is_5(), "MQTT 5.0 can say why"),
            other => panic!("{other:?}"),
        }
    }
    case.assert_nothing_waits(&mut subscriber);
}

fn properties_are_passed_on_unaltered(case: &Case<'_>) {
    let mut subscriber = case.subscriber(&case.topic("t"), 2);
    let users = [("b", "1"), ("a", "2"), ("b", "3"), ("", ""), ("ü", "\u{1F600}")];
    for qos in 0..=2 {
        let mut message = Publish::new(&case.topic("t"), "m")
            .qos(qos)
            .with(Property::user(users[0].0, users[0].1))
            .with(Property::number(PAYLOAD_FORMAT, 1))
            .with(Property::text(CONTENT_TYPE, "application/json"))
            .with(Property::text(RESPONSE_TOPIC, "answer/hier/\u{FEFF}"))
            .with(Property::binary(CORRELATION_DATA, &[0, 0xFF, 0xC0, 0]));
        message.properties.extend(users[1..].iter().map(|(name, value)| Property::user(name, value)));
        case.publish(&message);
        let properties = subscriber.take().properties;
        assert_eq!(properties.users(), users);
        assert_eq!(properties.get_number(PAYLOAD_FORMAT), Some(1));
        assert_eq!(properties.get_text(CONTENT_TYPE), Some("application/json"));
        assert_eq!(properties.get_text(RESPONSE_TOPIC), Some("answer/hier/\u{FEFF}"));
        assert_eq!(properties.get_binary(CORRELATION_DATA), Some(&[0, 0xFF, 0xC0, 0][..]));
        assert_eq!(properties.len(), 9);
    }
    // An indicator of 0 says what none says.
    case.publish(&Publish::new(&case.topic("t"), "m").with(Property::number(PAYLOAD_FORMAT, 0)));
    assert!(matches!(subscriber.take().properties.get_number(PAYLOAD_FORMAT), None | Some(0)));
}

fn texts_of_properties_are_well_formed(case: &Case<'_>) {
    for wrong in [&b"\xED\xB0\x80"[..], b"a\0", b"\xF5\x80\x80\x80"] {
        let text = |id: u8| Body::new().u8(id).binary(wrong).bytes();
        let name = Body::new().u8(0x26).binary(wrong).text("value").bytes();
        let value = Body::new().u8(0x26).text("name").binary(wrong).bytes();
        for block in [text(CONTENT_TYPE), text(RESPONSE_TOPIC), name, value] {
            let mut client = case.someone();
            let body = Body::new().text(&case.topic("t")).variable(block.len()).raw(&block);
            client.send(&body.packet(0x30));
            client.expect_disconnect(0x81);
        }
    }
}

fn a_response_topic_has_no_wildcards(case: &Case<'_>) {
    for topic in ["#", "a/+", "a#b"] {
        let mut client = case.someone();
        let message = Publish::new(&case.topic("t"), "m").with(Property::text(RESPONSE_TOPIC, topic));
        client.send(&message.bytes(case.version));
        client.expect_disconnect(0x90);
    }
}

fn expiring(case: &Case<'_>, payload: &str, seconds: u32) -> Publish {
    Publish::new(&case.topic("t"), payload).qos(1).with(Property::number(MESSAGE_EXPIRY, seconds))
}

fn a_message_expires_while_it_waits(case: &Case<'_>) {
    let connect = case.connect("absent").kept();
    let mut client = case.client_with(&connect);
    client.subscribe(&case.topic("t"), 1);
    client.leave();
    case.publish(&expiring(case, "short", 1));
    case.publish(&expiring(case, "long", 600));
    case.publish(&Publish::new(&case.topic("t"), "for ever").qos(1));
    case.let_time_pass();
    let mut client = case.client_with(&connect);
    assert_eq!((client.take_text(), client.take_text()), ("long".to_owned(), "for ever".to_owned()));
}

fn the_expiry_runs_down_while_a_message_waits(case: &Case<'_>) {
    let connect = case.connect("absent").kept();
    let mut client = case.client_with(&connect);
    client.subscribe(&case.topic("t"), 1);
    let mut at_once = case.subscriber(&case.topic("t"), 1);
    client.leave();
    case.publish(&expiring(case, "m", 600));
    case.let_time_pass();
    let left = at_once.take().properties.get_number(MESSAGE_EXPIRY);
    assert!(left.is_some_and(|left| (1..=600).contains(&left)), "{left:?}");
    let mut client = case.client_with(&connect);
    let left = client.take().properties.get_number(MESSAGE_EXPIRY);
    assert!(left.is_some_and(|left| (1..=599).contains(&left)), "{left:?}");
}

fn an_alias_stands_for_its_topic(case: &Case<'_>) {
    let mut client = case.ask(&case.connect("aliases"));
    let (_, properties) = client.expect_connack();
    let alias_max = properties.get_number(TOPIC_ALIAS_MAX).expect("the server takes aliases");
    let mut subscriber = case.subscriber(&case.topic("#"), 1);
    let with_alias = |topic: &str, alias, payload: &str| {
        Publish::new(topic, payload).qos(1).with(Property::number(TOPIC_ALIAS, alias))
    };
    // Every alias up to the maximum; one is given another topic afterwards.
    for alias in 1..=alias_max {
        client.publish(&with_alias(&case.topic(&format!("t/{alias}")), alias, "introduced"));
        assert_eq!(subscriber.take_text(), "introduced");
    }
    client.publish(&with_alias(&case.topic("other"), 1, "changed"));
    assert_eq!(subscriber.take_text(), "changed");
    for alias in 1..=alias_max {
        client.publish(&with_alias("", alias, "by alias"));
        let expected = if alias == 1 { case.topic("other") } else { case.topic(&format!("t/{alias}")) };
        assert_eq!(subscriber.take().topic, expected);
    }
}

fn an_alias_ends_with_its_connection(case: &Case<'_>) {
    let connect = case.connect("aliases").kept();
    let mut client = case.client_with(&connect);
    client.publish(&Publish::new(&case.topic("t"), "m").qos(1).with(Property::number(TOPIC_ALIAS, 1)));
    client.leave();
    let mut client = case.client_with(&connect);
    client.send(&Publish::new("", "m").with(Property::number(TOPIC_ALIAS, 1)).bytes(case.version));
    client.expect_disconnect(0x82);
}

fn aliases_that_do_not_exist_are_refused(case: &Case<'_>) {
    let mut client = case.ask(&case.connect("aliases"));
    let (_, properties) = client.expect_connack();
    let alias_max = properties.get_number(TOPIC_ALIAS_MAX).expect("the server takes aliases");
    client.leave();
    for alias in [0, alias_max + 1, 65_535] {
        let mut client = case.someone();
        let message = Publish::new(&case.topic("t"), "m").with(Property::number(TOPIC_ALIAS, alias));
        client.send(&message.bytes(case.version));
        client.expect_disconnect(0x94);
    }
}

fn subscription_identifiers_come_with_the_message(case: &Case<'_>) {
    let mut subscriber = case.someone();
    for (filter, id) in [("a/+", Some(1)), ("a/b", None), ("a/#", Some(268_435_455))] {
        let properties: Vec<Property> = id.map(|id| Property::number(SUBSCRIPTION_ID, id)).into_iter().collect();
        assert_eq!(subscriber.subscribe_all(&properties, &[(&case.topic(filter), 2)]), [2]);
    }
    let mut other = case.subscriber(&case.topic("a/+"), 2);
    let mut publisher = case.someone();
    for qos in 0..=2 {
        publisher.publish(&Publish::new(&case.topic("a/b"), "m").qos(qos));
        // One copy with all identifiers, or one for each subscription with its own.
        let copies = case.take_all(&mut subscriber);
        let mut ids: Vec<u32> = copies.iter().flat_map(|copy| copy.properties.numbers(SUBSCRIPTION_ID)).collect();
        ids.sort_unstable();
        assert_eq!(ids, [1, 268_435_455]);
        assert_eq!(other.take().properties, []);
    }
}

fn a_client_publishes_no_subscription_identifier(case: &Case<'_>) {
    let mut client = case.someone();
    client.send(&Publish::new(&case.topic("t"), "m").with(Property::number(SUBSCRIPTION_ID, 1)).bytes(case.version));
    client.expect_disconnect(0x82);
}
