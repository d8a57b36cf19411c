//! What the registry can tell of its sessions at one moment.

use std::sync::Arc;

use super::Sessions;
use super::slot::Slot;
use crate::mailbox::Mailbox;

/// Figures of all sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SessionFigures {
    /// Sessions that a connection holds.
    pub connected: u64,
    /// The most that were held at one time.
    pub connected_max: u64,
    /// Sessions, held or not.
    pub all: u64,
    /// Sessions that ended because their client stayed away.
    pub expired: u64,
    /// Messages that wait for a client.
    pub waiting_messages: u64,
    /// What those that are not about to be sent weigh against the limits of mailboxes; for those on disk, what all weigh
    /// there that are not acknowledged.
    pub waiting_bytes: u64,
    /// Messages sent to a client that it has not acknowledged yet.
    pub in_flight: u64,
}

impl Sessions {
    /// Sessions that are held by a connection, and all.
    pub fn connected_and_all(&self) -> (usize, usize) {
        let book = self.book.lock();
        (book.held, book.slots.len())
    }

    /// Looks at every session: for people and monitoring, not for the way of a message.
    pub fn figures(&self) -> SessionFigures {
        let book = self.book.lock();
        let mailbox = |slot: &Slot| match slot {
            Slot::Held { held, .. } => Arc::clone(&held.mailbox),
            Slot::Parked(parked) => Arc::clone(&parked.mailbox),
        };
        let mailboxes: Vec<_> = book.slots.values().map(mailbox).collect();
        let mut figures = SessionFigures {
            connected: book.held as u64,
            connected_max: book.held_max as u64,
            all: book.slots.len() as u64,
            expired: book.expired,
            ..SessionFigures::default()
        };
        drop(book);
        for mailbox in mailboxes {
            let in_flight = mailbox.in_flight() as u64;
            let (messages, bytes) = self.waiting_for(&mailbox, in_flight);
            figures.waiting_messages += messages;
            figures.waiting_bytes += bytes;
            figures.in_flight += in_flight;
        }
        figures
    }

    /// What waits on disk is there until it is acknowledged, and counts there only.
    fn waiting_for(&self, mailbox: &Mailbox, in_flight: u64) -> (u64, u64) {
        match self.store.as_ref().zip(mailbox.destination()) {
            Some((store, destination)) => {
                let (messages, bytes) = store.spool.waiting(destination);
                (messages.saturating_sub(in_flight), bytes)
            }
            None => {
                let (messages, bytes) = mailbox.waiting();
                (messages as u64, bytes as u64)
            }
        }
    }
}
