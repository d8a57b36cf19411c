//! Ending all flows in order: first those that no other flow feeds, then those that these have fed, so that what one
//! publishes at its end still goes through the next.

use std::collections::BTreeSet;
use std::sync::Arc;

use flow::graph::{FlowTouches, graph};
use flow::plan::Plan;
use message::FlowId;

use super::host::{FlowHost, Running};
use super::watchdog::DRAIN_MAX;

impl FlowHost {
    /// Stops all flows, each within the time to drain, and waits for versions that were replaced before.
    pub async fn shut_down(self: &Arc<Self>) {
        loop {
            let ending = self.take_unfed();
            if ending.is_empty() {
                break;
            }
            for running in &ending {
                self.retire(running);
            }
            let drain = |running: Arc<Running>| {
                let host = Arc::clone(self);
                tokio::spawn(async move { host.drain(&running).await })
            };
            for drained in ending.into_iter().map(drain).collect::<Vec<_>>() {
                // A task that was cancelled with the runtime has nothing left to drain.
                let _ = drained.await;
            }
        }
        // The sender lives as long as the host. A version that still waits for a slow world ends with the node.
        let mut draining = self.draining.subscribe();
        let _ = tokio::time::timeout(DRAIN_MAX, draining.wait_for(|count| *count == 0)).await;
    }

    /// Flows that feed each other in a circle end at once.
    fn take_unfed(&self) -> Vec<Arc<Running>> {
        let mut flows = self.flows.lock();
        let running = flows.values().filter(|slot| slot.running.is_some());
        let plans: Vec<Arc<Plan>> = running.map(|slot| Arc::clone(&slot.plan)).collect();
        let fed = fed_by_others(&plans);
        let all_are_fed = fed.len() == plans.len();
        let ending = flows.iter_mut().filter(|(id, _)| all_are_fed || !fed.contains(*id));
        ending.filter_map(|(_, slot)| slot.running.take()).collect()
    }
}

/// The flows that read what another one of them writes.
fn fed_by_others(plans: &[Arc<Plan>]) -> BTreeSet<FlowId> {
    let touches = plans.iter().map(|plan| FlowTouches { id: &plan.flow.id, title: "", claims: &plan.claims });
    let graph = graph(touches, &[]);
    let is_fed = |id: &str| {
        let read = graph.edges.iter().filter(|edge| edge.to == id);
        read.flat_map(|read| graph.edges.iter().filter(move |edge| edge.to == read.from)).any(|write| write.from != id)
    };
    graph.flows.iter().filter(|flow| is_fed(&flow.id)).map(|flow| flow.flow.clone()).collect()
}
