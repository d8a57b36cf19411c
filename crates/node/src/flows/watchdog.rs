//! Looking after the threads of flows: one that is stuck is given up, and its flow goes on with another one. So is one
//! that does not come to its end when it is told to.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use message::{FlowId, limits};

use super::hand_over::Ending;
use super::host::{FlowHost, Running, Slot, condition};
use super::state::FlowStatus;
use super::thread::Control;
use crate::{clock, scheduling};

/// How long a version may take to end what it has begun, before it is given up.
pub(super) const DRAIN_MAX: Duration = Duration::from_secs(10);
/// How long a version that was replaced may take: its itineraries end on it, also those that wait for a slow world.
const DRAIN_REPLACED_MAX: Duration = Duration::from_secs(60 * 60);
/// Replaced versions that may take that long; with more of them the next ones are given up as if they were stopped.
const DRAIN_REPLACED_COUNT_MAX: usize = 32;
/// How often the watchdog looks at every flow's thread.
pub(super) const WATCH_EVERY: Duration = Duration::from_millis(250);

impl FlowHost {
    /// Gives up threads that are stuck; their flows start again on new ones after a rest.
    pub(super) fn watch(self: &Arc<Self>) {
        let now = clock::now();
        let stuck: Vec<(FlowId, Arc<Running>, String)> = {
            let flows = self.flows.lock();
            let stuck = flows.iter().filter_map(|(id, slot)| {
                let running = slot.running.as_ref()?;
                Some((id.clone(), Arc::clone(running), running.pulse.stuck(now.moment)?))
            });
            stuck.collect()
        };
        for (id, running, what) in stuck {
            self.give_up(&id, &running, &what);
        }
    }

    /// Gives a flow's thread up. What it had taken is lost, but for messages of durable subscriptions, which come again;
    /// what waits goes on with the next thread.
    fn give_up(self: &Arc<Self>, id: &FlowId, stuck: &Arc<Running>, what: &str) {
        let now = clock::now();
        let rest = {
            let mut flows = self.flows.lock();
            // Someone may have deployed, stopped or removed the flow meanwhile.
            let Some(slot) = slot_of(&mut flows, id, stuck) else { return };
            slot.crashes += 1;
            slot.condition = condition(FlowStatus::Restarting, what, now);
            slot.backoff.next(now.moment)
        };
        tracing::error!(flow = id.as_str(), rest_ms = rest.as_millis() as u64, "flow was given up: {what}");
        let abandoned = self.abandon(stuck);
        self.announce(id);
        if abandoned > limits::FLOW_THREADS_ABANDONED_MAX {
            let text =
                format!("{what}; {abandoned} threads are stuck on this node: mend the flow and restart the node");
            return self.go_on(id, stuck, Err(text));
        }
        let (host, id, stuck) = (Arc::clone(self), id.clone(), Arc::clone(stuck));
        tokio::spawn(async move {
            tokio::time::sleep(rest).await;
            host.start_again(&id, &stuck).await;
        });
    }

    /// Starts a flow whose thread was given up on another one, which goes on with what waits.
    async fn start_again(self: &Arc<Self>, id: &FlowId, stuck: &Arc<Running>) {
        let _changing = self.changing.lock().await;
        let (plan, debug) = {
            let mut flows = self.flows.lock();
            // Someone may have deployed, stopped or removed it during its rest.
            let Some(slot) = slot_of(&mut flows, id, stuck) else { return };
            (Arc::clone(&slot.plan), Arc::clone(&slot.debug))
        };
        let next = self.launch(&plan, &debug, stuck.holdings.clone()).await;
        self.go_on(id, stuck, next);
    }

    /// Goes on with another thread, or tells why there is none.
    fn go_on(&self, id: &FlowId, stuck: &Arc<Running>, next: Result<Arc<Running>, String>) {
        {
            let mut flows = self.flows.lock();
            let Some(slot) = slot_of(&mut flows, id, stuck) else { return };
            match next {
                Ok(next) => {
                    // A failed send means that the thread has ended by itself; its event tells why.
                    let _ = next.control.try_send(Control::Go);
                    slot.running = Some(next);
                    slot.condition = condition(FlowStatus::Running, "", clock::now());
                }
                Err(text) => {
                    self.let_go(&stuck.holdings);
                    slot.running = None;
                    slot.condition = condition(FlowStatus::Failed, &text, clock::now());
                }
            }
        }
        self.announce(id);
    }

    /// Lets a version that was replaced end what it had begun, without anybody waiting for it but the node's own end.
    pub(super) fn drain_apart(self: &Arc<Self>, replaced: Arc<Running>) {
        let host = Arc::clone(self);
        host.draining.send_modify(|count| *count += 1);
        tokio::spawn(async move {
            let few = *host.draining.borrow() <= DRAIN_REPLACED_COUNT_MAX;
            host.drain_within(&replaced, if few { DRAIN_REPLACED_MAX } else { DRAIN_MAX }).await;
            host.draining.send_modify(|count| *count -= 1);
        });
    }

    /// Waits until a version that was stopped has ended what it had begun.
    pub(super) async fn drain(&self, running: &Running) {
        self.drain_within(running, DRAIN_MAX).await;
    }

    /// Waits until a version has ended what it had begun. One that is stuck, or takes too long, is given up.
    async fn drain_within(&self, running: &Running, span: Duration) {
        let deadline = tokio::time::sleep(span);
        tokio::pin!(deadline);
        loop {
            tokio::select! {
                () = running.await_end(Ending::Ended) => return,
                () = &mut deadline => {
                    running.pulse.cancel();
                    running.holdings.attachment.durable.give_up();
                    let (seconds, waiting) = (span.as_secs(), running.holdings.attachment.waiting());
                    tracing::error!(seconds, waiting, "a version had not ended what it began and was given up with it");
                    running.end(Ending::Ended);
                    return;
                }
                () = tokio::time::sleep(WATCH_EVERY) => {}
            }
            if let Some(what) = running.pulse.stuck(clock::now().moment) {
                let lost = running.holdings.attachment.waiting();
                tracing::error!(lost, "a version that was to end was given up, with what waited for it: {what}");
                self.abandon(running);
                return;
            }
        }
    }

    /// Whatever a stuck thread still does shall come to nothing, and take only the time that nobody else wants. Returns
    /// how many of them are still at work.
    fn abandon(&self, running: &Running) -> usize {
        running.pulse.cancel();
        running.holdings.attachment.durable.give_up();
        scheduling::leave_the_rest(running.pulse.thread());
        running.end(Ending::Ended);
        let mut abandoned = self.abandoned.lock();
        abandoned.retain(|pulse| !pulse.has_ended());
        abandoned.push(Arc::clone(&running.pulse));
        abandoned.len()
    }
}

/// The flow, if it is still this version that speaks for it.
fn slot_of<'a>(flows: &'a mut BTreeMap<FlowId, Slot>, id: &FlowId, running: &Arc<Running>) -> Option<&'a mut Slot> {
    flows.get_mut(id).filter(|slot| slot.running.as_ref().is_some_and(|current| Arc::ptr_eq(current, running)))
}
