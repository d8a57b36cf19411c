//! The threads that serve MQTT connections. Each has an event loop of its own, so that the connections of one thread are
//! served in the order in which their bytes came, and no work of the rest of the node stands in between.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// Threads that serve connections; they end when this is dropped.
#[derive(Debug)]
pub struct IoThreads {
    threads: Vec<(Handle, oneshot::Sender<()>)>,
    turn: AtomicUsize,
}

impl IoThreads {
    /// Starts `count` threads, at least one.
    pub fn start(count: usize) -> io::Result<Self> {
        let mut threads = Vec::with_capacity(count.max(1));
        for number in 0..count.max(1) {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            let handle = runtime.handle().clone();
            let (alive, ended) = oneshot::channel::<()>();
            std::thread::Builder::new().name(format!("mqtt-{number}")).spawn(move || {
                // Ends when the sender is dropped.
                let _ = runtime.block_on(ended);
            })?;
            threads.push((handle, alive));
        }
        Ok(Self { threads, turn: AtomicUsize::new(0) })
    }

    /// As many as leave half of the machine to flows and the rest.
    pub fn default_count() -> usize {
        std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2)).min(16)
    }

    /// The thread whose turn it is, with its number.
    pub(super) fn next(&self) -> (usize, Handle) {
        let place = self.turn.fetch_add(1, Ordering::Relaxed) % self.threads.len().max(1);
        (place, self.threads.get(place).map_or_else(Handle::current, |(handle, _)| handle.clone()))
    }
}
