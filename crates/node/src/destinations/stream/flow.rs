//! Flows as those who append to a stream, and as readers of it.

use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use flow::services::{Answer, ConsumerInbox, ReadRequest, ServiceError, StreamMessage, Streams};
use message::{Now, Publication, StreamName};
use store::table::WriteError;
use tokio::sync::mpsc;

use super::backlog::untold;
use super::consumers::{ConsumerError, Reader, consumer_name};
use super::group::Group;
use super::member::StreamMember;
use super::{NodeStream, Position};
use crate::destinations::Destinations;
use crate::destinations::absence::Absence;
use crate::destinations::hand_out::{ChannelSink, HandedOut};
use crate::mqtt::{Consuming as _, Over};

/// A reader that joins when it is first asked for messages: a version of a flow is built while the one before still reads.
struct FlowInbox {
    name: StreamName,
    destinations: Weak<Destinations>,
    reader: Reader,
    /// Where the flow wants to begin.
    from: Position,
    in_flight_max: usize,
    state: State,
}

/// Where a reader is in its life.
enum State {
    /// It is to begin there.
    Joining(Arc<NodeStream>, Position),
    Reading(Reading),
    /// The stream was removed, or cannot be read; it is to begin there when it is.
    Absent(Absence, Position),
    /// It has never begun, and does not any more.
    Closed,
}

struct Reading {
    /// Before the member, so that what was not taken is given back before it leaves.
    arriving: mpsc::Receiver<HandedOut<Group>>,
    member: StreamMember,
    /// The first place of a new cursor, on its way to the disk: nothing is read before it is there.
    saving: Option<Answer<Result<(), WriteError>>>,
    /// It takes no more.
    is_closed: bool,
}

impl FlowInbox {
    fn join(&self, stream: &NodeStream, place: Position) -> Result<Reading, ConsumerError> {
        let (sender, arriving) = mpsc::channel(self.in_flight_max.max(1));
        let (member, new) =
            stream.join(self.reader.clone(), place, self.in_flight_max.into(), ChannelSink::new(sender))?;
        let saving = new.map(|group| Box::pin(async move { group.saved().await }) as _);
        Ok(Reading { arriving, member, saving, is_closed: false })
    }

    /// What to read, once there is something.
    fn poll_reading(&mut self, cx: &mut Context<'_>) -> Option<&mut Reading> {
        loop {
            match std::mem::replace(&mut self.state, State::Closed) {
                State::Joining(stream, place) => match self.join(&stream, place) {
                    Ok(reading) => self.state = State::Reading(reading),
                    Err(error) => {
                        tracing::error!(stream = %self.name, "a flow does not get any messages yet: {error}");
                        self.state = State::Absent(Absence::begin(), place);
                    }
                },
                State::Absent(mut absence, place) => {
                    if absence.poll_look(cx).is_pending() {
                        self.state = State::Absent(absence, place);
                        return None;
                    }
                    self.state = self.look(absence, place);
                }
                state @ State::Reading(_) => {
                    self.state = state;
                    break;
                }
                State::Closed => return None,
            }
        }
        match &mut self.state {
            State::Reading(reading) => Some(reading),
            _ => None,
        }
    }

    /// Looks whether the stream can be read.
    fn look(&self, mut absence: Absence, place: Position) -> State {
        let name = &self.name;
        let stream = self.destinations.upgrade().and_then(|all| all.stream(name));
        let joined = match stream {
            Some(stream) => self.join(&stream, place).map_err(|error| error.to_string()),
            None => Err(format!("there is no stream `{name}`")),
        };
        match joined {
            Ok(reading) => {
                tracing::info!(stream = %name, "a flow reads a stream again that it has waited for");
                State::Reading(reading)
            }
            Err(error) => {
                absence.go_on(|| tracing::warn!(stream = %name, "a flow has nothing to read, and waits: {error}"));
                State::Absent(absence, place)
            }
        }
    }
}

impl Reading {
    fn poll_saved(&mut self, stream: &StreamName, cx: &mut Context<'_>) -> Poll<()> {
        let Some(saving) = &mut self.saving else { return Poll::Ready(()) };
        let Poll::Ready(saved) = saving.as_mut().poll(cx) else { return Poll::Pending };
        self.saving = None;
        if let Err(error) = saved {
            // It is tried again with every message that is read.
            tracing::warn!(%stream, "where a flow has begun to read is not saved: {error}");
        }
        Poll::Ready(())
    }
}

impl ConsumerInbox<StreamMessage> for FlowInbox {
    fn poll_take(&mut self, cx: &mut Context<'_>, room: usize, taken: &mut Vec<StreamMessage>) {
        let full = taken.len() + room;
        let (name, from) = (self.name.clone(), self.from);
        while taken.len() < full {
            let Some(reading) = self.poll_reading(cx) else { return };
            if reading.poll_saved(&name, cx).is_pending() {
                return;
            }
            match (reading.arriving.poll_recv(cx), reading.member.over()) {
                (Poll::Ready(Some(handed)), _) => taken.push(begin(handed)),
                (Poll::Ready(None), Some(over)) if !reading.is_closed => {
                    let place = if over == Over::Removed { Position::Earliest } else { from };
                    self.state = State::Absent(Absence::begin(), place);
                }
                _ => return,
            }
        }
    }

    fn close(&mut self) {
        match &mut self.state {
            State::Reading(reading) => {
                reading.is_closed = true;
                reading.member.rest();
                // What was not taken goes back to its place.
                while reading.arriving.try_recv().is_ok() {}
            }
            state => *state = State::Closed,
        }
    }

    fn waiting(&self) -> usize {
        match &self.state {
            State::Reading(reading) => reading.arriving.len(),
            _ => 0,
        }
    }
}

/// The message for an itinerary, which says at its end what became of it.
fn begin(handed: HandedOut<Group>) -> StreamMessage {
    let (publication, delivery, receipt) = handed.begin();
    let (publication, appended_at, missing) = untold(Arc::unwrap_or_clone(publication));
    let appended_at = appended_at.unwrap_or(publication.published_at);
    let offset = delivery.offset().0;
    StreamMessage { publication: Arc::new(publication), offset, appended_at, missing, receipt }
}

impl Destinations {
    fn stream_of_flow(&self, stream: &StreamName) -> Result<Arc<NodeStream>, ServiceError> {
        self.stream(stream).ok_or_else(|| {
            ServiceError(format!("there is no stream `{stream}`: make it with `headwater stream create {stream}`"))
        })
    }
}

impl Streams for Destinations {
    fn append(
        &self,
        now: Now,
        stream: &StreamName,
        publication: Publication,
    ) -> Result<Answer<Result<(), ServiceError>>, ServiceError> {
        let stream = self.stream_of_flow(stream)?;
        let brought = stream.bring(now, publication);
        Ok(Box::pin(async move { brought.await.map(|_| ()).map_err(|error| ServiceError(error.to_string())) }))
    }

    fn read(
        &self,
        stream: &StreamName,
        request: ReadRequest,
    ) -> Result<Box<dyn ConsumerInbox<StreamMessage>>, ServiceError> {
        let stream = self.stream_of_flow(stream)?;
        let reader = match &request.consumer {
            Some(name) => consumer_name(name.as_str()).map(Reader::Group),
            None => Ok(Reader::Alone),
        };
        let reader = reader.map_err(|error| ServiceError(error.to_string()))?;
        // As it is now, so that it misses nothing until it joins.
        let from = stream.offset_of(request.from).map_err(|error| ServiceError(error.to_string()))?;
        Ok(Box::new(FlowInbox {
            name: stream.name().clone(),
            destinations: self.me.clone(),
            reader,
            from: request.from,
            in_flight_max: request.in_flight_max,
            state: State::Joining(stream, Position::Offset(from.0)),
        }))
    }
}
