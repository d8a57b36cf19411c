//! Records as released versions wrote them: they must be read for ever. A change of layout gets a new record version,
//! and a line beside these.

use super::*;
use crate::log::Ranges;
use crate::table::record::{RecordReader, RecordWriter};
use crate::table::value::{read_value, write_value};
use crate::table::{
    QueueOptions, StoredConsumer, StoredQueue, StoredSession, StoredStream, StoredSubscription, StoredWill,
    StreamOptions, retained,
};
use crate::{DestinationLimits, Durability, FullPolicy, Revision};
use message::value::parse_json;
use message::{DestinationId, Publication, PublicationProperties, QoS, QueueName, TopicFilter, TopicName};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

/// Every kind of value, and its record under the key `k` in hexadecimal, of record version 1.
fn frozen_values() -> Vec<(Value, &'static str)> {
    vec![
        (Value::Null, "010092ccd8a2"),
        (Value::from(true), "0102beadd64c"),
        (Value::from(-3), "0103056562e697"),
        (Value::from(u64::MAX), "0104ffffffffffffffffff01a318597b"),
        (Value::from(20.5), "010500000000008034400627e491"),
        (Value::Time(at(1_700_000_000)), "01068080f28183898506dd0cc435"),
        (Value::Bytes(Arc::new(vec![0, 255].into())), "01080200ff8664a305"),
        (
            parse_json(r#"{"line":"l1","ü":[1,null,false,{}]}"#.as_bytes()).unwrap(),
            "010a02046c696e6507026c3102c3bc0904030200010a003e60a25a",
        ),
    ]
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn values_are_written_as_version_1_wrote_them_and_read_back() {
    for (value, frozen) in frozen_values() {
        let mut writer = RecordWriter::new();
        write_value(&mut writer, &value).unwrap();
        let record = writer.finish(b"k");
        assert_eq!(hexadecimal(&record), frozen, "{value}");
        assert_eq!(read_value(&mut RecordReader::open(b"k", &record).unwrap()), Ok(value));
    }
}

/// A publication with every property.
pub(super) fn publication() -> Publication {
    let topic = |text| TopicName::parse(text).unwrap();
    Publication {
        topic: topic("plc/temperature"),
        payload: vec![0, 255, 7].into(),
        qos: QoS::ExactlyOnce,
        retain: true,
        published_at: at(1_700_000_000),
        properties: Some(Box::new(PublicationProperties {
            payload_is_utf8: true,
            message_expiry_s: Some(3_600),
            content_type: Some("text/plain".into()),
            response_topic: Some(topic("answers")),
            correlation_data: Some(vec![1, 2].into()),
            user_properties: vec![("unit".into(), "°C".into()), ("unit".into(), String::new().into())],
        })),
    }
}

pub(in crate::table) fn session() -> StoredSession {
    StoredSession {
        destination: DestinationId::new(300),
        created: at(1_600_000_000),
        absent_since: Some(at(1_700_000_000)),
        expiry: Some(Duration::from_secs(86_400)),
        durability: Durability::Fsync,
        will: Some(StoredWill { publication: publication(), delay: Duration::from_secs(5) }),
    }
}

fn filters() -> Vec<TopicFilter> {
    ["plc/+/temperature", "#"].map(|text| TopicFilter::parse(text).unwrap()).to_vec()
}

const LIMITS: DestinationLimits =
    DestinationLimits { messages_max: 1_000, bytes_max: u64::MAX, age_max: Some(Duration::from_secs(60)) };

pub(in crate::table) fn queue() -> StoredQueue {
    StoredQueue {
        destination: DestinationId::new(1),
        created: at(1_600_000_000),
        options: QueueOptions {
            bindings: filters(),
            limits: LIMITS,
            policy: FullPolicy::DropOldest,
            durability: Durability::Os,
            ack_timeout: Duration::from_secs(30),
            deliveries_max: 16,
            dead_letter: Some(QueueName::parse("dead").unwrap()),
            has_priority: true,
            has_delay: false,
        },
    }
}

pub(in crate::table) fn stream() -> StoredStream {
    StoredStream {
        destination: DestinationId::new(2),
        created: at(1_600_000_000),
        options: StreamOptions { bindings: filters(), retention: LIMITS, durability: Durability::Memory },
    }
}

#[test]
fn retained_messages_are_written_as_version_1_wrote_them_and_read_back() {
    let plain = Publication::new(TopicName::parse("a").unwrap(), "x".into(), QoS::AtMostOnce, at(1));
    for (publication, revision, frozen) in [
        (plain.clone(), 0, "010040420f0000000000000178f10784c9"),
        (plain, 300, "010040420f0000000000000178ac02ed0ca63e"),
        (
            publication(),
            0,
            "01fe00401e18240a0600901c0a746578742f706c61696e07616e73776572730201020204756e697403c2b04304756e6974000300ff072f521c36",
        ),
    ] {
        let record = retained::encode(&publication, Revision(revision));
        assert_eq!(hexadecimal(&record), frozen);
        let read = retained::decode(publication.topic.as_str().as_bytes(), &record);
        assert_eq!(read, Ok((publication, Revision(revision))));
    }
}

#[test]
fn sessions_and_subscriptions_are_written_as_version_1_wrote_them_and_read_back() {
    let bare = StoredSession { absent_since: None, expiry: None, will: None, ..session() };
    for (session, frozen) in [
        (bare, "01ac020000a40731af0500ffffffffffffff7f000200689aef0f"),
        (
            session(),
            "01ac020000a40731af050000401e18240a060081c0ddeec1020201c196b1020f706c632f74656d7065726174757265fe00401e18240a0600901c0a746578742f706c61696e07616e73776572730201020204756e697403c2b04304756e6974000300ff077ccb42aa",
        ),
    ] {
        let record = session.encode(b"k");
        assert_eq!(hexadecimal(&record), frozen);
        assert_eq!(StoredSession::decode(b"k", &record), Ok(session));
    }
    let identifier = NonZeroU32::new(300);
    let subscription = StoredSubscription { qos: QoS::AtLeastOnce, no_local: true, identifier, ..Default::default() };
    let record = subscription.encode(b"k");
    assert_eq!(hexadecimal(&record), "0105ac0206860b7a");
    assert_eq!(StoredSubscription::decode(b"k", &record), Ok(subscription));
}

#[test]
fn queues_streams_and_consumers_are_written_as_version_1_wrote_them_and_read_back() {
    let record = queue().encode(b"k");
    assert_eq!(
        hexadecimal(&record),
        "01010000a40731af05000211706c632f2b2f74656d70657261747572650123e807ffffffffffffffffff01818ece1c01018187a70e100104646561642109541f"
    );
    assert_eq!(StoredQueue::decode(b"k", &record), Ok(queue()));
    let record = stream().encode(b"k");
    assert_eq!(
        hexadecimal(&record),
        "01020000a40731af05000211706c632f2b2f74656d70657261747572650123e807ffffffffffffffffff01818ece1c0092c79d2a"
    );
    assert_eq!(StoredStream::decode(b"k", &record), Ok(stream()));
    let consumer = StoredConsumer { offset: 300, acknowledged: Ranges::default(), updated: at(1_700_000_000) };
    let record = consumer.encode(b"k");
    assert_eq!(hexadecimal(&record), "01ac0200401e18240a060098c3d327");
    assert_eq!(StoredConsumer::decode(b"k", &record), Ok(consumer));
}

#[test]
fn consumers_with_runs_are_written_as_version_2_wrote_them_and_read_back() {
    let mut acknowledged = Ranges::default();
    acknowledged.insert_run(301, 501);
    acknowledged.insert(510);
    let consumer = StoredConsumer { offset: 300, acknowledged, updated: at(1_700_000_000) };
    let record = consumer.encode(b"k");
    assert_eq!(hexadecimal(&record), "02ac0200401e18240a06000201c8010901aa156dd0");
    assert_eq!(StoredConsumer::decode(b"k", &record), Ok(consumer));
}
