//! SUBSCRIBE and UNSUBSCRIBE.

use bytestring::ByteString;
use message::QoS;

use super::id;
use super::pair::Pair;
use crate::connection::Event;
use crate::packet::{
    AckProperties, Packet, ReasonCode, RetainHandling, Suback, Subscribe, SubscribeFilter, SubscribeOptions,
    SubscribeProperties, SubscriptionId, Unsuback, Unsubscribe, UnsubscribeProperties, Version,
};

fn subscribe(packet_id: u16, filters: &[&'static str]) -> Packet {
    let options = SubscribeOptions { qos: QoS::AtLeastOnce, ..SubscribeOptions::default() };
    let filters = filters.iter().map(|filter| SubscribeFilter { filter: ByteString::from_static(filter), options });
    Packet::Subscribe(Subscribe {
        packet_id: id(packet_id),
        properties: SubscribeProperties::default(),
        filters: filters.collect(),
    })
}

fn suback(packet_id: u16, reasons: &[ReasonCode]) -> Packet {
    let properties = AckProperties::default();
    Packet::Suback(Suback { packet_id: id(packet_id), properties, reasons: reasons.to_vec() })
}

#[test]
fn a_subscription_is_asked_of_the_driver_with_all_its_options() {
    let mut pair = Pair::open(Version::V5);
    let options = SubscribeOptions {
        qos: QoS::ExactlyOnce,
        no_local: true,
        retain_as_published: true,
        retain_handling: RetainHandling::SendIfNew,
    };
    pair.send(&Packet::Subscribe(Subscribe {
        packet_id: id(5),
        properties: SubscribeProperties { subscription_id: SubscriptionId::new(77), ..SubscribeProperties::default() },
        filters: vec![SubscribeFilter { filter: ByteString::from_static("plc/+"), options }],
    }));
    let Some(Event::Subscribe(request)) = pair.event() else { panic!("a subscription is asked for") };
    assert_eq!(request.subscription_id, Some(77));
    assert_eq!(request.filters[0].filter.as_str(), "plc/+");
    assert_eq!(request.filters[0].options, options);
    assert_eq!(pair.received(), []);
    pair.connection.handle_subscribed(request.ticket, &[QoS::ExactlyOnce.into()]);
    assert_eq!(pair.received(), [suback(5, &[ReasonCode::GrantedQoS2])]);
}

#[test]
fn answers_stand_in_the_order_of_the_filters_and_a_bad_filter_fails_alone() {
    for (version, invalid) in
        [(Version::V5, ReasonCode::TopicFilterInvalid), (Version::V3_1_1, ReasonCode::UnspecifiedError)]
    {
        let mut pair = Pair::open(version);
        pair.send(&subscribe(1, &["a", "a/#/b", "b", "", "$share/g"]));
        let Some(Event::Subscribe(request)) = pair.event() else { panic!("a subscription is asked for") };
        let filters: Vec<_> = request.filters.iter().map(|asked| asked.filter.as_str()).collect();
        assert_eq!(filters, ["a", "b"]);
        pair.connection.handle_subscribed(request.ticket, &[ReasonCode::Success, ReasonCode::UnspecifiedError]);
        let expected = [ReasonCode::Success, invalid, ReasonCode::UnspecifiedError, invalid, invalid];
        assert_eq!(pair.received(), [suback(1, &expected)]);
    }
}

#[test]
fn a_request_of_bad_filters_only_is_answered_at_once() {
    let mut pair = Pair::open(Version::V5);
    pair.send(&subscribe(1, &["#/a"]));
    assert!(pair.event().is_none());
    assert_eq!(pair.received(), [suback(1, &[ReasonCode::TopicFilterInvalid])]);
}

#[test]
fn an_answer_that_is_missing_or_does_not_fit_is_a_failure() {
    let mut pair = Pair::open(Version::V5);
    pair.send(&subscribe(1, &["a", "b"]));
    let Some(Event::Subscribe(request)) = pair.event() else { panic!("a subscription is asked for") };
    pair.connection.handle_subscribed(request.ticket, &[ReasonCode::GrantedQoS1]);
    assert_eq!(pair.received(), [suback(1, &[ReasonCode::GrantedQoS1, ReasonCode::UnspecifiedError])]);

    pair.send(&subscribe(2, &["a"]));
    let Some(Event::Subscribe(request)) = pair.event() else { panic!("a subscription is asked for") };
    pair.connection.handle_subscribed(request.ticket, &[ReasonCode::ServerShuttingDown]);
    assert_eq!(pair.received(), [suback(2, &[ReasonCode::UnspecifiedError])]);
}

#[test]
fn unsubscribing_is_answered_filter_by_filter() {
    for (version, reasons) in [
        (Version::V5, vec![ReasonCode::Success, ReasonCode::TopicFilterInvalid, ReasonCode::NoSubscriptionExisted]),
        (Version::V3_1_1, vec![]),
    ] {
        let mut pair = Pair::open(version);
        pair.send(&Packet::Unsubscribe(Unsubscribe {
            packet_id: id(3),
            properties: UnsubscribeProperties::default(),
            filters: ["a", "b#", "c"].map(ByteString::from_static).to_vec(),
        }));
        let Some(Event::Unsubscribe(request)) = pair.event() else { panic!("an end is asked for") };
        assert_eq!(request.filters.len(), 2);
        pair.connection.handle_unsubscribed(request.ticket, &[ReasonCode::Success, ReasonCode::NoSubscriptionExisted]);
        let properties = AckProperties::default();
        assert_eq!(pair.received(), [Packet::Unsuback(Unsuback { packet_id: id(3), properties, reasons })]);
    }
}
