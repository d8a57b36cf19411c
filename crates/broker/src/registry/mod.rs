//! Every session of the node, by client id: who holds it, who waits for it, when it ends. One connection at a time
//! holds a session; a new connection of the same client asks the old one to hand it over and waits until it does.

mod claim;
mod lease;
mod slot;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use foldhash::quality::FixedState;
use message::{ClientId, Moment, Now};
use parking_lot::Mutex;

use crate::counters::Tally;
use crate::mailbox::{Mailbox, MailboxOptions};
use crate::router::{Change, RouteCache, Router};
use crate::session::{Ending, Session, SessionExpiry, SessionState, Will};
use claim::Cell;
pub use claim::{Claim, Connected, Superseded};
pub(crate) use lease::Lease;
use slot::{Aftermath, Left, Parked, Slot, Timer, TimerKind, Waiting};

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
    registry: Mutex<Registry>,
    /// For wills.
    cache: Mutex<RouteCache>,
    tally: Tally,
}

#[derive(Debug)]
struct Registry {
    slots: HashMap<ClientId, Slot, FixedState>,
    timers: BTreeSet<Timer>,
    /// Dropped by their connection; put where they belong when the next call brings the time.
    abandoned: Vec<Left>,
    leases: u64,
}

impl Sessions {
    pub fn new(router: &Arc<Router>, sessions_max: usize) -> Arc<Self> {
        Arc::new(Self {
            router: Arc::clone(router),
            sessions_max,
            registry: Mutex::new(Registry {
                slots: HashMap::with_hasher(router.hasher()),
                timers: BTreeSet::new(),
                abandoned: Vec::new(),
                leases: 0,
            }),
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
        let mut registry = self.registry.lock();
        if registry.slots.len() >= self.sessions_max && !registry.slots.contains_key(&connect.client_id) {
            return Err(ConnectError::TooManySessions { sessions_max: self.sessions_max });
        }
        match registry.slots.get_mut(&connect.client_id) {
            Some(Slot::Held { held, waiting }) => {
                aftermath.revoked.push(held.clone());
                let before = waiting.replace(Waiting { connect, cell: Arc::downgrade(&cell) });
                let before = before.and_then(|waiting| waiting.cell.upgrade());
                aftermath.answers.extend(before.map(|cell| (cell, Err(Superseded))));
            }
            Some(Slot::Parked(_)) | None => {
                let parked = registry.unpark(&connect.client_id);
                let parked = parked.map(|parked| (parked.mailbox, parked.state, parked.will.map(|(_, will)| will)));
                self.grant(now, &mut registry, connect, &cell, parked, &mut aftermath);
            }
        }
        drop(registry);
        self.finish(aftermath);
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
        let registry = self.registry.lock();
        if !registry.abandoned.is_empty() {
            return Some(Moment::default());
        }
        registry.timers.first().map(|timer| timer.at)
    }

    /// Sends the wills and ends the sessions that are due.
    pub fn handle_timeout(self: &Arc<Self>, now: Now) {
        self.settle_abandoned(now);
        let mut aftermath = Aftermath::default();
        let mut registry = self.registry.lock();
        while registry.timers.first().is_some_and(|timer| timer.at <= now.moment) {
            let Some(timer) = registry.timers.pop_first() else { break };
            match timer.kind {
                TimerKind::Will => {
                    if let Some(Slot::Parked(parked)) = registry.slots.get_mut(&timer.client_id) {
                        let will = parked.will.take();
                        aftermath.wills.extend(will.map(|(_, will)| will.publish_at(now.wall)));
                    }
                }
                TimerKind::Expiry => {
                    if let Some(parked) = registry.unpark(&timer.client_id) {
                        aftermath.wills.extend(parked.will.map(|(_, will)| will.publish_at(now.wall)));
                        aftermath.ended.push((parked.mailbox, parked.state));
                    }
                }
            }
        }
        drop(registry);
        self.finish(aftermath);
    }

    /// Sessions that are held by a connection, and all.
    pub fn connected_and_all(&self) -> (usize, usize) {
        let registry = self.registry.lock();
        let held = registry.slots.values().filter(|slot| matches!(slot, Slot::Held { .. })).count();
        (held, registry.slots.len())
    }

    /// Called when a session is dropped: there is no time to tell, so it waits for the next call that brings it.
    fn take_abandoned(&self, left: Left) {
        self.registry.lock().abandoned.push(left);
    }

    fn settle_abandoned(self: &Arc<Self>, now: Now) {
        let abandoned = std::mem::take(&mut self.registry.lock().abandoned);
        for left in abandoned {
            self.settle(now, left);
        }
    }

    /// Decides where a session goes that its connection gave back.
    fn settle(self: &Arc<Self>, now: Now, left: Left) {
        let Left { client_id, number, mailbox, mut state, ending } = left;
        let mut aftermath = Aftermath::default();
        let mut registry = self.registry.lock();
        let waiting = match registry.slots.get_mut(&client_id) {
            Some(Slot::Held { held, waiting }) if held.number == number => waiting.take(),
            _ => return,
        };
        let will = state.will.take().filter(|_| ending == Ending::Lost);
        let goes_on = state.expiry != SessionExpiry::AtDisconnect;
        registry.slots.remove(&client_id);
        match waiting.and_then(|waiting| Some((waiting.connect, waiting.cell.upgrade()?))) {
            Some((connect, cell)) => {
                let parked = if goes_on {
                    Some((mailbox, state, will))
                } else {
                    aftermath.wills.extend(will.map(|will| will.publish_at(now.wall)));
                    aftermath.ended.push((mailbox, state));
                    None
                };
                self.grant(now, &mut registry, connect, &cell, parked, &mut aftermath);
            }
            None if goes_on => registry.park(now, client_id, mailbox, state, will, &mut aftermath),
            None => {
                aftermath.wills.extend(will.map(|will| will.publish_at(now.wall)));
                aftermath.ended.push((mailbox, state));
            }
        }
        drop(registry);
        self.finish(aftermath);
    }

    /// Gives a client id that nobody holds to a connection, with the session that was there or a new one.
    fn grant(
        self: &Arc<Self>,
        now: Now,
        registry: &mut Registry,
        connect: Connect,
        cell: &Arc<Cell>,
        parked: Option<(Arc<Mailbox>, SessionState, Option<Box<Will>>)>,
        aftermath: &mut Aftermath,
    ) {
        let kept = match parked {
            Some((mailbox, state, will)) => {
                // A will with a delay is cancelled by the client's return, unless the return ends the session.
                let due = will.filter(|will| connect.clean_start || will.delay.is_zero());
                aftermath.wills.extend(due.map(|will| will.publish_at(now.wall)));
                if connect.clean_start {
                    aftermath.ended.push((mailbox, state));
                    None
                } else {
                    Some((mailbox, state))
                }
            }
            None => None,
        };
        let present = kept.is_some();
        let (mailbox, mut state) =
            kept.unwrap_or_else(|| (self.router.mailbox(connect.mailbox), SessionState::default()));
        mailbox.set_attended(true);
        state.expiry = connect.expiry;
        state.will = connect.will.map(Box::new);
        registry.leases += 1;
        let (lease, held) = Lease::new(registry.leases, &mailbox, self);
        registry.slots.insert(connect.client_id.clone(), Slot::Held { held, waiting: None });
        let session = Session::new(connect.client_id, mailbox, Arc::clone(&self.router), lease, state);
        aftermath.answers.push((Arc::clone(cell), Ok(Connected { session, present })));
    }

    fn finish(&self, aftermath: Aftermath) {
        for (mailbox, mut state) in aftermath.ended {
            let subscriber = mailbox.id();
            let filters = state.subscriptions.keys();
            self.router.apply(filters.map(|filter| Change::Unsubscribe { subscriber, filter }));
            let mut left = state.abandon();
            left.extend(mailbox.close(Arc::default()));
            self.router.pass_on(left, Some(subscriber), &self.tally);
        }
        for (mailbox, shared) in aftermath.alone {
            let mut shared = shared;
            shared.extend(mailbox.take_shared(None));
            self.router.pass_on(shared, None, &self.tally);
        }
        for will in aftermath.wills {
            // A will has no publisher left that could wait.
            drop(self.router.publish(will, None, &mut self.cache.lock()));
        }
        aftermath.revoked.iter().for_each(lease::Held::revoke);
        for (cell, answer) in aftermath.answers {
            cell.answer(answer);
        }
    }
}

impl Registry {
    fn unpark(&mut self, client_id: &ClientId) -> Option<Parked> {
        let Some(Slot::Parked(_)) = self.slots.get(client_id) else { return None };
        let Some(Slot::Parked(parked)) = self.slots.remove(client_id) else { return None };
        for timer in parked.timers(client_id) {
            self.timers.remove(&timer);
        }
        Some(parked)
    }

    fn park(
        &mut self,
        now: Now,
        client_id: ClientId,
        mailbox: Arc<Mailbox>,
        mut state: SessionState,
        will: Option<Box<Will>>,
        aftermath: &mut Aftermath,
    ) {
        mailbox.set_attended(false);
        if state.has_shares() {
            aftermath.alone.push((Arc::clone(&mailbox), state.take_shared(None)));
        }
        let expires_at = state.expiry.span().map(|span| now.moment + span);
        let will = will.map(|will| (now.moment + will.delay.min(state.expiry.span().unwrap_or(will.delay)), will));
        let (will, due) = match will {
            Some((_, will)) if will.delay.is_zero() => (None, Some(will)),
            other => (other, None),
        };
        aftermath.wills.extend(due.map(|will| will.publish_at(now.wall)));
        let parked = Parked { mailbox, state, will, expires_at };
        self.timers.extend(parked.timers(&client_id));
        self.slots.insert(client_id, Slot::Parked(parked));
    }
}

impl Session {
    fn take_back(&mut self, ending: Ending) -> Left {
        self.lease.end(&self.client_id, &self.mailbox, &mut self.state, ending)
    }
}

#[cfg(test)]
mod tests;
