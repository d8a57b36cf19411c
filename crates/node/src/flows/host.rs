//! The flows that run on this node: starting, switching between versions, stopping, and looking after their threads.
//! What is written down of flows (drafts, versions) is not here.

use std::collections::BTreeMap;
use std::sync::Arc;

use broker::Router;
use flow::plan::Plan;
use flow::services::Services;
use message::{FlowId, Now, Object, Publication, QoS, TopicName, Value, limits};
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

use super::attachment::Attachment;
use super::backoff::Backoff;
use super::debug::{DebugEntry, DebugRing};
use super::environment::{NodeEnvironment, RuntimeTimers};
use super::hand_over::Ending;
use super::pulse::Pulse;
use super::state::{FlowCondition, FlowState, FlowStatus};
use super::subscriptions::rebindings;
use super::thread::{Control, Event, FlowThread};
use super::watchdog::{DRAIN_MAX, WATCH_EVERY};
use crate::clock;
use crate::destinations::Destinations;
use crate::endpoints::{EndpointSet, EndpointTable};
use crate::stores::NodeStores;

/// A thread is told to go once and to close once or twice.
const CONTROLS_MAX: usize = 4;

/// What flows get from the node around them.
pub struct HostParts {
    pub router: Arc<Router>,
    pub endpoints: Arc<EndpointTable>,
    pub secrets_dir: std::path::PathBuf,
    pub stores: Arc<NodeStores>,
    pub(crate) destinations: Arc<Destinations>,
}

impl std::fmt::Debug for HostParts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HostParts").field("secrets_dir", &self.secrets_dir).finish_non_exhaustive()
    }
}

/// The flows that run on this node.
pub struct FlowHost {
    pub(super) parts: HostParts,
    pub(super) flows: Mutex<BTreeMap<FlowId, Slot>>,
    /// Deploys, starts and stops of all flows happen one after another.
    pub(super) changing: tokio::sync::Mutex<()>,
    /// Threads that were given up; those that have ended are taken out with the next one.
    pub(super) abandoned: Mutex<Vec<Arc<Pulse>>>,
    /// Replaced versions that still end what they have begun.
    pub(super) draining: tokio::sync::watch::Sender<usize>,
}

/// One flow: its deployed plan, whether it runs or not.
pub(super) struct Slot {
    pub(super) plan: Arc<Plan>,
    pub(super) condition: FlowCondition,
    pub(super) crashes: u64,
    /// How long the flow rests after its thread was given up.
    pub(super) backoff: Backoff,
    pub(super) debug: Arc<DebugRing>,
    pub(super) running: Option<Arc<Running>>,
}

/// One version at work.
pub(super) struct Running {
    pub(super) control: mpsc::Sender<Control>,
    pub(super) pulse: Arc<Pulse>,
    pub(super) holdings: Holdings,
    pub(super) ending: tokio::sync::watch::Sender<Ending>,
}

/// What a version holds of the node.
#[derive(Clone)]
pub(super) struct Holdings {
    pub(super) attachment: Arc<Attachment>,
    pub(super) endpoints: Arc<EndpointSet>,
}

impl FlowHost {
    /// Makes the host and starts its watchdog.
    pub fn start(parts: HostParts) -> Arc<Self> {
        let host = Arc::new(Self {
            parts,
            flows: Mutex::default(),
            changing: tokio::sync::Mutex::default(),
            abandoned: Mutex::default(),
            draining: tokio::sync::watch::Sender::new(0),
        });
        let watched = Arc::downgrade(&host);
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(WATCH_EVERY);
            loop {
                ticks.tick().await;
                let Some(host) = watched.upgrade() else { return };
                host.watch();
            }
        });
        host
    }

    /// Starts a version; if another one of the same flow runs, switches to the new one without losing a message and
    /// lets the old one end what it has begun, which may go on after this is done. An error leaves everything as it was.
    pub async fn deploy(self: &Arc<Self>, plan: Arc<Plan>) -> Result<(), String> {
        let _changing = self.changing.lock().await;
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
        let next = self.launch(&plan, &debug, self.new_holdings(&id)).await?;
        let made = self.put_subscriptions(&id, &next).await?;
        let unwanted = self.unwanted_subscriptions(&plan);
        let now = clock::now();
        let held = before.as_deref().map(|before| &before.holdings);
        let attached = held.map(|held| held.attachment.as_ref());
        next.holdings.attachment.take_over_from(attached, now, &rebindings(&made, &unwanted));
        self.parts.endpoints.switch(held.map(|held| &held.endpoints), Some(&next.holdings.endpoints));
        if let Some(before) = &before {
            let _ = before.control.try_send(Control::Close);
        }
        {
            let mut flows = self.flows.lock();
            let crashes = flows.get(&id).map_or(0, |slot| slot.crashes);
            let condition = condition(FlowStatus::Running, "", now);
            let running = Some(Arc::clone(&next));
            let backoff = Backoff::default();
            flows.insert(id.clone(), Slot { plan, condition, crashes, backoff, debug, running });
        }
        // Only now, so that whatever it tells is heard as the flow's.
        match before {
            Some(before) => self.begin_after(before, &id, &next).await,
            None => self.begin(&id, &next),
        }
        self.remove_subscriptions(unwanted.into_iter().map(|(owner, _)| owner)).await;
        Ok(())
    }

    /// Remembers a flow that was deployed but shall not run.
    pub async fn keep_stopped(&self, plan: Arc<Plan>, text: &str) {
        let _changing = self.changing.lock().await;
        let id = plan.flow.id.clone();
        let debug = Arc::new(DebugRing::new(id.clone()));
        let condition =
            condition(if text.is_empty() { FlowStatus::Stopped } else { FlowStatus::Failed }, text, clock::now());
        let backoff = Backoff::default();
        self.flows.lock().insert(id.clone(), Slot { plan, condition, crashes: 0, backoff, debug, running: None });
        self.announce(&id);
    }

    /// Stops a flow: it takes nothing new from now on. What comes back is to be waited for: it ends when the flow has
    /// ended what it had begun, which may wait for a slow world, so that nobody else's change should wait for it.
    pub async fn stop(self: &Arc<Self>, id: &FlowId) -> impl Future<Output = ()> + Send + use<> {
        let changing = self.changing.lock().await;
        let running = {
            let mut flows = self.flows.lock();
            flows.get_mut(id).and_then(|slot| {
                slot.condition = condition(FlowStatus::Stopped, "", clock::now());
                slot.running.take()
            })
        };
        if let Some(running) = &running {
            self.retire(running);
        }
        drop(changing);
        self.announce(id);
        let host = Arc::clone(self);
        async move {
            if let Some(running) = running {
                host.drain(&running).await;
            }
        }
    }

    /// Stops a flow and forgets it, with its stores in memory. What comes back is to be waited for as after a stop.
    pub async fn remove(self: &Arc<Self>, id: &FlowId) -> impl Future<Output = ()> + Send + use<> {
        let ending = self.stop(id).await;
        self.flows.lock().remove(id);
        self.parts.stores.forget_flow(id);
        // An empty retained message takes the one before away.
        self.publish_state(id, Vec::new());
        ending
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

    fn new_holdings(&self, id: &FlowId) -> Holdings {
        let attachment = Attachment::new(&self.parts.router);
        Holdings { attachment, endpoints: EndpointSet::new(&self.parts.endpoints, id) }
    }

    /// Builds a version on a thread of its own; it waits there to be told to go.
    pub(super) async fn launch(
        self: &Arc<Self>,
        plan: &Arc<Plan>,
        debug: &Arc<DebugRing>,
        holdings: Holdings,
    ) -> Result<Arc<Running>, String> {
        let environment = NodeEnvironment { secrets_dir: self.parts.secrets_dir.clone() };
        let services = Services {
            broker: Arc::clone(&holdings.attachment) as _,
            endpoints: Arc::clone(&holdings.endpoints) as _,
            stores: self.parts.stores.for_flow(&plan.flow.id),
            queues: Arc::clone(&self.parts.destinations) as _,
            streams: Arc::clone(&self.parts.destinations) as _,
            debug: Arc::clone(debug) as _,
            environment: Arc::new(environment),
            timers: Arc::new(RuntimeTimers),
        };
        let (control, commands) = mpsc::channel(CONTROLS_MAX);
        let pulse = Arc::new(Pulse::default());
        let running = Arc::new(Running {
            control,
            pulse: Arc::clone(&pulse),
            holdings,
            ending: tokio::sync::watch::Sender::new(Ending::No),
        });
        let (host, told) = (Arc::downgrade(self), Arc::downgrade(&running));
        let id = plan.flow.id.clone();
        let on_event = Box::new(move |event| {
            if let (Some(host), Some(running)) = (host.upgrade(), told.upgrade()) {
                host.handle_event(&id, &running, event);
            }
        });
        let attachment = Arc::clone(&running.holdings.attachment);
        let thread = FlowThread { plan: Arc::clone(plan), services, attachment, pulse, control: commands, on_event };
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
    pub(super) fn retire(&self, running: &Running) {
        self.let_go(&running.holdings);
        let _ = running.control.try_send(Control::Close);
    }

    /// Nothing new comes in by these holdings.
    pub(super) fn let_go(&self, holdings: &Holdings) {
        holdings.attachment.leave(clock::now());
        self.parts.endpoints.switch(Some(&holdings.endpoints), None);
    }

    fn handle_event(&self, id: &FlowId, running: &Arc<Running>, event: Event) {
        match event {
            Event::InOrder => return running.end(Ending::InOrder),
            Event::Ended => return running.end(Ending::Ended),
            Event::Recovered | Event::Crashed { .. } | Event::Failed { .. } => {}
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
                    self.let_go(&running.holdings);
                    let lost = running.holdings.attachment.waiting();
                    if lost > 0 {
                        tracing::error!(flow = id.as_str(), lost, "the messages that waited for the flow are lost");
                    }
                    slot.running = None;
                }
                Event::InOrder | Event::Ended => return,
            }
        }
        self.announce(id);
    }

    /// Publishes the state of a flow, retained, under `$SYS/headwater/flows/{id}/state`.
    pub(super) fn announce(&self, id: &FlowId) {
        let Some(state) = self.show(id) else { return };
        let mut object = Object::new();
        object.insert("status", Value::from(state.condition.status.name()));
        object.insert("text", Value::from(state.condition.text.as_str()));
        object.insert("version", Value::from(state.version));
        object.insert("since", Value::from(state.condition.since));
        self.publish_state(id, Value::from(object).to_json_bytes());
    }

    fn publish_state(&self, id: &FlowId, payload: Vec<u8>) {
        let Ok(topic) = TopicName::parse(&format!("$SYS/headwater/flows/{id}/state")) else { return };
        let mut publication = Publication::new(topic, payload.into(), QoS::AtMostOnce, clock::now().wall);
        publication.retain = true;
        let mut routes = self.parts.router.route_cache();
        // Nobody waits for it: a subscriber that is full misses one state and gets the next.
        drop(self.parts.router.publish(publication, None, &mut routes));
    }
}

impl Holdings {
    /// Messages that wait for the version, on disk or in memory.
    fn waiting(&self) -> usize {
        let on_disk = usize::try_from(self.attachment.durable.waiting()).unwrap_or(usize::MAX);
        self.attachment.waiting().saturating_add(on_disk)
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
            waiting: running.map_or(0, |running| running.holdings.waiting()),
            dropped: running.map_or(0, |running| running.holdings.attachment.dropped()),
            plan: Arc::clone(&self.plan),
        }
    }
}

pub(super) fn condition(status: FlowStatus, text: &str, now: Now) -> FlowCondition {
    FlowCondition { status, text: text.to_owned(), since: now.wall }
}

impl std::fmt::Debug for FlowHost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FlowHost").finish_non_exhaustive()
    }
}
