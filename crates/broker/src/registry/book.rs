//! The registry's book: a slot for every client id, and the timers of the sessions that are parked here.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use foldhash::quality::FixedState;
use message::{ClientId, Now};

use super::aftermath::Aftermath;
use super::sent_wills::SentWills;
use super::slot::{Left, Parked, Slot, Timer};
use crate::mailbox::Mailbox;
use crate::session::{SessionState, Will};

#[derive(Debug)]
pub(super) struct Book {
    pub(super) slots: HashMap<ClientId, Slot, FixedState>,
    pub(super) timers: BTreeSet<Timer>,
    /// Dropped by their connection; put where they belong when the next call brings the time.
    pub(super) abandoned: Vec<Left>,
    /// Wills that may not be on disk yet.
    pub(super) sent_wills: SentWills,
    /// Leases ever given.
    pub(super) leases: u64,
    /// Slots that a connection holds, and the most that there were at one time.
    pub(super) held: usize,
    pub(super) held_max: usize,
    /// Sessions that ended because their client stayed away.
    pub(super) expired: u64,
}

impl Book {
    pub(super) fn new(hasher: FixedState) -> Self {
        Self {
            slots: HashMap::with_hasher(hasher),
            timers: BTreeSet::new(),
            abandoned: Vec::new(),
            sent_wills: SentWills::default(),
            leases: 0,
            held: 0,
            held_max: 0,
            expired: 0,
        }
    }

    /// Takes a parked session out, with its timers.
    pub(super) fn unpark(&mut self, client_id: &ClientId) -> Option<Box<Parked>> {
        let Some(Slot::Parked(_)) = self.slots.get(client_id) else { return None };
        let Some(Slot::Parked(parked)) = self.slots.remove(client_id) else { return None };
        for timer in parked.timers(client_id) {
            self.timers.remove(&timer);
        }
        Some(parked)
    }

    /// Keeps a session until its client comes back or its time is up.
    pub(super) fn park(
        &mut self,
        now: Now,
        client_id: ClientId,
        mailbox: Arc<Mailbox>,
        mut state: SessionState,
        will: Option<Box<Will>>,
        aftermath: &mut Aftermath,
    ) {
        mailbox.set_attended(false);
        state.leave_to_disk(&mailbox);
        let expires_at = state.expiry.span().map(|span| now.moment + span);
        let will = will.map(|will| (now.moment + will.delay.min(state.expiry.span().unwrap_or(will.delay)), will));
        let (will, due) = match will {
            Some((_, will)) if will.delay.is_zero() => (None, Some(will)),
            other => (other, None),
        };
        if let Some(will) = due {
            let number = self.sent_wills.begin(&client_id, &mailbox, false);
            aftermath.wills.push((will.publish_at(now.wall), number));
        }
        let parked = Box::new(Parked { mailbox, state, will, expires_at });
        self.timers.extend(parked.timers(&client_id));
        self.slots.insert(client_id, Slot::Parked(parked));
    }
}
