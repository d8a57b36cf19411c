//! The task of a queue: it tells the machine what happened and does what the machine wants.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use broker::queue::{DeathReason, QueueOutput, dead_letter};
use message::{Moment, Now, Publication, QueueName, limits};

use super::{Inside, NodeQueue, QueueDelivery};
use crate::clock;
use crate::destinations::Destinations;
use crate::destinations::hand_out::{HandedOut, Said, Taker};

/// How long a queue waits before it reads again what could not be read.
const READ_AGAIN: Duration = Duration::from_secs(1);

/// What a step left to do.
enum Rest {
    /// More of the same, at once.
    More,
    /// To read on until there is something that can go out.
    Search,
    /// Something at that time, or nothing.
    At(Option<Moment>),
}

impl NodeQueue {
    /// Works until it is dropped.
    pub(in crate::destinations) fn run(
        self: &Arc<Self>,
        destinations: &Arc<Destinations>,
    ) -> impl Future<Output = ()> + Send + use<> {
        let (queue, destinations) = (Arc::clone(self), Arc::downgrade(destinations));
        async move {
            loop {
                let Some(all) = destinations.upgrade() else { return };
                let rest = queue.step(clock::now(), &all);
                drop(all);
                match rest {
                    Rest::More | Rest::Search => tokio::task::yield_now().await,
                    Rest::At(None) => queue.work.notified().await,
                    Rest::At(Some(at)) => {
                        let wait = at.since(clock::moment());
                        // The time being over is as good a reason to go on.
                        let _ = tokio::time::timeout(wait, queue.work.notified()).await;
                    }
                }
            }
        }
    }

    /// Tells the machine what consumers said.
    pub(super) fn hear(&self, now: Now) {
        let mut inside = self.inside.lock();
        let said = std::mem::take(&mut *self.said.lock());
        let Inside { machine, backlog, .. } = &mut *inside;
        for (QueueDelivery { consumer, tag }, said) in said {
            // What is unknown was settled before, by its time or by the end of its consumer.
            let _ = match said {
                Said::Done => machine.handle_acknowledged(consumer, tag, backlog).map(|_| ()),
                Said::Not(nack) => machine.handle_nack(now, consumer, tag, nack, backlog),
            };
        }
    }

    /// Hands out what can be handed out, without waiting for the task.
    pub(crate) async fn hand_out_now(self: &Arc<Self>, destinations: &Destinations) {
        while matches!(self.step(clock::now(), destinations), Rest::Search) {
            tokio::task::yield_now().await;
        }
        self.work.notify_one();
    }

    fn step(self: &Arc<Self>, now: Now, destinations: &Destinations) -> Rest {
        // First, so that what they gave back for want of room is heard before they get anything.
        let roomy = std::mem::take(&mut *self.roomy.lock());
        self.hear(now);
        let mut inside = self.inside.lock();
        let Inside { machine, takers, .. } = &mut *inside;
        for consumer in roomy {
            if takers.get_mut(&consumer).is_some_and(Taker::has_room) {
                machine.handle_drained(consumer);
            }
        }
        inside.machine.handle_appended();
        inside.machine.handle_timeout(now);
        let rest = self.hand_out(now, destinations, &mut inside);
        inside.backlog.tell_handed_out();
        rest
    }

    fn hand_out(self: &Arc<Self>, now: Now, destinations: &Destinations, inside: &mut Inside) -> Rest {
        for _ in 0..limits::QUEUE_STEPS_MAX {
            let Inside { machine, backlog, takers, stored, .. } = inside;
            // Before the spool is looked into, whose lock orders this with what is appended to it.
            self.wanted.store(machine.wants_messages(), Ordering::Relaxed);
            match machine.poll_output(now, backlog) {
                Ok(None) => return Rest::At(machine.poll_timeout()),
                Ok(Some(QueueOutput::Expired { .. })) => {}
                Ok(Some(QueueOutput::Searching)) => return Rest::Search,
                Ok(Some(QueueOutput::Deliver { consumer, tag, publication })) => {
                    // A consumer that left meanwhile is not there, and the message gives itself back.
                    let handed = HandedOut::new(self, QueueDelivery { consumer, tag }, publication);
                    if let Some(taker) = takers.get_mut(&consumer)
                        && !taker.hand_over(handed)
                    {
                        machine.handle_crowded(consumer);
                    }
                }
                Ok(Some(QueueOutput::DeadLetter { ordinal, reason, deliveries, publication })) => {
                    let letters = stored.options.dead_letter.clone();
                    let stored = self.bury(now, destinations, letters.as_ref(), &publication, reason, deliveries);
                    machine.handle_dead_lettered(now, ordinal, stored, backlog);
                }
                Err(error) => {
                    tracing::error!(queue = %self.name, "the messages of a queue cannot be read: {error}");
                    return Rest::At(Some(now.moment + READ_AGAIN));
                }
            }
        }
        Rest::More
    }

    /// Puts a dead letter where it belongs. It is appended to the same log in which it is acknowledged after that, so
    /// that no crash loses it between the two. Returns whether it needs its place here no more.
    fn bury(
        &self,
        now: Now,
        destinations: &Destinations,
        letters: Option<&QueueName>,
        publication: &Publication,
        reason: DeathReason,
        deliveries: u32,
    ) -> bool {
        let Some(letters) = letters else {
            self.discarded.fetch_add(1, Ordering::Relaxed);
            return true;
        };
        let letter = dead_letter(publication, &self.name, reason, deliveries);
        let put = match destinations.queue(letters) {
            Some(queue) => queue.put(now, &letter).map_err(|error| error.to_string()),
            None => Err(format!("there is no queue `{letters}`: make it, or set another `dead_letter`")),
        };
        if let Err(error) = &put {
            tracing::warn!(queue = %self.name, "a dead letter is kept until there is room for it: {error}");
        }
        put.is_ok()
    }
}
