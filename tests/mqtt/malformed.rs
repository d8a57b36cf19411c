//! Packets that are wrong in every way, in tables that are put together from a few rules: each ends its connection with
//! the code of the specification, the end alone in 3.1.1, and the server serves everyone else as before.

use crate::harness::pool::scenarios;
use crate::harness::properties::{
    AUTHENTICATION_DATA, AUTHENTICATION_METHOD, CONTENT_TYPE, CORRELATION_DATA, KINDS, MESSAGE_EXPIRY,
    PACKET_BYTES_MAX, PAYLOAD_FORMAT, Property, REASON_STRING, RECEIVE_MAX, REQUEST_PROBLEM, REQUEST_RESPONSE,
    RESPONSE_TOPIC, SERVER_REFERENCE, SESSION_EXPIRY, SUBSCRIPTION_ID, TOPIC_ALIAS, TOPIC_ALIAS_MAX, USER_PROPERTY,
    WILL_DELAY,
};
use crate::harness::{Body, Case, Client, Connect, Packet, Publish, Will, packet};

scenarios! {
    BOTH:
        every_flag_nibble_that_is_wrong_is_refused,
        packets_that_are_not_for_a_client_are_refused,
        every_truncated_packet_is_refused,
        every_packet_that_is_too_long_is_refused,
        every_text_that_is_not_well_formed_is_refused,
        every_value_that_is_not_allowed_is_refused,
        every_connect_that_is_wrong_is_refused,
        half_a_packet_harms_nobody;
    ONLY_5:
        every_property_out_of_place_is_refused,
        every_property_that_stands_twice_is_refused;
}

const MALFORMED: u8 = 0x81;
const PROTOCOL_ERROR: u8 = 0x82;

/// Someone who is connected all the while, and is served to the end.
struct Bystander<'a> {
    case: &'a Case<'a>,
    client: Client,
}

impl<'a> Bystander<'a> {
    fn of(case: &'a Case<'a>) -> Self {
        Self { case, client: case.subscriber(&case.topic("bystander"), 1) }
    }

    fn assert_served(mut self) {
        self.case.publish(&Publish::new(&self.case.topic("bystander"), "served").qos(1));
        assert_eq!(self.client.take_text(), "served");
    }
}

/// The connection ends as it must; `what` tells which of many it was.
fn assert_ends(case: &Case<'_>, mut client: Client, code: u8, what: &str) {
    if case.is_5() {
        match client.receive() {
            Some(Packet::Disconnect { code: got, .. } | Packet::Connack { code: got, .. }) => {
                // What code is right, other servers see in other ways.
                assert!(got == code || case.is_mosquitto(), "{what}: {got:#04x} instead of {code:#04x}");
            }
            None if case.is_mosquitto() => {}
            other => panic!("{what}: {other:?} instead of the end with {code:#04x}"),
        }
    }
    let rest = client.receive();
    assert_eq!(rest, None, "{what}: instead of the end");
}

/// Sends this on an open connection, which has to end.
fn assert_refused(case: &Case<'_>, bytes: &[u8], code: u8, what: &str) {
    let mut client = case.someone();
    client.send(bytes);
    assert_ends(case, client, code, &format!("{what} {bytes:02x?}"));
}

/// Sends this CONNECT, which has to be refused. 3.1.1 has no code for what is malformed.
fn assert_connect_refused(case: &Case<'_>, bytes: &[u8], code: u8, what: &str) {
    let mut client = case.open();
    client.send(bytes);
    assert_ends(case, client, code, &format!("{what} {bytes:02x?}"));
}

fn every_flag_nibble_that_is_wrong_is_refused(case: &Case<'_>) {
    let bystander = Bystander::of(case);
    for kind in 0..16_u8 {
        let body = forms(case).into_iter().find(|form| form.first >> 4 == kind).map_or(Vec::new(), |form| form.body);
        for flags in 0..16_u8 {
            let code = match (kind, flags) {
                // QoS 3, and duplicates of QoS 0.
                (3, 6 | 7 | 8 | 9 | 14 | 15) => MALFORMED,
                (3, _) => continue,
                (6 | 8 | 10, 2) | (4 | 5 | 7 | 12 | 14, 0) => continue,
                // A second CONNECT, what only servers send, and AUTH without a method.
                (1 | 2 | 9 | 11 | 13 | 15, 0) => PROTOCOL_ERROR,
                _ => MALFORMED,
            };
            assert_refused(case, &packet(kind << 4 | flags, &body), code, "flags");
        }
    }
    bystander.assert_served();
}

fn packets_that_are_not_for_a_client_are_refused(case: &Case<'_>) {
    let bystander = Bystander::of(case);
    let connack = Body::new().u8(0).u8(0).properties(case.version, &[]).packet(0x20);
    let suback = Body::new().u16(1).properties(case.version, &[]).u8(0).packet(0x90);
    let unsuback = Body::new().u16(1).properties(case.version, &[]).raw(if case.is_5() { &[0] } else { &[] });
    for bytes in [connack, suback, unsuback.packet(0xB0), vec![0xD0, 0]] {
        assert_refused(case, &bytes, PROTOCOL_ERROR, "a packet of servers");
    }
    let method = [Property::text(AUTHENTICATION_METHOD, "SCRAM-SHA-1")];
    let auth = Body::new().u8(0x18).properties(case.version, &method).packet(0xF0);
    for bytes in [auth, vec![0xF0, 0]] {
        assert_refused(case, &bytes, PROTOCOL_ERROR, "AUTH");
    }
    bystander.assert_served();
}

/// A packet that a client may send.
struct Form {
    name: &'static str,
    first: u8,
    body: Vec<u8>,
    /// Where it may end before its end, as another packet that is well-formed.
    ends: Vec<usize>,
    /// Where it lacks a filter, which is an error of its own.
    lacks: Option<usize>,
}

/// Every packet of clients but CONNECT, with all fields that it can have.
fn forms(case: &Case<'_>) -> Vec<Form> {
    let (version, is_5) = (case.version, case.is_5());
    let topic = case.topic("t");
    let users = [Property::user("name", "value")];
    let reason = [Property::text(REASON_STRING, "reason"), Property::user("name", "value")];
    let mut forms = Vec::new();
    let mut add = |name, first, body: Body, ends: Vec<usize>, lacks| {
        forms.push(Form { name, first, body: body.bytes(), ends, lacks });
    };
    let mut published = vec![Property::number(PAYLOAD_FORMAT, 1), Property::number(MESSAGE_EXPIRY, 60)];
    published.extend([Property::text(CONTENT_TYPE, "text"), Property::text(RESPONSE_TOPIC, "answer")]);
    published.extend([Property::binary(CORRELATION_DATA, b"data"), Property::number(TOPIC_ALIAS, 1)]);
    published.extend(users.clone());
    for qos in 0..=2 {
        let head = Body::new().text(&topic).raw(if qos > 0 { &[0, 1] } else { &[] });
        let head = head.properties(version, &published);
        let end = head.clone().bytes().len();
        add("PUBLISH", 0x30 | qos << 1, head.raw(b"payload"), (end..end + 7).collect(), None);
    }
    for (name, first) in [("PUBACK", 0x40), ("PUBREC", 0x50), ("PUBREL", 0x62), ("PUBCOMP", 0x70)] {
        let body = Body::new().u16(1);
        let body = if is_5 { body.u8(0).properties(version, &reason) } else { body };
        add(name, first, body, if is_5 { vec![2, 3] } else { vec![] }, None);
    }
    let subscribed = [Property::number(SUBSCRIPTION_ID, 200), Property::user("name", "value")];
    let head = Body::new().u16(1).properties(version, &subscribed);
    let (lacks, end) = (head.clone().bytes().len(), head.clone().text("a/+").u8(1).bytes().len());
    add("SUBSCRIBE", 0x82, head.text("a/+").u8(1).text("b/#").u8(2), vec![end], Some(lacks));
    let head = Body::new().u16(1).properties(version, &users);
    let (lacks, end) = (head.clone().bytes().len(), head.clone().text("a/+").bytes().len());
    add("UNSUBSCRIBE", 0xA2, head.text("a/+").text("b/#"), vec![end], Some(lacks));
    add("PINGREQ", 0xC0, Body::new(), vec![], None);
    let ended = [Property::number(SESSION_EXPIRY, 0), Property::text(REASON_STRING, "reason"), users[0].clone()];
    let body = if is_5 { Body::new().u8(0).properties(version, &ended) } else { Body::new() };
    add("DISCONNECT", 0xE0, body, if is_5 { vec![0, 1] } else { vec![] }, None);
    forms
}

fn every_truncated_packet_is_refused(case: &Case<'_>) {
    let bystander = Bystander::of(case);
    for Form { name, first, body, ends, lacks } in forms(case) {
        for end in (0..body.len()).filter(|end| !ends.contains(end)) {
            let code = if lacks == Some(end) { PROTOCOL_ERROR } else { MALFORMED };
            assert_refused(case, &packet(first, &body[..end]), code, name);
        }
    }
    bystander.assert_served();
}

fn every_packet_that_is_too_long_is_refused(case: &Case<'_>) {
    let bystander = Bystander::of(case);
    for Form { name, first, mut body, .. } in forms(case) {
        // What follows in a PUBLISH is payload.
        if name != "PUBLISH" {
            body.push(0);
            assert_refused(case, &packet(first, &body), MALFORMED, name);
        }
        // A length that never ends.
        assert_refused(case, &[first, 0xFF, 0xFF, 0xFF, 0xFF, 0x01], MALFORMED, name);
        assert_refused(case, &[first, 0x80, 0x80, 0x80, 0x80, 0x00], MALFORMED, name);
    }
    bystander.assert_served();
}

/// Sequences of bytes that are no text: surrogates, NUL, too long for their value, cut off, out of range.
const NO_TEXTS: &[&[u8]] = &[
    b"\xED\xA0\x80",
    b"\xED\xAD\xBF",
    b"\xED\xB0\x80",
    b"\xED\xBF\xBF",
    b"\xED\xA0\x80\xED\xB0\x80",
    b"\0",
    b"a\0b",
    b"\xC0\x80",
    b"\xC1\xBF",
    b"\xE0\x80\xAF",
    b"\xE0\x9F\xBF",
    b"\xF0\x80\x80\x80",
    b"\xF0\x8F\xBF\xBF",
    b"\xF4\x90\x80\x80",
    b"\xF8\x88\x80\x80\x80",
    b"\xFF",
    b"\xFE",
    b"\x80",
    b"a\xBF",
    b"\xC3",
    b"\xE2\x82",
    b"\xF0\x9F\x98",
];

fn every_text_that_is_not_well_formed_is_refused(case: &Case<'_>) {
    let bystander = Bystander::of(case);
    let version = case.version;
    let block = |block: Vec<u8>| Body::new().variable(block.len()).raw(&block).bytes();
    for wrong in NO_TEXTS {
        let mut packets = vec![
            Body::new().binary(wrong).properties(version, &[]).packet(0x30),
            Body::new().u16(1).properties(version, &[]).binary(wrong).u8(0).packet(0x82),
            Body::new().u16(1).properties(version, &[]).text("good").u8(0).binary(wrong).u8(0).packet(0x82),
            Body::new().u16(1).properties(version, &[]).binary(wrong).packet(0xA2),
        ];
        if case.is_5() {
            let user_name = block(Body::new().u8(USER_PROPERTY).binary(wrong).text("v").bytes());
            let user_value = block(Body::new().u8(USER_PROPERTY).text("k").binary(wrong).bytes());
            let reason = block(Body::new().u8(REASON_STRING).binary(wrong).bytes());
            for id in [CONTENT_TYPE, RESPONSE_TOPIC] {
                let text = block(Body::new().u8(id).binary(wrong).bytes());
                packets.push(Body::new().text(&case.topic("t")).raw(&text).packet(0x30));
            }
            for text in [user_name, user_value, reason] {
                for first in [0x40, 0x50, 0x62, 0x70] {
                    packets.push(Body::new().u16(1).u8(0).raw(&text).packet(first));
                }
                packets.push(Body::new().u8(0).raw(&text).packet(0xE0));
            }
        }
        for bytes in packets {
            assert_refused(case, &bytes, MALFORMED, "a text");
        }
    }
    bystander.assert_served();
}

fn every_value_that_is_not_allowed_is_refused(case: &Case<'_>) {
    let bystander = Bystander::of(case);
    let version = case.version;
    let topic = case.topic("t");
    let publish = |property| Publish::new(&topic, "m").with(property).bytes(version);
    let mut packets = vec![
        (Publish::new(&topic, "m").qos(1).bytes(version), PROTOCOL_ERROR),
        (Publish::new(&topic, "m").qos(2).bytes(version), PROTOCOL_ERROR),
        (Publish::new(&topic, "m").qos(3).id(1).bytes(version), MALFORMED),
        (Publish::new("a/+/b", "m").bytes(version), 0x90),
        (Publish::new("#", "m").bytes(version), 0x90),
        (Publish::new("", "m").bytes(version), PROTOCOL_ERROR),
    ];
    let reserved = if case.is_5() { 0xC0_u8 } else { 0xFC };
    for options in 0..=255_u8 {
        let code = match options {
            _ if options & reserved != 0 => MALFORMED,
            _ if options & 3 == 3 || options & 0x30 == 0x30 => PROTOCOL_ERROR,
            _ => continue,
        };
        packets.push((crate::harness::subscribe(version, 1, &[], &[(&topic, options)]), code));
    }
    if case.is_5() {
        let zero_id = [Property::number(SUBSCRIPTION_ID, 0)];
        packets.extend([
            (crate::harness::subscribe(version, 1, &zero_id, &[(&topic, 0)]), PROTOCOL_ERROR),
            (publish(Property::number(PAYLOAD_FORMAT, 2)), PROTOCOL_ERROR),
            (publish(Property::number(TOPIC_ALIAS, 0)), 0x94),
            (publish(Property::number(TOPIC_ALIAS, 65_535)), 0x94),
            (publish(Property::number(SUBSCRIPTION_ID, 1)), PROTOCOL_ERROR),
            (publish(Property::number(SUBSCRIPTION_ID, 0)), PROTOCOL_ERROR),
            (publish(Property::text(RESPONSE_TOPIC, "a/#")), 0x90),
        ]);
    }
    for (bytes, code) in packets {
        assert_refused(case, &bytes, code, "a value");
    }
    bystander.assert_served();
}

/// CONNECT with every field and property that it can have.
fn full_connect(case: &Case<'_>) -> Connect {
    let will = Will::new(&case.topic("will"), "will").with(Property::number(WILL_DELAY, 1));
    let mut connect = case.connect("full").will(will.with(Property::user("k", "v")));
    (connect.user_name, connect.password) = (Some("user".to_owned()), Some(b"password".to_vec()));
    connect.with(Property::number(SESSION_EXPIRY, 1)).with(Property::user("k", "v"))
}

fn every_connect_that_is_wrong_is_refused(case: &Case<'_>) {
    let bystander = Bystander::of(case);
    let whole = full_connect(case);
    let bytes = whole.bytes();
    let start = 1 + bytes[1..].iter().take_while(|byte| **byte & 0x80 != 0).count() + 1;
    let body = &bytes[start..];
    for end in 0..body.len() {
        let mut client = case.open();
        client.send(&packet(0x10, &body[..end]));
        if end < 7 {
            // Who does not get as far as the version may be told nothing.
            let answer = client.receive();
            assert!(matches!(answer, None | Some(Packet::Connack { code: 1.., .. })), "{end}: {answer:?}");
        } else {
            assert_ends(case, client, MALFORMED, &format!("CONNECT cut off at {end}"));
        }
    }
    assert_connect_refused(case, &packet(0x10, &[body, &[0]].concat()), MALFORMED, "a byte too many");
    for flags in 0..=255_u8 {
        // The fields that are there announced, and nothing that may not be set; or something else.
        let is_right = flags & 0b1100_0101 == 0b1100_0100 && flags & 0b0001_1000 != 0b0001_1000;
        if !is_right {
            assert_connect_refused(case, &whole.bytes_with_flags(flags), MALFORMED, "connect flags");
        }
    }
    if case.is_5() {
        let mut wrong = vec![(Property::number(RECEIVE_MAX, 0), PROTOCOL_ERROR)];
        wrong.push((Property::number(PACKET_BYTES_MAX, 0), PROTOCOL_ERROR));
        wrong.push((Property::number(REQUEST_PROBLEM, 2), PROTOCOL_ERROR));
        wrong.push((Property::number(REQUEST_RESPONSE, 2), PROTOCOL_ERROR));
        wrong.push((Property::binary(AUTHENTICATION_DATA, b"data"), PROTOCOL_ERROR));
        for (property, code) in wrong {
            assert_connect_refused(case, &whole.clone().with(property).bytes(), code, "a property");
        }
    }
    bystander.assert_served();
}

fn half_a_packet_harms_nobody(case: &Case<'_>) {
    let bystander = Bystander::of(case);
    for Form { first, body, .. } in forms(case) {
        let bytes = packet(first, &body);
        for end in (1..bytes.len()).step_by(3) {
            let mut client = case.someone();
            client.send(&bytes[..end]);
            client.vanish();
        }
    }
    let bytes = full_connect(case).bytes();
    for end in 1..bytes.len() {
        let mut client = case.open();
        client.send(&bytes[..end]);
        client.vanish();
    }
    bystander.assert_served();
}

/// A packet with properties: what comes before them and after them.
struct Holder {
    name: &'static str,
    /// The properties that it may have (table 2-4).
    allowed: &'static [u8],
    first: u8,
    before: Vec<u8>,
    after: Vec<u8>,
}

impl Holder {
    fn with(&self, block: &[u8]) -> Vec<u8> {
        Body::new().raw(&self.before).variable(block.len()).raw(block).raw(&self.after).packet(self.first)
    }

    fn assert_refused(&self, case: &Case<'_>, block: &[u8], code: u8) {
        if self.first == 0x10 {
            assert_connect_refused(case, &self.with(block), code, self.name);
        } else {
            assert_refused(case, &self.with(block), code, self.name);
        }
    }
}

const IN_CONNECT: &[u8] = &[
    SESSION_EXPIRY,
    AUTHENTICATION_METHOD,
    AUTHENTICATION_DATA,
    REQUEST_PROBLEM,
    REQUEST_RESPONSE,
    RECEIVE_MAX,
    TOPIC_ALIAS_MAX,
    USER_PROPERTY,
    PACKET_BYTES_MAX,
];
const IN_WILL: &[u8] =
    &[PAYLOAD_FORMAT, MESSAGE_EXPIRY, CONTENT_TYPE, RESPONSE_TOPIC, CORRELATION_DATA, WILL_DELAY, USER_PROPERTY];
const IN_PUBLISH: &[u8] = &[
    PAYLOAD_FORMAT,
    MESSAGE_EXPIRY,
    CONTENT_TYPE,
    RESPONSE_TOPIC,
    CORRELATION_DATA,
    SUBSCRIPTION_ID,
    TOPIC_ALIAS,
    USER_PROPERTY,
];
const IN_ACK: &[u8] = &[REASON_STRING, USER_PROPERTY];
const IN_DISCONNECT: &[u8] = &[SESSION_EXPIRY, SERVER_REFERENCE, REASON_STRING, USER_PROPERTY];
const IN_AUTH: &[u8] = &[AUTHENTICATION_METHOD, AUTHENTICATION_DATA, REASON_STRING, USER_PROPERTY];

fn holders(case: &Case<'_>) -> Vec<Holder> {
    let topic = case.topic("t");
    let head = |flags| Body::new().text("MQTT").u8(5).u8(flags).u16(0);
    let holder = |name, allowed, first, before: Body, after: Body| Holder {
        name,
        allowed,
        first,
        before: before.bytes(),
        after: after.bytes(),
    };
    let ack = |name, first| holder(name, IN_ACK, first, Body::new().u16(1).u8(0), Body::new());
    let will = Body::new().text(&topic).text("will");
    vec![
        holder("CONNECT", IN_CONNECT, 0x10, head(2), Body::new().text(&case.id("held"))),
        holder("will", IN_WILL, 0x10, head(6).u8(0).text(&case.id("held")), will),
        holder("PUBLISH", IN_PUBLISH, 0x30, Body::new().text(&topic), Body::new()),
        ack("PUBACK", 0x40),
        ack("PUBREC", 0x50),
        ack("PUBREL", 0x62),
        ack("PUBCOMP", 0x70),
        holder(
            "SUBSCRIBE",
            &[SUBSCRIPTION_ID, USER_PROPERTY],
            0x82,
            Body::new().u16(1),
            Body::new().text(&topic).u8(0),
        ),
        holder("UNSUBSCRIBE", &[USER_PROPERTY], 0xA2, Body::new().u16(1), Body::new().text(&topic)),
        holder("DISCONNECT", IN_DISCONNECT, 0xE0, Body::new().u8(0), Body::new()),
        holder("AUTH", IN_AUTH, 0xF0, Body::new().u8(0x18), Body::new()),
    ]
}

fn every_property_out_of_place_is_refused(case: &Case<'_>) {
    let bystander = Bystander::of(case);
    for holder in holders(case) {
        for id in 0..=0x7F {
            if !holder.allowed.contains(&id) {
                let block = Property::example(id).put(Body::new()).bytes();
                holder.assert_refused(case, &block, MALFORMED);
            }
        }
        // Identifiers of two bytes: all of them are unknown, and one is a known one that is padded.
        for id in [&[0x80, 0x01][..], &[0xFF, 0x7F], &[0x80 | USER_PROPERTY, 0x00]] {
            holder.assert_refused(case, &Body::new().raw(id).text("k").text("v").bytes(), MALFORMED);
        }
    }
    bystander.assert_served();
}

fn every_property_that_stands_twice_is_refused(case: &Case<'_>) {
    let bystander = Bystander::of(case);
    for holder in holders(case) {
        for &id in holder.allowed.iter().filter(|id| **id != USER_PROPERTY) {
            // Authentication data needs its method beside it.
            let needed =
                if id == AUTHENTICATION_DATA { Some(Property::text(AUTHENTICATION_METHOD, "m")) } else { None };
            let twice = [Property::example(id), Property::example(id)];
            let block = needed.iter().chain(&twice).fold(Body::new(), |block, property| property.put(block));
            holder.assert_refused(case, &block.bytes(), PROTOCOL_ERROR);
        }
        // Every property is also cut off within its value.
        for &id in holder.allowed {
            let block = Property::example(id).put(Body::new()).bytes();
            holder.assert_refused(case, &block[..block.len() - 1], MALFORMED);
        }
    }
    // Every property that exists was told apart.
    assert_eq!(KINDS.len(), 27);
    bystander.assert_served();
}
