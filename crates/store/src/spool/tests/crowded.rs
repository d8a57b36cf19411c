//! More comes than the committer writes: who brings it waits, and is never left waiting.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Poll, Wake, Waker};

use super::*;
use crate::disk::Fault;
use message::limits;

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn large() -> String {
    "x".repeat(1024 * 1024)
}

/// A spool that has just become crowded, with one message of those that did it in doubt, and someone who waits.
fn crowded() -> (Bench, CommitPoint, Arc<Count>) {
    let bench = Bench::open_with(SimulatedDisk::new(1), SpoolOptions::default());
    let mut point = CommitPoint::REACHED;
    let mut bytes = 0;
    while !bench.spool.intake().is_crowded() {
        assert!(bytes < limits::LOG_BYTES_CROWDED, "it never gets crowded");
        point = bench.append(&large(), &[1]).unwrap().0;
        bytes += large().len();
    }
    assert!(bytes + large().len() >= limits::LOG_BYTES_CROWDED);
    let count = Arc::<Count>::default();
    let waker = Waker::from(Arc::clone(&count));
    assert!(bench.spool.intake().poll_room(&waker).is_pending() && bench.spool.intake().poll_room(&waker).is_pending());
    (bench, point, count)
}

fn is_let_go(bench: &Bench, count: &Count) {
    assert_eq!(count.0.load(Ordering::Relaxed), 1);
    assert_eq!(bench.spool.intake().poll_room(Waker::noop()), Poll::Ready(()));
}

#[test]
fn who_waits_goes_on_when_the_committer_has_written() {
    let (bench, point, count) = crowded();
    // What is told of what was taken goes on meanwhile, and so does who cannot wait.
    bench.acknowledge(1, &[0]);
    bench.append(&large(), &[1]).unwrap();
    assert_eq!(count.0.load(Ordering::Relaxed), 0);
    bench.commit();
    assert!(bench.spool.committed(point));
    is_let_go(&bench, &count);
    assert!(bench.append("more", &[1]).is_ok() && !bench.spool.intake().is_crowded());
}

#[test]
fn who_does_not_wait_is_refused_in_the_end() {
    let (bench, _, _) = crowded();
    let refused = (0..100).find_map(|_| bench.append(&large(), &[1]).err());
    let Some(AppendError::Full { waiting_bytes }) = refused else { panic!("{refused:?}") };
    assert!(waiting_bytes < limits::LOG_BYTES_WAITING_MAX + 2 * large().len(), "{waiting_bytes}");
    assert!(bench.spool.intake().is_crowded() && !bench.spool.intake().is_stuck(), "it helps to wait");
}

#[test]
fn nobody_waits_for_a_disk_that_failed_or_is_full() {
    for fault in [Fault::WriteFails, Fault::SyncFails, Fault::WritesFindNoRoom] {
        let (bench, _, count) = crowded();
        bench.disk.plan(fault);
        assert!(bench.committer.commit_once());
        is_let_go(&bench, &count);
        let taken = bench.append("more", &[1]);
        match fault {
            // The disk is looked at again, and has room by then.
            Fault::WritesFindNoRoom => assert!(taken.is_ok() && bench.spool.intake().is_stuck(), "{taken:?}"),
            _ => assert!(matches!(taken, Err(AppendError::Poisoned(_))), "{taken:?}"),
        }
        assert!(!bench.spool.intake().is_crowded(), "what comes after it does not wait either");
    }
    let (bench, point, count) = crowded();
    bench.disk.set_capacity(Some(limits::LOG_DISK_RESERVE_BYTES));
    assert!(bench.committer.commit_once());
    is_let_go(&bench, &count);
    assert!(bench.spool.intake().is_stuck());
    assert!(matches!(bench.append("more", &[1]), Err(AppendError::NoRoom { .. })));
    bench.disk.set_capacity(None);
    bench.commit();
    assert!(bench.spool.committed(point) && !bench.spool.intake().is_stuck());
    assert!(bench.append("more", &[1]).is_ok());
}
