//! Looking after the threads of flows: one that is stuck is given up, and its flow goes on with another one. So is one
//! that does not come to its end when it is told to.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use message::{FlowId, limits};

use super::hand_over::Ending;
use super::host::{FlowHost, Running, condition};
use super::scheduling;
use super::state::FlowStatus;
use super::thread::Control;
use crate::clock;

/// How long a version may take to end what it has begun, before it is given up.
pub(super) const DRAIN_MAX: Duration = Duration::from_secs(10);
/// How long a version that was replaced may take: its itineraries end on it, also those that wait for a slow world.
const DRAIN_REPLACED_MAX: Duration = Duration::from_secs(60 * 60);
/// Replaced versions that may take that long; with more of them the next ones are given up as if they were stopped.
const DRAIN_REPLACED_COUNT_MAX: usize = 32;
/// How often the watchdog looks at every flow's thread.
pub(super) const WATCH_EVERY: Duration = Duration::from_millis(250);

impl FlowHost {
    /// Gives up threads that are stuck and starts their flows on new ones.
    pub(super) async fn watch(self: &Arc<Self>) {
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
            self.give_up(&id, &running, &what).await;
        }
    }

    /// Starts a stuck flow on another thread, which goes on with what waits; what the stuck one had taken is lost.
    async fn give_up(self: &Arc<Self>, id: &FlowId, stuck: &Arc<Running>, what: &str) {
        let _changing = self.changing.lock().await;
        let (plan, debug) = {
            let mut flows = self.flows.lock();
            // Someone may have deployed, stopped or removed the flow meanwhile.
            let Some(slot) = flows.get_mut(id) else { return };
            if !slot.running.as_ref().is_some_and(|current| Arc::ptr_eq(current, stuck)) {
                return;
            }
            slot.crashes += 1;
            slot.condition = condition(FlowStatus::Restarting, what, clock::now());
            (Arc::clone(&slot.plan), Arc::clone(&slot.debug))
        };
        tracing::error!(flow = id.as_str(), "flow was given up: {what}");
        let abandoned = self.abandon(stuck);
        self.announce(id);
        let next = if abandoned > limits::FLOW_THREADS_ABANDONED_MAX {
            Err(format!("{what}; {abandoned} threads are stuck on this node: mend the flow and restart the node"))
        } else {
            self.launch(&plan, &debug, stuck.holdings.clone()).await
        };
        {
            let mut flows = self.flows.lock();
            let Some(slot) = flows.get_mut(id) else { return };
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
                running.end(Ending::Ended);
                return;
            }
        }
    }

    /// Whatever a stuck thread still does shall come to nothing, and take only the time that nobody else wants. Returns
    /// how many there have been.
    fn abandon(&self, running: &Running) -> usize {
        running.pulse.cancel();
        scheduling::leave_the_rest(running.pulse.thread());
        self.abandoned.fetch_add(1, Ordering::Relaxed) + 1
    }
}
