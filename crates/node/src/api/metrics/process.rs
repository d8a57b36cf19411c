//! What the process uses, as the kernel tells it in /proc.

use super::open_metrics::{Kind, OpenMetrics};

/// What the process uses.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, utoipa::ToSchema)]
pub(in crate::api) struct Usage {
    /// Seconds of CPU time since the start.
    cpu_s: f64,
    /// Memory in RAM.
    resident_bytes: u64,
    threads: u64,
    /// Files and sockets.
    open_files: u64,
}

pub(super) fn write(metrics: &mut OpenMetrics) {
    let usage = usage();
    metrics.family("process_cpu_seconds", Kind::Counter, "seconds", "CPU time of the process.");
    metrics.sample(&[], usage.cpu_s);
    metrics.family("process_resident_memory_bytes", Kind::Gauge, "bytes", "Memory of the process in RAM.");
    metrics.sample(&[], usage.resident_bytes);
    metrics.family("process_threads", Kind::Gauge, "", "Threads of the process.");
    metrics.sample(&[], usage.threads);
    metrics.family("process_open_fds", Kind::Gauge, "", "Open files and sockets.");
    metrics.sample(&[], usage.open_files);
}

/// What this process uses now; zero where /proc does not tell.
pub(in crate::api) fn usage() -> Usage {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let cpu = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Usage {
        cpu_s: cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9,
        resident_bytes: field(&status, "VmRSS:").saturating_mul(1024),
        threads: field(&status, "Threads:"),
        open_files: std::fs::read_dir("/proc/self/fd").map_or(0, |entries| entries.count() as u64),
    }
}

/// The number behind a name in /proc/self/status.
fn field(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_uses_something() {
        let usage = usage();
        assert!(usage.resident_bytes > 1_000_000 && usage.threads > 0 && usage.open_files > 0, "{usage:?}");
    }

    #[test]
    fn fields_are_found_by_name() {
        let status = "Name:\theadwater\nVmRSS:\t   12345 kB\nThreads:\t7\n";
        assert_eq!((field(status, "VmRSS:"), field(status, "Threads:"), field(status, "VmSwap:")), (12_345, 7, 0));
    }
}
