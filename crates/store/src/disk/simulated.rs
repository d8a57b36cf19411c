//! A disk in memory that loses what was not synced and fails by a plan: the same seed and the same calls give the same
//! story. Content and names are kept twice, as they are seen and as they are after a loss of power.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::{Disk, DiskFile, unopened};

/// What is written at once survives a loss of power by blocks of this size, in no order.
const BLOCK_BYTES: usize = 512;

/// How the next calls fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The next sync of a file answers with an input/output error, and what it should have synced may be lost.
    SyncFails,
    /// The next write answers with an input/output error.
    WriteFails,
    /// Writes answer that the disk is full, after having written a part, until [`SimulatedDisk::heal`].
    WritesFindNoRoom,
    /// The same, as the user has used up what the disk lets it have.
    WritesExceedQuota,
    /// Every read answers with an input/output error until [`SimulatedDisk::heal`].
    ReadsFail,
    /// Files can neither be made nor opened, as the process has too many, and folders not synced, which takes one, until
    /// [`SimulatedDisk::heal`].
    NoFileOpens,
    /// Writes do as little as half of what they are asked for, as they may.
    ShortWrites,
}

/// A disk in memory. Clones share it.
#[derive(Debug, Clone)]
pub struct SimulatedDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    chance: u64,
    files: Vec<Content>,
    /// Names as they are seen.
    names: BTreeMap<PathBuf, usize>,
    /// Names as they are on the disk.
    names_durable: BTreeMap<PathBuf, usize>,
    /// Changes of names that were not synced, in their order: the path and the file that it names then.
    names_pending: Vec<(PathBuf, Option<usize>)>,
    capacity_bytes: Option<u64>,
    faults: Vec<Fault>,
    /// Parts of files that cannot be read, and for how many reads.
    unreadable: Vec<(usize, Range<u64>, u64)>,
    /// Writes, syncs and changes of names so far.
    steps: u64,
    /// The step at which the power goes.
    power_cut_at: Option<u64>,
    off: bool,
}

#[derive(Debug, Default, Clone)]
struct Content {
    seen: Vec<u8>,
    durable: Vec<u8>,
    /// Blocks that were written since the last sync.
    dirty: BTreeMap<usize, ()>,
}

impl State {
    /// xorshift64*: enough chance for a disk.
    fn draw(&mut self, below: u64) -> u64 {
        self.chance ^= self.chance >> 12;
        self.chance ^= self.chance << 25;
        self.chance ^= self.chance >> 27;
        (self.chance.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % below.max(1)
    }

    fn powered(&self) -> io::Result<()> {
        if self.off { Err(io::Error::other("the power is off")) } else { Ok(()) }
    }

    /// Counts a step; whether the power goes in the middle of it.
    fn step(&mut self) -> io::Result<bool> {
        self.powered()?;
        self.steps += 1;
        self.off = self.power_cut_at.is_some_and(|at| self.steps >= at);
        Ok(self.off)
    }

    /// Answers as the system does that has no descriptor left for a file.
    fn descriptor(&self) -> io::Result<()> {
        match self.faults.contains(&Fault::NoFileOpens) {
            true => Err(unopened(rustix::io::Errno::MFILE.into())),
            false => Ok(()),
        }
    }

    fn take_fault(&mut self, fault: Fault) -> bool {
        let found = self.faults.iter().position(|planned| *planned == fault);
        found.map(|index| self.faults.remove(index)).is_some()
    }

    fn used_bytes(&self) -> u64 {
        self.names.values().filter_map(|file| self.files.get(*file)).map(|file| file.seen.len() as u64).sum()
    }

    fn content(&mut self, file: usize) -> io::Result<&mut Content> {
        self.files.get_mut(file).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn name(&mut self, path: &Path, file: Option<usize>) {
        match file {
            Some(file) => self.names.insert(path.to_owned(), file),
            None => self.names.remove(path),
        };
        self.names_pending.push((path.to_owned(), file));
    }

    fn lookup(&self, path: &Path) -> io::Result<usize> {
        self.names.get(path).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl SimulatedDisk {
    /// An empty disk without end.
    pub fn new(seed: u64) -> Self {
        let state = State { chance: seed.wrapping_mul(2).wrapping_add(1), ..State::default() };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// Sets the size of the disk; `None` is without end.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.state.lock().capacity_bytes = bytes;
    }

    /// Plans one fault.
    pub fn plan(&self, fault: Fault) {
        self.state.lock().faults.push(fault);
    }

    /// Forgets all planned faults.
    pub fn heal(&self) {
        let mut state = self.state.lock();
        state.faults.clear();
        state.unreadable.clear();
    }

    /// Lets every read of a part of a file fail, as a bad sector does.
    pub fn fail_reads_within(&self, path: &Path, bytes: Range<u64>) {
        self.fail_reads_within_for(path, bytes, u64::MAX);
    }

    /// Lets so many reads of a part of a file fail.
    pub fn fail_reads_within_for(&self, path: &Path, bytes: Range<u64>, reads: u64) {
        let mut state = self.state.lock();
        let file = state.names.get(path).copied();
        state.unreadable.extend(file.map(|file| (file, bytes, reads)));
    }

    /// Writes, syncs and changes of names so far.
    pub fn steps(&self) -> u64 {
        self.state.lock().steps
    }

    /// Lets the power go in the middle of this step; every later call fails.
    pub fn cut_power_at(&self, step: u64) {
        self.state.lock().power_cut_at = Some(step);
    }

    /// The disk as it is found after the power went now: of what was not synced some blocks are there, some are torn, some
    /// are gone, and names that were changed since the last sync of their folder are old or new.
    pub fn power_cut(&self) -> Self {
        let mut state = self.state.lock();
        let pending = std::mem::take(&mut state.names_pending);
        let survived = state.draw(pending.len() as u64 + 1) as usize;
        let mut names = std::mem::take(&mut state.names_durable);
        for (path, file) in pending.into_iter().take(survived) {
            match file {
                Some(file) => names.insert(path, file),
                None => names.remove(&path),
            };
        }
        let mut files = std::mem::take(&mut state.files);
        for file in &mut files {
            lose(&mut state, file);
        }
        let chance = state.draw(u64::MAX) | 1;
        let unreadable = state.unreadable.clone();
        let found = State { chance, files, names: names.clone(), names_durable: names, unreadable, ..State::default() };
        state.off = true;
        Self { state: Arc::new(Mutex::new(found)) }
    }

    /// The disk as the process finds it that is started after another was killed: nothing is lost.
    pub fn after_kill(&self) -> Self {
        let mut state = self.state.lock();
        state.off = true;
        let found = State {
            chance: state.draw(u64::MAX) | 1,
            files: state.files.clone(),
            names: state.names.clone(),
            names_durable: state.names_durable.clone(),
            names_pending: state.names_pending.clone(),
            unreadable: state.unreadable.clone(),
            ..State::default()
        };
        Self { state: Arc::new(Mutex::new(found)) }
    }

    /// Another disk with the same content, all of it synced.
    pub fn copy(&self) -> Self {
        let state = self.state.lock();
        let files = state.files.iter().map(|file| Content {
            seen: file.seen.clone(),
            durable: file.seen.clone(),
            dirty: BTreeMap::new(),
        });
        let copy = State {
            chance: state.chance,
            files: files.collect(),
            names: state.names.clone(),
            names_durable: state.names.clone(),
            unreadable: state.unreadable.clone(),
            ..State::default()
        };
        Self { state: Arc::new(Mutex::new(copy)) }
    }

    /// All files, in the order of their names.
    pub fn paths(&self) -> Vec<PathBuf> {
        self.state.lock().names.keys().cloned().collect()
    }

    /// What a file holds.
    pub fn content(&self, path: &Path) -> io::Result<Vec<u8>> {
        let mut state = self.state.lock();
        let file = state.lookup(path)?;
        Ok(state.content(file)?.seen.clone())
    }

    /// Changes what a file holds, as a worn disk does: by no call that counts, and durable at once.
    pub fn damage(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) -> io::Result<()> {
        let mut state = self.state.lock();
        let file = state.lookup(path)?;
        let content = state.content(file)?;
        change(&mut content.seen);
        content.durable.clone_from(&content.seen);
        content.dirty.clear();
        Ok(())
    }
}

/// Leaves of a file what a loss of power leaves.
fn lose(state: &mut State, file: &mut Content) {
    let dirty = std::mem::take(&mut file.dirty);
    if !dirty.is_empty() && state.draw(2) == 0 {
        // The new length was written, the blocks perhaps not.
        file.durable.resize(file.seen.len(), 0);
    }
    for block in dirty.into_keys() {
        let (from, to) = (block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES);
        let to = match state.draw(4) {
            0 => continue,
            1 => from + state.draw(BLOCK_BYTES as u64) as usize,
            _ => to,
        };
        let to = to.min(file.durable.len()).min(file.seen.len());
        if let (Some(durable), Some(seen)) = (file.durable.get_mut(from..to), file.seen.get(from..to)) {
            durable.copy_from_slice(seen);
        }
    }
    file.seen.clone_from(&file.durable);
}

impl Disk for SimulatedDisk {
    fn create_folder(&self, _folder: &Path) -> io::Result<()> {
        self.state.lock().powered()
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let state = self.state.lock();
        state.powered()?;
        let inside = state.names.keys().filter(|path| path.parent() == Some(folder));
        Ok(inside.filter_map(|path| path.file_name()?.to_str().map(str::to_owned)).collect())
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.state.lock();
        state.descriptor()?;
        let cut = state.step()?;
        let file = state.files.len();
        state.files.push(Content::default());
        state.name(path, Some(file));
        if cut { Err(io::Error::other("the power is off")) } else { Ok(self.handle(file)) }
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let state = self.state.lock();
        state.powered()?;
        state.descriptor()?;
        Ok(self.handle(state.lookup(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state.lock();
        state.step()?;
        let file = state.lookup(from)?;
        state.name(to, Some(file));
        state.name(from, None);
        state.powered()
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state.lock();
        state.step()?;
        state.lookup(path)?;
        state.name(path, None);
        state.powered()
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        let mut state = self.state.lock();
        state.descriptor()?;
        if state.step()? {
            return state.powered();
        }
        let inside = |path: &Path| path.parent() == Some(folder);
        let (synced, pending) =
            std::mem::take(&mut state.names_pending).into_iter().partition(|(path, _)| inside(path));
        let synced: Vec<(PathBuf, Option<usize>)> = synced;
        state.names_pending = pending;
        for (path, file) in synced {
            match file {
                Some(file) => state.names_durable.insert(path, file),
                None => state.names_durable.remove(&path),
            };
        }
        Ok(())
    }

    fn free_bytes(&self, _folder: &Path) -> io::Result<u64> {
        let state = self.state.lock();
        state.powered()?;
        Ok(state.capacity_bytes.map_or(u64::MAX, |capacity| capacity.saturating_sub(state.used_bytes())))
    }
}

impl SimulatedDisk {
    fn handle(&self, file: usize) -> Arc<dyn DiskFile> {
        Arc::new(SimulatedFile { disk: self.clone(), file })
    }
}

#[derive(Debug)]
struct SimulatedFile {
    disk: SimulatedDisk,
    file: usize,
}

impl DiskFile for SimulatedFile {
    fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<usize> {
        let mut state = self.disk.state.lock();
        state.powered()?;
        if state.faults.contains(&Fault::ReadsFail) {
            return Err(io::Error::other("the disk cannot be read"));
        }
        let end = at.saturating_add(into.len() as u64);
        let mut bad = state.unreadable.iter_mut();
        if let Some((_, _, reads)) =
            bad.find(|(file, bytes, reads)| *file == self.file && *reads > 0 && at < bytes.end && end > bytes.start)
        {
            *reads -= 1;
            return Err(rustix::io::Errno::IO.into());
        }
        let content = state.content(self.file)?;
        let from = content.seen.get(at as usize..).unwrap_or_default();
        let length = from.len().min(into.len());
        for (to, byte) in into.iter_mut().zip(from) {
            *to = *byte;
        }
        Ok(length)
    }

    fn write_at(&self, at: u64, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.disk.state.lock();
        let cut = state.step()?;
        if state.take_fault(Fault::WriteFails) {
            return Err(io::Error::other("the disk cannot be written"));
        }
        let mut length = bytes.len();
        if cut || (length > 1 && state.faults.contains(&Fault::ShortWrites)) {
            length = state.draw(length as u64) as usize + usize::from(!cut);
        }
        let no_room = match () {
            () if state.faults.contains(&Fault::WritesFindNoRoom) => Some(io::ErrorKind::StorageFull),
            () if state.faults.contains(&Fault::WritesExceedQuota) => Some(io::ErrorKind::QuotaExceeded),
            () => None,
        };
        if no_room.is_some() {
            length /= 2;
        }
        let at = at as usize;
        let grown = (at + length).saturating_sub(state.content(self.file)?.seen.len());
        if state.capacity_bytes.is_some_and(|capacity| state.used_bytes() + grown as u64 > capacity) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let content = state.content(self.file)?;
        if content.seen.len() < at + length {
            content.seen.resize(at + length, 0);
        }
        for (to, byte) in content.seen.iter_mut().skip(at).zip(bytes.iter().take(length)) {
            *to = *byte;
        }
        let blocks = at / BLOCK_BYTES..(at + length).div_ceil(BLOCK_BYTES);
        content.dirty.extend(blocks.map(|block| (block, ())));
        state.powered()?;
        no_room.map_or(Ok(length), |kind| Err(kind.into()))
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.disk.state.lock();
        if state.step()? {
            return state.powered();
        }
        let failing = state.take_fault(Fault::SyncFails);
        let content = state.content(self.file)?;
        if failing {
            // The operating system forgets what it could not write: it is seen until the power goes and is lost then.
            content.dirty.clear();
            return Err(io::Error::other("the disk cannot be synced"));
        }
        content.durable.clone_from(&content.seen);
        content.dirty.clear();
        Ok(())
    }

    fn length(&self) -> io::Result<u64> {
        let mut state = self.disk.state.lock();
        state.powered()?;
        Ok(state.content(self.file)?.seen.len() as u64)
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        let mut state = self.disk.state.lock();
        state.step()?;
        let content = state.content(self.file)?;
        let before = content.seen.len();
        content.seen.resize(length as usize, 0);
        let changed = before.min(length as usize) / BLOCK_BYTES..before.max(length as usize).div_ceil(BLOCK_BYTES);
        content.dirty.extend(changed.map(|block| (block, ())));
        state.powered()
    }
}
