//! A stream read as events: what is there, then what comes.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use ::message::limits;
use axum::http::HeaderMap;
use axum::response::Response;
use futures_util::stream::{Stream, unfold};
use store::stream::Offset;

use super::messages::StreamMessage;
use crate::api::ApiState;
use crate::destinations::{NodeStream, Position};
use crate::http::{Problem, StreamedEvent, last_event_id};

/// How often a reader that waits looks whether the stream is there.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Where one reader is.
struct Reading {
    api: ApiState,
    stream: Arc<NodeStream>,
    from: Offset,
    /// Read and not written yet, no more than a page.
    read: VecDeque<StreamMessage>,
}

/// Answers with events from a place on, or behind the last event that the client has.
pub(super) fn events(
    api: &ApiState,
    stream: Arc<NodeStream>,
    position: Position,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let position = last_event_id(headers)?.map_or(position, |last| Position::Offset(last.saturating_add(1)));
    let from = stream.offset_of(position).map_err(Problem::internal)?;
    let reading = Reading { api: api.clone(), stream, from, read: VecDeque::new() };
    api.event_streams.answer(reading.into_events())
}

impl Reading {
    fn into_events(self) -> impl Stream<Item = StreamedEvent> + Send {
        unfold(self, |mut reading| async move {
            let message = reading.next().await?;
            let event = StreamedEvent {
                id: message.offset,
                // Nothing in it has a form that cannot be written.
                data: serde_json::to_string(&message).unwrap_or_default(),
            };
            Some((event, reading))
        })
    }

    /// The next message; none when the stream is gone, or its disk fails.
    async fn next(&mut self) -> Option<StreamMessage> {
        loop {
            if let Some(message) = self.read.pop_front() {
                return Some(message);
            }
            let page = self.stream.read(self.from, limits::API_PAGE_MESSAGES, limits::STREAM_PAGE_BYTES_MAX);
            let (messages, read_on) = page
                .inspect_err(|error| tracing::error!(stream = %self.stream.name(), "a reader was ended: {error}"))
                .ok()?;
            self.from = read_on.from;
            self.read.extend(messages.iter().map(StreamMessage::from));
            if self.read.is_empty() && !read_on.more {
                self.await_more().await?;
            }
        }
    }

    async fn await_more(&self) -> Option<()> {
        loop {
            match tokio::time::timeout(LOOK_EVERY, self.stream.readable(self.from)).await {
                Ok(readable) => return readable.ok(),
                Err(_) if self.is_there() => {}
                Err(_) => return None,
            }
        }
    }

    fn is_there(&self) -> bool {
        let known = self.api.destinations.stream(self.stream.name());
        known.is_some_and(|known| Arc::ptr_eq(&known, &self.stream))
    }
}
