//! Syncs of a node's files that are made to fail or to take long, by strace.
#![expect(unreachable_pub, reason = "each test file is a crate of its own")]

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStderr, Command, Stdio};

/// Changes the syncs of a process as long as this is there.
pub struct Syncs {
    strace: Child,
    /// It tells of new threads there, and would end if nobody could read of them.
    _told: BufReader<ChildStderr>,
}

impl Syncs {
    /// Every sync fails with an input/output error.
    pub fn failing(process: u32) -> Option<Self> {
        Self::injected(process, "error=EIO")
    }

    /// Of each thread's syncs the one of this number fails and all behind it, counted from 1.
    pub fn failing_from(process: u32, number: usize) -> Option<Self> {
        Self::injected(process, &format!("error=EIO:when={number}+"))
    }

    /// Every sync takes most of a second.
    pub fn slow(process: u32) -> Option<Self> {
        Self::injected(process, "delay_enter=700000")
    }

    /// `None` where no process may look into another, or `strace` is not installed.
    fn injected(process: u32, what: &str) -> Option<Self> {
        let mut command = Command::new("strace");
        command.args(["-f", "-o", "/dev/null", "-e", "trace=fdatasync,fsync", "-p", &process.to_string()]);
        command.args(["-e", &format!("inject=fdatasync,fsync:{what}")]);
        let mut strace = command.stderr(Stdio::piped()).spawn().ok()?;
        let (mut said, mut told) = (String::new(), BufReader::new(strace.stderr.take()?));
        told.read_line(&mut said).ok()?;
        if said.contains("attached") {
            return Some(Self { strace, _told: told });
        }
        let _ = strace.wait();
        println!("syncs are as they are: changing those of a node asks for strace and the right to use it");
        None
    }
}

impl Drop for Syncs {
    fn drop(&mut self) {
        // It lets go of the node when it is told to end.
        let _ = Command::new("kill").arg(self.strace.id().to_string()).status();
        let _ = self.strace.wait();
    }
}
