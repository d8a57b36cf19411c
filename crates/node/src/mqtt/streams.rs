//! Clients that read streams: a subscription to `$stream/{name}`, at any QoS, or to `$share/{group}/$stream/{name}`, whose
//! members share the messages. The user property `offset` of SUBSCRIBE says where a cursor begins that is not yet known.

use std::fmt;

use broker::{Promises, SessionSender, SubscribeOptions};
use message::{DestinationId, IdError, StreamName, TopicFilter, limits};
use mqtt::ReasonCode;
use mqtt::packet::UserProperty;

use super::client::Client;
use super::consuming::{Consuming, Refused};

/// The streams that clients may read.
pub trait Streams: Send + Sync + fmt::Debug {
    /// Lets a client read a stream until the first of what this returns is dropped. The client is told once the promises
    /// are settled.
    fn read(&self, request: ReadRequest<'_>, to: SessionSender) -> Result<(Box<dyn Consuming>, Promises), ReadRefused>;

    /// The session does not go on with the stream.
    fn forget(&self, stream: &StreamName, session: DestinationId);
}

/// What a client wants of a stream.
#[derive(Debug)]
pub struct ReadRequest<'a> {
    pub stream: StreamName,
    /// The group that shares the messages.
    pub group: Option<&'a str>,
    /// The session, if it outlives the connection: its cursor does so too.
    pub session: Option<DestinationId>,
    /// Where to begin, as the client wrote it.
    pub position: Option<&'a str>,
    /// So many messages at a time.
    pub in_flight_max: usize,
    pub options: SubscribeOptions,
}

/// Why a client cannot read a stream, in words for a person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadRefused {
    #[error("{0}")]
    Unknown(String),
    #[error("{0}")]
    Full(String),
    #[error("{0}")]
    Impossible(String),
}

/// A node without streams.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoStreams;

impl Streams for NoStreams {
    fn read(
        &self,
        request: ReadRequest<'_>,
        _to: SessionSender,
    ) -> Result<(Box<dyn Consuming>, Promises), ReadRefused> {
        Err(ReadRefused::Unknown(format!("there is no stream `{}`", request.stream)))
    }

    fn forget(&self, _stream: &StreamName, _session: DestinationId) {}
}

/// What a subscription to a stream begins with, but for its group.
const PREFIX: &str = "$stream/";
/// The user property of SUBSCRIBE that says where to begin.
const OFFSET: &str = "offset";

/// The stream that a filter names, if it names one.
fn stream_of(filter: &TopicFilter) -> Option<&str> {
    filter.pattern().strip_prefix(PREFIX)
}

/// Where the user properties of a SUBSCRIBE want to begin.
pub(super) fn position(user_properties: &[UserProperty]) -> Option<&str> {
    user_properties.iter().find(|(name, _)| &**name == OFFSET).map(|(_, value)| &**value)
}

impl Client {
    /// Whether a filter names a stream.
    pub(super) fn is_of_stream(filter: &TopicFilter) -> bool {
        stream_of(filter).is_some()
    }

    /// Begins to read the stream that a filter names.
    pub(super) fn read_stream(
        &self,
        filter: &TopicFilter,
        options: SubscribeOptions,
        position: Option<&str>,
    ) -> Result<(Box<dyn Consuming>, Promises), Refused> {
        let session = self.session.as_ref().ok_or_else(Refused::without_session)?;
        let name = StreamName::parse(stream_of(filter).unwrap_or_default());
        let invalid = |error: IdError| Refused { reason: ReasonCode::TopicFilterInvalid, text: error.to_string() };
        let request = ReadRequest {
            stream: name.map_err(invalid)?,
            group: filter.share_group(),
            session: session.destination(),
            position,
            in_flight_max: usize::from(self.connection.in_flight_max()).min(limits::STREAM_MQTT_IN_FLIGHT_MAX),
            options,
        };
        self.mqtt.streams.read(request, session.sender()).map_err(|refused| {
            let reason = match refused {
                ReadRefused::Unknown(_) => ReasonCode::TopicFilterInvalid,
                ReadRefused::Full(_) => ReasonCode::QuotaExceeded,
                ReadRefused::Impossible(_) => ReasonCode::ImplementationSpecificError,
            };
            Refused { reason, text: refused.to_string() }
        })
    }

    /// The client has unsubscribed: what its session alone had read is forgotten.
    pub(super) fn forget_stream(&self, filter: &TopicFilter) {
        if filter.share_group().is_none()
            && let Some(name) = stream_of(filter).and_then(|name| StreamName::parse(name).ok())
            && let Some(session) = self.session.as_ref().and_then(broker::Session::destination)
        {
            self.mqtt.streams.forget(&name, session);
        }
    }
}
