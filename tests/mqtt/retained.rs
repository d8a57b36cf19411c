//! Retained messages: section 3.3.1.3.

use crate::harness::pool::scenarios;
use crate::harness::{Case, Client, Publish};

scenarios! {
    BOTH:
        a_retained_message_is_kept_for_later_subscribers,
        a_retained_message_is_replaced_by_the_next,
        an_empty_message_removes_the_retained_one,
        a_message_that_is_not_retained_changes_nothing,
        an_established_subscription_gets_it_as_an_ordinary_message,
        every_matching_topic_sends_its_retained_message;
    ONLY_5:
        retain_handling_says_when_they_are_sent,
        retain_as_published_keeps_the_flag;
}

fn retained(case: &Case<'_>, payload: &str, qos: u8) -> Publish {
    Publish::new(&case.topic("t"), payload).qos(qos).retained()
}

/// What a new subscription gets of the retained message, if there is one.
fn assert_retained(case: &Case<'_>, expected: Option<(&str, u8)>) {
    let mut subscriber = case.subscriber(&case.topic("t"), 2);
    if let Some(expected) = expected {
        let message = subscriber.take();
        assert!(message.retain, "the retain flag says that it was kept");
        assert_eq!((message.text().as_str(), message.qos), expected);
    }
    case.assert_nothing_waits(&mut subscriber);
}

fn a_retained_message_is_kept_for_later_subscribers(case: &Case<'_>) {
    for qos in 0..=2 {
        case.publish(&retained(case, &format!("kept at {qos}"), qos));
        for _ in 0..2 {
            assert_retained(case, Some((&format!("kept at {qos}"), qos)));
        }
    }
}

fn a_retained_message_is_replaced_by_the_next(case: &Case<'_>) {
    for (payload, qos) in [("first", 2), ("second", 1), ("third", 0), ("fourth", 2)] {
        case.publish(&retained(case, payload, qos));
    }
    assert_retained(case, Some(("fourth", 2)));
    case.publish(&retained(case, "fifth", 0));
    assert_retained(case, Some(("fifth", 0)));
}

fn an_empty_message_removes_the_retained_one(case: &Case<'_>) {
    let mut subscriber = case.subscriber(&case.topic("t"), 1);
    for qos in 0..=2 {
        case.publish(&retained(case, "kept", 1));
        assert_eq!(subscriber.take_text(), "kept");
        case.publish(&retained(case, "", qos));
        // It is passed on as any message is, and not kept itself.
        let empty = subscriber.take();
        assert!(empty.payload.is_empty() && !empty.retain, "{empty:?}");
        assert_retained(case, None);
    }
}

fn a_message_that_is_not_retained_changes_nothing(case: &Case<'_>) {
    case.publish(&Publish::new(&case.topic("t"), "passing").qos(1));
    assert_retained(case, None);
    case.publish(&retained(case, "kept", 1));
    for payload in ["passing", ""] {
        case.publish(&Publish::new(&case.topic("t"), payload).qos(1));
    }
    assert_retained(case, Some(("kept", 1)));
}

fn an_established_subscription_gets_it_as_an_ordinary_message(case: &Case<'_>) {
    let mut subscriber = case.subscriber(&case.topic("t"), 2);
    for qos in 0..=2 {
        case.publish(&retained(case, "m", qos));
        let message = subscriber.take();
        assert_eq!((message.qos, message.retain), (qos, false));
    }
}

fn every_matching_topic_sends_its_retained_message(case: &Case<'_>) {
    for name in ["r/a", "r/b", "r/b/c", "s/a"] {
        case.publish(&Publish::new(&case.topic(name), name).qos(1).retained());
    }
    let mut subscriber = case.subscriber(&case.topic("r/#"), 0);
    let mut got: Vec<String> = (0..3).map(|_| subscriber.take_text()).collect();
    got.sort_unstable();
    assert_eq!(got, ["r/a", "r/b", "r/b/c"]);
    case.assert_nothing_waits(&mut subscriber);
}

const SEND: u8 = 0x01;
const SEND_IF_NEW: u8 = 0x11;
const DO_NOT_SEND: u8 = 0x21;

fn retain_handling_says_when_they_are_sent(case: &Case<'_>) {
    case.publish(&retained(case, "kept", 1));
    let topic = case.topic("t");
    let subscribe = |client: &mut Client, options: u8, comes: bool| {
        client.subscribe(&topic, options);
        if comes {
            assert_eq!(client.take_text(), "kept");
        }
        case.assert_nothing_waits(client);
    };
    let mut client = case.someone();
    for (options, comes) in [(SEND, true), (SEND, true), (SEND_IF_NEW, false), (DO_NOT_SEND, false), (SEND, true)] {
        subscribe(&mut client, options, comes);
    }
    subscribe(&mut case.someone(), SEND_IF_NEW, true);
    let mut client = case.someone();
    subscribe(&mut client, DO_NOT_SEND, false);
    subscribe(&mut client, SEND_IF_NEW, false);
    client.unsubscribe(&[&topic]);
    subscribe(&mut client, SEND_IF_NEW, true);
}

fn retain_as_published_keeps_the_flag(case: &Case<'_>) {
    let mut keeps = case.subscriber(&case.topic("t"), 0x09);
    let mut drops = case.subscriber(&case.topic("t"), 0x01);
    case.publish(&retained(case, "retained", 1));
    case.publish(&Publish::new(&case.topic("t"), "passing").qos(1));
    assert_eq!((keeps.take().retain, keeps.take().retain), (true, false));
    assert_eq!((drops.take().retain, drops.take().retain), (false, false));
    // A message that was kept for a new subscription comes with the flag in any case.
    for options in [0x01, 0x09] {
        assert!(case.subscriber(&case.topic("t"), options).take().retain);
    }
}
