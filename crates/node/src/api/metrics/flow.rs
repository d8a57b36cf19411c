//! What flows and their modules count.

use std::sync::atomic::Ordering;

use flow::plan::PlannedModule;
use flow::run::{Histogram, ModuleFigures};

use super::open_metrics::{Kind, OpenMetrics};
use crate::flows::{FlowState, FlowStatus};

pub(super) fn write(metrics: &mut OpenMetrics, flows: &[FlowState]) {
    write_flows(metrics, flows);
    write_modules(metrics, flows);
}

fn write_flows(metrics: &mut OpenMetrics, flows: &[FlowState]) {
    type Read = fn(&FlowState) -> f64;
    let figures: [(&'static str, Kind, &str, &str, Read); 8] = [
        ("headwater_flow_running", Kind::Gauge, "", "Whether the flow runs.", |flow| {
            f64::from(u8::from(flow.condition.status == FlowStatus::Running))
        }),
        ("headwater_flow_version", Kind::Gauge, "", "The deployed version.", |flow| flow.version as f64),
        ("headwater_flow_itineraries", Kind::Counter, "", "Itineraries begun by the running version.", |flow| {
            flow.plan.figures.begun.load(Ordering::Relaxed) as f64
        }),
        ("headwater_flow_failures", Kind::Counter, "", "Itineraries of which a branch failed for good.", |flow| {
            flow.plan.figures.failed.load(Ordering::Relaxed) as f64
        }),
        ("headwater_flow_dropped_messages", Kind::Counter, "", "Messages dropped because the flow was full.", |flow| {
            flow.plan.figures.dropped.load(Ordering::Relaxed).saturating_add(flow.dropped) as f64
        }),
        ("headwater_flow_waiting_messages", Kind::Gauge, "", "Messages that wait for the flow.", |flow| {
            flow.plan.figures.queued.load(Ordering::Relaxed).saturating_add(flow.waiting as u64) as f64
        }),
        ("headwater_flow_crashes", Kind::Counter, "", "Crashes since the node started.", |flow| flow.crashes as f64),
        ("headwater_flow_cpu_seconds", Kind::Counter, "seconds", "CPU time of the running version.", |flow| {
            flow.cpu.as_secs_f64()
        }),
    ];
    for (name, kind, unit, help, read) in figures {
        metrics.family(name, kind, unit, help);
        for flow in flows {
            metrics.sample(&[("flow", flow.id.as_str())], read(flow));
        }
    }
    let help = "From beginning an itinerary to the end of its walk.";
    metrics.family("headwater_flow_latency_seconds", Kind::Histogram, "seconds", help);
    for flow in flows {
        write_histogram(metrics, &[("flow", flow.id.as_str())], &flow.plan.figures.latency);
    }
}

fn write_modules(metrics: &mut OpenMetrics, flows: &[FlowState]) {
    type Read = fn(&ModuleFigures) -> u64;
    let figures: [(&'static str, Kind, &str, Read); 5] = [
        ("headwater_module_messages_in", Kind::Counter, "Messages that came into the module.", |module| {
            module.messages_in.load(Ordering::Relaxed)
        }),
        ("headwater_module_messages_out", Kind::Counter, "Messages that the module passed on.", |module| {
            module.messages_out.load(Ordering::Relaxed)
        }),
        ("headwater_module_errors", Kind::Counter, "Errors of the module.", |module| {
            module.errors.load(Ordering::Relaxed)
        }),
        (
            "headwater_module_dropped_messages",
            Kind::Counter,
            "Messages dropped because the module's queue was full.",
            |module| module.dropped.load(Ordering::Relaxed),
        ),
        (
            "headwater_module_waiting_messages",
            Kind::Gauge,
            "Messages before the module or under way in it.",
            |module| module.queued.load(Ordering::Relaxed),
        ),
    ];
    for (name, kind, help, read) in figures {
        metrics.family(name, kind, "", help);
        for (flow, module) in modules(flows) {
            metrics.sample(&labels(flow, module), read(&module.figures));
        }
    }
    let help = "How long one message took in the module.";
    metrics.family("headwater_module_latency_seconds", Kind::Histogram, "seconds", help);
    for (flow, module) in modules(flows) {
        write_histogram(metrics, &labels(flow, module), &module.figures.latency);
    }
}

fn modules(flows: &[FlowState]) -> impl Iterator<Item = (&FlowState, &PlannedModule)> {
    flows.iter().flat_map(|flow| flow.plan.modules.iter().map(move |module| (flow, module)))
}

fn labels<'a>(flow: &'a FlowState, module: &'a PlannedModule) -> [(&'a str, &'a str); 3] {
    [("flow", flow.id.as_str()), ("module", module.id.as_str()), ("type", module.kind.type_name())]
}

fn write_histogram(metrics: &mut OpenMetrics, labels: &[(&str, &str)], histogram: &Histogram) {
    let bounds_s = Histogram::BOUNDS_US.map(|bound| bound as f64 / 1_000_000.0);
    metrics.histogram(labels, &bounds_s, &histogram.counts(), histogram.sum().as_secs_f64());
}
