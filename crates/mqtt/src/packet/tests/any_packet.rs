//! Packets of every kind, as proptest draws them: all that a version can say.

use std::num::{NonZeroU16, NonZeroU32};

use bytes::Bytes;
use bytestring::ByteString;
use message::{PublicationProperties, QoS, TopicName};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use crate::packet::*;

pub(super) fn any_packet(version: Version) -> BoxedStrategy<Packet> {
    let both = prop_oneof![
        connect(version).prop_map(|packet| Packet::Connect(Box::new(packet))),
        connack(version).prop_map(|packet| Packet::Connack(Box::new(packet))),
        publish(version).prop_map(Packet::Publish),
        ack(version, PacketType::Puback).prop_map(Packet::Puback),
        ack(version, PacketType::Pubrec).prop_map(Packet::Pubrec),
        ack(version, PacketType::Pubrel).prop_map(Packet::Pubrel),
        ack(version, PacketType::Pubcomp).prop_map(Packet::Pubcomp),
        subscribe(version).prop_map(Packet::Subscribe),
        suback(version).prop_map(Packet::Suback),
        unsubscribe(version).prop_map(Packet::Unsubscribe),
        unsuback(version).prop_map(Packet::Unsuback),
        Just(Packet::Pingreq),
        Just(Packet::Pingresp),
        disconnect(version).prop_map(|packet| Packet::Disconnect(Box::new(packet))),
    ];
    match version {
        Version::V3_1_1 => both.boxed(),
        Version::V5 => prop_oneof![14 => both, 1 => auth().prop_map(|packet| Packet::Auth(Box::new(packet)))].boxed(),
    }
}

fn text() -> impl Strategy<Value = ByteString> {
    "[^\0]{0,12}".prop_map(ByteString::from)
}

fn binary() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..40).prop_map(Bytes::from)
}

fn topic() -> impl Strategy<Value = TopicName> {
    "[^\0+#]{1,40}".prop_map(|text| TopicName::parse(&text).unwrap())
}

fn filter() -> impl Strategy<Value = ByteString> {
    "[^\0$]{1,20}".prop_map(ByteString::from)
}

fn packet_id() -> impl Strategy<Value = NonZeroU16> {
    any::<NonZeroU16>()
}

fn qos() -> impl Strategy<Value = QoS> {
    select(vec![QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce])
}

/// A property: only 5.0 has any.
fn property<T: Clone + std::fmt::Debug + 'static>(
    version: Version,
    value: impl Strategy<Value = T> + 'static,
) -> BoxedStrategy<Option<T>> {
    if version.has_properties() { option::of(value).boxed() } else { Just(None).boxed() }
}

fn user_properties(version: Version) -> BoxedStrategy<Vec<UserProperty>> {
    vec((text(), text()), 0..if version.has_properties() { 4 } else { 1 }).boxed()
}

fn reason(version: Version, packet: PacketType) -> BoxedStrategy<ReasonCode> {
    let fits = |reason: &ReasonCode| match (version, packet) {
        (Version::V5, packet) => reason.may_stand_in(packet),
        (Version::V3_1_1, PacketType::Connack) => {
            reason.connack_code_3_1_1().and_then(ReasonCode::from_connack_code_3_1_1) == Some(*reason)
        }
        (Version::V3_1_1, PacketType::Suback) => {
            reason.may_stand_in(packet) && reason.suback_code_3_1_1() == reason.code()
        }
        (Version::V3_1_1, _) => *reason == ReasonCode::Success,
    };
    select(ReasonCode::ALL.iter().copied().filter(fits).collect::<Vec<_>>()).boxed()
}

fn end_to_end(version: Version) -> BoxedStrategy<Option<Box<PublicationProperties>>> {
    let properties = (
        any::<bool>(),
        option::of(any::<u32>()),
        option::of(text()),
        option::of(topic()),
        option::of(binary()),
        user_properties(version),
    )
        .prop_map(|(payload_is_utf8, expiry, content_type, response_topic, correlation_data, user_properties)| {
            Box::new(PublicationProperties {
                payload_is_utf8,
                message_expiry_s: expiry,
                content_type,
                response_topic,
                correlation_data,
                user_properties,
            })
        });
    // Properties that say nothing are read as none.
    property(version, properties)
        .prop_map(|properties| properties.filter(|properties| **properties != PublicationProperties::default()))
        .boxed()
}

prop_compose! {
    fn will(version: Version)(
        topic in topic(),
        payload in binary(),
        qos in qos(),
        retain in any::<bool>(),
        delay_s in property(version, any::<u32>()),
        properties in end_to_end(version),
    ) -> Will {
        Will { topic, payload, qos, retain, delay_s: delay_s.unwrap_or(0), properties }
    }
}

prop_compose! {
    fn connect_properties(version: Version)(
        session_expiry_s in property(version, any::<u32>()),
        receive_max in property(version, any::<NonZeroU16>()),
        packet_bytes_max in property(version, any::<NonZeroU32>()),
        topic_alias_max in property(version, any::<u16>()),
        request_response_information in property(version, any::<bool>()),
        request_problem_information in property(version, any::<bool>()),
        authentication in property(version, (text(), option::of(binary()))),
        user_properties in user_properties(version),
    ) -> ConnectProperties {
        let (authentication_method, authentication_data) = authentication.unzip();
        ConnectProperties {
            session_expiry_s, receive_max, packet_bytes_max, topic_alias_max, request_response_information,
            request_problem_information, authentication_method, authentication_data: authentication_data.flatten(),
            user_properties,
        }
    }
}

prop_compose! {
    fn connect(version: Version)(
        clean_start in any::<bool>(),
        keep_alive_s in any::<u16>(),
        properties in connect_properties(version),
        client_id in text(),
        will in option::of(will(version)),
        user_name in option::of(text()),
        password in option::of(binary()),
    ) -> Connect {
        // 3.1.1 has no password without a user name.
        let password = password.filter(|_| version.has_properties() || user_name.is_some());
        Connect { version, clean_start, keep_alive_s, properties, client_id, will, user_name, password }
    }
}

prop_compose! {
    fn connack_limits(version: Version)(
        session_expiry_s in property(version, any::<u32>()),
        receive_max in property(version, any::<NonZeroU16>()),
        qos_max in property(version, select(vec![QoS::AtMostOnce, QoS::AtLeastOnce])),
        retain_available in property(version, any::<bool>()),
        packet_bytes_max in property(version, any::<NonZeroU32>()),
        topic_alias_max in property(version, any::<u16>()),
        wildcard_subscription_available in property(version, any::<bool>()),
        subscription_identifier_available in property(version, any::<bool>()),
        shared_subscription_available in property(version, any::<bool>()),
        server_keep_alive_s in property(version, any::<u16>()),
    ) -> ConnackProperties {
        ConnackProperties {
            session_expiry_s, receive_max, qos_max, retain_available, packet_bytes_max, topic_alias_max,
            wildcard_subscription_available, subscription_identifier_available, shared_subscription_available,
            server_keep_alive_s, ..ConnackProperties::default()
        }
    }
}

prop_compose! {
    fn connack(version: Version)(
        session_present in any::<bool>(),
        reason in reason(version, PacketType::Connack),
        limits in connack_limits(version),
        assigned_client_id in property(version, text()),
        reason_string in property(version, text()),
        response_information in property(version, text()),
        server_reference in property(version, text()),
        authentication_method in property(version, text()),
        authentication_data in property(version, binary()),
        user_properties in user_properties(version),
    ) -> Connack {
        let properties = ConnackProperties {
            assigned_client_id, reason_string, response_information, server_reference, authentication_method,
            authentication_data, user_properties, ..limits
        };
        Connack { session_present: session_present && !reason.is_error(), reason, properties }
    }
}

prop_compose! {
    fn publish(version: Version)(
        dup in any::<bool>(),
        qos in qos(),
        retain in any::<bool>(),
        topic in topic(),
        topic_is_left_out in any::<bool>(),
        packet_id in packet_id(),
        topic_alias in property(version, any::<NonZeroU16>()),
        subscription_ids in vec(1..=VARIABLE_INT_MAX, 0..if version.has_properties() { 4 } else { 1 }),
        properties in end_to_end(version),
        payload in binary(),
    ) -> Publish {
        Publish {
            dup: dup && qos != QoS::AtMostOnce,
            qos,
            retain,
            topic: Some(topic).filter(|_| topic_alias.is_none() || !topic_is_left_out),
            packet_id: Some(packet_id).filter(|_| qos != QoS::AtMostOnce),
            topic_alias,
            subscription_ids,
            properties,
            payload,
        }
    }
}

prop_compose! {
    fn ack_properties(version: Version)(
        reason_string in property(version, text()),
        user_properties in user_properties(version),
    ) -> AckProperties {
        AckProperties { reason_string, user_properties }
    }
}

prop_compose! {
    fn ack(version: Version, packet: PacketType)(
        packet_id in packet_id(),
        reason in reason(version, packet),
        properties in ack_properties(version),
    ) -> Ack {
        let properties = (properties != AckProperties::default()).then(|| Box::new(properties));
        Ack { packet_id, reason, properties }
    }
}

fn options(version: Version) -> BoxedStrategy<SubscribeOptions> {
    if !version.has_properties() {
        return qos().prop_map(|qos| SubscribeOptions { qos, ..SubscribeOptions::default() }).boxed();
    }
    let handling = select(vec![RetainHandling::Send, RetainHandling::SendIfNew, RetainHandling::DoNotSend]);
    (qos(), any::<bool>(), any::<bool>(), handling)
        .prop_map(|(qos, no_local, retain_as_published, retain_handling)| SubscribeOptions {
            qos,
            no_local,
            retain_as_published,
            retain_handling,
        })
        .boxed()
}

prop_compose! {
    fn subscribe(version: Version)(
        packet_id in packet_id(),
        subscription_id in property(version, (1..=VARIABLE_INT_MAX).prop_map(|id| SubscriptionId::new(id).unwrap())),
        user_properties in user_properties(version),
        filters in vec((filter(), options(version)), 1..5),
    ) -> Subscribe {
        let filters = filters.into_iter().map(|(filter, options)| SubscribeFilter { filter, options }).collect();
        Subscribe { packet_id, properties: SubscribeProperties { subscription_id, user_properties }, filters }
    }
}

prop_compose! {
    fn suback(version: Version)(
        packet_id in packet_id(),
        properties in ack_properties(version),
        reasons in vec(reason(version, PacketType::Suback), 1..5),
    ) -> Suback {
        Suback { packet_id, properties, reasons }
    }
}

prop_compose! {
    fn unsubscribe(version: Version)(
        packet_id in packet_id(),
        user_properties in user_properties(version),
        filters in vec(filter(), 1..5),
    ) -> Unsubscribe {
        Unsubscribe { packet_id, properties: UnsubscribeProperties { user_properties }, filters }
    }
}

prop_compose! {
    fn unsuback(version: Version)(
        packet_id in packet_id(),
        properties in ack_properties(version),
        mut reasons in vec(reason(version, PacketType::Unsuback), 1..5),
    ) -> Unsuback {
        reasons.truncate(if version.has_properties() { usize::MAX } else { 0 });
        Unsuback { packet_id, properties, reasons }
    }
}

prop_compose! {
    fn disconnect(version: Version)(
        reason in reason(version, PacketType::Disconnect),
        session_expiry_s in property(version, any::<u32>()),
        reason_string in property(version, text()),
        server_reference in property(version, text()),
        user_properties in user_properties(version),
    ) -> Disconnect {
        let properties = DisconnectProperties { session_expiry_s, reason_string, server_reference, user_properties };
        Disconnect { reason, properties }
    }
}

prop_compose! {
    fn auth()(
        reason in reason(Version::V5, PacketType::Auth),
        authentication_method in option::of(text()),
        authentication_data in option::of(binary()),
        reason_string in option::of(text()),
        user_properties in user_properties(Version::V5),
    ) -> Auth {
        Auth {
            reason,
            properties: AuthProperties { authentication_method, authentication_data, reason_string, user_properties },
        }
    }
}
