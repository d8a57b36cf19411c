//! Every session of the node, by client id: who holds it, who waits for it, when it ends. One connection at a time
//! holds a session; a new connection of the same client asks the old one to hand it over and waits until it does.

mod aftermath;
mod book;
mod claim;
mod figures;
mod journal;
mod lease;
mod on_disk;
mod sent_wills;
mod slot;
mod slow;

use std::sync::Arc;

use message::{ClientId, DestinationId, Moment, Now};
use parking_lot::Mutex;

use crate::counters::Tally;
use crate::mailbox::{Mailbox, MailboxOptions};
use crate::promise::{Broken, Promises};
use crate::router::{RouteCache, Router};
use crate::session::{Ending, Session, SessionExpiry, SessionState, Will};
use aftermath::Aftermath;
use book::Book;
use claim::Cell;
pub use claim::{Claim, Connected, Superseded};
pub use figures::SessionFigures;
pub use journal::{RestoredSession, SessionChange, SessionJournal};
pub(crate) use lease::{Lease, LeaseState};
pub use on_disk::SessionStore;
use slot::{Left, Parked, Slot, TimerKind, Waiting};

/// What a client says when it connects.
#[derive(Debug, Clone)]
pub struct Connect {
    pub client_id: ClientId,
    /// Forget what was: end the client's session, if there is one, and begin anew.
    pub clean_start: bool,
    pub expiry: SessionExpiry,
    pub will: Option<Will>,
    /// For a new session; one that goes on keeps its mailbox.
    pub mailbox: MailboxOptions,
}

/// Why a client cannot connect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// MQTT says "quota exceeded" (0x97).
    #[error("the node keeps {sessions_max} sessions, which is its limit: let some expire or raise the limit")]
    TooManySessions { sessions_max: usize },
}

/// Every session of the node.
#[derive(Debug)]
pub struct Sessions {
    router: Arc<Router>,
    sessions_max: usize,
    /// For sessions that outlive the process; without it all are in memory.
    store: Option<SessionStore>,
    book: Mutex<Book>,
    /// Numbers for new sessions that were asked for and not needed: at most one for each call that is under way.
    unused: Mutex<Vec<DestinationId>>,
    /// For wills.
    cache: Mutex<RouteCache>,
    tally: Tally,
}

impl Sessions {
    /// `sessions_max` counts connected clients and sessions that wait for theirs.
    pub fn new(router: &Arc<Router>, sessions_max: usize) -> Arc<Self> {
        Self::with_store(router, sessions_max, None)
    }

    /// The same; sessions that outlive their connection outlive the process too. The router has the same spool.
    pub fn with_store(router: &Arc<Router>, sessions_max: usize, store: Option<SessionStore>) -> Arc<Self> {
        Arc::new(Self {
            router: Arc::clone(router),
            sessions_max,
            store,
            unused: Mutex::default(),
            book: Mutex::new(Book::new(router.hasher())),
            cache: Mutex::new(router.route_cache()),
            tally: router.tally(),
        })
    }

    /// Claims a client id for a connection. An older connection of the client is told to leave; the claim resolves
    /// when it has, with its session or, if either side wants that, a new one.
    pub fn connect(self: &Arc<Self>, now: Now, connect: Connect) -> Result<Claim, ConnectError> {
        self.settle_abandoned(now);
        let cell = Arc::new(Cell::default());
        let mut aftermath = Aftermath::default();
        let mut number = self.number_for(&connect);
        let mut book = self.book.lock();
        if book.slots.len() >= self.sessions_max && !book.slots.contains_key(&connect.client_id) {
            drop(book);
            self.keep_number(number);
            return Err(ConnectError::TooManySessions { sessions_max: self.sessions_max });
        }
        match book.slots.get_mut(&connect.client_id) {
            Some(Slot::Held { held, waiting }) => {
                aftermath.revoked.push(held.clone());
                let before = waiting.replace(Box::new(Waiting { connect, cell: Arc::downgrade(&cell) }));
                let before = before.and_then(|waiting| waiting.cell.upgrade());
                aftermath.answers.extend(before.map(|cell| (cell, Err(Superseded))));
            }
            Some(Slot::Parked(_)) | None => {
                let parked = book.unpark(&connect.client_id);
                let parked = parked.map(|parked| (parked.mailbox, parked.state, parked.will.map(|(_, will)| will)));
                self.grant(now, &mut book, (connect, &mut number), &cell, parked, &mut aftermath);
            }
        }
        drop(book);
        self.keep_number(number);
        aftermath.finish(self);
        Ok(Claim { cell })
    }

    /// Takes a session back when its connection ends, and hands it to the connection that waits for it, if any.
    pub fn leave(self: &Arc<Self>, now: Now, mut session: Session, ending: Ending) {
        self.settle_abandoned(now);
        let left = session.take_back(ending);
        drop(session);
        self.settle(now, left);
    }

    /// When [`Sessions::handle_timeout`] should be called next. It may become sooner with every
    /// [`Sessions::leave`] and every dropped session: ask at least once a second.
    pub fn poll_timeout(&self) -> Option<Moment> {
        let book = self.book.lock();
        if !book.abandoned.is_empty() {
            return Some(Moment::default());
        }
        book.timers.first().map(|timer| timer.at).into_iter().chain(book.sent_wills.due()).min()
    }

    /// Sends the wills and ends the sessions that are due.
    pub fn handle_timeout(self: &Arc<Self>, now: Now) {
        self.settle_abandoned(now);
        self.note_sent_wills(now.moment);
        let mut aftermath = Aftermath::default();
        let mut book = self.book.lock();
        while book.timers.first().is_some_and(|timer| timer.at <= now.moment) {
            let Some(timer) = book.timers.pop_first() else { break };
            match timer.kind {
                TimerKind::Will => {
                    let Book { slots, sent_wills, .. } = &mut *book;
                    if let Some(Slot::Parked(parked)) = slots.get_mut(&timer.client_id)
                        && let Some((_, will)) = parked.will.take()
                    {
                        let number = sent_wills.begin(&timer.client_id, &parked.mailbox, false);
                        aftermath.wills.push((will.publish_at(now.wall), number));
                    }
                }
                TimerKind::Expiry => {
                    if let Some(parked) = book.unpark(&timer.client_id) {
                        book.expired += 1;
                        let Parked { mailbox, state, will, .. } = *parked;
                        let will = will.map(|(_, will)| will);
                        self.end(now, &mut book, &timer.client_id, (&mailbox, will), &mut aftermath);
                        aftermath.ended.push((mailbox, state));
                    }
                }
            }
        }
        drop(book);
        aftermath.finish(self);
    }

    /// Called when a session is dropped: there is no time to tell, so it waits for the next call that brings it.
    fn take_abandoned(&self, left: Left) {
        self.book.lock().abandoned.push(left);
    }

    fn settle_abandoned(self: &Arc<Self>, now: Now) {
        let abandoned = std::mem::take(&mut self.book.lock().abandoned);
        for left in abandoned {
            self.settle(now, left);
        }
    }

    /// Decides where a session goes that its connection gave back.
    fn settle(self: &Arc<Self>, now: Now, left: Left) {
        let Left { client_id, number, mailbox, mut state, ending } = left;
        if state.has_shares() && self.is_left_alone(&client_id, number, state.expiry) {
            // Before anyone else can have the session: what it sends would reach two members.
            mailbox.set_attended(false);
            state.offer_shared(None, &mailbox, &self.router, false, &self.tally);
        }
        let mut aftermath = Aftermath::default();
        let mut unused = self.number_for_waiting(&client_id);
        let mut book = self.book.lock();
        let waiting = match book.slots.get_mut(&client_id) {
            Some(Slot::Held { held, waiting }) if held.number == number => waiting.take(),
            _ => {
                drop(book);
                return self.keep_number(unused);
            }
        };
        let will = state.will.take().filter(|_| ending == Ending::Lost);
        let goes_on = state.expiry != SessionExpiry::AtDisconnect;
        book.slots.remove(&client_id);
        book.held -= 1;
        match waiting.and_then(|waiting| Some((waiting.connect, waiting.cell.upgrade()?))) {
            Some((connect, cell)) => {
                let parked = if goes_on {
                    Some((mailbox, state, will))
                } else {
                    aftermath.wills.extend(will.map(|will| (will.publish_at(now.wall), None)));
                    self.record(&mailbox, SessionChange::Ended { client_id: &client_id });
                    aftermath.ended.push((mailbox, state));
                    None
                };
                self.grant(now, &mut book, (connect, &mut unused), &cell, parked, &mut aftermath);
            }
            None if goes_on => {
                let (expiry, will_left) = (state.expiry, will.as_deref());
                let left = SessionChange::Left { client_id: &client_id, expiry, will: will_left, at: now.wall };
                self.record(&mailbox, left);
                book.park(now, client_id, mailbox, state, will, &mut aftermath);
            }
            None => {
                if let Some(will) = &will {
                    let (expiry, will) = (state.expiry, Some(&**will));
                    let left = SessionChange::Left { client_id: &client_id, expiry, will, at: now.wall };
                    self.record(&mailbox, left);
                }
                self.end(now, &mut book, &client_id, (&mailbox, will), &mut aftermath);
                aftermath.ended.push((mailbox, state));
            }
        }
        drop(book);
        self.keep_number(unused);
        aftermath.finish(self);
    }

    /// Writes down that a session has ended, or lets it be written down when its will is on disk.
    fn end(
        &self,
        now: Now,
        book: &mut Book,
        client_id: &ClientId,
        (mailbox, will): (&Arc<Mailbox>, Option<Box<Will>>),
        aftermath: &mut Aftermath,
    ) {
        let waits = match will {
            Some(will) => {
                let number = book.sent_wills.begin(client_id, mailbox, true);
                aftermath.wills.push((will.publish_at(now.wall), number));
                number.is_some()
            }
            None => book.sent_wills.end(mailbox),
        };
        if !waits {
            self.record(mailbox, SessionChange::Ended { client_id });
        }
    }

    /// Writes down which wills were sent, as far as these are on disk: from time to time, and when a node ends and all is
    /// there.
    pub fn note_sent_wills(&self, now: Moment) {
        let mut book = self.book.lock();
        for will in book.sent_wills.take_written(now) {
            let client_id = &will.client_id;
            let change =
                if will.ends { SessionChange::Ended { client_id } } else { SessionChange::WillSent { client_id } };
            self.record(&will.mailbox, change);
        }
    }

    /// As [`Self::number_for`], for the connection that waits for this client's session, if there is one.
    fn number_for_waiting(&self, client_id: &ClientId) -> Option<Result<DestinationId, Broken>> {
        let connect = match self.book.lock().slots.get(client_id) {
            Some(Slot::Held { waiting: Some(waiting), .. }) => waiting.connect.clone(),
            _ => return None,
        };
        self.number_for(&connect)
    }

    /// Whether a session that its connection gives back goes on and nobody waits for it.
    fn is_left_alone(&self, client_id: &ClientId, number: u64, expiry: SessionExpiry) -> bool {
        let book = self.book.lock();
        let is_held = |slot: &Slot| matches!(slot, Slot::Held { held, waiting: None } if held.number == number);
        expiry != SessionExpiry::AtDisconnect && book.slots.get(client_id).is_some_and(is_held)
    }

    /// Gives a client id that nobody holds to a connection, with the session that was there or a new one.
    fn grant(
        self: &Arc<Self>,
        now: Now,
        book: &mut Book,
        (connect, number): (Connect, &mut Option<Result<DestinationId, Broken>>),
        cell: &Arc<Cell>,
        parked: Option<(Arc<Mailbox>, SessionState, Option<Box<Will>>)>,
        aftermath: &mut Aftermath,
    ) {
        if let Some(will) = book.sent_wills.take_of(&connect.client_id).filter(|will| will.ends) {
            self.record(&will.mailbox, SessionChange::Ended { client_id: &connect.client_id });
        }
        let kept = match parked {
            Some((mailbox, state, will)) => {
                // A will with a delay is cancelled by the client's return, unless the return ends the session.
                let due = will.filter(|will| connect.clean_start || will.delay.is_zero());
                aftermath.wills.extend(due.map(|will| (will.publish_at(now.wall), None)));
                if connect.clean_start {
                    self.record(&mailbox, SessionChange::Ended { client_id: &connect.client_id });
                    aftermath.ended.push((mailbox, state));
                    None
                } else {
                    Some((mailbox, state))
                }
            }
            None => None,
        };
        let present = kept.as_ref().is_some_and(|(_, state)| !state.is_forgotten);
        let mut promises = Promises::default();
        let (mailbox, mut state) = kept.unwrap_or_else(|| self.new_session(&connect, number, &mut promises));
        mailbox.set_attended(true);
        state.is_forgotten = false;
        state.expiry = if promises.broken().is_some() { SessionExpiry::AtDisconnect } else { connect.expiry };
        state.will = connect.will.map(Box::new);
        promises.merge(self.record_opened(now, &connect.client_id, &mailbox, &state));
        book.leases += 1;
        book.held += 1;
        book.held_max = book.held_max.max(book.held);
        let (lease, held) = Lease::new(book.leases, &mailbox, self);
        book.slots.insert(connect.client_id.clone(), Slot::Held { held, waiting: None });
        let session = Session::new(connect.client_id, mailbox, Arc::clone(&self.router), lease, state);
        aftermath.answers.push((Arc::clone(cell), Ok(Connected { session, present, promises })));
    }
}

impl Session {
    fn take_back(&mut self, ending: Ending) -> Left {
        self.lease.end(&self.client_id, &self.mailbox, &mut self.state, ending)
    }
}

#[cfg(test)]
mod tests;
