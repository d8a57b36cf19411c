//! A disk that fails in the middle of the work.

use super::*;
use crate::table::WriteError;
use redb::StorageBackend;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Memory whose syncs and writes fail once it is told so.
#[derive(Debug, Default)]
struct FailingDisk {
    memory: InMemoryBackend,
    syncs_fail: Arc<AtomicBool>,
    writes_fail: Arc<AtomicBool>,
}

fn fail_if(fails: &AtomicBool) -> io::Result<()> {
    if fails.load(Ordering::SeqCst) { Err(io::Error::other("no space left")) } else { Ok(()) }
}

impl StorageBackend for FailingDisk {
    fn len(&self) -> io::Result<u64> {
        self.memory.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.memory.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        fail_if(&self.writes_fail)?;
        self.memory.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        fail_if(&self.syncs_fail)?;
        self.memory.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        fail_if(&self.writes_fail)?;
        self.memory.write(offset, data)
    }
}

fn check_poisoned_by(pick: impl Fn(&FailingDisk) -> Arc<AtomicBool>) {
    let disk = FailingDisk::default();
    let fails = pick(&disk);
    let (tables, _) = Tables::open_backend("tables.redb", disk).unwrap();
    set(&tables, "s", "before", 1);
    fails.store(true, Ordering::SeqCst);
    let mut told = std::pin::pin!(std::future::poll_fn(|context| tables.poll_failure(context.waker())));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(Future::poll(told.as_mut(), &mut context).is_pending());
    let write = || tables.key_values().set(&store("s"), "after", &Value::from(2), None, at(0)).wait();
    let error = write().unwrap_err();
    assert!(matches!(&error, WriteError::Poisoned { what, .. } if what.contains("no space left")), "{error}");
    // A disk that seems well again is not trusted: nobody knows what it holds.
    fails.store(false, Ordering::SeqCst);
    assert_eq!(write().unwrap_err(), error);
    assert_eq!(tables.failure(), Some(error.clone()));
    assert_eq!(Future::poll(told.as_mut(), &mut context), std::task::Poll::Ready(error));
    assert_eq!(get(&tables, "s", "before"), Some(Value::from(1)), "reads go on");
    assert_eq!(get(&tables, "s", "after"), None);
}

#[test]
fn a_failed_sync_stops_all_writes_but_no_reads() {
    check_poisoned_by(|disk| Arc::clone(&disk.syncs_fail));
}

#[test]
fn a_failed_write_stops_all_writes_but_no_reads() {
    check_poisoned_by(|disk| Arc::clone(&disk.writes_fail));
}
