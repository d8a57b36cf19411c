//! What streams hold and count.

use super::open_metrics::{Kind, OpenMetrics};
use crate::destinations::{ConsumerState, DurabilityWord, NodeStreamState};

pub(super) fn write(metrics: &mut OpenMetrics, streams: &[NodeStreamState]) {
    type Read = fn(&NodeStreamState) -> u64;
    let figures: [(&'static str, Kind, &str, &str, Read); 9] = [
        ("headwater_stream_messages", Kind::Gauge, "", "Messages in the stream.", |stream| stream.log.messages),
        ("headwater_stream_bytes", Kind::Gauge, "bytes", "Bytes of its files.", |stream| stream.log.bytes),
        ("headwater_stream_earliest_offset", Kind::Gauge, "", "The first offset that is kept.", |stream| {
            stream.log.earliest.0
        }),
        ("headwater_stream_next_offset", Kind::Gauge, "", "What the next message gets.", |stream| stream.log.next.0),
        ("headwater_stream_trimmed_messages", Kind::Counter, "", "Messages that retention took.", |stream| {
            stream.log.trimmed
        }),
        ("headwater_stream_purged_messages", Kind::Counter, "", "Messages that were thrown away.", |stream| {
            stream.purged
        }),
        (
            "headwater_stream_damaged_messages",
            Kind::Counter,
            "",
            "Messages that were missing at the end at the start, and damaged records that reads passed over.",
            |stream| stream.log.damaged,
        ),
        (
            "headwater_stream_refused_messages",
            Kind::Counter,
            "",
            "Messages that found no room on the disk.",
            |stream| stream.refused,
        ),
        (
            "headwater_stream_failed",
            Kind::Gauge,
            "",
            "Whether a write failed, so that the stream takes no more.",
            |stream| u64::from(stream.failure.is_some()),
        ),
    ];
    for (name, kind, unit, help, read) in figures {
        metrics.family(name, kind, unit, help);
        for stream in streams {
            metrics.sample(&[("stream", stream.name.as_str())], read(stream));
        }
    }
    metrics.family("headwater_stream_durability", Kind::Info, "", "What an acknowledgement promises.");
    for stream in streams {
        let word = DurabilityWord::from(stream.stored.options.durability).as_str();
        metrics.sample(&[("stream", stream.name.as_str()), ("durability", word)], 1);
    }
    write_consumers(metrics, streams);
}

fn write_consumers(metrics: &mut OpenMetrics, streams: &[NodeStreamState]) {
    type Read = fn(&ConsumerState) -> u64;
    let figures: [(&'static str, Kind, &str, Read); 6] = [
        ("headwater_stream_consumer_offset", Kind::Gauge, "The first offset that is not acknowledged.", |consumer| {
            consumer.group.cursor
        }),
        ("headwater_stream_consumer_lag_messages", Kind::Gauge, "Messages that are not acknowledged.", |consumer| {
            consumer.group.lag
        }),
        ("headwater_stream_consumer_members", Kind::Gauge, "Readers now.", |consumer| consumer.group.members as u64),
        ("headwater_stream_consumer_in_flight_messages", Kind::Gauge, "Messages that readers have.", |consumer| {
            consumer.group.in_flight as u64
        }),
        (
            "headwater_stream_consumer_redelivered_messages",
            Kind::Counter,
            "Deliveries but for the first of each.",
            |consumer| consumer.group.redelivered,
        ),
        (
            "headwater_stream_consumer_skipped_messages",
            Kind::Counter,
            "Messages passed over, as no reader could or would take them.",
            |consumer| consumer.group.skipped,
        ),
    ];
    for (name, kind, help, read) in figures {
        metrics.family(name, kind, "", help);
        for stream in streams {
            for consumer in &stream.consumers {
                let labels = [("stream", stream.name.as_str()), ("consumer", consumer.name.as_str())];
                metrics.sample(&labels, read(consumer));
            }
        }
    }
}
