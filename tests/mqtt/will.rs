//! Wills: sections 3.1.2.5 to 3.1.2.7 and 3.1.3.2 to 3.1.3.4.

use crate::harness::pool::scenarios;
use crate::harness::properties::{
    CONTENT_TYPE, CORRELATION_DATA, MESSAGE_EXPIRY, PAYLOAD_FORMAT, Properties, Property, RESPONSE_TOPIC,
    SESSION_EXPIRY, WILL_DELAY,
};
use crate::harness::{Case, Client, Will};

scenarios! {
    BOTH:
        a_will_is_published_when_the_connection_is_lost,
        a_will_is_published_when_the_client_breaks_the_protocol,
        a_will_is_published_with_its_qos,
        a_will_is_discarded_by_disconnect,
        a_will_is_published_once,
        a_client_without_a_will_leaves_none,
        a_will_is_retained_only_if_asked_for,
        a_will_is_that_of_the_connection;
    ONLY_5:
        a_delayed_will_is_sent_after_its_delay,
        a_delayed_will_is_sent_when_the_session_ends,
        a_delayed_will_is_not_sent_if_the_client_returns,
        a_will_keeps_its_properties_and_their_order,
        disconnect_may_ask_for_the_will;
}

fn witness(case: &Case<'_>) -> Client {
    case.subscriber(&case.topic("will"), 2)
}

fn will(case: &Case<'_>, payload: &str) -> Will {
    Will::new(&case.topic("will"), payload)
}

fn a_will_is_published_when_the_connection_is_lost(case: &Case<'_>) {
    let mut witness = witness(case);
    case.client_with(&case.connect("lost").will(will(case, "lost"))).vanish();
    assert_eq!(witness.take_text(), "lost");
}

fn a_will_is_published_when_the_client_breaks_the_protocol(case: &Case<'_>) {
    let mut witness = witness(case);
    let mut client = case.client_with(&case.connect("rude").will(will(case, "rude")));
    // A PUBLISH of QoS 3.
    client.send(&[0x36, 0x05, 0, 1, b'a', 0, 1]);
    client.expect_disconnect(0x81);
    assert_eq!(witness.take_text(), "rude");
}

fn a_will_is_published_with_its_qos(case: &Case<'_>) {
    let mut witness = witness(case);
    for qos in 0..=2 {
        case.client_with(&case.connect("qos").will(will(case, "w").qos(qos))).vanish();
        assert_eq!(witness.take().qos, qos);
    }
}

fn a_will_is_discarded_by_disconnect(case: &Case<'_>) {
    let mut witness = witness(case);
    case.client_with(&case.connect("polite").will(will(case, "never"))).leave();
    case.assert_nothing_waits(&mut witness);
}

fn a_will_is_published_once(case: &Case<'_>) {
    let mut witness = witness(case);
    let connect = case.connect("once").kept();
    case.client_with(&connect.clone().will(will(case, "once"))).vanish();
    assert_eq!(witness.take_text(), "once");
    // The session goes on, but the will is no part of it any more.
    let mut again = case.client_with(&connect);
    again.send(&[0x36, 0x05, 0, 1, b'a', 0, 1]);
    again.expect_disconnect(0x81);
    case.assert_nothing_waits(&mut witness);
}

fn a_client_without_a_will_leaves_none(case: &Case<'_>) {
    let mut witness = case.subscriber(&case.topic("#"), 2);
    let mut client = case.client("no-will");
    client.send(&[0x36, 0x05, 0, 1, b'a', 0, 1]);
    client.expect_disconnect(0x81);
    case.assert_nothing_waits(&mut witness);
}

fn a_will_is_retained_only_if_asked_for(case: &Case<'_>) {
    let mut witness = witness(case);
    for (is_retained, payload) in [(false, "passing"), (true, "kept")] {
        let mut will = will(case, payload);
        will.retain = is_retained;
        case.client_with(&case.connect(payload).will(will)).vanish();
        assert_eq!(witness.take_text(), payload);
        let mut late = case.subscriber(&case.topic("will"), 1);
        if is_retained {
            let kept = late.take();
            assert_eq!((kept.text().as_str(), kept.retain), (payload, true));
        } else {
            case.assert_nothing_waits(&mut late);
        }
    }
}

fn a_will_is_that_of_the_connection(case: &Case<'_>) {
    let mut witness = witness(case);
    let connect = case.connect("takeover").kept();
    let mut first = case.client_with(&connect.clone().will(will(case, "first")));
    let second = case.client_with(&connect.will(will(case, "second")));
    first.expect_disconnect(0x8E);
    assert_eq!(witness.take_text(), "first");
    second.vanish();
    assert_eq!(witness.take_text(), "second");
}

fn delay(seconds: u32) -> Property {
    Property::number(WILL_DELAY, seconds)
}

fn expiry(seconds: u32) -> Property {
    Property::number(SESSION_EXPIRY, seconds)
}

fn a_delayed_will_is_sent_after_its_delay(case: &Case<'_>) {
    let mut witness = witness(case);
    let connect = case.connect("delayed").with(expiry(600));
    case.client_with(&connect.will(will(case, "delayed").with(delay(1)))).vanish();
    case.assert_nothing_waits(&mut witness);
    assert_eq!(witness.take_text(), "delayed");
}

fn a_delayed_will_is_sent_when_the_session_ends(case: &Case<'_>) {
    let mut witness = witness(case);
    let connect = case.connect("ends-by-itself").with(expiry(1));
    case.client_with(&connect.will(will(case, "expired").with(delay(600)))).vanish();
    assert_eq!(witness.take_text(), "expired");
    let connect = case.connect("ends-with-the-connection");
    case.client_with(&connect.will(will(case, "closed").with(delay(600)))).vanish();
    assert_eq!(witness.take_text(), "closed");
    // A clean start ends the session that the will belongs to.
    let connect = case.connect("ended-by-another").with(expiry(600));
    case.client_with(&connect.clone().will(will(case, "replaced").with(delay(600)))).vanish();
    case.client_with(&connect).leave();
    assert_eq!(witness.take_text(), "replaced");
}

fn a_delayed_will_is_not_sent_if_the_client_returns(case: &Case<'_>) {
    let mut witness = witness(case);
    let connect = case.connect("returns").kept();
    case.client_with(&connect.clone().will(will(case, "premature").with(delay(1)))).vanish();
    let (mut client, present) = case.accepted(&connect);
    assert!(present);
    case.let_time_pass();
    client.ping();
    case.assert_nothing_waits(&mut witness);
}

fn a_will_keeps_its_properties_and_their_order(case: &Case<'_>) {
    let mut witness = witness(case);
    let users = [("b", "1"), ("a", "2"), ("b", "3"), ("", "")];
    let mut full = will(case, "full")
        .with(Property::number(PAYLOAD_FORMAT, 1))
        .with(Property::number(MESSAGE_EXPIRY, 600))
        .with(Property::text(CONTENT_TYPE, "text/plain"))
        .with(Property::text(RESPONSE_TOPIC, "answer/here"))
        .with(Property::binary(CORRELATION_DATA, &[0, 255, 7]));
    full.properties.extend(users.map(|(name, value)| Property::user(name, value)));
    case.client_with(&case.connect("full").will(full)).vanish();
    let properties = witness.take().properties;
    assert_eq!(properties.users(), users);
    assert_eq!(properties.get_number(PAYLOAD_FORMAT), Some(1));
    assert!(properties.get_number(MESSAGE_EXPIRY).is_some_and(|left| (1..=600).contains(&left)), "{properties:?}");
    assert_eq!(properties.get_text(CONTENT_TYPE), Some("text/plain"));
    assert_eq!(properties.get_text(RESPONSE_TOPIC), Some("answer/here"));
    assert_eq!(properties.get_binary(CORRELATION_DATA), Some(&[0, 255, 7][..]));
}

fn disconnect_may_ask_for_the_will(case: &Case<'_>) {
    let mut witness = witness(case);
    let mut client = case.client_with(&case.connect("asks").will(will(case, "asked for")));
    client.send(&[0xE0, 1, 0x04]);
    client.expect_closed();
    assert_eq!(witness.take_text(), "asked for");
}
