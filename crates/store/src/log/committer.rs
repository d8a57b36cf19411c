//! The one that writes: it takes what waits in all logs as one group, writes it, syncs it, moves the marks and
//! begins anew at once. What comes in meanwhile is the next group, so groups grow as the disk gets slower. It runs on
//! a thread, or step by step under a simulation.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use message::limits;
use parking_lot::{Condvar, Mutex};

use super::tail::Batch;
use crate::disk::is_unopened;

/// A log as the committer sees it.
pub(crate) trait Source: fmt::Debug + Send + Sync {
    /// All that waits; `None` when that is nothing or more than there is room for.
    fn take(&self) -> Option<Batch>;
    fn write(&self, batch: &Batch) -> io::Result<()>;
    fn sync(&self, batch: &Batch) -> io::Result<()>;
    /// Ends a group; whether the next segment's file is to be laid out.
    fn done(&self, batch: Batch) -> bool;
    fn lay_out_ahead(&self, goes_on: &dyn Fn() -> bool);
    /// Takes a group back that found the disk full, or no file to open.
    fn put_back(&self, batch: Batch, error: &io::Error);
    fn is_waiting(&self) -> bool;
    fn poison(&self, error: &io::Error);
}

/// Where logs announce that they have something.
#[derive(Debug)]
pub(crate) struct CommitQueue {
    waiting: Mutex<Waiting>,
    arrived: Condvar,
    closing: Condvar,
    layout: Mutex<Layout>,
    /// Nothing happens but in [`Committer::commit_once`].
    is_stepped: bool,
}

/// The logs that wait for a file to be laid out, and the thread that does it while there are some.
#[derive(Debug, Default)]
struct Layout {
    sources: Vec<Arc<dyn Source>>,
    running: bool,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Waiting {
    sources: Vec<Arc<dyn Source>>,
    sleeping: bool,
    /// The last group found too little room.
    short: bool,
    closed: bool,
}

impl CommitQueue {
    pub(crate) fn announce(&self, source: Arc<dyn Source>) {
        let mut waiting = self.waiting.lock();
        waiting.sources.push(source);
        let sleeping = std::mem::take(&mut waiting.sleeping);
        drop(waiting);
        if sleeping {
            self.arrived.notify_one();
        }
    }

    /// Waits until something is announced; `None` when there will be nothing more.
    fn next_group(&self) -> Option<Vec<Arc<dyn Source>>> {
        let mut waiting = self.waiting.lock();
        if waiting.short {
            // Someone has to make room first: another group may be tried a little later.
            let _ = self.arrived.wait_while_for(&mut waiting, |waiting| !waiting.closed, limits::LOG_ROOM_RETRY);
            if waiting.closed {
                return None;
            }
            waiting.short = false;
        }
        while waiting.sources.is_empty() {
            if waiting.closed {
                return None;
            }
            waiting.sleeping = true;
            self.arrived.wait(&mut waiting);
        }
        waiting.sleeping = false;
        Some(std::mem::take(&mut waiting.sources))
    }

    fn commit(self: &Arc<Self>, group: Vec<Arc<dyn Source>>) {
        let mut written = Vec::with_capacity(group.len());
        for source in group {
            let Some(batch) = source.take() else {
                if source.is_waiting() {
                    self.retry(source);
                }
                continue;
            };
            match source.write(&batch) {
                Ok(()) => written.push((source, batch)),
                // Nothing is lost yet: the same bytes go to the same place when there is room.
                Err(error) if is_full(&error) || is_unopened(&error) => {
                    source.put_back(batch, &error);
                    self.retry(source);
                }
                Err(error) => source.poison(&error),
            }
        }
        for (source, batch) in written {
            match source.sync(&batch) {
                Ok(()) => {
                    if source.done(batch) {
                        self.lay_out_ahead(source);
                    }
                }
                // Nothing was synced, and nothing failed to be.
                Err(error) if is_unopened(&error) => {
                    source.put_back(batch, &error);
                    self.retry(source);
                }
                Err(error) => source.poison(&error),
            }
        }
    }

    /// Lays a file out: on a thread that ends with it, or at once where there are no threads.
    fn lay_out_ahead(self: &Arc<Self>, source: Arc<dyn Source>) {
        let mut layout = self.layout.lock();
        layout.sources.push(source);
        if !std::mem::replace(&mut layout.running, true) {
            let queue = Arc::clone(self);
            let run = move || queue.lay_out_all();
            match self.is_stepped {
                true => {
                    drop(layout);
                    run();
                }
                // Without a thread for it, files grow as they are written.
                false => layout.thread = std::thread::Builder::new().name("log-layout".to_owned()).spawn(run).ok(),
            }
        }
    }

    fn lay_out_all(&self) {
        loop {
            let mut layout = self.layout.lock();
            let Some(source) = layout.sources.pop() else {
                layout.running = false;
                return;
            };
            drop(layout);
            source.lay_out_ahead(&|| self.pause());
        }
    }

    /// Leaves the disk to others for a moment; whether to go on.
    fn pause(&self) -> bool {
        let mut waiting = self.waiting.lock();
        if !self.is_stepped {
            let open = |waiting: &mut Waiting| !waiting.closed;
            let _ = self.closing.wait_while_for(&mut waiting, open, limits::LOG_AHEAD_PAUSE);
        }
        !waiting.closed
    }

    fn retry(&self, source: Arc<dyn Source>) {
        let mut waiting = self.waiting.lock();
        waiting.short = true;
        waiting.sources.push(source);
    }
}

/// There is no room, on the disk or for this user: it may come back.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Commits logs. Dropping it ends the thread when all that waits is written.
#[derive(Debug)]
pub struct Committer {
    pub(crate) queue: Arc<CommitQueue>,
    thread: Option<JoinHandle<()>>,
}

impl Committer {
    fn new(is_stepped: bool) -> Self {
        let queue = CommitQueue {
            waiting: Mutex::default(),
            arrived: Condvar::new(),
            closing: Condvar::new(),
            layout: Mutex::default(),
            is_stepped,
        };
        Self { queue: Arc::new(queue), thread: None }
    }

    /// One that commits when it is told to, by [`Self::commit_once`].
    pub fn stepped() -> Self {
        Self::new(true)
    }

    /// One with a thread of its own.
    pub fn start() -> io::Result<Self> {
        let mut committer = Self::new(false);
        let queue = Arc::clone(&committer.queue);
        let run = move || {
            while let Some(group) = queue.next_group() {
                queue.commit(group);
            }
        };
        committer.thread = Some(std::thread::Builder::new().name("log-committer".to_owned()).spawn(run)?);
        Ok(committer)
    }

    /// Whether something waits to be committed.
    pub fn has_work(&self) -> bool {
        !self.queue.waiting.lock().sources.is_empty()
    }

    /// Commits what waits now, on the caller's thread. Whether there was something.
    pub fn commit_once(&self) -> bool {
        let group = std::mem::take(&mut self.queue.waiting.lock().sources);
        let some = !group.is_empty();
        self.queue.commit(group);
        some
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        self.queue.waiting.lock().closed = true;
        self.queue.arrived.notify_all();
        self.queue.closing.notify_all();
        // They end by themselves; how is nothing that could be told to anyone here.
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        let layout = self.queue.layout.lock().thread.take();
        if let Some(thread) = layout {
            let _ = thread.join();
        }
        // What found no room to the end: each log has this queue, and would never go as long as it stands in it.
        let left = std::mem::take(&mut self.queue.waiting.lock().sources);
        drop(left);
    }
}
