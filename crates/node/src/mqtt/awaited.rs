//! What the client is told once it is on disk: that it has its session, its subscriptions, how far a QoS 2 handshake is.

use std::num::NonZeroU16;
use std::task::{Poll, Waker};

use broker::{Broken, Promises, Slot, SubscribeOptions};
use message::{Now, TopicFilter};
use mqtt::{Accept, ReasonCode, SubscribeTicket, UnsubscribeTicket};

use super::client::Client;

/// What to tell.
#[derive(Debug)]
pub(super) enum Then {
    Accept(Box<Accept>),
    /// The last is what the filters of the request stood for before it.
    Subscribed(SubscribeTicket, Vec<ReasonCode>, Vec<(TopicFilter, Option<SubscribeOptions>)>),
    Unsubscribed(UnsubscribeTicket, Vec<ReasonCode>),
    /// The client has a message of QoS 2: let it go.
    Release(Slot),
    /// The client has let a message of QoS 2 go.
    Released(NonZeroU16),
}

impl Client {
    /// Tells the client when the promises are settled, in the order of these calls.
    pub(super) fn once_settled(&mut self, now: Now, promises: Promises, then: Then) {
        // What earlier connections left over is asked for where the session is polled.
        let opens = matches!(then, Then::Accept(_));
        if !opens && self.awaited.is_empty() && promises.are_settled() {
            self.tell(now, promises.broken(), then);
        } else {
            self.awaited.push_back((promises, then));
        }
    }

    pub(super) fn poll_awaited(&mut self, now: Now, waker: &Waker) {
        while let Some((promises, _)) = self.awaited.front_mut() {
            // Both are asked, so that the waker is called for either.
            let kept = promises.poll_settled(waker);
            let session = self.session.as_mut().filter(|_| !self.was_accepted);
            let left_over = session.map_or(Poll::Ready(Ok(())), |session| session.poll_left_over(waker));
            let (Poll::Ready(()), Poll::Ready(left_over)) = (kept, left_over) else { return };
            if let Some((promises, then)) = self.awaited.pop_front() {
                self.tell(now, promises.broken().or(left_over.err()), then);
            }
        }
    }

    fn tell(&mut self, now: Now, broken: Option<Broken>, mut then: Then) {
        let refusal = broken.map(reason_of);
        if let (Then::Subscribed(_, _, before), Some(_)) = (&mut then, refusal) {
            self.take_subscriptions_back(std::mem::take(before));
        }
        let connection = &mut self.connection;
        match (then, refusal) {
            (Then::Accept(mut accept), None) => {
                accept.received =
                    self.session.as_mut().map(|session| session.inbound().iter().collect()).unwrap_or_default();
                self.was_accepted = true;
                connection.handle_accepted(now, *accept);
            }
            (Then::Accept(_), Some(reason)) => connection.handle_refused(reason),
            (Then::Subscribed(ticket, answers, _), refusal) => {
                connection.handle_subscribed(ticket, &or_refused(answers, refusal));
            }
            (Then::Unsubscribed(ticket, answers), refusal) => {
                connection.handle_unsubscribed(ticket, &or_refused(answers, refusal));
            }
            (Then::Release(slot), None) => connection.handle_release(slot),
            (Then::Released(packet_id), None) => connection.handle_released(packet_id),
            // Where a handshake is, nobody can say any more: it goes on when the node has started again.
            (Then::Release(_) | Then::Released(_), Some(reason)) => connection.handle_close(reason),
        }
    }
}

fn or_refused(answers: Vec<ReasonCode>, refusal: Option<ReasonCode>) -> Vec<ReasonCode> {
    match refusal {
        Some(reason) => answers.into_iter().map(|answer| if answer.is_error() { answer } else { reason }).collect(),
        None => answers,
    }
}

/// What the client is told of a promise that was broken.
pub(super) fn reason_of(broken: Broken) -> ReasonCode {
    match broken {
        Broken::NoRoom => ReasonCode::QuotaExceeded,
        Broken::Failed => ReasonCode::ImplementationSpecificError,
    }
}
