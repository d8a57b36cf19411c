//! What the registry knows of one client id.

use std::sync::{Arc, Weak};

use message::{ClientId, Moment};

use super::Connect;
use super::claim::Cell;
use super::lease::Held;
use crate::mailbox::Mailbox;
use crate::session::{Ending, SessionState, Will};

/// Where a client's session is.
#[derive(Debug)]
pub(super) enum Slot {
    /// With a connection; another may wait for it. In boxes is what most sessions of a node do not need.
    Held { held: Held, waiting: Option<Box<Waiting>> },
    /// Here, until the client comes back or the session expires.
    Parked(Box<Parked>),
}

pub(super) struct Waiting {
    pub(super) connect: Connect,
    /// Gone when the claim was given up.
    pub(super) cell: Weak<Cell>,
}

#[derive(Debug)]
pub(super) struct Parked {
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) state: SessionState,
    pub(super) will: Option<(Moment, Box<Will>)>,
    pub(super) expires_at: Option<Moment>,
}

/// A session on its way back to the registry.
#[derive(Debug)]
pub(super) struct Left {
    pub(super) client_id: ClientId,
    /// Of the lease under which it was held.
    pub(super) number: u64,
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) state: SessionState,
    pub(super) ending: Ending,
}

/// Something that happens to a parked session by itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Timer {
    pub(super) at: Moment,
    pub(super) client_id: ClientId,
    pub(super) kind: TimerKind,
}

/// The timers of a parked session. A will that is due at the session's end goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum TimerKind {
    /// The client was away for the will's delay.
    Will,
    /// The client was away for the session's expiry interval.
    Expiry,
}

impl Parked {
    pub(super) fn timers(&self, client_id: &ClientId) -> impl Iterator<Item = Timer> {
        let will = self.will.as_ref().map(|(at, _)| (*at, TimerKind::Will));
        let expiry = self.expires_at.map(|at| (at, TimerKind::Expiry));
        let client_id = client_id.clone();
        will.into_iter().chain(expiry).map(move |(at, kind)| Timer { at, client_id: client_id.clone(), kind })
    }
}

impl std::fmt::Debug for Waiting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Waiting").field("connect", &self.connect).finish_non_exhaustive()
    }
}
