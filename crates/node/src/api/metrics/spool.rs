//! What the log of sessions and queues counts.

use store::spool::SpoolFigures;

use super::open_metrics::{Kind, OpenMetrics};

pub(super) fn write(metrics: &mut OpenMetrics, spool: &SpoolFigures, shortages: (u64, u64), failed: bool) {
    let (shortages, disk_free_bytes) = shortages;
    for (name, kind, unit, help, value) in [
        ("headwater_spool_segments", Kind::Gauge, "", "Files of the spool.", spool.segments as u64),
        ("headwater_spool_bytes", Kind::Gauge, "bytes", "What they have.", spool.bytes),
        (
            "headwater_spool_destinations",
            Kind::Gauge,
            "",
            "Sessions and queues that the spool knows.",
            spool.destinations as u64,
        ),
        (
            "headwater_spool_rewritten_segments",
            Kind::Counter,
            "",
            "Mostly dead segments that were written anew.",
            spool.rewritten_segments,
        ),
        ("headwater_spool_freed_bytes", Kind::Counter, "bytes", "What that gave the disk back.", spool.freed_bytes),
        (
            "headwater_spool_damaged_places",
            Kind::Gauge,
            "",
            "Places in the spool that could not be read when the node started.",
            spool.damaged_places,
        ),
        (
            "headwater_spool_lost_messages",
            Kind::Gauge,
            "",
            "Messages that were known to be lost by that, once for each session and queue.",
            spool.lost_messages,
        ),
        (
            "headwater_spool_quarantined_bytes",
            Kind::Gauge,
            "bytes",
            "Damaged bytes that were copied aside when the node started.",
            spool.quarantined_bytes,
        ),
        (
            "headwater_spool_shortages",
            Kind::Counter,
            "",
            "How often the disk had no room for what is for sessions and queues.",
            shortages,
        ),
        (
            "headwater_spool_disk_free_bytes",
            Kind::Gauge,
            "bytes",
            "What the disk of the spool had left when it was last looked at.",
            disk_free_bytes,
        ),
        (
            "headwater_spool_failed",
            Kind::Gauge,
            "",
            "Whether a write failed, so that nothing is taken for sessions and queues.",
            u64::from(failed),
        ),
    ] {
        metrics.family(name, kind, unit, help);
        metrics.sample(&[], value);
    }
}
