//! Pings, endings, authentication and errors: sections 2.1.3, 3.12 to 3.15, 4.12 and 4.13. The errors of every packet, one by
//! one, stand in `malformed`.

use crate::harness::pool::scenarios;
use crate::harness::properties::{AUTHENTICATION_DATA, AUTHENTICATION_METHOD, Property, SUBSCRIPTION_ID};
use crate::harness::server::USER;
use crate::harness::{Body, Case, Packet, Publish, Will, packet, subscribe};

scenarios! {
    BOTH:
        a_ping_is_answered,
        reserved_flags_are_refused,
        nothing_is_processed_after_disconnect,
        an_error_ends_its_connection_and_no_other,
        properties_stand_where_the_version_has_them;
    ONLY_5:
        the_server_says_why_it_disconnects_and_closes,
        integers_take_as_few_bytes_as_they_need,
        reason_codes_that_do_not_exist_are_refused,
        a_method_that_is_not_offered_is_refused,
        authentication_is_not_begun_by_the_server,
        authentication_that_was_not_agreed_on_is_refused,
        authentication_data_needs_a_method;
}

fn a_ping_is_answered(case: &Case<'_>) {
    let mut client = case.someone();
    for _ in 0..3 {
        client.ping();
    }
    client.send(&[0xC0, 0, 0xC0, 0]);
    assert_eq!((client.next(), client.next()), (Packet::Pingresp, Packet::Pingresp));
}

fn reserved_flags_are_refused(case: &Case<'_>) {
    // One wrong nibble for each packet; every nibble of every packet stands in `malformed`.
    let topic = case.topic("t");
    let ack = Body::new().u16(1).bytes();
    let mut wrong = vec![
        packet(0x41, &ack),
        packet(0x52, &ack),
        packet(0x60, &ack),
        packet(0x78, &ack),
        vec![0xC1, 0],
        vec![0xE8, 0],
        subscribe(case.version, 1, &[], &[(&topic, 0)]),
        crate::harness::unsubscribe(case.version, 1, &[&topic]),
    ];
    for request in &mut wrong[6..] {
        request[0] &= 0xF0;
    }
    if case.is_5() {
        wrong.push(vec![0xF2, 0]);
    }
    for bytes in wrong {
        let mut client = case.someone();
        client.send(&bytes);
        client.expect_disconnect(0x81);
    }
}

fn nothing_is_processed_after_disconnect(case: &Case<'_>) {
    let mut subscriber = case.subscriber(&case.topic("t"), 1);
    let mut client = case.someone();
    let mut bytes = vec![0xE0, 0];
    bytes.extend(Publish::new(&case.topic("t"), "too late").qos(1).id(1).bytes(case.version));
    client.send(&bytes);
    client.expect_closed();
    case.assert_nothing_waits(&mut subscriber);
}

fn an_error_ends_its_connection_and_no_other(case: &Case<'_>) {
    let mut other = case.someone();
    other.subscribe(&case.topic("t"), 1);
    let connect = case.connect("rude").kept();
    let mut client = case.client_with(&connect);
    client.subscribe(&case.topic("t"), 1);
    // A PUBLISH of QoS 3.
    client.send(&[0x36, 0x05, 0, 1, b'a', 0, 1]);
    client.expect_disconnect(0x81);
    // Its session goes on as well.
    let (mut client, present) = case.accepted(&connect);
    assert!(present, "an error is no end of the session");
    case.publish(&Publish::new(&case.topic("t"), "m").qos(1));
    assert_eq!((other.take_text(), client.take_text()), ("m".to_owned(), "m".to_owned()));
}

fn properties_stand_where_the_version_has_them(case: &Case<'_>) {
    // The byte behind the topic name is the length of the properties in 5.0, and payload in 3.1.1.
    let topic = case.topic("t");
    let mut subscriber = case.subscriber(&topic, 0);
    let mut client = case.someone();
    client.send(&Body::new().text(&topic).u8(0).packet(0x30));
    let message = subscriber.take();
    assert_eq!(message.payload, if case.is_5() { vec![] } else { vec![0] });
    if case.is_5() {
        // Without the length, what follows is read in its place.
        for bytes in [Body::new().text(&topic).packet(0x30), Body::new().u16(1).text(&topic).u8(0).packet(0x82)] {
            let mut client = case.someone();
            client.send(&bytes);
            client.expect_disconnect(0x81);
        }
    }
}

fn the_server_says_why_it_disconnects_and_closes(case: &Case<'_>) {
    // The client itself makes sure that nothing follows DISCONNECT, and that it has none but allowed properties.
    let connect = case.connect("told").kept();
    let mut first = case.client_with(&connect);
    let _second = case.client_with(&connect);
    first.expect_disconnect(0x8E);
    let mut client = case.someone();
    client.send(&[0x20, 0x03, 0, 0, 0]);
    client.expect_disconnect(0x82);
}

fn integers_take_as_few_bytes_as_they_need(case: &Case<'_>) {
    let topic = case.topic("t");
    let padded_length = Body::new().text(&topic).raw(&[0x80, 0x00]).packet(0x30);
    let padded_value = Body::new().u16(1).variable(3).u8(SUBSCRIPTION_ID).raw(&[0x81, 0x00]).text(&topic).u8(0);
    let too_long = Body::new().text(&topic).raw(&[0x80, 0x80, 0x80, 0x80, 0x00]).packet(0x30);
    for bytes in
        [padded_length, padded_value.packet(0x82), too_long, vec![0xC0, 0x80, 0x00], vec![0xC0, 0xFF, 0xFF, 0xFF, 0xFF]]
    {
        let mut client = case.someone();
        client.send(&bytes);
        client.expect_disconnect(0x81);
    }
}

fn reason_codes_that_do_not_exist_are_refused(case: &Case<'_>) {
    // Codes that exist, but not in these packets, and one that does not exist at all.
    for (bytes, expected) in [
        (vec![0x40, 3, 0, 1, 0x92], 0x82),
        (vec![0x50, 3, 0, 1, 0x92], 0x82),
        (vec![0x62, 3, 0, 1, 0x10], 0x82),
        (vec![0x70, 3, 0, 1, 0x80], 0x82),
        (vec![0xE0, 1, 0x01], 0x82),
        (vec![0xE0, 1, 0x03], 0x81),
        (vec![0xF0, 2, 0x04, 0], 0x82),
        (vec![0x40, 3, 0, 1, 0x7F], 0x81),
    ] {
        let mut client = case.someone();
        client.send(&bytes);
        client.expect_disconnect(expected);
    }
}

fn a_method_that_is_not_offered_is_refused(case: &Case<'_>) {
    let will = Will::new(&case.topic("will"), "never");
    let mut witness = case.subscriber(&case.topic("will"), 0);
    let connect = case.connect("method").will(will).with(Property::text(AUTHENTICATION_METHOD, "SCRAM-SHA-1"));
    let mut client = case.ask(&connect.clone().with(Property::binary(AUTHENTICATION_DATA, b"client data")));
    client.expect_refusal(0x8C, None);
    let mut client = case.ask(&connect);
    client.expect_refusal(0x8C, None);
    case.assert_nothing_waits(&mut witness);
}

fn authentication_is_not_begun_by_the_server(case: &Case<'_>) {
    // The client refuses AUTH; CONNACK is the first packet and names no method.
    let mut connect = case.connect("plain");
    (connect.user_name, connect.password) = (Some(USER.0.to_owned()), Some(USER.1.as_bytes().to_vec()));
    let (_, properties) = case.ask(&connect).expect_connack();
    assert!(properties.iter().all(|one| ![AUTHENTICATION_METHOD, AUTHENTICATION_DATA].contains(&one.id)));
}

fn authentication_that_was_not_agreed_on_is_refused(case: &Case<'_>) {
    for code in [0x18, 0x19] {
        let method = [Property::text(AUTHENTICATION_METHOD, "SCRAM-SHA-1")];
        let mut client = case.someone();
        client.send(&Body::new().u8(code).properties(case.version, &method).packet(0xF0));
        client.expect_disconnect(0x82);
    }
}

fn authentication_data_needs_a_method(case: &Case<'_>) {
    let mut client = case.ask(&case.connect("data").with(Property::binary(AUTHENTICATION_DATA, b"data")));
    client.expect_refusal(0x82, None);
}
