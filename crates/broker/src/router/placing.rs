//! One message on its way to those who have it on disk: it is stored once for all of them, then put into their mailboxes
//! in the order in which it stands there.

use std::num::NonZeroU16;
use std::sync::Arc;

use message::{DestinationId, Publication};
use store::log::CommitPoint;
use store::spool::{AppendError, Placed, Placement, Spool};

use super::wakes::Wakes;
use crate::counters::Tally;
use crate::delivery::{Delivery, DropReason, Place};
use crate::mailbox::Mailbox;
use crate::promise::{Broken, Promises};
use crate::subscription::SubscriberId;

/// Who publishes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Origin {
    /// The publisher's own mailbox, if it has one: for "no local".
    pub subscriber: Option<SubscriberId>,
    /// The publisher's session on disk and the packet identifier of its QoS 2 message: both are stored with the message,
    /// so that it is known if it comes again after a crash.
    pub exactly_once: Option<(DestinationId, NonZeroU16)>,
}

impl From<Option<SubscriberId>> for Origin {
    fn from(subscriber: Option<SubscriberId>) -> Self {
        Self { subscriber, exactly_once: None }
    }
}

/// What one publisher places at a time. Kept between messages for its memory.
#[derive(Debug, Default)]
pub(super) struct Placing {
    placements: Vec<Placement>,
    deliveries: Vec<(Arc<Mailbox>, Option<Delivery>)>,
    collected: Vec<(usize, Placed)>,
}

/// What became of it.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) matched: u32,
    pub(super) dropped: u32,
    pub(super) promises: Promises,
    /// Chosen for a member of a shared subscription whose session has just ended: another member has to take them.
    pub(super) orphans: Vec<Delivery>,
}

impl Placing {
    pub(super) fn add(&mut self, destination: DestinationId, mailbox: &Arc<Mailbox>, delivery: Delivery) {
        let identifiers = delivery.identifiers.as_slice().iter().map(|id| id.get()).collect();
        self.placements.push(Placement { destination, qos: delivery.qos, retain: delivery.retain, identifiers });
        self.deliveries.push((Arc::clone(mailbox), Some(delivery)));
    }

    /// Stores the message for all that were added, and puts it into their mailboxes.
    pub(super) fn place(
        &mut self,
        spool: &Spool,
        publication: &Publication,
        origin: Option<(DestinationId, NonZeroU16)>,
        tally: &Tally,
        wakes: &mut Wakes,
    ) -> Outcome {
        let mut outcome =
            Outcome { matched: u32::try_from(self.placements.len()).unwrap_or(u32::MAX), ..Outcome::default() };
        let (deliveries, collected) = (&mut self.deliveries, &mut self.collected);
        let (mut refused, mut refused_here, mut unknown) = (0_usize, 0_u64, 0_u32);
        // Wakers are not called under the spool's lock.
        let held = wakes.hold();
        let appended =
            spool.append(publication.published_at, publication, origin, &self.placements, |index, placed, point| {
                if deliveries.get(index).is_some_and(|(mailbox, _)| mailbox.collector().is_some()) {
                    // It counts itself what it lacks room for.
                    refused += usize::from(placed == Placed::Refused);
                    unknown += u32::from(placed == Placed::Unknown);
                    return collected.push((index, placed));
                }
                match placed {
                    Placed::At(ordinal) => push(deliveries, index, Place { ordinal, point, was_sent: false }, wakes),
                    Placed::DroppedNewest => outcome.dropped += 1,
                    Placed::Refused => refused_here += 1,
                    // Its session has just ended: the message matched one less.
                    Placed::Unknown => {
                        unknown += 1;
                        let delivery = deliveries.get_mut(index).and_then(|(_, delivery)| delivery.take());
                        outcome.orphans.extend(delivery.filter(|delivery| delivery.share.is_some()));
                    }
                }
            });
        wakes.restore(held);
        for (index, placed) in self.collected.drain(..) {
            if let Some(collector) = self.deliveries.get(index).and_then(|(mailbox, _)| mailbox.collector()) {
                collector.handle_placed(placed);
            }
        }
        self.placements.clear();
        self.deliveries.clear();
        tally.dropped(DropReason::Overflow, u64::from(outcome.dropped) + refused_here);
        outcome.matched -= unknown;
        let is_refused = refused > 0 || refused_here > 0;
        if let (Ok(_), Some((publisher, packet_id)), true) = (&appended, origin, is_refused) {
            // Its publisher is told so, and may use the packet identifier for another message.
            spool.release(publisher, packet_id);
        }
        outcome.promises = promises(spool, appended, is_refused);
        outcome
    }
}

fn push(deliveries: &mut [(Arc<Mailbox>, Option<Delivery>)], index: usize, place: Place, wakes: &mut Wakes) {
    if let Some((mailbox, delivery)) = deliveries.get_mut(index)
        && let Some(delivery) = delivery.take()
    {
        mailbox.push_placed(delivery, place, wakes);
    }
}

fn promises(spool: &Spool, appended: Result<CommitPoint, AppendError>, refused: bool) -> Promises {
    let mut promises = match &appended {
        Ok(point) => Promises::commit(spool, *point),
        Err(_) => Promises::default(),
    };
    if let Err(error) = &appended {
        promises.break_with(Broken::from(error));
    } else if refused {
        promises.break_with(Broken::NoRoom);
    }
    promises
}
