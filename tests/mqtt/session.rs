//! Sessions and CONNACK: sections 3.1.2.4, 3.1.2.11.2, 3.2 and 4.1. What survives a restart of the server is told
//! elsewhere; here the server goes on.

use crate::harness::pool::scenarios;
use crate::harness::properties::{
    AUTHENTICATION_METHOD, PACKET_BYTES_MAX, Properties, Property, QOS_MAX, RETAIN_AVAILABLE, SESSION_EXPIRY,
    SHARED_AVAILABLE, SUBSCRIPTION_ID_AVAILABLE, WILDCARD_AVAILABLE, WILL_DELAY,
};
use crate::harness::server::BACKLOG_MESSAGES_MAX;
use crate::harness::{AckKind, Body, Case, Connect, Packet, Publish, Will};

scenarios! {
    BOTH:
        a_session_is_resumed,
        a_new_session_is_made_where_there_is_none,
        a_clean_start_discards_the_session,
        nothing_of_a_session_that_ended_is_used_again,
        messages_of_an_absent_client_are_kept,
        retained_messages_outlive_the_session,
        a_session_lasts_as_long_as_its_connection,
        connack_comes_before_everything_else,
        a_refusal_speaks_of_no_session_and_leaves_it_alone,
        a_packet_larger_than_the_server_takes_ends_the_connection,
        what_the_server_has_no_room_for_now_is_refused_alone;
    ONLY_5:
        a_session_ends_when_its_expiry_has_passed,
        disconnect_may_change_the_expiry,
        the_expiry_may_not_be_raised_from_nothing,
        connack_restricts_nothing,
        answers_fit_what_the_client_takes;
}

fn a_session_is_resumed(case: &Case<'_>) {
    let connect = case.connect("kept").kept();
    let mut client = case.client_with(&connect);
    client.subscribe(&case.topic("t"), 1);
    client.leave();
    let (mut client, present) = case.accepted(&connect);
    assert!(present, "the session is present");
    case.publish(&Publish::new(&case.topic("t"), "still subscribed").qos(1));
    assert_eq!(client.take_text(), "still subscribed");
    client.vanish();
    let (_, present) = case.accepted(&connect);
    assert!(present, "the session is present after a loss too");
}

fn a_new_session_is_made_where_there_is_none(case: &Case<'_>) {
    let (mut client, present) = case.accepted(&case.connect("new").kept());
    assert!(!present);
    client.subscribe(&case.topic("t"), 1);
    client.publish(&Publish::new(&case.topic("t"), "served").qos(1));
    assert_eq!(client.take_text(), "served");
}

fn a_clean_start_discards_the_session(case: &Case<'_>) {
    let connect = case.connect("cleaned").kept();
    let mut client = case.client_with(&connect);
    client.subscribe(&case.topic("t"), 1);
    client.leave();
    case.publish(&Publish::new(&case.topic("t"), "forgotten").qos(1));
    let (mut client, present) = case.accepted(&Connect { clean_start: true, ..connect });
    assert!(!present, "a clean start finds no session");
    case.publish(&Publish::new(&case.topic("t"), "no longer subscribed").qos(1));
    case.assert_nothing_waits(&mut client);
}

fn nothing_of_a_session_that_ended_is_used_again(case: &Case<'_>) {
    let mut client = case.client("short");
    client.subscribe(&case.topic("t"), 1);
    client.leave();
    case.publish(&Publish::new(&case.topic("t"), "unheard").qos(1));
    let (mut client, present) = case.accepted(&case.connect("short").kept());
    assert!(!present, "the session ended with its connection");
    case.publish(&Publish::new(&case.topic("t"), "unheard too").qos(1));
    case.assert_nothing_waits(&mut client);
}

fn messages_of_an_absent_client_are_kept(case: &Case<'_>) {
    let connect = case.connect("absent").kept();
    let mut client = case.client_with(&connect);
    client.subscribe(&case.topic("t"), 2);
    client.leave();
    for (payload, qos) in [("one", 1), ("two", 2), ("three", 1)] {
        case.publish(&Publish::new(&case.topic("t"), payload).qos(qos));
    }
    let mut client = case.client_with(&connect);
    for expected in [("one", 1), ("two", 2), ("three", 1)] {
        let message = client.take();
        assert_eq!((message.text().as_str(), message.qos), expected);
    }
}

fn retained_messages_outlive_the_session(case: &Case<'_>) {
    let mut publisher = case.client("publisher");
    publisher.publish(&Publish::new(&case.topic("t"), "kept").qos(1).retained());
    publisher.leave();
    let mut subscriber = case.subscriber(&case.topic("t"), 1);
    assert_eq!(subscriber.take_text(), "kept");
}

fn a_session_lasts_as_long_as_its_connection(case: &Case<'_>) {
    let mut client = case.client_with(&case.connect("long").with(Property::number(SESSION_EXPIRY, 1)));
    client.subscribe(&case.topic("t"), 1);
    case.let_time_pass();
    case.publish(&Publish::new(&case.topic("t"), "still there").qos(1));
    assert_eq!(client.take_text(), "still there");
}

fn connack_comes_before_everything_else(case: &Case<'_>) {
    let connect = case.connect("first").kept();
    let mut client = case.client_with(&connect);
    client.subscribe(&case.topic("t"), 1);
    client.vanish();
    for number in 0..10 {
        case.publish(&Publish::new(&case.topic("t"), &number.to_string()).qos(1));
    }
    // With much to send at once; the client refuses whatever comes before CONNACK, and a second one.
    let mut client = case.ask(&connect);
    client.send(&[0xC0, 0]);
    assert!(matches!(client.next(), Packet::Connack { session_present: true, code: 0, .. }));
    let packets: Vec<Packet> = (0..11).map(|_| client.next()).collect();
    assert_eq!(packets.iter().filter(|packet| matches!(packet, Packet::Publish(_))).count(), 10);
    assert_eq!(packets.iter().filter(|packet| **packet == Packet::Pingresp).count(), 1);
}

fn a_refusal_speaks_of_no_session_and_leaves_it_alone(case: &Case<'_>) {
    let connect = case.connect("refused").kept();
    case.client_with(&connect).leave();
    let mut refused = case.ask(&Connect { clean_start: false, ..case.forbidden_connect("refused") });
    refused.expect_refusal(0x87, Some(5));
    let (_, present) = case.accepted(&connect);
    assert!(present, "a refused client has not ended its session");
}

fn a_packet_larger_than_the_server_takes_ends_the_connection(case: &Case<'_>) {
    let mut client = case.ask(&case.connect("large"));
    let (_, properties) = client.expect_connack();
    let bytes_max = properties.get_number(PACKET_BYTES_MAX).unwrap_or(1024 * 1024);
    if case.is_5() {
        assert_eq!(properties.get_number(PACKET_BYTES_MAX), Some(bytes_max), "the limit is told");
    }
    // The largest packet that is taken, and one that is a byte larger.
    let topic = case.topic("t");
    let head = 5 + 2 + topic.len() + usize::from(case.is_5());
    let largest = bytes_max as usize - head + usize::from(bytes_max < 2_097_154);
    client.publish(&Publish::new(&topic, &"x".repeat(largest)));
    client.ping();
    client.send(&Publish::new(&topic, &"x".repeat(largest + 1)).bytes(case.version));
    client.expect_disconnect(0x95);
}

fn what_the_server_has_no_room_for_now_is_refused_alone(case: &Case<'_>) {
    for qos in [1, 2] {
        let topic = case.topic(&format!("t/{qos}"));
        let connect = case.connect(&format!("full/{qos}")).kept();
        let mut full = case.client_with(&connect);
        full.subscribe(&topic, 2);
        full.leave();
        let mut witness = case.subscriber(&topic, 0);
        let mut publisher = case.someone();
        for number in 0..BACKLOG_MESSAGES_MAX {
            assert!(publisher.publish(&Publish::new(&topic, &number.to_string()).qos(qos)) < 0x80);
            assert_eq!(witness.take_text(), number.to_string());
        }
        let more = Publish::new(&topic, "more").qos(qos).id(60_000);
        if case.is_5() {
            assert_eq!(publisher.publish(&more), 0x97);
            publisher.ping();
        } else {
            // There is no word for it: the connection that the packet came by ends, and no other.
            publisher.send(&more.bytes(case.version));
            publisher.expect_closed();
        }
        case.assert_nothing_waits(&mut witness);
        // It passes: once there is room the same message is taken, and comes once.
        let mut full = case.client_with(&connect);
        for number in 0..BACKLOG_MESSAGES_MAX {
            assert_eq!(full.take_text(), number.to_string());
        }
        case.publish(&Publish { id: 0, ..more });
        assert_eq!((full.take_text(), witness.take_text()), ("more".to_owned(), "more".to_owned()));
        case.assert_nothing_waits(&mut full);
    }
}

fn a_session_ends_when_its_expiry_has_passed(case: &Case<'_>) {
    // The will tells when the session has ended.
    let will = Will::new(&case.topic("will"), "over").with(Property::number(WILL_DELAY, 600));
    let mut witness = case.subscriber(&case.topic("will"), 1);
    let mut connect = case.connect("brief").will(will).with(Property::number(SESSION_EXPIRY, 1));
    connect.clean_start = false;
    let mut client = case.client_with(&connect);
    client.subscribe(&case.topic("t"), 1);
    client.vanish();
    assert_eq!(witness.take_text(), "over");
    let (mut client, present) = case.accepted(&connect);
    assert!(!present, "the session has ended");
    case.publish(&Publish::new(&case.topic("t"), "unheard").qos(1));
    case.assert_nothing_waits(&mut client);
}

fn disconnect_may_change_the_expiry(case: &Case<'_>) {
    let connect = case.connect("changed").kept();
    let mut client = case.client_with(&connect);
    let end_now = Body::new().u8(0).properties(case.version, &[Property::number(SESSION_EXPIRY, 0)]);
    client.send(&end_now.packet(0xE0));
    client.expect_closed();
    let (_, present) = case.accepted(&connect);
    assert!(!present, "DISCONNECT ended the session");
}

fn the_expiry_may_not_be_raised_from_nothing(case: &Case<'_>) {
    let mut client = case.client("nothing");
    let raise = Body::new().u8(0).properties(case.version, &[Property::number(SESSION_EXPIRY, 60)]);
    client.send(&raise.packet(0xE0));
    client.expect_disconnect(0x82);
}

fn connack_restricts_nothing(case: &Case<'_>) {
    let mut client = case.ask(&case.connect("free"));
    let (_, properties) = client.expect_connack();
    assert_eq!(properties.get_number(QOS_MAX), None, "QoS 2 is supported");
    for feature in [RETAIN_AVAILABLE, WILDCARD_AVAILABLE, SUBSCRIPTION_ID_AVAILABLE, SHARED_AVAILABLE] {
        assert_ne!(properties.get_number(feature), Some(0), "property {feature:#04x}");
    }
    assert_eq!(properties.get_text(AUTHENTICATION_METHOD), None, "nobody asked for authentication");
}

fn answers_fit_what_the_client_takes(case: &Case<'_>) {
    // The client itself refuses packets that are larger: reasons in words and user properties have to be left out.
    let limit = Property::number(PACKET_BYTES_MAX, 30);
    let mut client = case.client_with(&case.connect("small").with(limit.clone()));
    for qos in [1, 2] {
        let code = client.publish(&Publish::new(case.forbidden_topic(), "m").qos(qos));
        assert!(code >= 0x80, "{code:#04x}");
        client.publish(&Publish::new(&case.topic("t"), "m").qos(qos));
    }
    assert_eq!(client.subscribe_all(&[], &[(&case.topic("f"), 0)]), [0]);
    client.unsubscribe(&["never/subscribed"]);
    // Identifiers that are not known are answered with an error.
    client.send_ack(AckKind::Pubrel, 4711);
    client.expect_ack(AckKind::Pubcomp, 4711);
    client.send_ack(AckKind::Pubrec, 4712);
    client.expect_ack(AckKind::Pubrel, 4712);
    // QoS 3.
    client.send(&[0x36, 0x05, 0, 1, b'a', 0, 1]);
    client.expect_disconnect(0x81);
    let mut refused = case.ask(&case.forbidden_connect("refused").with(limit.clone()));
    refused.expect_refusal(0x87, None);
    let malformed = case.connect("malformed").with(limit.clone()).will(Will::new("a/#", "w"));
    case.ask(&malformed).expect_refusal(0x90, None);
    let twice = case.connect("twice").with(limit.clone()).with(limit);
    case.ask(&twice).expect_refusal(0x82, None);
}
