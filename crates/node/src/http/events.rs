//! Answers that go on: server-sent events (HTML, section 9.2), an event for each message. A comment now and then keeps
//! proxies from closing a connection that is quiet, and shows the node a client that is gone.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::http::header::{ACCEPT, HeaderName, HeaderValue};
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{Stream, StreamExt};
use message::limits;
use tokio::sync::Semaphore;

use super::{Problem, Stop};

const EVENT_STREAM: &str = "text/event-stream";
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Asks nginx, and those who follow it, to pass each event on at once.
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// One event. A client that connects again says the id of the last one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StreamedEvent {
    pub(crate) id: u64,
    /// One line of JSON.
    pub(crate) data: String,
}

/// Answers that go on, a bounded number of them, until the node stops.
#[derive(Debug, Clone)]
pub(crate) struct EventStreams {
    room: Arc<Semaphore>,
    stop: Stop,
}

impl EventStreams {
    pub(crate) fn new(stop: Stop) -> Self {
        Self { room: Arc::new(Semaphore::new(limits::API_EVENT_STREAMS_MAX)), stop }
    }

    /// An answer with these events. It ends with them and with the node; they are dropped when the client is gone. No more
    /// of them are asked for than the client reads.
    pub(crate) fn answer(
        &self,
        events: impl Stream<Item = StreamedEvent> + Send + 'static,
    ) -> Result<Response, Problem> {
        self.answer_every(limits::API_EVENT_HEARTBEAT, events)
    }

    fn answer_every(
        &self,
        heartbeat: Duration,
        events: impl Stream<Item = StreamedEvent> + Send + 'static,
    ) -> Result<Response, Problem> {
        let Ok(permit) = Arc::clone(&self.room).try_acquire_owned() else { return Err(too_many()) };
        let mut stop = self.stop.clone();
        let written = events.take_until(async move { stop.stopped().await }).map(move |event| {
            let _one_of_those_that_there_is_room_for = &permit;
            Ok::<_, Infallible>(Event::default().id(event.id.to_string()).data(event.data))
        });
        let mut response = Sse::new(written).keep_alive(KeepAlive::new().interval(heartbeat)).into_response();
        response.headers_mut().insert(ACCEL_BUFFERING, HeaderValue::from_static("no"));
        Ok(response)
    }
}

fn too_many() -> Problem {
    let most = limits::API_EVENT_STREAMS_MAX;
    let detail =
        format!("the node writes {most} event streams already, which is the limit: end one, or ask without events");
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail)
}

/// Whether the client names events among what it takes.
pub(crate) fn asks_for_events(headers: &HeaderMap) -> bool {
    accepted(headers).any(|media_type| media_type.eq_ignore_ascii_case(EVENT_STREAM))
}

/// Refuses a client that takes something else only.
pub(crate) fn check_takes_events(headers: &HeaderMap) -> Result<(), Problem> {
    let takes = |media_type: &str| ["*/*", "text/*", EVENT_STREAM].iter().any(|it| it.eq_ignore_ascii_case(media_type));
    if headers.contains_key(ACCEPT) && !accepted(headers).any(takes) {
        let detail = format!("this is answered with events: ask with `Accept: {EVENT_STREAM}`");
        return Err(Problem::new(StatusCode::NOT_ACCEPTABLE, detail));
    }
    Ok(())
}

fn accepted(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let texts = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    texts.flat_map(|text| text.split(',')).map(|one| one.split(';').next().unwrap_or_default().trim())
}

/// The id of the last event that the client has, if it says one.
pub(crate) fn last_event_id(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(value) = headers.get(LAST_EVENT_ID) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    if text.is_empty() {
        return Ok(None);
    }
    let id = text.parse().map_err(|_| {
        let text: String = text.chars().take(80).collect();
        Problem::bad_request(format!("`Last-Event-ID: {text}` is the id of no event: send a number, or none"))
    })?;
    Ok(Some(id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::to_bytes;
    use futures_util::stream;
    use std::sync::atomic::{AtomicBool, Ordering};

    fn event(id: u64) -> StreamedEvent {
        StreamedEvent { id, data: format!("{{\"n\":{id}}}") }
    }

    #[tokio::test]
    async fn events_have_an_id_and_a_line_of_data_and_end_with_their_source() {
        let (_sender, stop) = Stop::new();
        let response = EventStreams::new(stop).answer(stream::iter([event(1), event(7)])).unwrap();
        assert_eq!(response.headers()["content-type"], EVENT_STREAM);
        assert_eq!(response.headers()["cache-control"], "no-cache");
        let body = to_bytes(response.into_body(), 1_000).await.unwrap();
        assert_eq!(body, "id: 1\ndata: {\"n\":1}\n\nid: 7\ndata: {\"n\":7}\n\n");
    }

    #[tokio::test]
    async fn a_quiet_stream_has_heartbeats_and_ends_when_the_node_stops() {
        let (sender, stop) = Stop::new();
        let streams = EventStreams::new(stop);
        let response = streams.answer_every(Duration::from_millis(1), stream::pending()).unwrap();
        let mut body = response.into_body().into_data_stream();
        for _ in 0..3 {
            assert!(body.next().await.unwrap().unwrap().starts_with(b":"));
        }
        sender.send_replace(true);
        while let Some(comment) = body.next().await {
            assert!(comment.unwrap().starts_with(b":"));
        }
    }

    #[tokio::test]
    async fn the_source_is_dropped_with_the_answer_which_makes_room_for_another() {
        struct Source(Arc<AtomicBool>);
        impl Drop for Source {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        let (_sender, stop) = Stop::new();
        let streams = EventStreams { room: Arc::new(Semaphore::new(1)), stop };
        let gone = Arc::new(AtomicBool::new(false));
        let source = Source(Arc::clone(&gone));
        let events = stream::poll_fn(move |_| {
            let _held = &source;
            std::task::Poll::Pending
        });
        let response = streams.answer(events).unwrap();
        let refused = streams.answer(stream::empty()).unwrap_err().into_response();
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
        drop(response);
        assert!(gone.load(Ordering::Relaxed));
        assert!(streams.answer(stream::empty()).is_ok());
    }

    #[test]
    fn what_a_client_takes_and_has_stands_in_its_head() {
        for (accept, asks, takes) in [
            (None, false, true),
            (Some("text/event-stream"), true, true),
            (Some("application/json, Text/Event-Stream;q=0.5"), true, true),
            (Some("*/*"), false, true),
            (Some("application/json"), false, false),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(accept) = accept {
                headers.insert(ACCEPT, HeaderValue::from_static(accept));
            }
            assert_eq!((asks_for_events(&headers), check_takes_events(&headers).is_ok()), (asks, takes), "{accept:?}");
        }
        for (text, id) in [("7", Some(Some(7))), ("", Some(None)), ("x", None), ("-1", None)] {
            let mut headers = HeaderMap::new();
            assert_eq!(last_event_id(&headers).ok(), Some(None));
            headers.insert(LAST_EVENT_ID, HeaderValue::from_static(text));
            assert_eq!(last_event_id(&headers).ok(), id, "{text}");
        }
    }
}
