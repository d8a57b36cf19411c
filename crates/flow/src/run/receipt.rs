//! The end-to-end acknowledgement: resolves when every branch of an itinerary has ended.

use std::cell::Cell;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// How an itinerary ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Every branch came to its end.
    Done,
    /// A branch failed for good, was dropped, or the flow broke down.
    Failed,
}

/// Held by every branch of an itinerary; the last one to go resolves it. Only then may the source be acknowledged.
#[derive(Clone)]
pub struct Receipt(Arc<Pending>);

type OnEnd = Box<dyn FnOnce(Outcome) + Send>;

struct Pending {
    failed: AtomicBool,
    on_end: Mutex<Option<OnEnd>>,
}

impl Receipt {
    /// A receipt that calls `on_end` once, on whatever thread the last branch ends.
    pub fn new(on_end: impl FnOnce(Outcome) + Send + 'static) -> Self {
        Self(Arc::new(Pending { failed: AtomicBool::new(false), on_end: Mutex::new(Some(Box::new(on_end))) }))
    }

    /// Says that a branch failed for good; the receipt still resolves only when all branches have ended.
    pub fn fail(&self) {
        self.0.failed.store(true, Ordering::Release);
    }
}

thread_local! {
    static BREAKS_DOWN: Cell<bool> = const { Cell::new(false) };
}

/// Lets go of what a flow has under way without having done it: receipts that are dropped by `let_go` have failed.
pub fn break_down<T>(let_go: impl FnOnce() -> T) -> T {
    /// Ends the state also when a drop panics.
    struct Until(bool);
    impl Drop for Until {
        fn drop(&mut self) {
            BREAKS_DOWN.set(self.0);
        }
    }
    let _until = Until(BREAKS_DOWN.replace(true));
    let_go()
}

impl Drop for Receipt {
    fn drop(&mut self) {
        // A panic unwinds through here too: what was under way then has not been done.
        if std::thread::panicking() || BREAKS_DOWN.get() {
            self.fail();
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        let failed = *self.failed.get_mut();
        let on_end = self.on_end.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(on_end) = on_end {
            on_end(if failed { Outcome::Failed } else { Outcome::Done });
        }
    }
}

impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receipt").field("failed", &self.0.failed).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn the_last_branch_resolves_it() {
        let (sender, outcomes) = mpsc::channel();
        let trunk = Receipt::new(move |outcome| sender.send(outcome).unwrap());
        let branch = trunk.clone();
        drop(trunk);
        assert!(outcomes.try_recv().is_err());
        drop(branch);
        assert_eq!(outcomes.try_recv(), Ok(Outcome::Done));
    }

    #[test]
    fn what_is_let_go_of_in_a_breakdown_has_failed_also_when_a_branch_lives_on() {
        let (sender, outcomes) = mpsc::channel();
        let receipt = Receipt::new(move |outcome| sender.send(outcome).unwrap());
        let elsewhere = receipt.clone();
        break_down(|| drop(receipt));
        assert!(outcomes.try_recv().is_err());
        drop(elsewhere);
        assert_eq!(outcomes.try_recv(), Ok(Outcome::Failed));
        let (sender, outcomes) = mpsc::channel();
        drop(Receipt::new(move |outcome| sender.send(outcome).unwrap()));
        assert_eq!(outcomes.try_recv(), Ok(Outcome::Done), "the breakdown is over");
    }

    #[test]
    fn one_failed_branch_fails_it_but_only_at_the_end() {
        let (sender, outcomes) = mpsc::channel();
        let trunk = Receipt::new(move |outcome| sender.send(outcome).unwrap());
        let branch = trunk.clone();
        branch.fail();
        drop(branch);
        assert!(outcomes.try_recv().is_err());
        drop(trunk);
        assert_eq!(outcomes.try_recv(), Ok(Outcome::Failed));
    }
}
