//! The right of one connection to hold a session, until another connection asks for it.

use std::sync::atomic::{AtomicU8, Ordering};
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
    state: Arc<AtomicU8>,
    registry: Weak<Sessions>,
}

/// Another connection wants the session.
const REVOKED: u8 = 1;
/// The client is too slow to be served.
const DISMISSED: u8 = 2;

/// The registry's side.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) number: u64,
    state: Arc<AtomicU8>,
    pub(super) mailbox: Arc<Mailbox>,
    /// Since when messages for the client were seen to be dropped.
    pub(super) overflowing_since: Option<Moment>,
}

impl Lease {
    pub(super) fn new(number: u64, mailbox: &Arc<Mailbox>, registry: &Arc<Sessions>) -> (Self, Held) {
        let state = Arc::new(AtomicU8::new(0));
        let mailbox = Arc::clone(mailbox);
        let held = Held { number, state: Arc::clone(&state), mailbox, overflowing_since: None };
        (Self { number, state, registry: Arc::downgrade(registry) }, held)
    }

    /// Tells the journal of a change, for a session on disk.
    pub(crate) fn record(&self, mailbox: &Mailbox, change: SessionChange<'_>) -> Promises {
        self.registry.upgrade().map_or_else(Promises::default, |registry| registry.record(mailbox, change))
    }

    pub(crate) fn is_revoked(&self) -> bool {
        self.state.load(Ordering::Acquire) == REVOKED
    }

    pub(crate) fn is_dismissed(&self) -> bool {
        self.state.load(Ordering::Acquire) == DISMISSED
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
        self.state.store(REVOKED, Ordering::Release);
        self.mailbox.wake();
    }

    /// Notes that the holder should close its connection, and returns whether that is new. Whoever calls this wakes it.
    pub(super) fn dismiss(&self) -> bool {
        self.state.compare_exchange(0, DISMISSED, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}
