//! The right of one connection to hold a session, until another connection asks for it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use message::ClientId;

use super::slot::Left;
use super::{SessionChange, Sessions};
use crate::mailbox::Mailbox;
use crate::promise::Promises;
use crate::session::{Ending, SessionState};

/// The holder's side.
#[derive(Debug)]
pub(crate) struct Lease {
    number: u64,
    revoked: Arc<AtomicBool>,
    registry: Weak<Sessions>,
}

/// The registry's side.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) number: u64,
    revoked: Arc<AtomicBool>,
    pub(super) mailbox: Arc<Mailbox>,
}

impl Lease {
    pub(super) fn new(number: u64, mailbox: &Arc<Mailbox>, registry: &Arc<Sessions>) -> (Self, Held) {
        let revoked = Arc::new(AtomicBool::new(false));
        let held = Held { number, revoked: Arc::clone(&revoked), mailbox: Arc::clone(mailbox) };
        (Self { number, revoked, registry: Arc::downgrade(registry) }, held)
    }

    /// Tells the journal of a change, for a session on disk.
    pub(crate) fn record(&self, mailbox: &Mailbox, change: SessionChange<'_>) -> Promises {
        self.registry.upgrade().map_or_else(Promises::default, |registry| registry.record(mailbox, change))
    }

    pub(crate) fn is_revoked(&self) -> bool {
        self.revoked.load(Ordering::Acquire)
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
        self.revoked.store(true, Ordering::Release);
        self.mailbox.wake();
    }
}
