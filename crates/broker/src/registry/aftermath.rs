//! What a decision of the registry entails outside of it.

use std::sync::Arc;

use message::Publication;

use super::Sessions;
use super::claim::{Cell, Connected, Superseded};
use super::lease::Held;
use crate::mailbox::Mailbox;
use crate::router::Change;
use crate::session::SessionState;

/// What is to be done once the registry's lock is free, in this order: each may wake someone who calls back.
#[derive(Default)]
pub(super) struct Aftermath {
    pub(super) ended: Vec<(Arc<Mailbox>, SessionState)>,
    /// With their numbers among those that are written down when they are on disk.
    pub(super) wills: Vec<(Publication, Option<u64>)>,
    pub(super) revoked: Vec<Held>,
    pub(super) answers: Vec<(Arc<Cell>, Result<Connected, Superseded>)>,
}

impl Aftermath {
    /// Does it all. The registry's lock must be free.
    pub(super) fn finish(self, sessions: &Sessions) {
        for (mailbox, mut state) in self.ended {
            let subscriber = mailbox.id();
            let filters = state.subscriptions.filters();
            sessions.router.apply(filters.map(|filter| Change::Unsubscribe { subscriber, filter }));
            let mut left = state.abandon();
            left.extend(mailbox.close(Arc::default()));
            // What is on disk is passed on from there.
            left.retain(|delivery| !delivery.is_placed());
            sessions.router.pass_on(left, Some(subscriber), &sessions.tally);
            sessions.pass_on_from_disk(&mailbox, &state);
            sessions.remove_from_disk(&mailbox);
        }
        for (will, number) in self.wills {
            // A will has no publisher left that could wait.
            let routed = sessions.router.publish(will, None, &mut sessions.cache.lock());
            if let Some(number) = number {
                sessions.book.lock().sent_wills.note(number, routed.into_promises());
            }
        }
        self.revoked.iter().for_each(Held::revoke);
        for (cell, answer) in self.answers {
            cell.answer(answer);
        }
    }
}
