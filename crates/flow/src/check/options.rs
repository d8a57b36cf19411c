//! Options of the flow and of its modules that are out of range.

use std::fmt::Display;
use std::ops::RangeInclusive;

use message::limits;

use super::inspection::{Findings, Inspection};
use super::{Place, Problem};
use crate::model::QueueSpec;

pub(super) fn check(inspection: &Inspection<'_>, findings: &mut Findings) {
    let options = &inspection.flow.options;
    check_queue("options.queue", &options.queue, findings);
    let script = &options.script;
    check_range("options.script.time_max_ms", script.time_max_ms, 1..=limits::SCRIPT_TIME_CEILING_MS, findings);
    check_range("options.script.heap_max_mib", script.heap_max_mib, 1..=limits::SCRIPT_HEAP_CEILING_MIB, findings);
    for (id, module) in &inspection.modules {
        if let Some(queue) = &module.spec.queue {
            check_queue(&format!("modules.{id}.queue"), queue, findings);
        }
        if let Some(retry) = &module.spec.retry {
            let path = |key: &str| format!("modules.{id}.retry.{key}");
            check_range(&path("max"), retry.max, 0..=limits::RETRIES_MAX, findings);
            check_range(&path("delay_ms"), retry.delay_ms, 0..=limits::RETRY_DELAY_MAX_MS, findings);
            check_range(&path("delay_max_ms"), retry.delay_max_ms, 0..=limits::RETRY_DELAY_MAX_MS, findings);
        }
    }
}

fn check_queue(path: &str, queue: &QueueSpec, findings: &mut Findings) {
    check_range(&format!("{path}.max"), queue.max, 1..=limits::FLOW_QUEUE_MESSAGES_MAX, findings);
}

fn check_range<N: PartialOrd + Display>(path: &str, value: N, range: RangeInclusive<N>, findings: &mut Findings) {
    if !range.contains(&value) {
        let hint = format!("give {} to {}", range.start(), range.end());
        findings.push(Problem::error(Place::flow(path), format!("{value} is out of range"), hint));
    }
}

#[cfg(test)]
mod tests {
    use crate::check::test_catalog::expect_problems;

    #[test]
    fn options_out_of_range_are_refused() {
        expect_problems(
            r#"
            [options]
            queue = { max = 0 }
            script = { time_max_ms = 60001, heap_max_mib = 0 }
            [modules.in]
            type = "test-in"
            with = { topic = "a" }
            queue = { max = 100001 }
            retry = { max = 1001, delay_ms = 3600001 }
            "#,
            &[
                "options.queue.max: 0 is out of range (give 1 to 100000)",
                "options.script.time_max_ms: 60001 is out of range (give 1 to 60000)",
                "options.script.heap_max_mib: 0 is out of range (give 1 to 1024)",
                "modules.in.queue.max: 100001 is out of range (give 1 to 100000)",
                "modules.in.retry.max: 1001 is out of range (give 0 to 1000)",
                "modules.in.retry.delay_ms: 3600001 is out of range (give 0 to 3600000)",
            ],
        );
    }
}
