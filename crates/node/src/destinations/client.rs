//! MQTT clients as those to whom messages of queues and streams are handed.

use std::sync::Arc;
use std::task::{Poll, Waker};

use broker::queue::{Nack, Room};
use broker::{Receipt, Refusal, SessionSender, Settled, SubscribeOptions, SubscriptionIds};
use message::limits;

use super::hand_out::{HandedOut, HandsOut, Said, Sink, Ticket};

/// How much a client has of one queue or stream at a time.
pub(super) fn room_of(messages_max: usize) -> Room {
    Room { messages_max, bytes_max: limits::CONSUMER_BYTES_MAX }
}

/// Where the messages for one client go.
#[derive(Debug)]
pub(super) struct ClientSink {
    pub(super) options: SubscribeOptions,
    pub(super) to: SessionSender,
}

impl<From: HandsOut> Sink<From> for ClientSink {
    fn deliver(&mut self, message: HandedOut<From>) -> bool {
        let HandedOut { publication, ticket } = message;
        let identifiers = SubscriptionIds::from(self.options.identifier);
        self.to.send(publication, self.options.qos, identifiers, Arc::new(ticket))
    }

    fn poll_room(&mut self, waker: &Waker) -> Poll<()> {
        self.to.poll_room(waker)
    }
}

/// Nothing comes any more: if it was not the client that left, it is to hear of it.
impl Drop for ClientSink {
    fn drop(&mut self) {
        self.to.wake();
    }
}

impl<From: HandsOut> Receipt for Ticket<From> {
    fn handle_sent(&self) {
        self.take();
    }

    fn handle_settled(&self, settled: Settled) {
        self.say(match settled {
            Settled::Done => Said::Done,
            Settled::Refused(Refusal::ForGood) => Said::Not(Nack::Reject),
            Settled::Refused(Refusal::ByThisOne) => Said::Not(Nack::PassOn),
            Settled::Refused(Refusal::ForNow) => Said::Not(Nack::Retry { delay: limits::QUEUE_MQTT_RETRY_DELAY }),
        });
    }
}
