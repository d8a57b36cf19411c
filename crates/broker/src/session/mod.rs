//! A session: what the broker knows of one client beyond one connection. A plain value with one owner: the client's
//! connection while there is one, the registry between two connections. Its mailbox fills all the time.

mod inbound;
mod outgoing;
mod will;
mod window;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::task::Waker;

use message::{ClientId, Now, QoS, TopicFilter, limits};

use crate::counters::Tally;
use crate::delivery::{Delivery, DropReason};
use crate::mailbox::Mailbox;
use crate::registry::Lease;
use crate::router::{Change, Router};
use crate::subscription::{SubscribeOptions, SubscriberId, Subscription};
pub use inbound::InboundSlots;
pub use outgoing::{Outgoing, Slot};
pub use will::{Ending, SessionExpiry, Will};
pub use window::UnknownSlot;
use window::Window;

/// A client's session, held by its connection. Hand it back with [`Sessions::leave`](crate::Sessions::leave); one that
/// is dropped instead, as when its task panicked, is taken back by the registry as if its connection was lost.
pub struct Session {
    pub(crate) client_id: ClientId,
    pub(crate) mailbox: Arc<Mailbox>,
    pub(crate) router: Arc<Router>,
    pub(crate) lease: Lease,
    pub(crate) state: SessionState,
    tally: Tally,
}

/// What is left of a session between two connections.
#[derive(Debug, Default)]
pub(crate) struct SessionState {
    pub(crate) subscriptions: BTreeMap<TopicFilter, SubscribeOptions>,
    pub(crate) expiry: SessionExpiry,
    pub(crate) will: Option<Box<Will>>,
    window: Window,
    inbound: InboundSlots,
    /// Taken from the mailbox, but not yet sent, as the window was full.
    staged: VecDeque<Delivery>,
}

/// Why a subscription was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubscribeError {
    /// MQTT says "quota exceeded" (0x97).
    #[error(
        "the session has {} subscriptions, which is the limit: unsubscribe first",
        limits::MQTT_SUBSCRIPTIONS_PER_SESSION_MAX
    )]
    TooMany,
}

impl Session {
    pub(crate) fn new(
        client_id: ClientId,
        mailbox: Arc<Mailbox>,
        router: Arc<Router>,
        lease: Lease,
        mut state: SessionState,
    ) -> Self {
        state.window.start_connection();
        let tally = router.tally();
        Self { client_id, mailbox, router, lease, state, tally }
    }

    pub fn client_id(&self) -> &ClientId {
        &self.client_id
    }

    /// To be given as `origin` when this client publishes.
    pub fn subscriber(&self) -> SubscriberId {
        self.mailbox.id()
    }

    /// Called when messages wait, and when another connection wants the session. Set it first, then ask
    /// [`Session::is_taken_over`] and [`Session::next_deliveries`] once.
    pub fn set_waker(&self, waker: Waker) {
        self.mailbox.set_waker(waker);
    }

    /// Whether the client has connected again: this connection should close ("session taken over", 0x8E) and hand the
    /// session back.
    pub fn is_taken_over(&self) -> bool {
        self.lease.is_revoked()
    }

    /// Changes how long the session outlives its connection, as an MQTT 5.0 DISCONNECT may.
    pub fn set_expiry(&mut self, expiry: SessionExpiry) {
        self.state.expiry = expiry;
    }

    pub fn expiry(&self) -> SessionExpiry {
        self.state.expiry
    }

    /// Adds the subscriptions of one request, all visible in one step; one with the same filter is replaced.
    /// Returns for each the quality of service granted. Retained messages that match are delivered next.
    pub fn subscribe(&mut self, now: Now, requests: Vec<Subscription>) -> Vec<Result<QoS, SubscribeError>> {
        let mut accepted = Vec::new();
        let mut results = Vec::new();
        for Subscription { filter, options } in requests {
            let known = self.state.subscriptions.contains_key(&filter);
            if !known && self.state.subscriptions.len() >= limits::MQTT_SUBSCRIPTIONS_PER_SESSION_MAX {
                results.push(Err(SubscribeError::TooMany));
                continue;
            }
            let filter = filter.detach();
            self.state.subscriptions.insert(filter.clone(), options);
            accepted.push(Subscription { filter, options });
            results.push(Ok(options.qos));
        }
        self.make_visible(now, &accepted);
        results
    }

    fn make_visible(&self, now: Now, accepted: &[Subscription]) {
        if accepted.is_empty() {
            return;
        }
        let changes = accepted.iter().map(|Subscription { filter, options }| Change::Subscribe {
            mailbox: &self.mailbox,
            filter,
            options: *options,
        });
        if !accepted.iter().any(Subscription::may_want_retained) {
            self.router.apply(changes);
            return;
        }
        let (existed, retained) = self.router.apply_and_look(changes);
        for (subscription, existed) in accepted.iter().zip(existed) {
            if subscription.wants_retained(existed) {
                self.router.replay(now, &retained, subscription, &self.mailbox);
            }
        }
    }

    /// Removes the subscriptions of one request, all in one step. Returns for each whether it was there. What a shared
    /// subscription left here undelivered goes to its other members.
    pub fn unsubscribe(&mut self, filters: &[TopicFilter]) -> Vec<bool> {
        let subscriber = self.subscriber();
        let existed = self.router.apply(filters.iter().map(|filter| Change::Unsubscribe { subscriber, filter }));
        for filter in filters {
            if self.state.subscriptions.remove(filter).is_some() && filter.share_group().is_some() {
                let mut left = self.state.take_shared(Some(filter));
                left.extend(self.mailbox.take_shared(Some(filter)));
                self.router.pass_on(left, Some(subscriber), &self.tally);
            }
        }
        existed
    }

    /// The subscriptions, by filter.
    pub fn subscriptions(&self) -> impl Iterator<Item = (&TopicFilter, &SubscribeOptions)> {
        self.state.subscriptions.iter()
    }

    /// Puts up to `messages_max` things to send next into `out`, in order: first what an earlier connection left
    /// unacknowledged, then what waits, as far as `in_flight_max` unacknowledged messages allow. Returns whether to
    /// ask again at once; otherwise ask after the waker was called or an acknowledgement came.
    pub fn next_deliveries(
        &mut self,
        now: Now,
        in_flight_max: u16,
        messages_max: usize,
        out: &mut Vec<Outgoing>,
    ) -> bool {
        let in_flight_max = usize::from(in_flight_max);
        let end = out.len().saturating_add(messages_max);
        self.state.window.resend(in_flight_max, messages_max, out);
        let mut sent: (u64, u64) = (0, 0);
        let mut more = true;
        while out.len() < end {
            if self.state.staged.is_empty() {
                more = self.mailbox.drain(&mut self.state.staged, end - out.len());
            }
            let Some(delivery) = self.state.staged.pop_front() else { break };
            if delivery.publication.expiry_left_s(now.wall) == Some(0) {
                self.tally.dropped(DropReason::Expired, 1);
                continue;
            }
            let payload_bytes = delivery.publication.payload.len() as u64;
            if delivery.qos == QoS::AtMostOnce {
                out.push(Outgoing::Message { slot: None, delivery, duplicate: false });
            } else if self.state.window.has_room(in_flight_max) {
                out.push(self.state.window.send(delivery));
            } else {
                self.state.staged.push_front(delivery);
                more = false;
                break;
            }
            sent = (sent.0 + 1, sent.1 + payload_bytes);
        }
        if sent.0 > 0 {
            self.tally.sent(sent.0, sent.1);
            self.mailbox.set_in_flight(self.state.window.len());
        }
        (more || !self.state.staged.is_empty()) && out.len() >= end
    }

    /// The client has a QoS 1 message (PUBACK), has finished with a QoS 2 one (PUBCOMP), or refused either (a reason
    /// code of 0x80 or more), or it cannot be sent at all as the client takes no packet of that size: its slot is free
    /// again.
    pub fn handle_delivered(&mut self, slot: Slot) -> Result<(), UnknownSlot> {
        self.state.window.complete(slot)?;
        self.mailbox.set_in_flight(self.state.window.len());
        Ok(())
    }

    /// The client has a QoS 2 message (PUBREC): answer with PUBREL. The slot stays in use until
    /// [`Session::handle_delivered`].
    pub fn handle_received(&mut self, slot: Slot) -> Result<(), UnknownSlot> {
        self.state.window.receive(slot)
    }

    /// Deliveries that wait for an acknowledgement.
    pub fn in_flight(&self) -> usize {
        self.state.window.len()
    }

    /// Messages that wait to be sent.
    pub fn backlog(&self) -> usize {
        self.state.staged.len() + self.mailbox.depth_and_dropped().0
    }

    /// The client's own QoS 2 messages that are under way to the broker.
    pub fn inbound(&mut self) -> &mut InboundSlots {
        &mut self.state.inbound
    }
}

impl SessionState {
    /// What may still be delivered by someone else, in order, when the session ends.
    pub(crate) fn abandon(&mut self) -> Vec<Delivery> {
        let mut left = self.window.abandon();
        left.extend(self.staged.drain(..));
        left
    }

    /// What shared subscriptions, one or all, left unsent here and others may take.
    pub(crate) fn take_shared(&mut self, only: Option<&TopicFilter>) -> Vec<Delivery> {
        let (shared, own): (Vec<_>, Vec<_>) = self.staged.drain(..).partition(|delivery| delivery.may_pass_on(only));
        self.staged = VecDeque::from(own);
        shared
    }

    pub(crate) fn has_shares(&self) -> bool {
        self.subscriptions.keys().any(|filter| filter.share_group().is_some())
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("client_id", &self.client_id).finish_non_exhaustive()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.lease.abandon(&self.client_id, &self.mailbox, &mut self.state);
    }
}
