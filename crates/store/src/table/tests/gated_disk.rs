//! A disk whose syncs wait until they are let through, so that a test decides what a commit finds.

use std::io;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};
use redb::StorageBackend;
use redb::backends::InMemoryBackend;

use super::*;

/// Holds syncs back while it is shut.
#[derive(Debug, Default)]
pub(super) struct Gate {
    is_shut: Mutex<bool>,
    changed: Condvar,
}

impl Gate {
    pub(super) fn set_shut(&self, is_shut: bool) {
        *self.is_shut.lock() = is_shut;
        self.changed.notify_all();
    }

    pub(super) fn wait_until_open(&self) {
        self.changed.wait_while(&mut self.is_shut.lock(), |is_shut| *is_shut);
    }
}

#[derive(Debug)]
struct GatedDisk {
    memory: InMemoryBackend,
    gate: Arc<Gate>,
}

impl StorageBackend for GatedDisk {
    fn len(&self) -> io::Result<u64> {
        self.memory.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.memory.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.memory.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.gate.wait_until_open();
        self.memory.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.memory.write(offset, data)
    }
}

pub(super) fn on_gated_disk() -> (Tables, Arc<Gate>) {
    let gate = Arc::<Gate>::default();
    let disk = GatedDisk { memory: InMemoryBackend::new(), gate: Arc::clone(&gate) };
    (Tables::open_backend("tables.redb", disk).unwrap().0, gate)
}
