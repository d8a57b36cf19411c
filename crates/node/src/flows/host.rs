//! The flows that run on this node: starting, switching between versions, stopping, and looking after their threads.
//! What is written down of flows (drafts, versions) is not here.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use broker::Router;
use flow::plan::Plan;
use flow::services::Services;
use message::{FlowId, Now, Object, Publication, QoS, TopicName, Value, limits};
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

use super::attachment::Attachment;
use super::debug::{DebugEntry, DebugRing};
use super::environment::{NodeEnvironment, RuntimeTimers};
use super::pulse::Pulse;
use super::state::{FlowCondition, FlowState, FlowStatus};
use super::thread::{Control, Event, FlowThread};
use crate::clock;
use crate::endpoints::{EndpointSet, EndpointTable};
use crate::stores::NodeStores;

/// How long a version may take to end what it has begun, before it is given up.
const DRAIN_MAX: Duration = Duration::from_secs(10);
/// How often the watchdog looks at every flow's thread.
const WATCH_EVERY: Duration = Duration::from_millis(250);

/// What flows get from the node around them.
pub struct HostParts {
    pub router: Arc<Router>,
    pub endpoints: Arc<EndpointTable>,
    pub secrets_dir: std::path::PathBuf,
    pub stores: Arc<NodeStores>,
}

impl std::fmt::Debug for HostParts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HostParts").field("secrets_dir", &self.secrets_dir).finish_non_exhaustive()
    }
}

/// The flows that run on this node.
pub struct FlowHost {
    parts: HostParts,
    flows: Mutex<BTreeMap<FlowId, Slot>>,
    /// Deploys, starts and stops of all flows happen one after another.
    changing: tokio::sync::Mutex<()>,
    abandoned: Arc<AtomicUsize>,
}

/// One flow: its deployed plan, whether it runs or not.
struct Slot {
    plan: Arc<Plan>,
    condition: FlowCondition,
    crashes: u64,
    debug: Arc<DebugRing>,
    running: Option<Arc<Running>>,
}

/// One version at work.
struct Running {
    control: mpsc::UnboundedSender<Control>,
    pulse: Arc<Pulse>,
    attachment: Arc<Attachment>,
    endpoints: Arc<EndpointSet>,
    drained: tokio::sync::watch::Sender<bool>,
}

impl FlowHost {
    /// Makes the host and starts its watchdog.
    pub fn start(parts: HostParts) -> Arc<Self> {
        let host = Arc::new(Self {
            parts,
            flows: Mutex::default(),
            changing: tokio::sync::Mutex::default(),
            abandoned: Arc::default(),
        });
        let watched = Arc::downgrade(&host);
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(WATCH_EVERY);
            loop {
                ticks.tick().await;
                let Some(host) = watched.upgrade() else { return };
                host.watch().await;
            }
        });
        host
    }

    /// Starts a version; if another one of the same flow runs, switches to the new one without losing a message and
    /// lets the old one end what it has begun. An error leaves everything as it was.
    pub async fn deploy(self: &Arc<Self>, plan: Arc<Plan>) -> Result<(), String> {
        let changing = self.changing.lock().await;
        let id = plan.flow.id.clone();
        let (before, debug) = {
            let flows = self.flows.lock();
            if !flows.contains_key(&id) && flows.len() >= limits::FLOWS_MAX {
                return Err(format!("this node has {} flows already: remove one first", limits::FLOWS_MAX));
            }
            let slot = flows.get(&id);
            let debug = slot.map_or_else(|| Arc::new(DebugRing::new(id.clone())), |slot| Arc::clone(&slot.debug));
            (slot.and_then(|slot| slot.running.clone()), debug)
        };
        let next = self.launch(&plan, &debug).await?;
        let now = clock::now();
        next.attachment.take_over_from(before.as_deref().map(|before| before.attachment.as_ref()), now);
        self.parts.endpoints.switch(before.as_ref().map(|before| &before.endpoints), Some(&next.endpoints));
        if let Some(before) = &before {
            let _ = before.control.send(Control::Close);
        }
        // A failed send means that the thread has ended by itself; its event tells why.
        let _ = next.control.send(Control::Go);
        {
            let mut flows = self.flows.lock();
            let crashes = flows.get(&id).map_or(0, |slot| slot.crashes);
            let condition = condition(FlowStatus::Running, "", now);
            flows.insert(id.clone(), Slot { plan, condition, crashes, debug, running: Some(next) });
        }
        self.announce(&id);
        drop(changing);
        if let Some(before) = before {
            drain(before).await;
        }
        Ok(())
    }

    /// Remembers a flow that was deployed but shall not run.
    pub async fn keep_stopped(&self, plan: Arc<Plan>, text: &str) {
        let _changing = self.changing.lock().await;
        let id = plan.flow.id.clone();
        let debug = Arc::new(DebugRing::new(id.clone()));
        let condition = condition(if text.is_empty() { FlowStatus::Stopped } else { FlowStatus::Failed }, text, clock::now());
        self.flows.lock().insert(id.clone(), Slot { plan, condition, crashes: 0, debug, running: None });
        self.announce(&id);
    }

    /// Stops a flow: takes nothing new, ends what has begun. Returns whether there was one.
    pub async fn stop(&self, id: &FlowId) -> bool {
        let _changing = self.changing.lock().await;
        let running = {
            let mut flows = self.flows.lock();
            let Some(slot) = flows.get_mut(id) else { return false };
            slot.condition = condition(FlowStatus::Stopped, "", clock::now());
            slot.running.take()
        };
        if let Some(running) = running {
            self.retire(&running);
            drain(running).await;
        }
        self.announce(id);
        true
    }

    /// Stops a flow and forgets it, with its stores in memory.
    pub async fn remove(&self, id: &FlowId) -> bool {
        let stopped = self.stop(id).await;
        self.flows.lock().remove(id);
        self.parts.stores.forget_flow(id);
        stopped
    }

    /// Stops all flows at once, each within the time to drain.
    pub async fn shut_down(&self) {
        let running: Vec<Arc<Running>> = self.flows.lock().values_mut().filter_map(|slot| slot.running.take()).collect();
        for running in &running {
            self.retire(running);
        }
        let draining: Vec<_> = running.into_iter().map(|running| tokio::spawn(drain(running))).collect();
        for drained in draining {
            // A task that was cancelled with the runtime has nothing left to drain.
            let _ = drained.await;
        }
    }

    /// Every flow, by id.
    pub fn list(&self) -> Vec<FlowState> {
        self.flows.lock().values().map(Slot::state).collect()
    }

    /// One flow.
    pub fn show(&self, id: &FlowId) -> Option<FlowState> {
        self.flows.lock().get(id).map(Slot::state)
    }

    /// The last values that the flow's `debug` modules have seen, the oldest first.
    pub fn debug(&self, id: &FlowId) -> Option<Vec<DebugEntry>> {
        self.flows.lock().get(id).map(|slot| slot.debug.entries())
    }

    /// Builds a version on a thread of its own; it waits there to be told to go.
    async fn launch(self: &Arc<Self>, plan: &Arc<Plan>, debug: &Arc<DebugRing>) -> Result<Arc<Running>, String> {
        let attachment = Attachment::new(&self.parts.router);
        let endpoints = EndpointSet::new(&self.parts.endpoints, &plan.flow.id);
        let environment = NodeEnvironment { secrets_dir: self.parts.secrets_dir.clone() };
        let services = Services {
            broker: Arc::clone(&attachment) as _,
            endpoints: Arc::clone(&endpoints) as _,
            stores: self.parts.stores.for_flow(&plan.flow.id),
            debug: Arc::clone(debug) as _,
            environment: Arc::new(environment),
            timers: Arc::new(RuntimeTimers),
        };
        let (control, commands) = mpsc::unbounded_channel();
        let pulse = Arc::new(Pulse::default());
        let running = Arc::new(Running {
            control,
            pulse: Arc::clone(&pulse),
            attachment,
            endpoints,
            drained: tokio::sync::watch::Sender::new(false),
        });
        let (host, told) = (Arc::downgrade(self), Arc::downgrade(&running));
        let id = plan.flow.id.clone();
        let on_event = Box::new(move |event| {
            if let (Some(host), Some(running)) = (host.upgrade(), told.upgrade()) {
                host.handle_event(&id, &running, event);
            }
        });
        let thread = FlowThread { plan: Arc::clone(plan), services, pulse, control: commands, on_event };
        let (built, result) = oneshot::channel();
        thread.spawn(built).map_err(|error| format!("the system gives no thread for the flow: {error}"))?;
        match tokio::time::timeout(DRAIN_MAX, result).await {
            Ok(Ok(Ok(()))) => Ok(running),
            Ok(Ok(Err(what))) => Err(what),
            Ok(Err(_)) => Err("the flow's thread ended while it was built".to_owned()),
            Err(_) => Err(format!("the flow was not ready after {} s", DRAIN_MAX.as_secs())),
        }
    }

    /// Takes what a version holds of the node out of use, and has it drain.
    fn retire(&self, running: &Arc<Running>) {
        running.attachment.leave(clock::now());
        self.parts.endpoints.switch(Some(&running.endpoints), None);
        let _ = running.control.send(Control::Close);
    }

    fn handle_event(&self, id: &FlowId, running: &Arc<Running>, event: Event) {
        if event == Event::Drained {
            running.drained.send_replace(true);
        }
        {
            let mut flows = self.flows.lock();
            let Some(slot) = flows.get_mut(id) else { return };
            // An old version that drains, or was given up, no longer speaks for the flow.
            if !slot.running.as_ref().is_some_and(|current| Arc::ptr_eq(current, running)) {
                return;
            }
            let now = clock::now();
            match event {
                Event::Recovered => slot.condition = condition(FlowStatus::Running, "", now),
                Event::Crashed { what, rest } => {
                    tracing::error!(flow = id.as_str(), rest_ms = rest.as_millis() as u64, "flow crashed: {what}");
                    slot.crashes += 1;
                    slot.condition = condition(FlowStatus::Restarting, &what, now);
                }
                Event::Failed { what } => {
                    tracing::error!(flow = id.as_str(), "flow stopped by an error: {what}");
                    slot.condition = condition(FlowStatus::Failed, &what, now);
                    running.attachment.leave(now);
                    self.parts.endpoints.switch(Some(&running.endpoints), None);
                    running.drained.send_replace(true);
                    slot.running = None;
                }
                Event::Drained => {}
            }
        }
        self.announce(id);
    }

    /// Gives up threads that are stuck and starts their flows on new ones.
    async fn watch(self: &Arc<Self>) {
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

    async fn give_up(self: &Arc<Self>, id: &FlowId, running: &Arc<Running>, what: &str) {
        let changing = self.changing.lock().await;
        let abandoned = self.abandoned.fetch_add(1, Ordering::Relaxed) + 1;
        running.pulse.cancel();
        lower_priority(running.pulse.thread());
        tracing::error!(flow = id.as_str(), abandoned, "flow was given up: {what}");
        let plan = {
            let mut flows = self.flows.lock();
            let Some(slot) = flows.get_mut(id) else { return };
            if !slot.running.as_ref().is_some_and(|current| Arc::ptr_eq(current, running)) {
                return;
            }
            slot.crashes += 1;
            if abandoned > limits::FLOW_THREADS_ABANDONED_MAX {
                let text = format!("{what}; {abandoned} threads are stuck on this node: mend the flow and restart the node");
                slot.condition = condition(FlowStatus::Failed, &text, clock::now());
                slot.running = None;
                None
            } else {
                slot.condition = condition(FlowStatus::Restarting, what, clock::now());
                Some(Arc::clone(&slot.plan))
            }
        };
        self.announce(id);
        drop(changing);
        let Some(plan) = plan else {
            running.attachment.leave(clock::now());
            self.parts.endpoints.switch(Some(&running.endpoints), None);
            return;
        };
        if let Err(text) = self.deploy(plan).await {
            let mut flows = self.flows.lock();
            if let Some(slot) = flows.get_mut(id) {
                slot.condition = condition(FlowStatus::Failed, &text, clock::now());
            }
        }
    }

    /// Publishes the state of a flow, retained, under `$SYS/headwater/flows/{id}/state`.
    fn announce(&self, id: &FlowId) {
        let Some(state) = self.show(id) else { return };
        let Ok(topic) = TopicName::parse(&format!("$SYS/headwater/flows/{id}/state")) else { return };
        let mut object = Object::new();
        object.insert("status", Value::from(state.condition.status.name()));
        object.insert("text", Value::from(state.condition.text.as_str()));
        object.insert("version", Value::from(state.version));
        object.insert("since", Value::from(state.condition.since));
        let payload = Value::from(object).to_json_bytes().into();
        let mut publication = Publication::new(topic, payload, QoS::AtMostOnce, clock::now().wall);
        publication.retain = true;
        let mut routes = self.parts.router.route_cache();
        // Nobody waits for it: a subscriber that is full misses one state and gets the next.
        drop(self.parts.router.publish(publication, None, &mut routes));
    }
}

impl Slot {
    fn state(&self) -> FlowState {
        let running = self.running.as_ref();
        FlowState {
            id: self.plan.flow.id.clone(),
            version: self.plan.context.version,
            condition: self.condition.clone(),
            crashes: self.crashes,
            cpu: running.map(|running| running.pulse.cpu()).unwrap_or_default(),
            waiting: running.map_or(0, |running| running.attachment.waiting()),
            dropped: running.map_or(0, |running| running.attachment.dropped()),
            plan: Arc::clone(&self.plan),
        }
    }
}

fn condition(status: FlowStatus, text: &str, now: Now) -> FlowCondition {
    FlowCondition { status, text: text.to_owned(), since: now.wall }
}

/// Waits until a version has ended what it had begun; past the time its rest is given up.
async fn drain(running: Arc<Running>) {
    let mut drained = running.drained.subscribe();
    let ended = tokio::time::timeout(DRAIN_MAX, drained.wait_for(|drained| *drained)).await;
    if ended.is_err() {
        running.pulse.cancel();
        tracing::warn!(seconds = DRAIN_MAX.as_secs(), "a version had not ended what it began and was given up");
    }
}

/// A stuck thread shall get only the time that nobody else wants.
fn lower_priority(thread: i32) {
    if let Some(thread) = rustix::process::Pid::from_raw(thread)
        && let Err(error) = rustix::process::setpriority_process(Some(thread), 19)
    {
        tracing::warn!(%error, "the priority of a stuck thread cannot be lowered");
    }
}

impl std::fmt::Debug for FlowHost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FlowHost").finish_non_exhaustive()
    }
}
