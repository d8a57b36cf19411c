//! The one thread that writes to the table file. It takes the writes that wait as one group, commits them with one
//! sync, shows readers the new state, and then tells each writer. An error of the disk poisons it: what is on disk is
//! unknown then, and only opening the file anew finds out.

use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};
use std::task::{Poll, Waker};
use std::thread::JoinHandle;

use arc_swap::ArcSwap;
use message::limits;
use parking_lot::{Condvar, Mutex};
use redb::{Database, ReadableDatabase as _};

use super::figures::Counters;
use super::room::Room;
use super::schema::{Snapshot, Transaction};
use super::written::{Promise, WriteError, Written, write_pair};
use crate::wakers::Waiters;

/// Why one write of a group came to nothing.
pub(super) enum ApplyError {
    /// The write cannot be done and has changed nothing: the others of its group go on.
    Refused(String),
    /// The file failed, and with it the whole group.
    Failed(redb::Error),
}

impl From<redb::StorageError> for ApplyError {
    fn from(error: redb::StorageError) -> Self {
        Self::Failed(error.into())
    }
}

/// What readers, writers and the thread share.
pub(super) struct Shared {
    /// The file as people know it.
    pub(super) file: String,
    pub(super) snapshot: ArcSwap<Snapshot>,
    queue: Mutex<Queue>,
    arrived: Condvar,
    poison: OnceLock<String>,
    for_poison: Waiters,
    pub(super) counters: Counters,
}

#[derive(Default)]
struct Queue {
    writes: VecDeque<Box<dyn Write>>,
    bytes: usize,
    /// Writes that found no room on the disk and are tried again.
    refused: Vec<Box<dyn Write>>,
    /// They are to be tried without further waiting.
    retry: bool,
    closed: bool,
}

/// One write with its promise, without its types. Its methods are called in this order, each once.
pub(super) trait Write: Send {
    /// About what it holds in memory while it waits.
    fn bytes_waiting(&self) -> usize;
    /// Decides what is written and says about how many bytes that are.
    fn close(&mut self) -> usize;
    fn apply(&mut self, transaction: &mut Transaction<'_>) -> Result<(), redb::Error>;
    /// Tells the writer: what `apply` gave, or why the group failed.
    fn tell(self: Box<Self>, group: Result<(), WriteError>) -> Afterwards;
}

/// What is to be done about a write whose group is done.
pub(super) enum Afterwards {
    Nothing,
    /// There is more to write already.
    Again(Box<dyn Write>),
    /// It is worth another try once there is room on the disk.
    OnceThereIsRoom(Box<dyn Write>),
}

struct Job<T, F> {
    apply: Option<F>,
    result: Option<Result<T, WriteError>>,
    promise: Promise<T>,
    bytes: usize,
}

impl<T, F> Write for Job<T, F>
where
    T: Send,
    F: FnOnce(&mut Transaction<'_>) -> Result<T, ApplyError> + Send,
{
    fn bytes_waiting(&self) -> usize {
        self.bytes
    }

    fn close(&mut self) -> usize {
        self.bytes
    }

    fn apply(&mut self, transaction: &mut Transaction<'_>) -> Result<(), redb::Error> {
        let Some(apply) = self.apply.take() else { return Ok(()) };
        self.result = Some(match apply(transaction) {
            Ok(done) => Ok(done),
            Err(ApplyError::Refused(what)) => Err(WriteError::Refused(what)),
            Err(ApplyError::Failed(error)) => return Err(error),
        });
        Ok(())
    }

    fn tell(self: Box<Self>, group: Result<(), WriteError>) -> Afterwards {
        let applied = self.result.unwrap_or_else(|| Err(WriteError::Refused("the write was not tried".to_owned())));
        self.promise.resolve(group.and(applied));
        Afterwards::Nothing
    }
}

impl Shared {
    /// Hands a write over. `bytes` is about what it holds in memory while it waits.
    pub(super) fn write<T, F>(&self, bytes: usize, apply: F) -> Written<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Transaction<'_>) -> Result<T, ApplyError> + Send + 'static,
    {
        if let Some(error) = self.poisoned() {
            return Written::refused(error);
        }
        let mut queue = self.queue.lock();
        if queue.closed {
            return Written::refused(self.closed());
        }
        let waiting = queue.writes.len();
        if waiting >= limits::TABLE_WRITES_WAITING_MAX || queue.bytes >= limits::TABLE_BYTES_WAITING_MAX {
            return Written::refused(WriteError::Full { file: self.file.clone(), waiting });
        }
        let (promise, written) = write_pair();
        queue.push(Box::new(Job { apply: Some(apply), result: None, promise, bytes }));
        drop(queue);
        self.arrived.notify_one();
        written
    }

    /// Hands over a write that bounds by itself what waits. Fails when the file is closed.
    pub(super) fn push(&self, write: Box<dyn Write>) -> Result<(), WriteError> {
        let mut queue = self.queue.lock();
        if queue.closed {
            return Err(self.closed());
        }
        queue.push(write);
        drop(queue);
        self.arrived.notify_one();
        Ok(())
    }

    /// Asks for another try of writes that found no room.
    pub(super) fn retry(&self) {
        self.queue.lock().retry = true;
        self.arrived.notify_one();
    }

    /// Writes that wait for the disk, and the bytes that they hold.
    pub(super) fn waiting(&self) -> (usize, usize) {
        let queue = self.queue.lock();
        (queue.writes.len(), queue.bytes)
    }

    /// The error that every write gets once one has failed.
    pub(super) fn poisoned(&self) -> Option<WriteError> {
        self.poison.get().map(|what| WriteError::Poisoned { file: self.file.clone(), what: what.clone() })
    }

    /// Waits until one has failed.
    pub(super) fn poll_poisoned(&self, waker: &Waker) -> Poll<WriteError> {
        self.for_poison.poll(waker, || self.poisoned())
    }

    fn closed(&self) -> WriteError {
        WriteError::Closed { file: self.file.clone() }
    }

    /// Waits for writes and takes a group of them; `None` when the file is closed and nothing waits any more.
    /// `before` is the size of the last group: as many writers are likely to come again, and worth a short wait.
    fn next_group(&self, before: usize) -> Option<Vec<Box<dyn Write>>> {
        let mut queue = self.queue.lock();
        let idle = |queue: &mut Queue| queue.writes.is_empty() && !queue.closed;
        if queue.refused.is_empty() {
            self.arrived.wait_while(&mut queue, idle);
        } else {
            let idle = |queue: &mut Queue| idle(queue) && !queue.retry;
            // Whether the time ran out or a write came: all are tried.
            let _ = self.arrived.wait_while_for(&mut queue, idle, limits::TABLE_ROOM_RETRY);
            queue.retry = false;
            let refused = std::mem::take(&mut queue.refused);
            refused.into_iter().for_each(|write| queue.push(write));
        }
        if !queue.closed && queue.writes.len() < before {
            let short = |queue: &mut Queue| queue.writes.len() < before && !queue.closed;
            // Whether the time ran out or all came makes no difference.
            let _ = self.arrived.wait_while_for(&mut queue, short, limits::TABLE_GROUP_WAIT);
        }
        if queue.writes.is_empty() {
            return None;
        }
        let size = queue.writes.len().min(limits::TABLE_GROUP_WRITES_MAX);
        let group: Vec<_> = queue.writes.drain(..size).collect();
        queue.bytes = queue.bytes.saturating_sub(group.iter().map(|write| write.bytes_waiting()).sum());
        Some(group)
    }

    /// Keeps a write of the last group that goes on. At the end, what found no room is given up.
    fn go_on(&self, afterwards: Afterwards) {
        let mut queue = self.queue.lock();
        match afterwards {
            Afterwards::Again(write) => queue.push(write),
            Afterwards::OnceThereIsRoom(write) if !queue.closed => queue.refused.push(write),
            Afterwards::OnceThereIsRoom(_) | Afterwards::Nothing => {}
        }
    }
}

impl Queue {
    fn push(&mut self, write: Box<dyn Write>) {
        self.bytes += write.bytes_waiting();
        self.writes.push_back(write);
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("file", &self.file).finish_non_exhaustive()
    }
}

/// Owns the thread: dropping it lets the thread finish what waits, and waits for that.
#[derive(Debug)]
pub(super) struct Committer {
    pub(super) shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Committer {
    pub(super) fn start(file: String, room: Room, database: Database, snapshot: Snapshot) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            file,
            snapshot: ArcSwap::from_pointee(snapshot),
            queue: Mutex::default(),
            arrived: Condvar::new(),
            poison: OnceLock::new(),
            for_poison: Waiters::default(),
            counters: Counters::default(),
        });
        let own = Arc::clone(&shared);
        let thread =
            std::thread::Builder::new().name("table-committer".to_owned()).spawn(move || run(&own, &room, database))?;
        Ok(Self { shared, thread: Some(thread) })
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        self.shared.queue.lock().closed = true;
        self.shared.arrived.notify_all();
        if let Some(thread) = self.thread.take() {
            // The thread catches what panics in it; there is nothing to learn from its end.
            let _ = thread.join();
        }
    }
}

fn run(shared: &Shared, room: &Room, database: Database) {
    let mut before = 0;
    while let Some(mut group) = shared.next_group(before) {
        before = group.len();
        let bytes = group.iter_mut().map(|write| write.close()).sum();
        let result = match (shared.poisoned(), room.lacking(bytes)) {
            (Some(error), _) => Err(error),
            (None, Some(left_bytes)) => Err(WriteError::NoRoom { file: shared.file.clone(), left_bytes }),
            (None, None) => commit(shared, &database, &mut group),
        };
        shared.counters.count(&result, group.len(), bytes);
        for write in group {
            shared.go_on(write.tell(result.clone()));
        }
    }
    // A damaged file may make the library panic when it is closed, too.
    let _ = catch_unwind(AssertUnwindSafe(|| drop(database)));
}

/// Applies and commits a group; poisons on any error.
fn commit(shared: &Shared, database: &Database, group: &mut [Box<dyn Write>]) -> Result<(), WriteError> {
    let commit = || -> Result<Snapshot, redb::Error> {
        let transaction = database.begin_write()?;
        let mut tables = Transaction::open(&transaction)?;
        for write in group {
            write.apply(&mut tables)?;
        }
        tables.flush_stores()?;
        drop(tables);
        transaction.commit()?;
        Snapshot::open(&database.begin_read()?)
    };
    let what = match catch_unwind(AssertUnwindSafe(commit)) {
        Ok(Ok(snapshot)) => {
            shared.snapshot.store(Arc::new(snapshot));
            return Ok(());
        }
        Ok(Err(error)) => error.to_string(),
        Err(_) => "the file is damaged".to_owned(),
    };
    let what = shared.poison.get_or_init(|| what).clone();
    shared.for_poison.wake();
    Err(WriteError::Poisoned { file: shared.file.clone(), what })
}
