//! The part of a session that outlives the process: what comes with QoS 1 and 2 lies on disk until it is acknowledged,
//! and so does how far its QoS 2 handshakes are.

use std::collections::VecDeque;
use std::num::{NonZeroU16, NonZeroU32};
use std::sync::Arc;
use std::task::{Poll, Waker};

use message::{DestinationId, QoS, TopicFilter, limits};
use store::log::CommitPoint;
use store::spool::{Ordinal, ReadError, Spool, Spooled};

use super::window::Window;
use crate::delivery::{Delivery, Place};
use crate::mailbox::Mailbox;
use crate::promise::Promises;
use crate::share::Share;
use crate::subscription::SubscriptionIds;

/// A session's place on disk.
#[derive(Debug)]
pub(crate) struct OnDisk {
    pub(crate) spool: Spool,
    pub(crate) destination: DestinationId,
    /// Acknowledged since the disk was told.
    acknowledged: Vec<Ordinal>,
    /// Read and not yet made deliveries of; empty between two calls.
    read: Vec<Spooled>,
    fault: Option<ReadError>,
    /// Reached when every PUBREC that came is noted.
    received: CommitPoint,
}

/// Whether something may go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MaySend {
    Now,
    Later,
    /// The disk failed before it was safe.
    Never,
}

impl OnDisk {
    pub(crate) fn new(spool: Spool, destination: DestinationId) -> Self {
        Self {
            spool,
            destination,
            acknowledged: Vec::new(),
            read: Vec::new(),
            fault: None,
            received: CommitPoint::REACHED,
        }
    }

    /// A message needs no place any more. The disk is told of many at once.
    pub(super) fn acknowledge(&mut self, ordinal: Ordinal) {
        self.acknowledged.push(ordinal);
        if self.acknowledged.len() >= limits::SESSION_ACKNOWLEDGEMENTS_HELD_MAX {
            self.tell();
        }
    }

    /// Tells the disk what was acknowledged.
    pub(super) fn tell(&mut self) {
        if !self.acknowledged.is_empty() {
            self.spool.acknowledge(self.destination, &self.acknowledged);
            self.acknowledged.clear();
        }
    }

    /// The promise that a PUBREC is noted.
    pub(super) fn mark_received(&mut self, ordinal: Ordinal) -> Promises {
        let point = self.spool.mark_received(self.destination, ordinal);
        self.received = self.received.join(point);
        Promises::commit(&self.spool, point)
    }

    /// Whether PUBREL may be repeated: not before the PUBREC is noted, however the connection ended that brought it. If not,
    /// `waker` is called when it may.
    pub(super) fn may_release(&self, waker: impl FnOnce() -> Option<Waker>) -> bool {
        self.is_reached(self.received, waker) == MaySend::Now
    }

    fn is_reached(&self, point: CommitPoint, waker: impl FnOnce() -> Option<Waker>) -> MaySend {
        if self.spool.committed(point) {
            return MaySend::Now;
        }
        match waker().map_or(Poll::Pending, |waker| self.spool.poll_committed(point, &waker)) {
            Poll::Ready(Ok(())) => MaySend::Now,
            Poll::Ready(Err(_)) => MaySend::Never,
            Poll::Pending => MaySend::Later,
        }
    }

    /// The promise that the identifier of a message from this client is free again.
    pub(super) fn release(&self, packet_id: NonZeroU16) -> Promises {
        Promises::commit(&self.spool, self.spool.release(self.destination, packet_id))
    }

    /// Whether this message may be sent: one of QoS 2 not before it is safe, as it would come a second time after a
    /// crash. If not yet, `waker` is called when it may.
    pub(super) fn may_send(&self, delivery: &Delivery, waker: impl FnOnce() -> Option<Waker>) -> MaySend {
        match delivery.place.filter(|_| delivery.qos == QoS::ExactlyOnce) {
            Some(place) => self.is_reached(place.point, waker),
            None => MaySend::Now,
        }
    }

    /// Messages below this place may have been sent.
    pub(super) fn note_sent(&self, below: Ordinal) {
        self.spool.sent(self.destination, below);
    }

    /// Reads what is not in the mailbox from `from` on, without what is under way. Returns whether more is there.
    pub(super) fn read(
        &mut self,
        mailbox: &Mailbox,
        mut from: Ordinal,
        window: &Window,
        messages_max: usize,
        staged: &mut VecDeque<Delivery>,
    ) -> bool {
        loop {
            let read =
                self.spool.read(self.destination, from, messages_max, limits::SESSION_READ_BYTES_MAX, &mut self.read);
            let read_on = match read {
                Ok(read_on) => read_on,
                Err(error) => {
                    self.fault.get_or_insert(error);
                    return false;
                }
            };
            staged
                .extend(self.read.drain(..).filter(|one| !window.holds(one.ordinal)).map(|one| delivery_of(one, None)));
            let more = mailbox.read_up_to(read_on.from);
            if !more || !staged.is_empty() {
                return more;
            }
            if read_on.from <= from {
                // Nothing is there yet that could be read.
                return false;
            }
            from = read_on.from;
        }
    }

    /// Why the session's messages cannot be read, if so.
    pub(super) fn fault(&self) -> Option<&ReadError> {
        self.fault.as_ref()
    }

    /// Starts afresh with the next connection.
    pub(super) fn forget_fault(&mut self) {
        self.fault = None;
    }
}

/// A message as it was found on disk. By which shared subscription it came, if by one, is not written there.
pub(crate) fn delivery_of(spooled: Spooled, shared: Option<TopicFilter>) -> Delivery {
    let Spooled { ordinal, point, publication, qos, retain, identifiers, was_sent } = spooled;
    let ids: Vec<NonZeroU32> = identifiers.into_iter().filter_map(NonZeroU32::new).collect();
    Delivery {
        weight_bytes: Delivery::weight_of(&publication),
        publication: Arc::new(publication),
        qos,
        retain,
        identifiers: SubscriptionIds::from(ids),
        share: shared.map(|filter| Arc::new(Share::new(filter))),
        place: Some(Place { ordinal, point, was_sent }),
        receipt: None,
    }
}
