//! Sessions that outlive the process: how they get their place on disk, and how they come back.

use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use message::{ClientId, DestinationId, Now, QoS, TopicName, limits};
use store::spool::{DestinationOptions, DestinationState, Ordinal, Spool};

use super::journal::{RestoredSession, SessionChange, SessionJournal};
use super::slot::{Parked, Slot};
use super::{Connect, Sessions};
use crate::mailbox::{Mailbox, MailboxOptions};
use crate::promise::{Broken, Promises};
use crate::router::Change;
use crate::session::{OnDisk, SessionExpiry, SessionState, delivery_of};

/// Messages that are read at once for other members.
const READ_MESSAGES: usize = 256;

/// What sessions that outlive the process need.
#[derive(Debug, Clone)]
pub struct SessionStore {
    pub spool: Spool,
    pub journal: Arc<dyn SessionJournal>,
    /// What may wait for one session, and how safe it is.
    pub options: DestinationOptions,
}

impl Sessions {
    /// A mailbox and a state for a new session: on disk if it shall outlive its connection and the node has a disk.
    pub(super) fn new_session(
        &self,
        connect: &Connect,
        number: &mut Option<Result<DestinationId, Broken>>,
        promises: &mut Promises,
    ) -> (Arc<Mailbox>, SessionState) {
        let wanted = self.store.as_ref().filter(|_| connect.expiry != SessionExpiry::AtDisconnect);
        let mut begin = |store: &SessionStore| {
            let destination = number.take().unwrap_or_else(|| store.journal.new_destination())?;
            store.spool.add(destination, store.options).map_err(|_| Broken::Failed)?;
            Ok(destination)
        };
        match wanted.map(|store| (store, begin(store))) {
            Some((store, Ok(destination))) => {
                let (mailbox, state) = self.on_disk(store, destination, connect.mailbox, &DestinationState::default());
                (mailbox, state)
            }
            Some((_, Err(broken))) => {
                promises.break_with(broken);
                (self.router.mailbox(connect.mailbox), SessionState::default())
            }
            None => (self.router.mailbox(connect.mailbox), SessionState::default()),
        }
    }

    /// A number for a session that may be new. To be asked for before the registry is locked, as the disk may have to give it.
    pub(super) fn number_for(&self, connect: &Connect) -> Option<Result<DestinationId, Broken>> {
        let store = self.store.as_ref().filter(|_| connect.expiry != SessionExpiry::AtDisconnect)?;
        let unused = self.unused.lock().pop();
        Some(unused.map_or_else(|| store.journal.new_destination(), Ok))
    }

    /// Keeps a number that was not needed.
    pub(super) fn keep_number(&self, number: Option<Result<DestinationId, Broken>>) {
        self.unused.lock().extend(number.and_then(Result::ok));
    }

    fn on_disk(
        &self,
        store: &SessionStore,
        destination: DestinationId,
        options: MailboxOptions,
        found: &DestinationState,
    ) -> (Arc<Mailbox>, SessionState) {
        let mailbox = self.router.mailbox_on_disk(options, destination, found.low, found.next);
        (mailbox, SessionState::on_disk(OnDisk::new(store.spool.clone(), destination), found))
    }

    /// Tells the journal of a session that a client has now.
    pub(super) fn record_opened(
        &self,
        now: Now,
        client_id: &ClientId,
        mailbox: &Mailbox,
        state: &SessionState,
    ) -> Promises {
        let Some(destination) = mailbox.destination() else { return Promises::default() };
        let (expiry, will) = (state.expiry, state.will.as_deref());
        self.record(mailbox, SessionChange::Opened { client_id, destination, expiry, will, at: now.wall })
    }

    /// Tells the journal; nothing for sessions that are only in memory.
    pub(crate) fn record(&self, mailbox: &Mailbox, change: SessionChange<'_>) -> Promises {
        let mut promises = Promises::default();
        if let Some(store) = self.store.as_ref().filter(|_| mailbox.destination().is_some()) {
            promises.add(store.journal.record(change));
        }
        promises
    }

    /// Gives what came by shared subscriptions and waits on disk for a session that is over to their other members
    /// (MQTT 5.0 section 4.8.2). A message of QoS 2 that may have been sent is nobody else's any more.
    pub(super) fn pass_on_from_disk(&self, mailbox: &Mailbox, state: &SessionState) {
        let (Some(store), Some(destination)) = (&self.store, mailbox.destination()) else { return };
        if !state.has_shares() {
            return;
        }
        let matching = |topic: &TopicName, shared: bool| {
            let mut filters = state.subscriptions.filters().filter(|filter| filter.share_group().is_some() == shared);
            filters.find(|filter| filter.matches(topic))
        };
        let (mut from, mut found) = (Ordinal::default(), Vec::new());
        loop {
            let read = store.spool.read(destination, from, READ_MESSAGES, limits::SESSION_READ_BYTES_MAX, &mut found);
            let mut left = Vec::new();
            for spooled in found.drain(..) {
                let topic = &spooled.publication.topic;
                // One that a subscription of its own matches too cannot be told apart from that one's copy.
                let filter = matching(topic, true).filter(|_| matching(topic, false).is_none()).cloned();
                let is_free = spooled.qos == QoS::AtLeastOnce || !spooled.was_sent;
                left.extend(filter.filter(|_| is_free).map(|filter| delivery_of(spooled, Some(filter))));
            }
            self.router.pass_on(left, Some(mailbox.id()), &self.tally);
            match read {
                Ok(read) if read.more && read.from > from => from = read.from,
                _ => return,
            }
        }
    }

    /// Forgets what lies on disk for a session that is over.
    pub(super) fn remove_from_disk(&self, mailbox: &Mailbox) {
        if let (Some(store), Some(destination)) = (&self.store, mailbox.destination()) {
            store.spool.remove(destination);
        }
    }

    /// Takes sessions up again that an earlier process left, before anyone connects.
    pub fn restore(self: &Arc<Self>, now: Now, mailbox: MailboxOptions, sessions: Vec<RestoredSession>) {
        let Some(store) = &self.store else { return };
        for session in sessions {
            self.restore_one(now, store, mailbox, session);
        }
        // Those whose time was up while the node was down end now.
        self.handle_timeout(now);
    }

    fn restore_one(&self, now: Now, store: &SessionStore, options: MailboxOptions, session: RestoredSession) {
        let RestoredSession { client_id, destination, expiry, will, absent_since, subscriptions, is_whole } = session;
        // It fails only where something has to be read, which no policy of sessions asks for.
        let _ = store.spool.add(destination, store.options);
        if !is_whole {
            end_handshakes(&store.spool, destination);
        }
        let found = store.spool.state(destination).unwrap_or_default();
        let (mailbox, mut state) = self.on_disk(store, destination, options, &found);
        mailbox.set_attended(false);
        state.expiry = expiry;
        state.is_forgotten = !is_whole;
        self.router.apply(subscriptions.iter().map(|subscription| Change::Subscribe {
            mailbox: &mailbox,
            filter: &subscription.filter,
            options: subscription.options,
        }));
        state.subscriptions = subscriptions.into_iter().map(|one| (one.filter, one.options)).collect();
        // One that was there when the process ended has lost its connection then. Nobody knows when that was: its time runs from
        // the first start after it, however many there are.
        if absent_since.is_none() {
            let will = will.as_ref();
            let left = SessionChange::Left { client_id: &client_id, expiry, will, at: now.wall };
            drop(self.record(&mailbox, left));
        }
        let away = absent_since.map_or(Duration::ZERO, |since| now.wall - since);
        let due = |span: Duration| now.moment + span.saturating_sub(away);
        let expires_at = expiry.span().map(due);
        let will = will.map(|will| (due(will.delay.min(expiry.span().unwrap_or(will.delay))), Box::new(will)));
        let parked = Parked { mailbox, state, will, expires_at };
        let mut book = self.book.lock();
        book.timers.extend(parked.timers(&client_id));
        book.slots.insert(client_id, Slot::Parked(Box::new(parked)));
    }
}

/// Ends what was under way with QoS 2: a client that takes its session for a new one begins its packet identifiers anew.
fn end_handshakes(spool: &Spool, destination: DestinationId) {
    let found = spool.state(destination).unwrap_or_default();
    for packet in found.inbound.into_iter().filter_map(NonZeroU16::new) {
        spool.release(destination, packet);
    }
    // The client has these: it only had not said that it knows that the node knows.
    spool.acknowledge(destination, &found.received);
}
