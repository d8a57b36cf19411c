//! One client: the protocol's machine on one side, its session in the broker on the other. Pure: bytes, time and wakers
//! come in, bytes go out; the simulation drives it as the listener does.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use broker::{Claim, Ending, Outgoing, Principal, Promises, RouteCache, Routed, Session, SessionExpiry};
use bytes::BytesMut;
use message::{Moment, Now};
use mqtt::{CloseCause, Closed, ConnectRequest, Connection, Event, PublishTicket, ReasonCode};

use super::awaited::Then;
use super::consuming::Consumptions;
use super::publishes::Waiting;
use super::{End, Mqtt, queues};

/// How long a connection that has ended may take to send what is left. A peer that vanished without a word takes nothing
/// any more, and its session must not wait for it.
const LAST_WORDS_MAX: Duration = Duration::from_secs(1);

/// One client of the node.
///
/// Whoever drives it hands in what the transport brought with [`handle_bytes`](Self::handle_bytes) as long as
/// [`wants_bytes`](Self::wants_bytes), calls [`poll`](Self::poll) after that and whenever woken, sends what stands in
/// [`transmit`](Self::transmit), and ends with [`leave`](Self::leave).
pub struct Client {
    pub(super) mqtt: Arc<Mqtt>,
    pub(super) connection: Connection,
    pub(super) session: Option<Session>,
    /// The client waits for its session, which another connection may still hold.
    pub(super) claim: Option<(Claim, Box<ConnectRequest>)>,
    pub(super) principal: Principal,
    /// From the first message on that the client publishes; most are only told things.
    pub(super) routes: Option<Box<RouteCache>>,
    /// Messages that were routed and may not be acknowledged yet, in the order in which they came.
    pub(super) unsettled: VecDeque<(Routed, Option<PublishTicket>)>,
    /// One of them went into a mailbox that is full, or into a log that is crowded: until that has drained, nothing more is
    /// read.
    pub(super) is_pressed: bool,
    /// What was read and not taken, as a log that it is for is crowded. What was read after it waits behind it.
    pub(super) postponed: Option<Box<Waiting>>,
    /// What the client is told when it is on disk, in the order in which it is told.
    pub(super) awaited: VecDeque<(Promises, Then)>,
    /// The client was told that it has its session.
    pub(super) was_accepted: bool,
    /// The queues and streams that the client consumes, or waits for. Most have none.
    pub(super) consuming: Option<Box<Consumptions>>,
    pub(super) outgoing: Vec<Outgoing>,
    /// The node drains or has ended the connection: what the client publishes is left to it.
    pub(super) takes_no_more: bool,
    /// Which thread serves the client, for its figures.
    thread: usize,
    /// The other end of the transport.
    from: Option<SocketAddr>,
    closed: Option<Box<Closed>>,
    /// When what is left to transmit is given up; set when the connection has ended.
    last_words_until: Option<Moment>,
}

impl Client {
    /// A client whose transport has just been opened.
    pub fn new(mqtt: Arc<Mqtt>, now: Now) -> Self {
        Self {
            connection: Connection::new(mqtt.settings, now),
            session: None,
            claim: None,
            principal: Principal::Node,
            routes: None,
            unsettled: VecDeque::new(),
            is_pressed: false,
            postponed: None,
            awaited: VecDeque::new(),
            was_accepted: false,
            consuming: None,
            outgoing: Vec::new(),
            takes_no_more: false,
            thread: 0,
            from: None,
            closed: None,
            last_words_until: None,
            mqtt,
        }
    }

    /// Says where the client is, for people who look for it.
    pub fn connected_from(mut self, from: SocketAddr) -> Self {
        self.from = Some(from);
        self
    }

    /// Says which of several threads serves the client, so that they count apart.
    pub fn served_by(mut self, thread: usize) -> Self {
        self.thread = thread;
        self
    }

    /// Takes whole packets out of `input` and acts on them.
    pub fn handle_bytes(&mut self, now: Now, input: &mut BytesMut) {
        // Whoever gets messages of this batch is woken once, for all of them.
        self.routes().hold_wakes();
        while self.wants_bytes() {
            let more = self.connection.handle_bytes(now, input);
            self.handle_events(now);
            if !more {
                break;
            }
        }
        self.routes().release_wakes();
    }

    fn routes(&mut self) -> &mut RouteCache {
        self.routes.get_or_insert_with(|| Box::new(self.mqtt.router.route_cache()))
    }

    /// Whether more bytes can be handed in. While not, the transport need not be read: the client feels that.
    pub fn wants_bytes(&self) -> bool {
        self.connection.wants_bytes() && self.claim.is_none() && !self.is_pressed && self.postponed.is_none()
    }

    /// Goes on with what waits for the broker, and writes what the session has for the client.
    /// `waker` is called when there is more to do.
    pub fn poll(&mut self, now: Now, waker: &Waker) {
        self.poll_claim(now, waker);
        // First, as what is published by it is waited for below.
        self.poll_postponed(now, waker);
        self.poll_unsettled(waker);
        self.poll_awaited(now, waker);
        self.handle_events(now);
        self.settle_session(now);
        if let Some(session) = self.session.as_ref().filter(|_| self.closed.is_none()) {
            if session.is_taken_over() {
                self.close(now, ReasonCode::SessionTakenOver);
            } else if session.is_dismissed() {
                self.close(now, ReasonCode::QuotaExceeded);
            }
        }
        self.poll_consuming(now);
        self.write_deliveries(now);
        // What could not be read for them ends the connection now: nothing would wake it again.
        self.settle_session(now);
        self.connection.collect_traffic(self.mqtt.figures.traffic_of(self.thread));
    }

    /// Gives back the memory that only work needs. For when the transport brings nothing and takes nothing.
    pub fn rest(&mut self) {
        self.connection.rest();
        self.outgoing = Vec::new();
        if self.unsettled.is_empty() {
            self.unsettled = VecDeque::new();
        }
        if self.awaited.is_empty() {
            self.awaited = VecDeque::new();
        }
        self.routes.take_if(|routes| routes.is_unused());
    }

    /// The bytes that are to be sent; whoever drives advances them past what the transport took.
    pub fn transmit(&mut self) -> &mut BytesMut {
        self.connection.transmit()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called, and then [`poll`](Self::poll).
    pub fn poll_timeout(&self) -> Option<Moment> {
        let timeout = self.connection.poll_timeout().or(self.last_words_until);
        let look = self.consuming.as_ref().and_then(|consuming| consuming.poll_timeout());
        [timeout, look].into_iter().flatten().min()
    }

    pub fn handle_timeout(&mut self, now: Now) {
        if self.last_words_until.is_some_and(|until| until <= now.moment) {
            self.last_words_until = None;
            self.connection.transmit().clear();
        }
        if self.postponed.is_some() {
            // What the client says meanwhile is not heard.
            self.connection.handle_held_up(now);
        }
        self.connection.handle_timeout(now);
        self.handle_events(now);
    }

    /// The transport was closed or broke.
    pub fn handle_transport_lost(&mut self, now: Now) {
        self.connection.handle_transport_lost();
        self.handle_events(now);
    }

    /// Ends the connection from the node's side, at once: what waits for a crowded log, and what was read after it, is
    /// dropped. The client was not told that it was taken, and sends it again.
    pub fn close(&mut self, now: Now, reason: ReasonCode) {
        self.connection.handle_close(reason);
        if let Some(waiting) = self.postponed.take() {
            self.takes_no_more = true;
            if let Waiting::Publish(_, ticket) = *waiting {
                self.leave_untaken(ticket);
            }
        }
        self.handle_events(now);
    }

    /// Takes nothing any more that the client publishes, and acknowledges none of it, so that the client sends it again
    /// to the node's next life. What comes for the client still reaches it.
    pub fn take_no_more(&mut self) {
        self.takes_no_more = true;
        // What waits for a crowded log is not taken either.
        self.postponed = None;
    }

    /// Whether the client has not yet got, or not yet acknowledged, all that is there for it.
    pub fn awaits_deliveries(&mut self) -> bool {
        !self.connection.transmit().is_empty()
            || self.session.as_ref().is_some_and(|session| session.backlog() > 0 || session.in_flight() > 0)
    }

    /// Whether the connection has ended: what is left to transmit is to be sent, then the client leaves.
    pub fn is_closed(&self) -> bool {
        self.closed.is_some()
    }

    /// The machine, for its figures.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Hands the session back. What was not acknowledged to the client is in its store of received identifiers.
    pub fn leave(mut self, now: Now) {
        self.connection.handle_transport_lost();
        self.handle_events(now);
        self.publish_postponed(now);
        self.connection.collect_traffic(self.mqtt.figures.traffic_of(self.thread));
        let Some(mut session) = self.session.take() else { return };
        self.leave_over(&mut session);
        let will_wanted = self.closed.as_ref().is_none_or(|closed| closed.will_wanted);
        if let Some(seconds) = self.closed.as_ref().and_then(|closed| closed.session_expiry_s) {
            session.set_expiry(SessionExpiry::from_interval_s(seconds));
        }
        // What did not go out goes back first: it does not count as delivered.
        session.drop_receipts();
        self.consuming = None;
        self.mqtt.sessions.leave(now, session, if will_wanted { Ending::Lost } else { Ending::Orderly });
    }

    /// Leaves to the session what was under way with the disk.
    fn leave_over(&mut self, session: &mut Session) {
        for (mut routed, ticket) in self.unsettled.drain(..) {
            let Some(ticket) = ticket else { continue };
            if routed.poll_settled(Waker::noop()).is_ready() {
                self.connection.handle_published(ticket, super::publishes::reason(&routed));
                continue;
            }
            // The message was routed: one of QoS 2 must not be taken once more.
            session.leave_over(Some(ticket.packet_id()), routed.into_promises());
            self.connection.handle_published(ticket, ReasonCode::Success);
        }
        for (promises, then) in self.awaited.drain(..) {
            if matches!(then, Then::Release(_) | Then::Released(_)) {
                session.leave_over(None, promises);
            }
        }
        // A connection that never came to be open does not know what the session holds.
        if self.was_accepted {
            session.inbound().replace(self.connection.received().iter().copied());
        }
    }

    pub(super) fn handle_events(&mut self, now: Now) {
        while self.postponed.is_none()
            && let Some(event) = self.connection.poll_event()
        {
            match event {
                Event::Publish { publication, ticket } => self.handle_publish(now, publication, ticket),
                Event::Delivered { slot, reason } => {
                    // A slot that the session does not know was freed before; the client may say it twice.
                    let _ = self.session.as_mut().map(|session| match reason.is_error() {
                        true => session.handle_refused(slot, queues::refusal(reason)),
                        false => session.handle_delivered(slot),
                    });
                }
                Event::Received { slot } => {
                    let noted = self.session.as_mut().and_then(|session| session.handle_received(slot).ok());
                    self.once_settled(now, noted.unwrap_or_default(), Then::Release(slot));
                }
                Event::Released { packet_id } => {
                    let noted = self.session.as_mut().map(|session| session.handle_released(packet_id));
                    self.once_settled(now, noted.unwrap_or_default(), Then::Released(packet_id));
                }
                Event::Connect(request) => self.handle_connect(now, *request),
                Event::Subscribe(request) => self.handle_subscribe(now, request),
                Event::Unsubscribe(request) => self.handle_unsubscribe(now, request),
                Event::Closed(closed) => {
                    self.complain(now, &closed);
                    let was_dismissed = self.session.as_ref().is_some_and(Session::is_dismissed);
                    self.mqtt.figures.ends.count(End::of(&closed.cause, was_dismissed));
                    self.closed = Some(Box::new(closed));
                    // Nothing more goes out. What did not is given back when the session is left.
                    self.consuming.iter_mut().for_each(|consuming| consuming.rest());
                    self.last_words_until = Some(now.moment + LAST_WORDS_MAX);
                }
            }
        }
    }

    /// Tells the disk what the client has acknowledged, and ends the connection if the disk cannot be read.
    fn settle_session(&mut self, now: Now) {
        let Some(session) = &mut self.session else { return };
        session.settle();
        if let Some(fault) = session.fault()
            && self.closed.is_none()
        {
            let client = session.client_id().as_str();
            tracing::error!(client, "the messages of a session cannot be read, its client is disconnected: {fault}");
            self.close(now, ReasonCode::ImplementationSpecificError);
        }
    }

    /// Tells people of a client that broke the protocol: many clients cannot say themselves why they were disconnected.
    fn complain(&self, now: Now, closed: &Closed) {
        let CloseCause::Violation(violation) = &closed.cause else { return };
        let figures = &self.mqtt.figures;
        if figures.complaints.0.lets_through(now) {
            let client = self.connection.client_id().map(message::ClientId::as_str);
            let from = self.from.map(tracing::field::display);
            tracing::warn!(client, from, reason = %violation.reason(), "a client broke the protocol: {violation}");
        }
    }

    /// Acknowledges what has become safe meanwhile.
    fn poll_unsettled(&mut self, waker: &Waker) {
        while let Some((routed, _)) = self.unsettled.front_mut() {
            if routed.poll_settled(waker) == Poll::Pending {
                break;
            }
            if let Some((routed, Some(ticket))) = self.unsettled.pop_front() {
                self.connection.handle_published(ticket, super::publishes::reason(&routed));
            }
        }
        if self.is_pressed {
            let mut pressed = false;
            for (routed, _) in &mut self.unsettled {
                pressed |= routed.poll_released(waker).is_pending();
            }
            self.is_pressed = pressed;
        }
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("client_id", &self.connection.client_id()).finish_non_exhaustive()
    }
}
