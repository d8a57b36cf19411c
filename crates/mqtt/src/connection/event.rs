//! What a connection tells its driver, and the tickets by which the driver answers.

use std::num::NonZeroU16;

use bytes::Bytes;
use bytestring::ByteString;
use message::{ClientId, Publication, TopicFilter};

use super::Violation;
use crate::packet::{ReasonCode, SubscribeOptions, UserProperty, Version, Will};

/// Something that the driver has to act on.
#[derive(Debug)]
pub enum Event {
    /// The client asks for a session. Answer with [`handle_accepted`](super::Connection::handle_accepted) or
    /// [`handle_refused`](super::Connection::handle_refused); nothing more is read until then.
    Connect(Box<ConnectRequest>),
    /// The client published a message. With a ticket (QoS 1 and 2), answer by
    /// [`handle_published`](super::Connection::handle_published) once the message is safe, in any order and at any
    /// time: the acknowledgements leave in the order in which the messages came.
    Publish { publication: Publication, ticket: Option<PublishTicket> },
    /// Answer with [`handle_subscribed`](super::Connection::handle_subscribed).
    Subscribe(SubscribeRequest),
    /// Answer with [`handle_unsubscribed`](super::Connection::handle_unsubscribed).
    Unsubscribe(UnsubscribeRequest),
    /// A QoS 1 or 2 delivery has ended, and its slot is free: the client has it, or refused it with an error.
    Delivered { slot: NonZeroU16, reason: ReasonCode },
    /// The client has a QoS 2 delivery: from now on only its release may be repeated, never the message. Answer with
    /// [`handle_release`](super::Connection::handle_release) once that is noted where it lasts.
    Received { slot: NonZeroU16 },
    /// The client has released a QoS 2 message that it published: from now on its identifier stands for a new message.
    /// Answer with [`handle_released`](super::Connection::handle_released) once that is noted where it lasts.
    Released { packet_id: NonZeroU16 },
    /// The last event. Send what is left to transmit, then close the transport.
    Closed(Closed),
}

/// What CONNECT asks for, the same for both versions.
#[derive(Debug, Clone, PartialEq)]
pub struct ConnectRequest {
    pub version: Version,
    /// `None`: the client wants one to be assigned.
    pub client_id: Option<ClientId>,
    /// Any session that exists shall be thrown away.
    pub clean_start: bool,
    /// Seconds that the session outlives the connection; 0: not at all; `u32::MAX`: for ever.
    pub session_expiry_s: u32,
    pub keep_alive_s: u16,
    pub user_name: Option<ByteString>,
    pub password: Option<Bytes>,
    pub will: Option<Will>,
    pub user_properties: Vec<UserProperty>,
}

/// Stands for one QoS 1 or 2 message that waits for its answer.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "the client waits for the acknowledgement"]
pub struct PublishTicket {
    pub(super) number: u64,
    pub(super) packet_id: NonZeroU16,
}

impl PublishTicket {
    /// By which a QoS 2 message is known if it is sent again, also after a crash.
    pub fn packet_id(&self) -> NonZeroU16 {
        self.packet_id
    }
}

/// Asks for subscriptions. Filters that are no topic filters are refused already and are not listed.
#[derive(Debug)]
pub struct SubscribeRequest {
    pub ticket: SubscribeTicket,
    /// The number that the client gives to these subscriptions: 1 to 268,435,455.
    pub subscription_id: Option<u32>,
    pub filters: Vec<RequestedFilter>,
    pub user_properties: Vec<UserProperty>,
}

/// One filter of a [`SubscribeRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestedFilter {
    pub filter: TopicFilter,
    pub options: SubscribeOptions,
}

/// Asks for the end of subscriptions. Filters that are no topic filters are answered already and are not listed.
#[derive(Debug)]
pub struct UnsubscribeRequest {
    pub ticket: UnsubscribeTicket,
    pub filters: Vec<TopicFilter>,
}

/// Stands for one SUBSCRIBE that waits for its answer.
#[derive(Debug)]
#[must_use = "the client waits for the acknowledgement"]
pub struct SubscribeTicket(pub(super) RequestTicket);

/// Stands for one UNSUBSCRIBE that waits for its answer.
#[derive(Debug)]
#[must_use = "the client waits for the acknowledgement"]
pub struct UnsubscribeTicket(pub(super) RequestTicket);

/// The packet to answer, and for each of its filters the answer if it is known already.
#[derive(Debug)]
pub(super) struct RequestTicket {
    pub(super) packet_id: NonZeroU16,
    pub(super) reasons: Vec<Option<ReasonCode>>,
    /// What a person is told of a refusal.
    pub(super) explanation: Option<ByteString>,
}

impl SubscribeTicket {
    /// Adds words for a person to the answer, if the client wants them. The first ones stay.
    pub fn explain(&mut self, text: impl Into<ByteString>) {
        self.0.explanation.get_or_insert_with(|| text.into());
    }
}

/// How a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    pub cause: CloseCause,
    /// Whether the will, if there is one, is to be published: not after a normal DISCONNECT.
    pub will_wanted: bool,
    /// Seconds that the session shall outlive the connection, if the client changed its mind when it left.
    pub session_expiry_s: Option<u32>,
}

/// Why a connection ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CloseCause {
    #[error("the client disconnected: {0}")]
    ByClient(ReasonCode),
    #[error("the transport was lost")]
    TransportLost,
    #[error("the client broke the protocol: {0}")]
    Violation(#[from] Violation),
    #[error("the client was not accepted in time")]
    ConnectDeadline,
    #[error("nothing was heard of the client for one and a half times its keep alive")]
    KeepAliveTimeout,
    #[error("the node ended the connection: {0}")]
    ByServer(ReasonCode),
}
