//! A process that is measured: started, watched through /proc, ended.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::stopped::Stopped;

/// Linux counts CPU time for user programs in hundredths of a second on every architecture.
const TICK_US: u64 = 10_000;

/// A running process, ended when this is dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
}

impl Process {
    /// Starts a program; its errors go to this program's.
    pub(crate) fn start(command: &mut Command) -> Result<Self, Stopped> {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().map_err(|source| Stopped::Start {
            program: Path::new(command.get_program()).display().to_string(),
            source,
        })?;
        Ok(Self { child })
    }

    /// CPU time so far, in user and kernel mode, of all threads.
    pub(crate) fn cpu_us(&self) -> Result<u64, Stopped> {
        self.figure("stat", cpu_us)
    }

    /// Memory that is resident now.
    pub(crate) fn rss_kib(&self) -> Result<u64, Stopped> {
        self.figure("status", resident_kib)
    }

    fn figure(&self, file: &str, read: fn(&str) -> Option<u64>) -> Result<u64, Stopped> {
        figure(&format!("/proc/{}/{file}", self.child.id()), read)
    }
}

/// CPU time of this program so far: what generating the load costs.
pub(crate) fn own_cpu_us() -> Result<u64, Stopped> {
    figure("/proc/self/stat", cpu_us)
}

fn figure(path: &str, read: fn(&str) -> Option<u64>) -> Result<u64, Stopped> {
    let text = fs::read_to_string(path).ok();
    text.as_deref().and_then(read).ok_or_else(|| Stopped::ProcessFigures { path: path.to_owned() })
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself, which is as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `utime` and `stime` of proc_pid_stat(5): fields 14 and 15. The name of the program before them may hold anything.
fn cpu_us(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    let ticks = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
    Some(ticks * TICK_US)
}

fn resident_kib(status: &str) -> Option<u64> {
    status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_found_behind_any_program_name() {
        let stat = "42 (a ) b) S 1 42 42 0 -1 4194304 100 0 0 0 17 5 0 0 20 0 1 0 100 1000 200";
        assert_eq!(cpu_us(stat), Some(220_000));
    }

    #[test]
    fn resident_memory_is_found_among_the_lines() {
        assert_eq!(resident_kib("VmPeak:\t  9000 kB\nVmRSS:\t  1234 kB\n"), Some(1234));
    }
}
