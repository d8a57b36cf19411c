//! Messages that one member of a shared subscription did not deliver: another member takes them (MQTT 5.0 section 4.8.2).

use std::sync::Arc;

use message::{QoS, limits};

use super::fan_out::choose;
use super::placing::Placing;
use super::{Router, Wakes};
use crate::counters::Tally;
use crate::delivery::{Delivery, DropReason};
use crate::mailbox::{Mailbox, Pushed};
use crate::promise::{Broken, Promises};
use crate::subscription::SubscriberId;
use crate::tree::Target;

/// One member of a group as the tree has it.
type Member<'t> = Target<&'t Arc<Mailbox>>;

/// How many members of a group are asked to take one message.
pub(super) const MEMBERS_ASKED_MAX: usize = 64;

/// Why no member took a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Untaken {
    /// There is no other.
    Alone,
    /// Those that there are have no room.
    NoRoom,
}

impl Router {
    /// Gives what one member of shared subscriptions did not deliver, and never will, to other members.
    pub(crate) fn pass_on(&self, deliveries: Vec<Delivery>, leaving: Option<SubscriberId>, tally: &Tally) {
        for delivery in deliveries.into_iter().filter(|delivery| delivery.qos > QoS::AtMostOnce) {
            if self.hand_on(&delivery, leaving, |_| true, tally).err() == Some(Untaken::NoRoom) {
                tally.dropped(DropReason::Overflow, 1);
            }
        }
    }

    /// Offers a message that waits for one member, unsent, to the others. Whether one took it: if not, it goes on waiting.
    pub(crate) fn offer(&self, delivery: &Delivery, owner: &Mailbox, to_absent: bool, tally: &Tally) -> bool {
        let may_take = |member: &Member<'_>| to_absent || member.mailbox().is_attended();
        let taken = self.hand_on(delivery, Some(owner.id()), may_take, tally).is_ok();
        if let (true, Some(spool), Some(destination), Some(place)) =
            (taken, &self.spool, owner.destination(), delivery.place)
        {
            // In this order: a crash that comes between the two brings the message to both, never to neither.
            spool.acknowledge(destination, &[place.ordinal]);
        }
        taken
    }

    /// Gives a message to a member that may take it and has room. The promises say when it is safe there.
    pub(super) fn hand_on(
        &self,
        delivery: &Delivery,
        leaving: Option<SubscriberId>,
        may_take: impl Fn(&Member<'_>) -> bool,
        tally: &Tally,
    ) -> Result<Promises, Untaken> {
        let Some(share) = &delivery.share else { return Err(Untaken::Alone) };
        let mut asked: Vec<SubscriberId> = leaving.into_iter().collect();
        let mut untaken = Untaken::Alone;
        for _ in 0..MEMBERS_ASKED_MAX {
            let tree = self.tree.load();
            let Some(group) = tree.group(&share.filter) else { break };
            let is_left = |member: &Member<'_>| may_take(member) && !asked.contains(&member.subscriber);
            let Some(member) = choose(&group, is_left) else { break };
            match self.hand_to(member, delivery, tally) {
                Ok(promises) => return Ok(promises),
                Err(Untaken::NoRoom) => untaken = Untaken::NoRoom,
                Err(Untaken::Alone) => {}
            }
            asked.push(member.subscriber);
        }
        Err(untaken)
    }

    /// `Alone` when the member has just gone.
    fn hand_to(&self, member: &Member<'_>, delivery: &Delivery, tally: &Tally) -> Result<Promises, Untaken> {
        let delivery = Delivery {
            qos: delivery.publication.qos.min(member.grant.qos),
            identifiers: member.grant.identifiers.clone(),
            place: None,
            receipt: None,
            ..delivery.clone()
        };
        if let Some(placed) = self.place_one(member.mailbox(), &delivery) {
            return placed;
        }
        match member.mailbox().push(delivery) {
            Pushed::Accepted | Pushed::Pressing => Ok(Promises::default()),
            Pushed::Replacing(others) => {
                tally.dropped(DropReason::Overflow, u64::from(others));
                Ok(Promises::default())
            }
            Pushed::Dropped(_) => Err(Untaken::NoRoom),
            Pushed::Closed => Err(Untaken::Alone),
        }
    }

    /// Stores a message for one subscriber, if its messages of this quality lie on disk.
    pub(super) fn place_one(&self, mailbox: &Arc<Mailbox>, delivery: &Delivery) -> Option<Result<Promises, Untaken>> {
        let spool = self.spool.as_ref().filter(|_| delivery.qos > QoS::AtMostOnce)?;
        let mut placing = Placing::default();
        placing.add(mailbox.destination()?, mailbox, delivery.clone());
        let outcome = placing.place(spool, &delivery.publication, None, &mut Wakes::default());
        Some(if !outcome.is_taken || outcome.dropped > 0 {
            Err(Untaken::NoRoom)
        } else if outcome.matched == 0 {
            Err(Untaken::Alone)
        } else {
            Ok(outcome.promises)
        })
    }

    /// Takes those that lie on disk out of the retained messages for one who subscribes, and stores them: all, or none and
    /// the promises are broken. As a subscription cannot get one half now and the other later, what waits for the disk may
    /// grow by as much as is retained.
    pub(super) fn place_retained(&self, mailbox: &Arc<Mailbox>, found: &mut Vec<Delivery>) -> Promises {
        let mut promises = Promises::default();
        let Some((spool, destination)) = self.spool.as_ref().zip(mailbox.destination()) else { return promises };
        let on_disk: Vec<Delivery> = found.extract_if(.., |delivery| delivery.qos > QoS::AtMostOnce).collect();
        let weight =
            |delivery: &Delivery| u64::from(delivery.weight_bytes) + limits::SPOOL_MESSAGE_OVERHEAD_BYTES as u64;
        let bytes = on_disk.iter().map(weight).sum();
        if let Err(error) = spool.has_room_for(destination, on_disk.len() as u64, bytes) {
            promises.break_with(Broken::from(&error));
            return promises;
        }
        let mut placing = Placing::default();
        for delivery in on_disk {
            let publication = Arc::clone(&delivery.publication);
            placing.add(destination, mailbox, delivery);
            let outcome = placing.place_retained(spool, &publication);
            self.tally.dropped(DropReason::Overflow, u64::from(outcome.dropped));
            promises.merge(outcome.promises);
            if promises.broken().is_some() {
                // Others were quicker.
                break;
            }
        }
        promises
    }
}
