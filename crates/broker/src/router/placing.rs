//! One message on its way to those who have it on disk: it is stored once for all of them, then put into their mailboxes
//! in the order in which it stands there.

use std::num::NonZeroU16;
use std::sync::Arc;

use message::{DestinationId, Publication};
use store::log::CommitPoint;
use store::spool::{AppendError, ExactlyOnce, Placed, Placement, Spool};

use super::wakes::Wakes;
use crate::delivery::{Delivery, Place};
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
    /// Whether the message was stored. If not, it reached nobody here.
    pub(super) is_taken: bool,
    /// It was not stored, but would be a little later.
    pub(super) is_too_early: bool,
    /// Those whose destination refuses it.
    pub(super) refusing: Vec<SubscriberId>,
    /// Chosen for a member of a shared subscription that has just gone or drops what is new: another member has to take them.
    pub(super) orphans: Vec<Orphan>,
}

/// A message of a shared subscription, and the member that does not get it.
pub(super) type Orphan = (Delivery, SubscriberId);

impl Placing {
    pub(super) fn add(&mut self, destination: DestinationId, mailbox: &Arc<Mailbox>, delivery: Delivery) {
        let identifiers = delivery.identifiers.as_slice().iter().map(|id| id.get()).collect();
        self.placements.push(Placement { destination, qos: delivery.qos, retain: delivery.retain, identifiers });
        self.deliveries.push((Arc::clone(mailbox), Some(delivery)));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.placements.is_empty()
    }

    /// Stores the message for all that were added, and puts it into their mailboxes.
    pub(super) fn place(
        &mut self,
        spool: &Spool,
        publication: &Publication,
        origin: Option<ExactlyOnce>,
        wakes: &mut Wakes,
    ) -> Outcome {
        let now = publication.published_at;
        self.place_with(spool, wakes, |to, placed| spool.append(now, publication, origin, to, placed))
    }

    /// The same for a retained message and one who subscribes, however much waits for the disk.
    pub(super) fn place_retained(&mut self, spool: &Spool, publication: &Publication) -> Outcome {
        let now = publication.published_at;
        self.place_with(spool, &mut Wakes::default(), |to, placed| {
            spool.append_whatever_waits(now, publication, to, placed)
        })
    }

    fn place_with(
        &mut self,
        spool: &Spool,
        wakes: &mut Wakes,
        append: impl FnOnce(&[Placement], &mut dyn FnMut(usize, Placed, CommitPoint)) -> Result<CommitPoint, AppendError>,
    ) -> Outcome {
        let mut outcome =
            Outcome { matched: u32::try_from(self.placements.len()).unwrap_or(u32::MAX), ..Outcome::default() };
        let (deliveries, collected) = (&mut self.deliveries, &mut self.collected);
        // Wakers are not called under the spool's lock.
        let held = wakes.hold();
        let appended = append(&self.placements, &mut |index, placed, point| {
            let Some((mailbox, delivery)) = deliveries.get_mut(index) else { return };
            outcome.matched -= u32::from(placed == Placed::Unknown);
            if placed == Placed::Refused {
                outcome.refusing.push(mailbox.id());
            }
            if mailbox.collector().is_some() {
                // It counts itself what it lacks room for.
                return collected.push((index, placed));
            }
            let Some(delivery) = delivery.take() else { return };
            match placed {
                Placed::At(ordinal) => {
                    mailbox.push_placed(delivery, Place { ordinal, point, was_sent: false }, wakes);
                }
                Placed::DroppedNewest | Placed::Unknown if delivery.share.is_some() => {
                    outcome.matched -= u32::from(placed != Placed::Unknown);
                    outcome.orphans.push((delivery, mailbox.id()));
                }
                Placed::DroppedNewest => outcome.dropped += 1,
                // Who refuses it is told of; whose session has just ended was one less that it matched.
                Placed::Refused | Placed::Unknown => {}
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
        match appended {
            Ok(point) => {
                outcome.is_taken = true;
                outcome.promises = Promises::commit(spool, point);
            }
            Err(error) => {
                outcome.is_too_early = matches!(error, AppendError::Full { .. }) && !spool.intake().is_stuck();
                outcome.promises.break_with(Broken::from(&error));
            }
        }
        outcome
    }
}
