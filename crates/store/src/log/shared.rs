//! A log with its lock, its marks and its files: what its owner, its readers and the committer share.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Poll, Waker};

use message::limits;
use parking_lot::{Mutex, MutexGuard};

use super::ahead::Ahead;
use super::committer::{CommitQueue, Source};
use super::end::EndFile;
use super::free_bytes::FreeBytes;
use super::intake::Intake;
use super::marks::{CommitPoint, Marks, Poisoned};
use super::segment::Segment;
use super::tail::{Batch, Chunk, Tail};
use crate::disk::{Disk, DiskFile, is_unopened};

/// What a log's lock guards: its end, and whatever its owner knows beside it.
pub(crate) trait HasTail: fmt::Debug + Send + 'static {
    fn tail(&mut self) -> &mut Tail;
    /// A segment is ended when it has so many bytes.
    fn segment_bytes(&self) -> u64;
}

/// Base and generation of a segment, and its file.
type OpenFile = (u64, u32, Arc<dyn DiskFile>);

/// A log, shared.
#[derive(Debug)]
pub(crate) struct Log<S> {
    state: Mutex<S>,
    pub(crate) marks: Marks,
    pub(crate) intake: Arc<Intake>,
    pub(crate) folder: PathBuf,
    pub(crate) disk: Arc<dyn Disk>,
    files: Mutex<VecDeque<OpenFile>>,
    pub(crate) ahead: Ahead,
    free_bytes: FreeBytes,
    /// How often the disk had no room for a record.
    shortages: AtomicU64,
    queue: Arc<CommitQueue>,
    end: EndFile,
}

/// Why a log takes no record for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    Enough,
    /// Too much waits for the committer.
    Full {
        waiting_bytes: usize,
    },
    /// The disk has too little left.
    Short {
        free_bytes: u64,
    },
}

impl<S: HasTail> Log<S> {
    pub(crate) fn new(disk: Arc<dyn Disk>, folder: &Path, queue: Arc<CommitQueue>, mut state: S) -> Self {
        let free_bytes = FreeBytes::look_at(&*disk, folder);
        let marks = Marks::starting_at(state.tail().next());
        let files = Mutex::new(VecDeque::new());
        let (ahead, end, intake) = (Ahead::default(), EndFile::default(), Arc::default());
        let (state, folder) = (Mutex::new(state), folder.to_owned());
        Self { state, marks, intake, folder, disk, files, ahead, free_bytes, shortages: AtomicU64::new(0), queue, end }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, S> {
        self.state.lock()
    }

    /// Ends what was done under the lock, and tells the committer if something is new.
    pub(crate) fn unlock(self: &Arc<Self>, mut state: MutexGuard<'_, S>) {
        let tail = state.tail();
        let news = !tail.announced && tail.is_waiting();
        tail.announced |= news;
        let roomy = self.note_intake(tail);
        drop(state);
        if news {
            self.queue.announce(Arc::clone(self) as Arc<dyn Source>);
        }
        if roomy {
            self.intake.wake();
        }
    }

    /// Tells publishers how much waits. Whether those who wait are to be woken when the lock is let go of.
    fn note_intake(&self, tail: &Tail) -> bool {
        self.intake.note(tail.waiting_bytes(), self.marks.is_poisoned())
    }

    /// Looks at what the disk has left.
    pub(crate) fn look_at_room(&self) -> u64 {
        self.free_bytes.look(&*self.disk, &self.folder)
    }

    /// Whether the committer finds no file to open for now.
    pub(crate) fn is_fileless(&self) -> bool {
        self.free_bytes.is_fileless()
    }

    /// Whether a record of `bytes` may be appended.
    pub(crate) fn room(&self, tail: &Tail, bytes: usize) -> Room {
        self.room_beside(tail.waiting_bytes(), bytes)
    }

    /// The same as it was a moment ago, without the lock.
    pub(crate) fn room_about(&self, bytes: usize) -> Room {
        self.room_beside(self.intake.waiting_bytes(), bytes)
    }

    fn room_beside(&self, waiting_bytes: usize, bytes: usize) -> Room {
        if waiting_bytes >= limits::LOG_BYTES_WAITING_MAX {
            return Room::Full { waiting_bytes };
        }
        self.room_on_disk(waiting_bytes, bytes)
    }

    /// Whether the disk has room for so many bytes beside those that wait for it, however many these are.
    pub(crate) fn room_on_disk(&self, waiting_bytes: usize, bytes: usize) -> Room {
        let mut free_bytes = self.free_bytes.seen();
        let needed = (waiting_bytes as u64).saturating_add(bytes as u64).saturating_add(limits::LOG_DISK_RESERVE_BYTES);
        if free_bytes < needed {
            free_bytes = self.free_bytes.look_again(&*self.disk, &self.folder);
        }
        if free_bytes >= needed {
            return Room::Enough;
        }
        self.shortages.fetch_add(1, Ordering::Relaxed);
        Room::Short { free_bytes }
    }

    /// How often the disk had no room since the log was opened, and what it had left when it was last looked at.
    pub(crate) fn shortages(&self) -> (u64, u64) {
        (self.shortages.load(Ordering::Relaxed), self.free_bytes.seen())
    }

    /// Lets the committer look again how much room there is.
    pub(crate) fn ask_for_room(self: &Arc<Self>, mut state: MutexGuard<'_, S>) {
        let news = !std::mem::replace(&mut state.tail().announced, true);
        drop(state);
        if news {
            self.queue.announce(Arc::clone(self) as Arc<dyn Source>);
        }
    }

    pub(crate) fn poll(&self, point: CommitPoint, waker: &Waker) -> Poll<Result<(), Poisoned>> {
        self.marks.poll(point, waker)
    }

    /// The file of a segment, opened once and kept for a while.
    pub(crate) fn file(&self, segment: &Segment) -> io::Result<Arc<dyn DiskFile>> {
        let mut files = self.files.lock();
        let known =
            files.iter().position(|(base, generation, _)| (*base, *generation) == (segment.base, segment.generation));
        let entry = match known.and_then(|index| files.remove(index)) {
            Some(entry) => entry,
            None => (segment.base, segment.generation, self.disk.open(&segment.path(&self.folder))?),
        };
        let file = Arc::clone(&entry.2);
        files.push_front(entry);
        files.truncate(limits::LOG_FILES_OPEN_MAX);
        Ok(file)
    }

    fn create(&self, segment: &Segment) -> io::Result<Arc<dyn DiskFile>> {
        let laid_out = if segment.laid_out() > 0 { self.take_ahead(segment) } else { None };
        let file = match laid_out {
            Some(file) => file,
            None => self.disk.create(&segment.path(&self.folder))?,
        };
        let mut files = self.files.lock();
        files.push_front((segment.base, segment.generation, Arc::clone(&file)));
        files.truncate(limits::LOG_FILES_OPEN_MAX);
        Ok(file)
    }

    /// Writes down how far the log is synced, if it was by new records and not by repairs alone.
    fn note_end(&self, batch: &Batch) {
        if let Some(chunk) = batch.chunks.iter().rfind(|chunk| !chunk.seals) {
            let ends_segment = batch.chunks.iter().any(|chunk| chunk.seals);
            // It helps to see what is lost after a failure; that is not worth a failure of its own.
            let _ = self.end.note(&*self.disk, &self.folder, chunk.segment.kind, batch.next, ends_segment);
        }
    }

    /// The disk has no room for what waits: nobody waits for that any more.
    fn get_stuck(&self, mut state: MutexGuard<'_, S>) {
        self.shortages.fetch_add(1, Ordering::Relaxed);
        self.intake.set_stuck(true);
        let roomy = self.note_intake(state.tail());
        drop(state);
        if roomy {
            self.intake.wake();
        }
    }

    fn forget(&self, segment: &Segment) {
        self.files.lock().retain(|(base, generation, _)| (*base, *generation) != (segment.base, segment.generation));
    }

    /// Writes one chunk; whether a file was made. One that found no room is written again with what stood before it: what is
    /// on the disk of that is not begun anew, as readers rely on it.
    fn write(&self, chunk: &Chunk) -> io::Result<bool> {
        let made = chunk.creates;
        let is_there = chunk.segment.on_disk() > 0;
        let file = if made && !is_there { self.create(&chunk.segment)? } else { self.file(&chunk.segment)? };
        if chunk.seals {
            file.sync_data()?;
        }
        if chunk.cuts {
            file.truncate(chunk.at)?;
        }
        file.write_all_at(chunk.at, &chunk.bytes)?;
        chunk.segment.set_on_disk(chunk.at + chunk.bytes.len() as u64);
        if chunk.seals {
            if chunk.segment.laid_out() > 0 {
                file.truncate(chunk.at + chunk.bytes.len() as u64)?;
            }
            file.sync_data()?;
        }
        Ok(made)
    }
}

impl<S: HasTail> Source for Log<S> {
    fn take(&self) -> Option<Batch> {
        let free_bytes = self.free_bytes.look_for_group(&*self.disk, &self.folder);
        let mut state = self.lock();
        let tail = state.tail();
        if !tail.is_waiting() || self.marks.is_poisoned() {
            tail.announced = false;
            return None;
        }
        let needed = (tail.waiting_bytes() as u64).saturating_add(limits::LOG_DISK_RESERVE_LEAST_BYTES);
        if free_bytes < needed {
            self.get_stuck(state);
            return None;
        }
        Some(tail.take(self.marks.synced()))
    }

    fn write(&self, batch: &Batch) -> io::Result<()> {
        self.tidy_ahead();
        let mut made = false;
        for chunk in &batch.chunks {
            made |= self.write(chunk)?;
        }
        if made {
            self.disk.sync_folder(&self.folder)?;
        }
        self.marks.move_written(batch.next);
        Ok(())
    }

    fn sync(&self, batch: &Batch) -> io::Result<()> {
        if !batch.sync {
            return Ok(());
        }
        // A segment that is sealed was synced with its last chunk.
        let active = self.lock().tail().active().map(|(segment, _)| Arc::clone(segment));
        let last = batch.chunks.last().filter(|chunk| !chunk.seals).map(|chunk| Arc::clone(&chunk.segment));
        if let Some(segment) = last.or(active.filter(|segment| segment.on_disk() > 0)) {
            self.file(&segment)?.sync_data()?;
        }
        self.marks.move_synced(batch.next);
        self.note_end(batch);
        for segment in &batch.removals {
            self.forget(segment);
            match self.disk.remove(&segment.path(&self.folder)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        if batch.removals.is_empty() {
            return Ok(());
        }
        match self.disk.sync_folder(&self.folder) {
            // The next sync of the folder makes up for it; until then a loss of power may leave a file that nobody needs.
            Err(error) if is_unopened(&error) => {}
            synced => synced?,
        }
        self.marks.move_removed(batch.removals_asked);
        Ok(())
    }

    fn done(&self, batch: Batch) -> bool {
        let bytes = batch.chunks.iter().map(|chunk| chunk.bytes.len() as u64).sum();
        self.free_bytes.set_fileless(false);
        let mut state = self.lock();
        let tail = state.tail();
        tail.written(batch);
        let more_waits = tail.is_waiting();
        self.intake.set_stuck(false);
        let roomy = self.note_intake(tail);
        let segment_bytes = state.segment_bytes();
        drop(state);
        if roomy {
            self.intake.wake();
        }
        self.ahead.note_group(bytes, more_waits, segment_bytes)
    }

    fn lay_out_ahead(&self, goes_on: &dyn Fn() -> bool) {
        Self::lay_out_ahead(self, goes_on);
    }

    fn put_back(&self, batch: Batch, error: &io::Error) {
        match is_unopened(error) {
            true => self.free_bytes.set_fileless(true),
            false => self.free_bytes.note_full(),
        }
        let mut state = self.lock();
        state.tail().put_back(batch);
        state.tail().announced = true;
        self.get_stuck(state);
    }

    fn is_waiting(&self) -> bool {
        self.lock().tail().is_waiting() && !self.marks.is_poisoned()
    }

    fn poison(&self, error: &io::Error) {
        self.marks.poison(Poisoned { folder: self.folder.display().to_string(), what: error.to_string() });
        // Under the lock, so that nobody who saw the log whole calls it crowded after this.
        let roomy = self.note_intake(self.lock().tail());
        if roomy {
            self.intake.wake();
        }
    }
}
