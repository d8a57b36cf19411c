//! A session: what the broker knows of one client beyond one connection. A plain value with one owner: the client's
//! connection while there is one, the registry between two connections. Its mailbox fills all the time.

mod inbound;
mod left_over;
mod on_disk;
mod outgoing;
mod subscriptions;
mod will;
mod window;

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::task::Waker;

use message::{ClientId, DestinationId, Now, QoS, TopicFilter, limits};
use store::log::Intake;
use store::spool::{DestinationState, Ordinal, ReadError};

use crate::counters::Tally;
use crate::delivery::{Delivery, DropReason};
use crate::mailbox::{Drained, Mailbox};
use crate::promise::Promises;
use crate::receipt::{Refusal, SessionSender, Settled};
use crate::registry::{Lease, SessionChange};
use crate::router::{Change, Router};
use crate::subscription::{SubscribeOptions, SubscriberId, Subscription};
pub use inbound::InboundSlots;
use left_over::LeftOver;
use on_disk::MaySend;
pub(crate) use on_disk::{OnDisk, delivery_of};
pub use outgoing::{Outgoing, Slot};
use subscriptions::SubscriptionList;
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
    pub(crate) subscriptions: SubscriptionList,
    pub(crate) expiry: SessionExpiry,
    pub(crate) will: Option<Box<Will>>,
    window: Window,
    inbound: InboundSlots,
    left_over: Vec<LeftOver>,
    /// Taken from the mailbox, but not yet sent, as the window was full.
    staged: VecDeque<Delivery>,
    /// Where it outlives the process, if it does. In a box: most sessions of most nodes do not.
    pub(crate) on_disk: Option<Box<OnDisk>>,
    /// Its subscriptions may be lost: for its client it is a new one.
    pub(crate) is_forgotten: bool,
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
        state.drop_receipts(&mailbox);
        if let Some(on_disk) = &mut state.on_disk {
            on_disk.forget_fault();
        }
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
        self.lease.is_revoked(&self.mailbox)
    }

    /// Whether the client is too slow: this connection should close ("quota exceeded", 0x97) and hand the session back.
    pub fn is_dismissed(&self) -> bool {
        self.lease.is_dismissed(&self.mailbox)
    }

    /// Changes how long the session outlives its connection, as an MQTT 5.0 DISCONNECT may.
    pub fn set_expiry(&mut self, expiry: SessionExpiry) {
        self.state.expiry = expiry;
    }

    pub fn expiry(&self) -> SessionExpiry {
        self.state.expiry
    }

    /// Adds the subscriptions of one request, all visible in one step; one with the same filter is replaced.
    /// Returns for each the quality of service granted, and the promises on which the answer to the client depends.
    /// Retained messages that match are delivered next.
    pub fn subscribe(&mut self, now: Now, requests: Vec<Subscription>) -> (Vec<Result<QoS, SubscribeError>>, Promises) {
        let mut accepted = Vec::new();
        let mut new = Vec::new();
        let mut results = Vec::new();
        for Subscription { filter, options } in requests {
            let known = self.state.subscriptions.contains(&filter);
            if !known && self.state.subscriptions.len() >= limits::MQTT_SUBSCRIPTIONS_PER_SESSION_MAX {
                results.push(Err(SubscribeError::TooMany));
                continue;
            }
            let filter = filter.detach();
            self.state.subscriptions.insert(filter.clone(), options);
            accepted.push(Subscription { filter, options });
            new.push(!known);
            results.push(Ok(options.qos));
        }
        if accepted.is_empty() {
            return (results, Promises::default());
        }
        // Written down first: what comes in by them is for a session that is known to have them.
        let mut promises = self.record(|client_id| SessionChange::Subscribed { client_id, subscriptions: &accepted });
        promises.merge(self.make_visible(now, &accepted, &new));
        (results, promises)
    }

    /// Whether subscriptions of this kind wait for a crowded log, as their retained messages go there: until this has room.
    pub fn subscribes_after(&self, brings_retained: bool) -> Option<&Arc<Intake>> {
        let intake = self.router.intake().filter(|_| brings_retained && self.mailbox.destination().is_some());
        intake.filter(|intake| intake.is_crowded())
    }

    /// Takes back what a request asked for that could not be written down: `before` says what there was. The disk may have it
    /// or not; what the client is told is what holds here.
    pub fn take_subscriptions_back(&mut self, before: Vec<(TopicFilter, Option<SubscribeOptions>)>) {
        let subscriber = self.subscriber();
        let gone: Vec<TopicFilter> =
            before.iter().filter(|(_, before)| before.is_none()).map(|(filter, _)| filter.clone()).collect();
        // If the disk takes it; nobody waits for it.
        drop(self.record(|client_id| SessionChange::Unsubscribed { client_id, filters: &gone }));
        self.router.apply(before.iter().map(|(filter, before)| match before {
            Some(options) => Change::Subscribe { mailbox: &self.mailbox, filter, options: *options },
            None => Change::Unsubscribe { subscriber, filter },
        }));
        for (filter, before) in before {
            match before {
                Some(options) => self.state.subscriptions.insert(filter, options),
                None => _ = self.state.subscriptions.remove(&filter),
            }
        }
    }

    /// The promises say when the retained messages are safe.
    fn make_visible(&self, now: Now, accepted: &[Subscription], new: &[bool]) -> Promises {
        let changes = accepted.iter().map(|Subscription { filter, options }| Change::Subscribe {
            mailbox: &self.mailbox,
            filter,
            options: *options,
        });
        if !accepted.iter().any(Subscription::may_want_retained) {
            self.router.apply(changes);
            return Promises::default();
        }
        if self.mailbox.destination().is_some() {
            let wanted = accepted.iter().zip(new).filter(|(subscription, new)| subscription.wants_retained(!**new));
            let wanted = wanted.map(|(subscription, _)| subscription);
            return self.router.replay_and_apply(now, &self.mailbox, wanted, changes);
        }
        let (existed, retained) = self.router.apply_and_look(|_| {}, changes);
        for (subscription, existed) in accepted.iter().zip(existed) {
            if subscription.wants_retained(existed) {
                drop(self.router.replay(now, &retained, subscription, &self.mailbox));
            }
        }
        Promises::default()
    }

    fn record<'a>(&'a self, change: impl FnOnce(&'a ClientId) -> SessionChange<'a>) -> Promises {
        self.lease.record(&self.mailbox, change(&self.client_id))
    }

    /// Removes the subscriptions of one request, all in one step. Returns for each whether it was there, and the
    /// promises on which the answer to the client depends. What a shared subscription left here undelivered goes to its
    /// other members; what none of them takes is still delivered here.
    pub fn unsubscribe(&mut self, filters: &[TopicFilter]) -> (Vec<bool>, Promises) {
        let subscriber = self.subscriber();
        let existed = self.router.apply(filters.iter().map(|filter| Change::Unsubscribe { subscriber, filter }));
        for filter in filters {
            if self.state.subscriptions.remove(filter) && filter.share_group().is_some() {
                self.state.offer_shared(Some(filter), &self.mailbox, &self.router, true, &self.tally);
            }
        }
        let promises = self.record(|client_id| SessionChange::Unsubscribed { client_id, filters });
        (existed, promises)
    }

    /// How the client subscribed with this filter, if it did.
    pub fn subscription(&self, filter: &TopicFilter) -> Option<SubscribeOptions> {
        self.state.subscriptions.get(filter)
    }

    /// Whether there is a subscription with this filter, and how many there are in all.
    pub fn subscription_and_count(&self, filter: &TopicFilter) -> (bool, usize) {
        (self.state.subscriptions.contains(filter), self.state.subscriptions.len())
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
        let SessionState { window, on_disk, .. } = &mut self.state;
        let may_release = || on_disk.as_ref().is_none_or(|on_disk| on_disk.may_release(|| self.mailbox.waker()));
        window.resend(in_flight_max, messages_max, may_release, out);
        let mut sent: (u64, u64) = (0, 0);
        let mut placed = None;
        let mut more = true;
        while out.len() < end {
            if self.state.staged.is_empty() {
                more = self.state.stage(&self.mailbox, end - out.len());
                out.reserve(self.state.staged.len().min(end - out.len()));
            }
            let Some(delivery) = self.state.staged.pop_front() else { break };
            if delivery.publication.expiry_left_s(now.wall) == Some(0) {
                self.tally.dropped(DropReason::Expired, 1);
                self.state.acknowledge(delivery.place.map(|place| place.ordinal));
                continue;
            }
            let payload_bytes = delivery.publication.payload.len() as u64;
            match self.state.may_send(&delivery, in_flight_max, &self.mailbox) {
                MaySend::Now if delivery.qos == QoS::AtMostOnce => {
                    if let Some(receipt) = &delivery.receipt {
                        receipt.handle_sent();
                        receipt.handle_settled(Settled::Done);
                    }
                    out.push(Outgoing::Message { slot: None, delivery, duplicate: false });
                }
                MaySend::Now => {
                    placed = delivery.place.map(|place| place.ordinal).or(placed);
                    out.push(self.state.window.send(delivery));
                }
                MaySend::Later => {
                    self.state.staged.push_front(delivery);
                    more = false;
                    break;
                }
                // Its publisher was not told that it was taken. If the disk has it, it comes when the node starts again.
                MaySend::Never => continue,
            }
            sent = (sent.0 + 1, sent.1 + payload_bytes);
        }
        if sent.0 > 0 {
            self.tally.sent(sent.0, sent.1);
        }
        if let (Some(on_disk), Some(last)) = (&self.state.on_disk, placed) {
            on_disk.note_sent(last.next());
        }
        self.note_under_way();
        (more || !self.state.staged.is_empty()) && out.len() >= end
    }

    /// The client has a QoS 1 message (PUBACK) or has finished with a QoS 2 one (PUBCOMP): its slot is free again.
    pub fn handle_delivered(&mut self, slot: Slot) -> Result<(), UnknownSlot> {
        self.complete(slot, Settled::Done)
    }

    /// The client refused a message (a reason code of 0x80 or more), or it cannot be sent at all as the client takes no
    /// packet of that size: its slot is free again. What came by a subscription is done with.
    pub fn handle_refused(&mut self, slot: Slot, refusal: Refusal) -> Result<(), UnknownSlot> {
        self.complete(slot, Settled::Refused(refusal))
    }

    fn complete(&mut self, slot: Slot, settled: Settled) -> Result<(), UnknownSlot> {
        let (place, receipt) = self.state.window.complete(slot)?;
        if let Some(receipt) = receipt {
            receipt.handle_settled(settled);
        }
        self.state.acknowledge(place);
        self.note_under_way();
        Ok(())
    }

    /// Sends deliveries of its own to this client, as a queue does.
    pub fn sender(&self) -> SessionSender {
        SessionSender::new(&self.mailbox)
    }

    /// Gives back what such senders sent and did not go out: the connection ends.
    pub fn drop_receipts(&mut self) {
        self.state.drop_receipts(&self.mailbox);
    }

    /// The client has a QoS 2 message (PUBREC): answer with PUBREL once the promises are settled. The slot stays in use
    /// until [`Session::handle_delivered`].
    pub fn handle_received(&mut self, slot: Slot) -> Result<Promises, UnknownSlot> {
        let place = self.state.window.receive(slot)?;
        let on_disk = self.state.on_disk.as_mut();
        Ok(on_disk.zip(place).map_or_else(Promises::default, |(on_disk, place)| on_disk.mark_received(place)))
    }

    /// The client has let a QoS 2 message go that it published (PUBREL): answer with PUBCOMP once the promises are
    /// settled.
    pub fn handle_released(&mut self, slot: Slot) -> Promises {
        self.state.on_disk.as_ref().map_or_else(Promises::default, |on_disk| on_disk.release(slot))
    }

    /// Tells the disk what was acknowledged: to be called when a batch of packets was read.
    pub fn settle(&mut self) {
        if let Some(on_disk) = &mut self.state.on_disk {
            on_disk.tell();
        }
    }

    /// Why the session's messages cannot be read from the disk, if so: the connection should end.
    pub fn fault(&self) -> Option<&ReadError> {
        self.state.on_disk.as_deref().and_then(OnDisk::fault)
    }

    /// Where this session lies on disk, if it does.
    pub fn destination(&self) -> Option<DestinationId> {
        self.mailbox.destination()
    }

    /// Tells those who count what the mailbox does not know.
    fn note_under_way(&self) {
        self.mailbox.set_under_way(self.state.window.len(), self.state.staged.len());
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
    /// Of a session whose messages lie on disk, as far as it was found there.
    pub(crate) fn on_disk(on_disk: OnDisk, found: &DestinationState) -> Self {
        let mut state = Self { on_disk: Some(Box::new(on_disk)), ..Self::default() };
        state.window.begin_on_disk(found.low);
        state.window.restore_received(&found.received);
        state.inbound.replace(found.inbound.iter().filter_map(|id| Slot::new(*id)));
        state
    }

    /// Takes messages to be sent next. Returns whether more wait.
    fn stage(&mut self, mailbox: &Mailbox, messages_max: usize) -> bool {
        let from = match mailbox.drain(&mut self.staged, messages_max) {
            Drained::All => return false,
            Drained::More => return true,
            Drained::OnDisk(_) if !self.staged.is_empty() => return true,
            Drained::OnDisk(from) => from,
        };
        let Some(on_disk) = &mut self.on_disk else { return false };
        on_disk.read(mailbox, from, &self.window, messages_max, &mut self.staged)
    }

    fn may_send(&self, delivery: &Delivery, in_flight_max: usize, mailbox: &Mailbox) -> MaySend {
        if delivery.qos == QoS::AtMostOnce {
            return MaySend::Now;
        }
        match &self.on_disk {
            _ if !self.window.has_room_for(delivery, in_flight_max) => MaySend::Later,
            Some(on_disk) => on_disk.may_send(delivery, || mailbox.waker()),
            None => MaySend::Now,
        }
    }

    fn drop_receipts(&mut self, mailbox: &Mailbox) {
        mailbox.drop_receipts();
        self.staged.retain(|delivery| delivery.receipt.is_none());
    }

    fn acknowledge(&mut self, place: Option<Ordinal>) {
        if let (Some(on_disk), Some(place)) = (&mut self.on_disk, place) {
            on_disk.acknowledge(place);
        }
    }

    /// The session is left alone: what lies on disk is left there.
    pub(crate) fn leave_to_disk(&mut self, mailbox: &Mailbox) {
        let Some(on_disk) = &mut self.on_disk else { return };
        on_disk.tell();
        let first = self.staged.iter().find_map(|delivery| delivery.place).map(|place| place.ordinal);
        self.staged.retain(|delivery| delivery.place.is_none());
        mailbox.leave_to_disk(first);
    }

    /// Offers what shared subscriptions, one or all, left unsent here to their other members. What nobody takes stays. Only
    /// the owner of the session may do this, so that nothing is sent here meanwhile.
    pub(crate) fn offer_shared(
        &mut self,
        only: Option<&TopicFilter>,
        mailbox: &Mailbox,
        router: &Router,
        to_absent: bool,
        tally: &Tally,
    ) {
        mailbox.drain(&mut self.staged, usize::MAX);
        self.staged
            .retain(|delivery| !(delivery.may_pass_on(only) && router.offer(delivery, mailbox, to_absent, tally)));
    }

    /// What may still be delivered by someone else, in order, when the session ends.
    pub(crate) fn abandon(&mut self) -> Vec<Delivery> {
        let mut left = self.window.abandon();
        left.extend(self.staged.drain(..));
        left
    }

    pub(crate) fn has_shares(&self) -> bool {
        self.subscriptions.filters().any(|filter| filter.share_group().is_some())
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
