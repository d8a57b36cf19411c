//! What the table file counts.

use store::table::TableFigures;

use super::open_metrics::{Kind, OpenMetrics};

pub(super) fn write(metrics: &mut OpenMetrics, tables: &TableFigures, failed: bool) {
    for (name, kind, unit, help, value) in [
        ("headwater_table_commits", Kind::Counter, "", "Groups of writes that are on disk.", tables.commits),
        ("headwater_table_writes", Kind::Counter, "", "Writes in those.", tables.writes),
        ("headwater_table_written_bytes", Kind::Counter, "bytes", "Bytes of their records.", tables.bytes),
        (
            "headwater_table_failures",
            Kind::Counter,
            "",
            "Groups of writes that failed, as the disk was full or broke.",
            tables.failures,
        ),
        ("headwater_table_writes_waiting", Kind::Gauge, "", "Writes that wait for the disk.", tables.writes_waiting),
        ("headwater_table_waiting_bytes", Kind::Gauge, "bytes", "Memory that they take.", tables.bytes_waiting),
        (
            "headwater_table_retained_waiting",
            Kind::Gauge,
            "",
            "Topics whose retained message waits for the disk.",
            tables.retained_waiting,
        ),
        (
            "headwater_table_set_aside",
            Kind::Gauge,
            "",
            "1 if tables.redb was damaged beyond repair when the node started, and is set aside.",
            tables.set_aside,
        ),
        (
            "headwater_table_failed",
            Kind::Gauge,
            "",
            "Whether a write failed, so that the tables take no more.",
            u64::from(failed),
        ),
    ] {
        metrics.family(name, kind, unit, help);
        metrics.sample(&[], value);
    }
}
