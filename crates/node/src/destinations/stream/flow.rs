//! Flows as those who append to a stream, and as readers of it.

use std::sync::Arc;
use std::task::{Context, Poll};

use flow::services::{Answer, ConsumerInbox, ReadRequest, ServiceError, StreamMessage, Streams};
use message::{Now, Publication, StreamName};
use store::table::WriteError;
use tokio::sync::mpsc;

use super::backlog::untold;
use super::consumers::{Reader, consumer_name};
use super::group::Group;
use super::member::StreamMember;
use super::{NodeStream, Position};
use crate::destinations::Destinations;
use crate::destinations::hand_out::HandedOut;

/// A reader that joins when it is first asked for messages: a version of a flow is built while the one before still reads.
struct FlowInbox {
    stream: Arc<NodeStream>,
    /// Who reads, from where; none once it has joined, or does not any more.
    joining: Option<(Reader, Position)>,
    in_flight_max: usize,
    sender: mpsc::Sender<HandedOut<Group>>,
    arriving: mpsc::Receiver<HandedOut<Group>>,
    member: Option<StreamMember>,
    /// The first place of a new cursor, on its way to the disk: nothing is read before it is there.
    saving: Option<Answer<Result<(), WriteError>>>,
}

impl FlowInbox {
    fn join(&mut self) {
        let Some((reader, position)) = self.joining.take() else { return };
        let sink = Box::new(self.sender.clone());
        match self.stream.join(reader, position, self.in_flight_max, sink) {
            Ok((member, new)) => {
                self.member = Some(member);
                self.saving = new.map(|group| Box::pin(async move { group.saved().await }) as _);
            }
            Err(error) => tracing::error!(stream = %self.stream.name(), "a flow does not get any messages: {error}"),
        }
    }

    fn poll_saved(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(saving) = &mut self.saving else { return Poll::Ready(()) };
        let Poll::Ready(saved) = saving.as_mut().poll(cx) else { return Poll::Pending };
        self.saving = None;
        if let Err(error) = saved {
            // It is tried again with every message that is read.
            tracing::warn!(stream = %self.stream.name(), "where a flow has begun to read is not saved: {error}");
        }
        Poll::Ready(())
    }
}

impl ConsumerInbox<StreamMessage> for FlowInbox {
    fn poll_take(&mut self, cx: &mut Context<'_>, room: usize, taken: &mut Vec<StreamMessage>) {
        self.join();
        if self.poll_saved(cx).is_pending() {
            return;
        }
        for _ in 0..room {
            let Poll::Ready(Some(handed)) = self.arriving.poll_recv(cx) else { return };
            taken.push(begin(handed));
        }
    }

    fn close(&mut self) {
        self.joining = None;
        if let Some(member) = &self.member {
            member.rest();
        }
        // What was not taken goes back to its place.
        while self.arriving.try_recv().is_ok() {}
    }

    fn waiting(&self) -> usize {
        self.arriving.len()
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
        let (sender, arriving) = mpsc::channel(request.in_flight_max.max(1));
        Ok(Box::new(FlowInbox {
            stream,
            joining: Some((reader, Position::Offset(from.0))),
            in_flight_max: request.in_flight_max,
            sender,
            arriving,
            member: None,
            saving: None,
        }))
    }
}
