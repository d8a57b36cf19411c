//! What queues hold and count.

use broker::queue::DeathReason;
use store::spool::DropReason;

use super::open_metrics::{Kind, OpenMetrics};
use crate::destinations::{DurabilityWord, QueueState};

pub(super) fn write(metrics: &mut OpenMetrics, queues: &[QueueState]) {
    type Read = fn(&QueueState) -> u64;
    let figures: [(&'static str, Kind, &str, &str, Read); 11] = [
        ("headwater_queue_messages", Kind::Gauge, "", "Messages in the queue.", |queue| queue.waiting_messages),
        ("headwater_queue_bytes", Kind::Gauge, "bytes", "Topics and payloads in the queue.", |queue| {
            queue.waiting_bytes
        }),
        ("headwater_queue_consumers", Kind::Gauge, "", "Consumers now.", |queue| queue.machine.consumers as u64),
        ("headwater_queue_in_flight_messages", Kind::Gauge, "", "Messages that consumers have.", |queue| {
            queue.machine.in_flight as u64
        }),
        (
            "headwater_queue_delayed_messages",
            Kind::Gauge,
            "",
            "Messages that wait for the end of their delay.",
            |queue| queue.delayed(),
        ),
        ("headwater_queue_delivered_messages", Kind::Counter, "", "Deliveries to consumers.", |queue| {
            queue.machine.delivered
        }),
        ("headwater_queue_redelivered_messages", Kind::Counter, "", "Deliveries but for the first of each.", |queue| {
            queue.machine.redelivered
        }),
        ("headwater_queue_acknowledged_messages", Kind::Counter, "", "Messages worked off.", |queue| {
            queue.machine.acknowledged
        }),
        ("headwater_queue_timed_out_messages", Kind::Counter, "", "Deliveries that took too long.", |queue| {
            queue.machine.timed_out
        }),
        ("headwater_queue_refused_messages", Kind::Counter, "", "Messages that found the queue full.", |queue| {
            queue.refused
        }),
        ("headwater_queue_discarded_messages", Kind::Counter, "", "Dead letters without a place.", |queue| {
            queue.discarded
        }),
    ];
    for (name, kind, unit, help, read) in figures {
        metrics.family(name, kind, unit, help);
        for queue in queues {
            metrics.sample(&[("queue", queue.name.as_str())], read(queue));
        }
    }
    metrics.family("headwater_queue_durability", Kind::Info, "", "What an acknowledgement promises.");
    for queue in queues {
        let word = DurabilityWord::from(queue.stored.options.durability).as_str();
        metrics.sample(&[("queue", queue.name.as_str()), ("durability", word)], 1);
    }
    write_losses(metrics, queues);
}

/// Messages that left a queue without being worked off, by the reason.
fn write_losses(metrics: &mut OpenMetrics, queues: &[QueueState]) {
    metrics.family("headwater_queue_dead_lettered_messages", Kind::Counter, "", "Messages that died.");
    for queue in queues {
        for reason in DeathReason::ALL {
            let labels = [("queue", queue.name.as_str()), ("reason", reason.as_str())];
            metrics.sample(&labels, queue.machine.dead_lettered(reason));
        }
    }
    metrics.family("headwater_queue_dropped_messages", Kind::Counter, "", "Messages lost to limits and damage.");
    for queue in queues {
        for reason in DropReason::ALL {
            let word = match reason {
                DropReason::Oldest => "oldest",
                DropReason::Newest => "newest",
                DropReason::Age => "age",
                DropReason::Replaced => "replaced",
                DropReason::Damaged => "damaged",
            };
            let count = queue.dropped.get(reason as usize).copied().unwrap_or(0);
            metrics.sample(&[("queue", queue.name.as_str()), ("reason", word)], count);
        }
        let labels = [("queue", queue.name.as_str()), ("reason", "expired")];
        metrics.sample(&labels, queue.machine.expired);
        metrics.sample(&[("queue", queue.name.as_str()), ("reason", "purged")], queue.machine.purged);
    }
}
