//! What a flow and its modules have counted since the version was deployed.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

use crate::flows::FlowState;

/// What a running flow counts. Everything begins at zero with a new version.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Figures {
    /// Itineraries begun.
    begun: u64,
    /// Itineraries of which a branch failed for good.
    failed: u64,
    /// Messages dropped because the flow was full.
    dropped: u64,
    /// Messages that wait for the flow.
    waiting: u64,
    /// Crashes since the node started.
    crashes: u64,
    /// Seconds of CPU time.
    cpu_s: f64,
    modules: Vec<FiguresOfModule>,
}

/// What one module counts.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct FiguresOfModule {
    id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    messages_in: u64,
    messages_out: u64,
    errors: u64,
    dropped: u64,
    waiting: u64,
    /// The last error in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<String>,
}

impl Figures {
    pub(super) fn of(state: &FlowState) -> Self {
        let flow = &state.plan.figures;
        let modules = state.plan.modules.iter().map(|module| FiguresOfModule {
            id: module.id.as_str().to_owned(),
            kind: module.kind.type_name(),
            messages_in: read(&module.figures.messages_in),
            messages_out: read(&module.figures.messages_out),
            errors: read(&module.figures.errors),
            dropped: read(&module.figures.dropped),
            waiting: read(&module.figures.queued),
            last_error: module.figures.last_error(),
        });
        Self {
            begun: read(&flow.begun),
            failed: read(&flow.failed),
            dropped: read(&flow.dropped).saturating_add(state.dropped),
            waiting: read(&flow.queued).saturating_add(state.waiting as u64),
            crashes: state.crashes,
            cpu_s: state.cpu.as_secs_f64(),
            modules: modules.collect(),
        }
    }
}

fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}
