//! The right of one connection to hold a session, until another connection asks for it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use message::{ClientId, Moment};

use super::slot::Left;
use super::{SessionChange, Sessions};
use crate::mailbox::Mailbox;
use crate::promise::Promises;
use crate::session::{Ending, SessionState};

/// The holder's side.
#[derive(Debug)]
pub(crate) struct Lease {
    number: u64,
    registry: Weak<Sessions>,
}

/// The lease under which a session is held, and whether that is to end. It lies beside the mailbox, which both sides have: one
/// who speaks of an earlier lease of the session is not heard.
#[derive(Debug, Default)]
pub(crate) struct LeaseState(AtomicU64);

/// Nothing was asked of the holder.
const UNDISTURBED: u64 = 0;
/// Another connection wants the session.
const REVOKED: u64 = 1;
/// The client is too slow to be served.
const DISMISSED: u64 = 2;

/// A lease's number and what is asked of its holder, in one word.
fn word(number: u64, asked: u64) -> u64 {
    number << 2 | asked
}

impl LeaseState {
    fn begin(&self, number: u64) {
        self.0.store(word(number, UNDISTURBED), Ordering::Release);
    }

    fn is(&self, number: u64, asked: u64) -> bool {
        self.0.load(Ordering::Acquire) == word(number, asked)
    }

    /// Returns whether `before` was all that was asked so far.
    fn ask(&self, number: u64, before: u64, asked: u64) -> bool {
        let (before, after) = (word(number, before), word(number, asked));
        self.0.compare_exchange(before, after, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

/// The registry's side.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) number: u64,
    pub(super) mailbox: Arc<Mailbox>,
    /// Since when messages for the client were seen to be dropped.
    pub(super) overflowing_since: Option<Moment>,
}

impl Lease {
    pub(super) fn new(number: u64, mailbox: &Arc<Mailbox>, registry: &Arc<Sessions>) -> (Self, Held) {
        mailbox.lease().begin(number);
        let held = Held { number, mailbox: Arc::clone(mailbox), overflowing_since: None };
        (Self { number, registry: Arc::downgrade(registry) }, held)
    }

    /// Tells the journal of a change, for a session on disk.
    pub(crate) fn record(&self, mailbox: &Mailbox, change: SessionChange<'_>) -> Promises {
        self.registry.upgrade().map_or_else(Promises::default, |registry| registry.record(mailbox, change))
    }

    pub(crate) fn is_revoked(&self, mailbox: &Mailbox) -> bool {
        mailbox.lease().is(self.number, REVOKED)
    }

    pub(crate) fn is_dismissed(&self, mailbox: &Mailbox) -> bool {
        mailbox.lease().is(self.number, DISMISSED)
    }

    /// Takes out what goes back to the registry; afterwards there is nothing to abandon.
    pub(super) fn end(
        &mut self,
        client_id: &ClientId,
        mailbox: &Arc<Mailbox>,
        state: &mut SessionState,
        ending: Ending,
    ) -> Left {
        self.registry = Weak::new();
        Left {
            client_id: client_id.clone(),
            number: self.number,
            mailbox: Arc::clone(mailbox),
            state: std::mem::take(state),
            ending,
        }
    }

    /// The session is dropped without having been handed back: the registry gets it all the same.
    pub(crate) fn abandon(&mut self, client_id: &ClientId, mailbox: &Arc<Mailbox>, state: &mut SessionState) {
        if let Some(registry) = self.registry.upgrade() {
            registry.take_abandoned(self.end(client_id, mailbox, state, Ending::Lost));
        }
    }
}

impl Held {
    /// Asks the holder to hand the session back.
    pub(super) fn revoke(&self) {
        let lease = self.mailbox.lease();
        let _ = lease.ask(self.number, UNDISTURBED, REVOKED) || lease.ask(self.number, DISMISSED, REVOKED);
        self.mailbox.wake();
    }

    /// Notes that the holder should close its connection, and returns whether that is new. Whoever calls this wakes it.
    pub(super) fn dismiss(&self) -> bool {
        self.mailbox.lease().ask(self.number, UNDISTURBED, DISMISSED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_to_an_earlier_holder_does_not_reach_the_one_of_today() {
        let lease = LeaseState::default();
        lease.begin(1);
        assert!(lease.ask(1, UNDISTURBED, REVOKED));
        assert!(lease.is(1, REVOKED));
        lease.begin(2);
        assert!(!lease.ask(1, UNDISTURBED, REVOKED));
        assert!(lease.is(2, UNDISTURBED));
        assert!(lease.ask(2, UNDISTURBED, DISMISSED));
        assert!(!lease.ask(2, UNDISTURBED, DISMISSED));
        assert!(lease.ask(2, DISMISSED, REVOKED));
        assert!(lease.is(2, REVOKED) && !lease.is(2, DISMISSED));
    }
}
