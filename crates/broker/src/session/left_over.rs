//! Promises that were not kept yet when a connection ended. The next one begins when they are: a handshake that went on
//! from a state that a crash takes back would lose a message, or bring one twice.

use std::task::{Poll, Waker};

use super::Session;
use crate::promise::{Broken, Promises};
use crate::session::outgoing::Slot;

/// One of them.
#[derive(Debug)]
pub(super) struct LeftOver {
    /// The QoS 2 message from the client that it is for, or a step of a handshake.
    message: Option<Slot>,
    promises: Promises,
}

impl Session {
    /// Leaves a promise to the next connection: for a message of QoS 2 that was routed and not acknowledged, or for a
    /// step of a handshake.
    pub fn leave_over(&mut self, message: Option<Slot>, promises: Promises) {
        self.state.left_over.push(LeftOver { message, promises });
    }

    /// Ready when nothing is left over from earlier connections; if not, `waker` is called when it is worth asking again.
    /// A message whose promise was broken is forgotten, so that the client's next attempt counts. Of a step, nobody can say
    /// any more whether it was taken: the session cannot go on in this process.
    pub fn poll_left_over(&mut self, waker: &Waker) -> Poll<Result<(), Broken>> {
        let mut broken = None;
        let mut waits = false;
        let inbound = &mut self.state.inbound;
        self.state.left_over.retain_mut(|LeftOver { message, promises }| {
            if promises.poll_settled(waker).is_pending() {
                waits = true;
                return true;
            }
            match (promises.broken(), *message) {
                (None, _) => false,
                (Some(_), Some(slot)) => {
                    inbound.remove(slot);
                    false
                }
                (Some(why), None) => {
                    broken.get_or_insert(why);
                    true
                }
            }
        });
        if waits { Poll::Pending } else { Poll::Ready(broken.map_or(Ok(()), Err)) }
    }
}
