//! What the log of sessions and queues counts.

use store::spool::SpoolFigures;

use super::open_metrics::{Kind, OpenMetrics};

pub(super) fn write(metrics: &mut OpenMetrics, spool: &SpoolFigures) {
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
    ] {
        metrics.family(name, kind, unit, help);
        metrics.sample(&[], value);
    }
}
