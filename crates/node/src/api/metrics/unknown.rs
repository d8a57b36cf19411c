//! What the logs have that the tables did not know when the node started.

use super::open_metrics::{Kind, OpenMetrics};
use crate::unknown::Unknown;

pub(super) fn write(metrics: &mut OpenMetrics, unknown: Unknown) {
    for (name, help, value) in [
        (
            "headwater_unknown_destinations",
            "Sessions and queues in the spool that the tables did not know when the node started, and that are kept.",
            unknown.destinations,
        ),
        ("headwater_unknown_messages", "Messages that wait in them.", unknown.messages),
        (
            "headwater_unknown_streams",
            "Folders of streams that the tables did not know when the node started, and that are kept.",
            unknown.streams,
        ),
        (
            "headwater_restored_sessions",
            "Sessions that the tables did not know when the node started, and that were taken up again.",
            unknown.restored_sessions,
        ),
        (
            "headwater_restored_queues",
            "Queues that the tables did not know when the node started, and that were made again.",
            unknown.restored_queues,
        ),
        (
            "headwater_restored_streams",
            "Streams that the tables did not know when the node started, and that were made again.",
            unknown.restored_streams,
        ),
        (
            "headwater_restored_messages",
            "Messages that waited in those sessions and queues.",
            unknown.restored_messages,
        ),
    ] {
        metrics.family(name, Kind::Gauge, "", help);
        metrics.sample(&[], value);
    }
}
