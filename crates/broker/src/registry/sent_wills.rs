//! Wills of sessions on disk that were sent and may not be on disk yet. Until they are, the session is written down as one
//! whose will is still to be sent: a crash sends it again rather than to lose it.

use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use message::{ClientId, Moment};

use crate::mailbox::Mailbox;
use crate::promise::Promises;

/// How often is looked which of them are on disk.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// One of them.
#[derive(Debug)]
pub(super) struct SentWill {
    number: u64,
    pub(super) client_id: ClientId,
    pub(super) mailbox: Arc<Mailbox>,
    /// None while it is on its way to those who get it.
    promises: Option<Promises>,
    /// The session is over, and is to be forgotten then.
    pub(super) ends: bool,
}

/// At most one for each session: who connects again takes the session's out.
#[derive(Debug, Default)]
pub(super) struct SentWills {
    sent: Vec<SentWill>,
    given: u64,
    look_at: Moment,
}

impl SentWills {
    /// A will is about to be sent; nothing if its session is in memory alone. The answer is for [`Self::note`].
    pub(super) fn begin(&mut self, client_id: &ClientId, mailbox: &Arc<Mailbox>, ends: bool) -> Option<u64> {
        mailbox.destination()?;
        self.given += 1;
        let (client_id, mailbox) = (client_id.clone(), Arc::clone(mailbox));
        self.sent.push(SentWill { number: self.given, client_id, mailbox, promises: None, ends });
        Some(self.given)
    }

    /// It was sent, and is on disk when these are kept.
    pub(super) fn note(&mut self, number: u64, promises: Promises) {
        if let Some(will) = self.sent.iter_mut().find(|will| will.number == number) {
            will.promises = Some(promises);
            self.look_at = Moment::default();
        }
    }

    /// The session of a mailbox is over: it is forgotten with its will, if that is here.
    pub(super) fn end(&mut self, mailbox: &Arc<Mailbox>) -> bool {
        let will = self.sent.iter_mut().find(|will| Arc::ptr_eq(&will.mailbox, mailbox));
        will.map(|will| will.ends = true).is_some()
    }

    /// The client connects: what its session was is not written down any more.
    pub(super) fn take_of(&mut self, client_id: &ClientId) -> Option<SentWill> {
        let place = self.sent.iter().position(|will| will.client_id == *client_id)?;
        Some(self.sent.swap_remove(place))
    }

    /// When to look again.
    pub(super) fn due(&self) -> Option<Moment> {
        (!self.sent.is_empty()).then_some(self.look_at)
    }

    /// Takes those that are on disk. One that the disk failed to take is sent again when the node starts again.
    pub(super) fn take_written(&mut self, now: Moment) -> Vec<SentWill> {
        if self.sent.is_empty() {
            return Vec::new();
        }
        self.look_at = now + LOOK_EVERY;
        let settled = self.sent.extract_if(.., |will| {
            will.promises.as_mut().is_some_and(|promises| promises.poll_settled(Waker::noop()).is_ready())
        });
        settled.filter(|will| will.promises.as_ref().is_some_and(|promises| promises.broken().is_none())).collect()
    }
}
