//! MQTT clients as readers of a stream.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use broker::{Broken, Pending, Promises, SessionSender};
use message::{DestinationId, StreamName};

use super::Position;
use super::consumers::{ConsumerError, Reader, consumer_name};
use super::group::Group;
use super::member::StreamMember;
use crate::destinations::Destinations;
use crate::destinations::client::{ClientSink, room_of};
use crate::mqtt::{Consuming, Over, ReadRefused, ReadRequest, Streams};

impl Consuming for StreamMember {
    fn over(&self) -> Option<Over> {
        self.group.over()
    }
}

/// The first place of a new cursor on its way to the disk.
struct FirstPlace(Pin<Box<dyn Future<Output = Result<(), Broken>> + Send>>);

impl FirstPlace {
    fn of(group: Arc<Group>) -> Self {
        Self(Box::pin(async move { group.saved().await.map_err(|_| Broken::NoRoom) }))
    }
}

impl std::fmt::Debug for FirstPlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FirstPlace")
    }
}

impl Pending for FirstPlace {
    fn poll_kept(&mut self, waker: &Waker) -> Poll<Result<(), Broken>> {
        self.0.as_mut().poll(&mut Context::from_waker(waker))
    }
}

impl Streams for Destinations {
    fn read(&self, request: ReadRequest<'_>, to: SessionSender) -> Result<(Box<dyn Consuming>, Promises), ReadRefused> {
        let stream = self.stream(&request.stream).ok_or_else(|| {
            let name = &request.stream;
            let absent = || format!("there is no stream `{name}`: make it with `headwater stream create {name}`");
            ReadRefused::Unknown(self.unavailable(name).unwrap_or_else(absent))
        })?;
        let refused = |error: ConsumerError| match error {
            ConsumerError::TooMany | ConsumerError::Full(_) => ReadRefused::Full(error.to_string()),
            ConsumerError::Removed => ReadRefused::Unknown(error.to_string()),
            error => ReadRefused::Impossible(error.to_string()),
        };
        let position = request.position.map_or(Ok(Position::default()), str::parse);
        let position = position.map_err(|error| refused(ConsumerError::Position(error)))?;
        let reader = match (request.group, request.session) {
            (Some(group), _) => Reader::Group(consumer_name(group).map_err(refused)?),
            (None, Some(session)) => Reader::Session(session),
            (None, None) => Reader::Alone,
        };
        let sink = Box::new(ClientSink { options: request.options, to });
        let (member, new) = stream.join(reader, position, room_of(request.in_flight_max), sink).map_err(refused)?;
        let mut promises = Promises::default();
        if let Some(group) = new {
            promises.add(Box::new(FirstPlace::of(group)));
        }
        Ok((Box::new(member), promises))
    }

    fn forget(&self, stream: &StreamName, session: DestinationId) {
        if let Some(stream) = self.stream(stream) {
            stream.forget_session(session);
        }
    }
}
