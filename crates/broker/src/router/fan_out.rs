//! One message on its way into the mailboxes of its route.

use std::borrow::Borrow;
use std::sync::Arc;

use message::{Bytes, Publication, QoS, limits};
use store::Revision;
use store::log::Intake;
use store::spool::{AppendError, ExactlyOnce, Placed, Spool};

use super::passing::MEMBERS_ASKED_MAX;
use super::placing::{Origin, Orphan, Placing};
use super::postponed::Postponed;
use super::routed::Routed;
use super::wakes::Wakes;
use crate::collector::Collector;
use crate::counters::Tally;
use crate::delivery::{Delivery, DropReason};
use crate::mailbox::{Mailbox, Pushed};
use crate::promise::Broken;
use crate::share::Share;
use crate::subscription::SubscriberId;
use crate::tree::{Grant, Group, Route, Target};

/// Whose message it is, and what its publisher brings.
pub(super) struct Towards<'a> {
    pub(super) origin: Origin,
    /// Where it stands among the retained messages, if it is one of QoS 2 that is known again after a crash.
    pub(super) revision: Option<Revision>,
    /// Whether the publisher waits when a log is crowded, and then publishes again.
    pub(super) is_patient: bool,
    pub(super) tally: &'a Tally,
    pub(super) wakes: &'a mut Wakes,
    pub(super) placing: &'a mut Placing,
}

pub(super) struct FanOut<'a> {
    publication: Arc<Publication>,
    /// A copy of its own for those who may keep it for days; made when the first of them needs it.
    detached: Option<Arc<Publication>>,
    weight_bytes: u32,
    to: Towards<'a>,
    routed: Routed,
    /// Chosen for a member of a shared subscription that does not get them: another member has to take them.
    orphans: Vec<Orphan>,
}

impl<'a> FanOut<'a> {
    pub(super) fn new(publication: Arc<Publication>, to: Towards<'a>) -> Self {
        let weight_bytes = Delivery::weight_of(&publication);
        Self { publication, detached: None, weight_bytes, to, routed: Routed::default(), orphans: Vec::new() }
    }

    /// Returns what to tell the publisher, and what the chosen member of a shared subscription did not get. If a log is
    /// crowded that a patient publisher waits for, nothing was done yet.
    pub(super) fn run<M: Borrow<Arc<Mailbox>>>(
        mut self,
        route: &Route<M>,
        spool: Option<&Spool>,
        once_taken: impl FnOnce(),
    ) -> Result<(Routed, Vec<Orphan>), Box<Postponed>> {
        let published = self.publication.qos;
        let reach = route.reach();
        let spool = spool.filter(|_| published > QoS::AtMostOnce && reach.disk);
        let exactly_once = self.to.origin.exactly_once.is_some();
        let is_placed = |target: &Target<M>| spool.is_some() && target.destination(published, exactly_once).is_some();
        if reach.collectors && !self.ask(route, is_placed)? {
            return Ok((self.routed, Vec::new()));
        }
        let groups = route.groups.iter();
        let mut members: Vec<_> = groups.filter_map(|group| Some((group, choose(group, |_| true)?))).collect();
        // What is to be on disk goes first: a message that finds no room there is refused and reaches nobody.
        if let Some(spool) = spool {
            let chosen = members.iter().map(|(_, target)| *target);
            self.wait_for(spool.intake(), || route.targets.iter().chain(chosen).any(is_placed))?;
            if !self.place_all(spool, route, &mut members)? {
                return Ok((self.routed, Vec::new()));
            }
        }
        once_taken();
        for target in route.targets.iter().filter(|target| !is_placed(target)) {
            if let Some(collector) = target.mailbox().collector() {
                self.collect(collector);
                continue;
            }
            if let Some(grant) = self.grant(target) {
                let delivery = self.delivery(target.mailbox(), grant, None);
                self.push(target.mailbox(), delivery);
            }
        }
        for (group, target) in members.into_iter().filter(|(_, target)| !is_placed(target)) {
            let delivery = self.delivery(target.mailbox(), &target.grant, Some(&group.share));
            if self.push(target.mailbox(), delivery.clone()) == Pushed::Closed {
                self.orphans.push((delivery, target.subscriber));
            }
        }
        Ok((self.routed, self.orphans))
    }

    /// Asks those who collect the message whether they will take it. One of QoS 1 or 2 that one refuses is not taken: false.
    fn ask<M: Borrow<Arc<Mailbox>>>(
        &mut self,
        route: &Route<M>,
        is_placed: impl Fn(&Target<M>) -> bool,
    ) -> Result<bool, Box<Postponed>> {
        let asked = || route.targets.iter().filter(|target| !is_placed(target));
        for intake in asked().filter_map(|target| target.mailbox().collector()?.intake()) {
            self.wait_for(intake, || true)?;
        }
        if self.publication.qos == QoS::AtMostOnce {
            return Ok(true);
        }
        let mut takes = true;
        for collector in asked().filter_map(|target| target.mailbox().collector()) {
            if let Err(error) = collector.ask(&self.publication) {
                if let Some(intake) = collector.intake().filter(|intake| self.is_too_early(&error, intake)) {
                    return Err(Postponed::new(Arc::clone(&self.publication), intake));
                }
                takes = false;
                self.routed.matched += 1;
                self.routed.promises.break_with(Broken::from(&error));
                collector.handle_placed(Placed::Refused);
            }
        }
        Ok(takes)
    }

    /// Lets a patient publisher wait for a log that is crowded, if the message is for it.
    fn wait_for(&self, intake: &Arc<Intake>, is_meant: impl FnOnce() -> bool) -> Result<(), Box<Postponed>> {
        if intake.is_crowded() && self.to.is_patient && is_meant() {
            return Err(Postponed::new(Arc::clone(&self.publication), intake));
        }
        Ok(())
    }

    /// Whether a log that does not take the message will do so a little later, and the publisher waits for it.
    fn is_too_early(&self, error: &AppendError, intake: &Intake) -> bool {
        self.to.is_patient && matches!(error, AppendError::Full { .. }) && !intake.is_stuck()
    }

    fn collect(&mut self, collector: &dyn Collector) {
        self.routed.matched += 1;
        // Nobody is told of what is lost of QoS 0: it is counted.
        let is_told = self.publication.qos > QoS::AtMostOnce;
        if !is_told && collector.ask(&self.publication).is_err() {
            collector.handle_placed(Placed::Refused);
            return self.count_dropped();
        }
        match collector.collect(&self.publication) {
            Ok(promises) => self.routed.promises.merge(promises),
            Err(broken) if is_told => self.routed.promises.break_with(broken),
            Err(_) => self.count_dropped(),
        }
        if let Some(intake) = collector.intake() {
            self.routed.pressure.add_log(intake);
        }
    }

    fn count_dropped(&mut self) {
        self.routed.dropped += 1;
        self.to.tally.dropped(DropReason::Overflow, 1);
    }

    fn grant<'t, M>(&self, target: &'t Target<M>) -> Option<&'t Grant> {
        let own = self.to.origin.subscriber == Some(target.subscriber);
        if own { target.own_grant() } else { Some(&target.grant) }
    }

    fn add_placed<M: Borrow<Arc<Mailbox>>>(&mut self, target: &Target<M>, share: Option<&Arc<Share>>) {
        let exactly_once = self.to.origin.exactly_once.is_some();
        let Some(destination) = target.destination(self.publication.qos, exactly_once) else { return };
        let grant = if share.is_some() { Some(&target.grant) } else { self.grant(target) };
        let Some(grant) = grant else { return };
        // While nobody is there the mailbox keeps nothing of it, as the disk has it.
        let delivery = self.delivery_of(Arc::clone(&self.publication), grant, share);
        self.to.placing.add(destination, target.mailbox(), delivery);
    }

    /// Stores the message for all who have it on disk; whether it was taken. A member of a group that refuses it gives way
    /// to another.
    fn place_all<'r, M: Borrow<Arc<Mailbox>>>(
        &mut self,
        spool: &Spool,
        route: &'r Route<M>,
        members: &mut [(&'r Group<M>, &'r Target<M>)],
    ) -> Result<bool, Box<Postponed>> {
        let mut refusing: Vec<SubscriberId> = Vec::new();
        for _ in 0..MEMBERS_ASKED_MAX {
            for target in &route.targets {
                self.add_placed(target, None);
            }
            for (group, target) in members.iter() {
                self.add_placed(target, Some(&group.share));
            }
            let Towards { origin, revision, wakes, placing, tally, is_patient } = &mut self.to;
            if placing.is_empty() {
                return Ok(true);
            }
            let (session, revision) = (origin.exactly_once, *revision);
            let brought = session.map(|(session, packet)| ExactlyOnce { session, packet, revision });
            let outcome = placing.place(spool, &self.publication, brought, wakes);
            if outcome.is_too_early && *is_patient {
                // Others were quicker since it was asked for.
                return Err(Postponed::new(Arc::clone(&self.publication), spool.intake()));
            }
            refusing.extend(&outcome.refusing);
            let asks_others = !outcome.refusing.is_empty() && choose_others(route, members, &refusing);
            if asks_others {
                continue;
            }
            tally.dropped(DropReason::Overflow, u64::from(outcome.dropped));
            self.routed.matched += outcome.matched;
            self.routed.dropped += outcome.dropped;
            self.orphans.extend(outcome.orphans);
            self.routed.promises.merge(outcome.promises);
            self.routed.pressure.add_log(spool.intake());
            return Ok(outcome.is_taken);
        }
        self.routed.promises.break_with(Broken::NoRoom);
        Ok(false)
    }

    fn delivery(&mut self, mailbox: &Mailbox, grant: &Grant, share: Option<&Arc<Share>>) -> Delivery {
        let qos = self.publication.qos.min(grant.qos);
        let publication = if qos == QoS::AtMostOnce || mailbox.is_attended() {
            Arc::clone(&self.publication)
        } else {
            let publication = &self.publication;
            Arc::clone(self.detached.get_or_insert_with(|| Arc::new(detach(Publication::clone(publication)))))
        };
        self.delivery_of(publication, grant, share)
    }

    fn delivery_of(&self, publication: Arc<Publication>, grant: &Grant, share: Option<&Arc<Share>>) -> Delivery {
        Delivery {
            publication,
            qos: self.publication.qos.min(grant.qos),
            retain: grant.retain_as_published && self.publication.retain,
            identifiers: grant.identifiers.clone(),
            share: share.map(Arc::clone),
            place: None,
            receipt: None,
            weight_bytes: self.weight_bytes,
        }
    }

    fn push(&mut self, mailbox: &Arc<Mailbox>, delivery: Delivery) -> Pushed {
        let pushed = mailbox.push_and_wake(delivery, self.to.wakes);
        self.routed.matched += u32::from(pushed != Pushed::Closed);
        match pushed {
            Pushed::Accepted | Pushed::Closed => {}
            Pushed::Pressing => {
                // Nobody can wait for a mailbox that only he himself drains.
                if self.to.origin.subscriber != Some(mailbox.id()) {
                    self.routed.pressure.add(mailbox);
                }
            }
            Pushed::Replacing(others) => {
                self.routed.dropped += others;
                self.to.tally.dropped(DropReason::Overflow, u64::from(others));
            }
            Pushed::Dropped(reason) => {
                // An absent client never had a claim to QoS 0.
                self.routed.dropped += u32::from(reason == DropReason::Overflow);
                self.to.tally.dropped(reason, 1);
            }
        }
        pushed
    }
}

/// The member of a group that takes the next message, of those that may: one who is there and has room, else one who is
/// there, else whoever's turn it is.
pub(super) fn choose<M: Borrow<Arc<Mailbox>>>(
    group: &Group<M>,
    may_take: impl Fn(&Target<M>) -> bool,
) -> Option<&Target<M>> {
    let mut order = group.share.order(&group.members).filter(|target| may_take(target));
    let mut there = order.clone().filter(|target| target.mailbox().is_attended());
    there.clone().find(|target| !target.mailbox().is_crowded()).or_else(|| there.next()).or_else(|| order.next())
}

/// Chooses others in the place of members that refuse a message. Whether all could be replaced.
fn choose_others<'r, M: Borrow<Arc<Mailbox>>>(
    route: &Route<M>,
    members: &mut [(&'r Group<M>, &'r Target<M>)],
    refusing: &[SubscriberId],
) -> bool {
    let refuses = |target: &Target<M>| refusing.contains(&target.subscriber);
    if route.targets.iter().any(refuses) {
        return false;
    }
    members.iter_mut().filter(|(_, target)| refuses(target)).all(|(group, target)| {
        let other = choose(group, |other| !refuses(other));
        other.is_some_and(|other| {
            *target = other;
            true
        })
    })
}

/// A publication that keeps no read buffer alive. A large payload is left as it is: it fills its buffer by itself.
pub(super) fn detach(mut publication: Publication) -> Publication {
    publication.topic = publication.topic.detach();
    if publication.payload.len() <= limits::DETACH_BYTES_MAX {
        publication.payload = Bytes::copy_from_slice(&publication.payload);
    }
    publication
}
