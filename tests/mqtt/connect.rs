//! CONNECT, section 3.1 of both specifications, without wills (`will.rs`) and what becomes of sessions (`session.rs`).

use crate::harness::pool::scenarios;
use crate::harness::properties::{
    ASSIGNED_CLIENT_ID, PACKET_BYTES_MAX, Properties, Property, REASON_STRING, REQUEST_PROBLEM, REQUEST_RESPONSE,
    RESPONSE_INFORMATION, TOPIC_ALIAS_MAX, USER_PROPERTY,
};
use crate::harness::server::{Over, USER};
use crate::harness::{AckKind, Body, Case, Connect, Packet, Publish, Version, Will, packet, subscribe};

scenarios! {
    BOTH:
        the_first_packet_must_be_connect,
        a_second_connect_ends_the_connection,
        a_protocol_name_that_is_not_mqtt_is_not_served,
        a_protocol_version_that_is_not_spoken_is_refused,
        the_reserved_flag_must_be_zero,
        will_flags_without_a_will_are_refused,
        a_will_of_qos_3_is_refused,
        fields_that_are_announced_must_be_there,
        fields_that_are_not_announced_must_not_be_there,
        every_field_may_be_there_in_its_order,
        a_client_that_falls_silent_is_taken_for_lost,
        texts_must_be_well_formed,
        the_client_identifier_names_the_session,
        client_identifiers_of_letters_and_digits_are_taken,
        an_empty_client_identifier_is_replaced_by_one_of_its_own,
        a_malformed_connect_is_refused,
        a_client_without_permission_is_refused,
        a_second_connection_takes_the_session_over,
        what_follows_a_refused_connect_is_not_processed,
        what_follows_connect_at_once_is_processed;
    ONLY_5:
        packets_that_the_client_does_not_take_are_discarded,
        topic_aliases_stay_within_what_the_client_allows,
        response_information_is_not_sent_unasked,
        explanations_are_not_sent_where_they_are_not_wanted;
    ONLY_3:
        a_password_without_a_user_name_is_refused,
        an_empty_client_identifier_with_a_kept_session_is_refused;
}

fn the_first_packet_must_be_connect(case: &Case<'_>) {
    let publish = Publish::new(&case.topic("t"), "early").bytes(case.version);
    for bytes in [&[0xC0, 0][..], &[0xE0, 0], &publish, &[0x10]] {
        let mut client = case.open();
        client.send(bytes);
        if bytes == [0x10] {
            client.send(&[0x00]);
        }
        // There is no DISCONNECT before CONNACK, and no CONNACK without CONNECT.
        if case.is_5() && bytes[0] == 0x10 {
            let code = client.receive();
            assert!(matches!(code, None | Some(Packet::Connack { code: 0x81, .. })), "{code:?}");
        }
        client.expect_closed();
    }
}

fn a_second_connect_ends_the_connection(case: &Case<'_>) {
    let connect = case.connect("twice");
    let mut client = case.client_with(&connect);
    client.send(&connect.bytes());
    client.expect_disconnect(0x82);
}

fn a_protocol_name_that_is_not_mqtt_is_not_served(case: &Case<'_>) {
    let level = if case.is_5() { 5 } else { 4 };
    for name in ["MQTX", "mqtt", "", "HTTP/1.1"] {
        let mut client = case.open();
        let body = Body::new().text(name).u8(level).u8(2).u16(0).properties(case.version, &[]).text("a");
        client.send(&body.packet(0x10));
        if let Some(answer) = client.receive() {
            assert!(matches!(answer, Packet::Connack { code: 1 | 0x84, .. }), "{answer:?}");
            client.expect_closed();
        }
    }
}

fn a_protocol_version_that_is_not_spoken_is_refused(case: &Case<'_>) {
    // Versions before a specification are answered in the form of 3.1.1, later ones in the newest form.
    let levels: &[u8] = if case.is_5() { &[6, 7, 127] } else { &[0, 1, 2] };
    for level in levels {
        let mut client = case.open();
        let body = Body::new().text("MQTT").u8(*level).u8(2).u16(0).properties(case.version, &[]).text("a");
        client.send(&body.packet(0x10));
        client.expect_refusal(0x84, Some(1));
    }
}

fn the_reserved_flag_must_be_zero(case: &Case<'_>) {
    let connect = case.connect("reserved");
    let mut client = case.open();
    client.send(&connect.bytes_with_flags(connect.flags() | 1));
    client.expect_refusal(0x81, None);
}

fn will_flags_without_a_will_are_refused(case: &Case<'_>) {
    for flags in [0x08, 0x10, 0x18, 0x20, 0x38] {
        let mut client = case.open();
        client.send(&case.connect("no-will").bytes_with_flags(2 | flags));
        client.expect_refusal(0x81, None);
    }
}

fn a_will_of_qos_3_is_refused(case: &Case<'_>) {
    let mut client = case.ask(&case.connect("will").will(Will::new(&case.topic("will"), "w").qos(3)));
    client.expect_refusal(0x81, None);
}

/// CONNECT with every field that it can have.
fn full(case: &Case<'_>) -> Connect {
    let mut connect = case.connect("full").will(Will::new(&case.topic("will"), "the will"));
    (connect.user_name, connect.password) = (Some(USER.0.to_owned()), Some(USER.1.as_bytes().to_vec()));
    connect
}

fn fields_that_are_announced_must_be_there(case: &Case<'_>) {
    // Each of the fields of the payload is left out, as are all behind it: the flags still announce them.
    let whole = full(case);
    let payload = [
        case.is_5().then(|| vec![0]),
        Some(Body::new().text(&case.topic("will")).bytes()),
        Some(Body::new().text("the will").bytes()),
        Some(Body::new().text(USER.0).bytes()),
        Some(Body::new().text(USER.1).bytes()),
    ];
    let all: Vec<u8> = payload.iter().flatten().flatten().copied().collect();
    let bytes = whole.bytes();
    let body = &bytes[bytes.len() - all.len() - 2 - whole.client_id.len() - usize::from(case.is_5()) - 10..];
    assert!(body.starts_with(b"\0\x04MQTT"));
    let mut end = body.len();
    for field in payload.iter().flatten().rev() {
        end -= field.len();
        let mut client = case.open();
        client.send(&packet(0x10, &body[..end]));
        client.expect_refusal(0x81, None);
    }
    // Not even the client identifier.
    let mut client = case.open();
    client.send(&packet(0x10, &body[..10 + usize::from(case.is_5())]));
    client.expect_refusal(0x81, None);
}

fn fields_that_are_not_announced_must_not_be_there(case: &Case<'_>) {
    let whole = full(case);
    // Will, user name and password, password: whatever is not announced is one field too many.
    for flags in [0xC2, 0x0E, 0x8E] {
        let mut client = case.open();
        client.send(&whole.bytes_with_flags(flags));
        client.expect_refusal(0x81, None);
    }
}

fn every_field_may_be_there_in_its_order(case: &Case<'_>) {
    let mut subscriber = case.subscriber(&case.topic("will"), 1);
    case.client_with(&full(case)).vanish();
    let will = subscriber.take();
    assert_eq!((will.topic, will.payload), (case.topic("will"), b"the will".to_vec()));
}

fn a_client_that_falls_silent_is_taken_for_lost(case: &Case<'_>) {
    let mut subscriber = case.subscriber(&case.topic("will"), 1);
    let mut lively = case.client_with(&case.connect("lively").keep_alive(600));
    let will = Will::new(&case.topic("will"), "lost");
    let mut silent = case.client_with(&case.connect("silent").keep_alive(1).will(will));
    silent.expect_disconnect(0x8D);
    assert_eq!(subscriber.take_text(), "lost");
    lively.ping();
}

fn texts_must_be_well_formed(case: &Case<'_>) {
    for wrong in [&b"\xED\xA0\x80"[..], b"a\0b", b"\xFF"] {
        let fields: [&[u8]; 4] = [b"id", b"will/topic", b"will", b"user"];
        // A will's payload may hold anything.
        for place in [0, 1, 3] {
            let head = Body::new().text("MQTT").u8(if case.is_5() { 5 } else { 4 }).u8(0x86).u16(0);
            let mut body = head.properties(case.version, &[]);
            for (index, field) in fields.iter().enumerate() {
                body = if index == 1 { body.properties(case.version, &[]) } else { body };
                body = body.binary(if index == place { wrong } else { field });
            }
            let mut client = case.open();
            client.send(&body.packet(0x10));
            client.expect_refusal(0x81, None);
        }
    }
}

fn the_client_identifier_names_the_session(case: &Case<'_>) {
    let (first, second) = (case.connect("one").kept(), case.connect("two").kept());
    case.client_with(&first).leave();
    let (client, present) = case.accepted(&second);
    assert!(!present, "another client's session was given away");
    client.leave();
    let (client, present) = case.accepted(&first);
    assert!(present, "the session was not found by its identifier");
    client.leave();
}

fn client_identifiers_of_letters_and_digits_are_taken(case: &Case<'_>) {
    let letters = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    // One letter that no other run of this scenario begins with.
    let own = match (case.version, case.over) {
        (Version::V3, Over::Tcp) => "t",
        (Version::V3, Over::WebSocket) => "w",
        (Version::V5, Over::Tcp) => "T",
        (Version::V5, Over::WebSocket) => "W",
    };
    for length in 1..=22 {
        let id = format!("{own}{}", &letters[length..length + length]);
        let (client, _) = case.accepted(&Connect::new(case.version, &id));
        client.leave();
    }
    let (client, _) = case.accepted(&Connect::new(case.version, own));
    client.leave();
}

fn an_empty_client_identifier_is_replaced_by_one_of_its_own(case: &Case<'_>) {
    let connect = Connect::new(case.version, "");
    let mut clients: Vec<_> = (0..3).map(|_| case.ask(&connect)).collect();
    let mut assigned = Vec::new();
    for client in &mut clients {
        let (present, properties) = client.expect_connack();
        assert!(!present);
        if case.is_5() {
            assigned.push(properties.get_text(ASSIGNED_CLIENT_ID).expect("an identifier is assigned").to_owned());
        }
    }
    assigned.sort_unstable();
    assert!(assigned.iter().all(|id| !id.is_empty()) && assigned.windows(2).all(|pair| pair[0] != pair[1]));
    // None has taken the session of another, and each is served as any client is.
    for (number, client) in clients.iter_mut().enumerate() {
        client.ping();
        let topic = case.topic(&format!("own/{number}"));
        client.subscribe(&topic, 0);
        client.publish(&Publish::new(&topic, "mine"));
        assert_eq!(client.take_text(), "mine");
    }
}

fn a_malformed_connect_is_refused(case: &Case<'_>) {
    let bytes = case.connect("malformed").bytes();
    let mut trailing = bytes.clone();
    trailing[1] += 1;
    trailing.push(0);
    let mut cut = bytes;
    cut.pop();
    cut[1] -= 1;
    for bytes in [trailing, cut] {
        let mut client = case.open();
        client.send(&bytes);
        client.expect_refusal(0x81, None);
    }
}

fn a_client_without_permission_is_refused(case: &Case<'_>) {
    let mut client = case.ask(&case.forbidden_connect("forbidden"));
    client.expect_refusal(0x87, Some(5));
}

fn a_second_connection_takes_the_session_over(case: &Case<'_>) {
    let connect = case.connect("taken").kept();
    let mut first = case.client_with(&connect);
    first.subscribe(&case.topic("t"), 1);
    let (mut second, present) = case.accepted(&connect);
    first.expect_disconnect(0x8E);
    assert!(present, "the session is still there");
    case.publish(&Publish::new(&case.topic("t"), "to the second").qos(1));
    assert_eq!(second.take_text(), "to the second");
}

fn what_follows_a_refused_connect_is_not_processed(case: &Case<'_>) {
    let mut subscriber = case.subscriber(&case.topic("t"), 1);
    let mut client = case.open();
    let mut bytes = case.forbidden_connect("refused").bytes();
    bytes.extend(Publish::new(&case.topic("t"), "too much").bytes(case.version));
    client.send(&bytes);
    client.expect_refusal(0x87, Some(5));
    case.assert_nothing_waits(&mut subscriber);
}

fn what_follows_connect_at_once_is_processed(case: &Case<'_>) {
    let topic = case.topic("t");
    let mut bytes = case.connect("hasty").bytes();
    bytes.extend(subscribe(case.version, 1, &[], &[(&topic, 1)]));
    bytes.extend(Publish::new(&topic, "at once").qos(1).id(2).bytes(case.version));
    bytes.extend([0xC0, 0]);
    let mut client = case.open();
    client.send(&bytes);
    client.expect_connack();
    assert_eq!(client.await_suback(1), [1]);
    assert_eq!(client.await_ack(AckKind::Puback, 2), 0);
    let mut seen = vec![client.next(), client.next()];
    seen.sort_by_key(|packet| matches!(packet, Packet::Pingresp));
    assert!(matches!(&seen[0], Packet::Publish(publish) if publish.text() == "at once"), "{seen:?}");
    assert_eq!(seen[1], Packet::Pingresp);
}

fn packets_that_the_client_does_not_take_are_discarded(case: &Case<'_>) {
    let connect = case.connect("small").kept().with(Property::number(PACKET_BYTES_MAX, 120));
    let mut small = case.client_with(&connect);
    let mut large = case.subscriber(&case.topic("t"), 1);
    small.subscribe(&case.topic("t"), 1);
    let too_much = "x".repeat(120);
    for payload in ["first", too_much.as_str(), "second"] {
        case.publish(&Publish::new(&case.topic("t"), payload).qos(1));
    }
    // As if it had been delivered: it does not hold up what follows, and does not come again.
    assert_eq!((small.take_text(), small.take_text()), ("first".to_owned(), "second".to_owned()));
    small.ping();
    small.vanish();
    let mut small = case.client_with(&Connect { properties: Vec::new(), ..connect });
    case.assert_nothing_waits(&mut small);
    for expected in ["first", too_much.as_str(), "second"] {
        assert_eq!(large.take_text(), expected);
    }
}

fn topic_aliases_stay_within_what_the_client_allows(case: &Case<'_>) {
    let mut clients = Vec::new();
    for alias_max in [None, Some(0), Some(1), Some(3)] {
        let mut connect = case.connect(&format!("aliases/{alias_max:?}"));
        connect.properties.extend(alias_max.map(|max| Property::number(TOPIC_ALIAS_MAX, max)));
        let mut client = case.client_with(&connect);
        client.subscribe(&case.topic("t/#"), 0);
        clients.push(client);
    }
    let mut publisher = case.someone();
    // Topics that repeat and are many: more than aliases. The clients refuse an alias that they did not allow.
    let topics: Vec<String> = (0..40).map(|number| case.topic(&format!("t/{}", number % 5))).collect();
    for topic in &topics {
        publisher.publish(&Publish::new(topic, "m"));
    }
    for client in &mut clients {
        for topic in &topics {
            assert_eq!(client.take().topic, *topic);
        }
    }
}

fn response_information_is_not_sent_unasked(case: &Case<'_>) {
    for request in [None, Some(0)] {
        let mut connect = case.connect(&format!("response/{request:?}"));
        connect.properties.extend(request.map(|value| Property::number(REQUEST_RESPONSE, value)));
        let (_, properties) = case.ask(&connect).expect_connack();
        assert_eq!(properties.get_text(RESPONSE_INFORMATION), None);
    }
}

fn explanations_are_not_sent_where_they_are_not_wanted(case: &Case<'_>) {
    let connect = case.connect("terse").with(Property::number(REQUEST_PROBLEM, 0));
    let mut client = case.client_with(&connect);
    let topic = case.topic("t");
    // A refusal or two for each kind of answer.
    client.send(&Publish::new(case.forbidden_topic(), "m").qos(1).id(1).bytes(Version::V5));
    client.send(&Publish::new(case.forbidden_topic(), "m").qos(2).id(2).bytes(Version::V5));
    client.send(&Publish::new(&topic, "m").qos(1).id(3).bytes(Version::V5));
    client.send(&subscribe(Version::V5, 4, &[], &[("$share//x", 0)]));
    client.send(&crate::harness::unsubscribe(Version::V5, 5, &["never/subscribed"]));
    client.send_ack(AckKind::Pubrel, 77);
    client.send_ack(AckKind::Pubrec, 78);
    for _ in 0..7 {
        let (Packet::Ack { properties, .. } | Packet::Suback { properties, .. } | Packet::Unsuback { properties, .. }) =
            client.next()
        else {
            panic!("only answers were to come");
        };
        assert!(properties.iter().all(|one| ![REASON_STRING, USER_PROPERTY].contains(&one.id)), "{properties:?}");
    }
}

fn a_password_without_a_user_name_is_refused(case: &Case<'_>) {
    let mut connect = case.connect("password");
    connect.password = Some(b"secret".to_vec());
    case.ask(&connect).expect_closed();
}

fn an_empty_client_identifier_with_a_kept_session_is_refused(case: &Case<'_>) {
    let mut connect = Connect::new(case.version, "");
    connect.clean_start = false;
    case.ask(&connect).expect_refusal(0x85, Some(2));
}
