//! The last values that the `debug` modules of a flow have seen, and its log lines.

use std::collections::VecDeque;

use flow::services::{DebugSink, LogLevel};
use message::{FlowId, ModuleId, Now, Timestamp, Value, limits};
use parking_lot::Mutex;

use crate::log_limit::LogLimit;

/// One value that a `debug` module has seen.
#[derive(Debug, Clone, PartialEq)]
pub struct DebugEntry {
    pub at: Timestamp,
    pub module: ModuleId,
    pub value: Value,
}

/// Keeps the last values of one flow, within a bound of entries and bytes.
#[derive(Debug)]
pub(super) struct DebugRing {
    flow: FlowId,
    ring: Mutex<Ring>,
    lines: LogLimit,
}

#[derive(Debug, Default)]
struct Ring {
    entries: VecDeque<(DebugEntry, usize)>,
    bytes: usize,
}

impl DebugRing {
    pub(super) fn new(flow: FlowId) -> Self {
        Self { flow, ring: Mutex::default(), lines: LogLimit::new(limits::FLOW_LOG_LINES_PER_SECOND_MAX) }
    }

    /// The last values, the oldest first.
    pub(super) fn entries(&self) -> Vec<DebugEntry> {
        self.ring.lock().entries.iter().map(|(entry, _)| entry.clone()).collect()
    }
}

impl DebugSink for DebugRing {
    fn show(&self, now: Now, module: &ModuleId, value: &Value) {
        let bytes = value.weight_bytes();
        let value = if bytes > limits::DEBUG_RING_BYTES_MAX / 4 {
            Value::from(format!("a value of {bytes} bytes: too large to be kept for display"))
        } else {
            value.clone()
        };
        let bytes = value.weight_bytes();
        let mut ring = self.ring.lock();
        ring.entries.push_back((DebugEntry { at: now.wall, module: module.clone(), value }, bytes));
        ring.bytes += bytes;
        while ring.entries.len() > limits::DEBUG_RING_ENTRIES_MAX || ring.bytes > limits::DEBUG_RING_BYTES_MAX {
            let Some((_, bytes)) = ring.entries.pop_front() else { break };
            ring.bytes -= bytes;
        }
    }

    fn log(&self, now: Now, module: &ModuleId, level: LogLevel, text: &str) {
        if !self.lines.lets_through(now) {
            return;
        }
        let (flow, module) = (self.flow.as_str(), module.as_str());
        match level {
            LogLevel::Debug => tracing::debug!(flow, module, "{text}"),
            LogLevel::Info => tracing::info!(flow, module, "{text}"),
            LogLevel::Warn => tracing::warn!(flow, module, "{text}"),
            LogLevel::Error => tracing::error!(flow, module, "{text}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use message::Moment;

    #[test]
    fn memory_stays_flat_however_much_is_shown() {
        let ring = DebugRing::new(FlowId::parse("f").unwrap());
        let now = Now { moment: Moment::default(), wall: Timestamp::default() };
        let module = ModuleId::parse("m").unwrap();
        for number in 0..10_000 {
            ring.show(now, &module, &Value::from(number));
        }
        let entries = ring.entries();
        assert_eq!(entries.len(), limits::DEBUG_RING_ENTRIES_MAX);
        assert_eq!(entries.last().unwrap().value, Value::from(9_999));
        ring.show(now, &module, &Value::from("x".repeat(limits::DEBUG_RING_BYTES_MAX)));
        assert!(ring.entries().last().unwrap().value.to_json().contains("too large"));
    }
}
