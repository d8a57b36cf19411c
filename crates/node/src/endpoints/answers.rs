//! Callers that wait for the answer to their request, by the id of the request.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use flow::services::{HttpResponse, ServiceError};
use message::Text;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::clock;

/// Callers that wait. Bounded by the connections of the listener: each has one request at a time.
#[derive(Debug)]
pub(super) struct Answers {
    /// Keeps ids of an earlier run of the node from meeting a request of this one.
    run: u32,
    next: AtomicU64,
    waiting: Mutex<HashMap<u64, oneshot::Sender<HttpResponse>>>,
}

impl Default for Answers {
    fn default() -> Self {
        Self { run: clock::random_u64() as u32, next: AtomicU64::new(1), waiting: Mutex::default() }
    }
}

impl Answers {
    /// Begins to wait; the number is the caller's to give back by [`Self::forget`].
    pub(super) fn expect(&self) -> (u64, oneshot::Receiver<HttpResponse>) {
        let (sender, receiver) = oneshot::channel();
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.waiting.lock().insert(number, sender);
        (number, receiver)
    }

    /// The id that flows know a request by.
    pub(super) fn id_of(&self, number: u64) -> Text {
        Text::from(format!("{:x}-{number:x}", self.run))
    }

    /// Answers a request, once.
    pub(super) fn respond(&self, id: &str, response: HttpResponse) -> Result<(), ServiceError> {
        let sender = self.number_of(id).and_then(|number| self.waiting.lock().remove(&number));
        let sent = sender.is_some_and(|sender| sender.send(response).is_ok());
        if sent {
            return Ok(());
        }
        let id: String = id.chars().take(40).collect();
        Err(ServiceError(format!(
            "request `{id}` waits for no answer: it was answered before, has timed out, or its caller has gone"
        )))
    }

    /// Nobody will answer: the caller hears that its request has come to nothing.
    pub(super) fn abandon(&self, id: &str) {
        if let Some(number) = self.number_of(id) {
            self.forget(number);
        }
    }

    /// The caller waits no more.
    pub(super) fn forget(&self, number: u64) {
        self.waiting.lock().remove(&number);
    }

    /// Callers that wait now.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.lock().len()
    }

    fn number_of(&self, id: &str) -> Option<u64> {
        let (run, number) = id.split_once('-')?;
        if u32::from_str_radix(run, 16).ok()? != self.run {
            return None;
        }
        u64::from_str_radix(number, 16).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_answered_once_and_only_by_its_own_id() {
        let answers = Answers::default();
        let (number, mut receiver) = answers.expect();
        let id = answers.id_of(number);
        for foreign in ["", "-", "1", "x-1", &format!("{:x}-1", answers.run ^ 1)] {
            assert!(answers.respond(foreign, HttpResponse::default()).is_err(), "{foreign}");
        }
        assert!(answers.respond(&id, HttpResponse { status: 201, ..HttpResponse::default() }).is_ok());
        assert_eq!(receiver.try_recv().unwrap().status, 201);
        let error = answers.respond(&id, HttpResponse::default()).unwrap_err().to_string();
        assert!(error.contains(id.as_str()) && error.contains("answered before"), "{error}");
    }

    #[test]
    fn a_caller_that_has_gone_is_told_so() {
        let answers = Answers::default();
        let (number, receiver) = answers.expect();
        drop(receiver);
        assert!(answers.respond(&answers.id_of(number), HttpResponse::default()).is_err());
        let (number, _receiver) = answers.expect();
        answers.forget(number);
        assert!(answers.respond(&answers.id_of(number), HttpResponse::default()).is_err());
        assert_eq!(answers.waiting(), 0);
    }
}
