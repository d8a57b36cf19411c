//! One node, its devices and the network between them, driven turn by turn in an order that the seed draws.

mod acts;
mod crash;
mod turns;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use broker::{MailboxOptions, OpenAccess, Router, RouterOptions, Sessions};
use message::limits;
use mqtt::{ReasonCode, Settings};
use node::mqtt::{AssignedIds, Mqtt, MqttFigures, NoQueues, NoStreams, Queues};

use crate::device::DeviceOptions;
use crate::flow_run::FlowRun;
use crate::ground::{Broker, Ground};
use crate::ledger::Ledger;
use crate::link::{Link, LinkTurn, Weather};
use crate::queue::SimulatedQueues;
use crate::services::{MemoryStores, SimulatedTimers};
use crate::{Chance, Clock, Trace};
use turns::Turn;

/// Turns without end are a fault: no story is this long.
const TURNS_MAX: u64 = 5_000_000;

/// Names a device of a simulation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Device(usize);

/// One story as it is told.
#[derive(Debug)]
pub struct Simulation {
    pub(crate) chance: Chance,
    clock: Clock,
    weather: Weather,
    trace: Trace,
    mqtt: Arc<Mqtt>,
    /// What outlives the process, if the node has a disk.
    ground: Option<Ground>,
    devices: Vec<crate::device::Device>,
    /// The number of the will that a device has left with the node.
    wills: BTreeMap<usize, u64>,
    /// The number of the will that it last took back by saying goodbye, until it knows that the node knows.
    farewells: BTreeMap<usize, u64>,
    dismissals: BTreeMap<usize, ReasonCode>,
    links: BTreeMap<u64, Link>,
    links_opened: u64,
    flows: Vec<FlowRun>,
    flow_versions: u64,
    /// Messages that wait for a version of a flow before it holds its publishers back.
    flow_mailbox_messages_max: usize,
    stores: Arc<MemoryStores>,
    timers: Arc<SimulatedTimers>,
    ledger: Ledger,
    turns: Vec<Turn>,
    link_turns: Vec<LinkTurn>,
    turns_taken: u64,
}

impl Simulation {
    /// A node that has just started, under the weather that the seed draws. `keep_text` keeps the trace to be read.
    pub fn new(seed: u64, keep_text: bool) -> Self {
        Self::begin(seed, keep_text, false)
    }

    /// The same, with a disk: sessions outlive the process, and so does a queue.
    pub fn with_disk(seed: u64, keep_text: bool) -> Self {
        Self::begin(seed, keep_text, true)
    }

    fn begin(seed: u64, keep_text: bool, has_disk: bool) -> Self {
        let mut chance = Chance::new(seed);
        let weather = Weather {
            delay_max: Duration::from_millis(chance.pick(&[0, 5, 50, 400])),
            piece_bytes_max: chance.pick(&[3, 20, 200, 5_000]),
            window_bytes: chance.pick(&[200, 2_000, 100_000]),
        };
        let settings = Settings {
            receive_max: chance.pick(&[1, 2, 10, 100]),
            in_flight_max: chance.pick(&[1, 3, 10, 100]),
            topic_alias_max: chance.pick(&[0, 2, 10]),
            outbound_topic_alias_max: chance.pick(&[0, 2, 10]),
            ..Settings::default()
        };
        let flow_mailbox_messages_max = chance.pick(&[1, 4, 100]);
        let clock = Clock::default();
        let hash_seed = chance.bits();
        let keep_alive_s_max = chance.pick(&[u16::MAX, 5]);
        let (ground, router, sessions) = if has_disk {
            let Broker { ground, router, sessions, .. } =
                Ground::first(&mut chance, &clock, hash_seed, limits::SESSIONS_MAX);
            (Some(ground), router, sessions)
        } else {
            let router = Router::new(RouterOptions::new(hash_seed));
            let sessions = Sessions::new(&router, limits::SESSIONS_MAX);
            (None, router, sessions)
        };
        let mqtt = mqtt(router, sessions, ground.as_ref(), settings, keep_alive_s_max);
        let mut simulation = Self {
            chance,
            trace: Trace::new(keep_text),
            weather,
            mqtt,
            ground,
            devices: Vec::new(),
            wills: BTreeMap::new(),
            farewells: BTreeMap::new(),
            dismissals: BTreeMap::new(),
            links: BTreeMap::new(),
            links_opened: 0,
            flows: Vec::new(),
            flow_versions: 0,
            flow_mailbox_messages_max,
            stores: Arc::default(),
            timers: SimulatedTimers::new(&clock),
            clock,
            ledger: Ledger::new(has_disk),
            turns: Vec::new(),
            link_turns: Vec::new(),
            turns_taken: 0,
        };
        simulation.note(format_args!("{weather:?} {settings:?} flow mailboxes of {flow_mailbox_messages_max}"));
        simulation
    }

    /// The record of the story so far.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The real router, for what a story wants to know of it.
    pub fn router(&self) -> &Arc<Router> {
        &self.mqtt.router
    }

    /// The real sessions: those that are connected, and all.
    pub fn connected_and_all(&self) -> (usize, usize) {
        self.mqtt.sessions.connected_and_all()
    }

    /// The place of a device in the order in which they were added.
    pub fn device_place(&self, device: Device) -> usize {
        device.0
    }

    /// What the node said when it last ended a connection of this device.
    pub fn dismissal(&self, device: Device) -> Option<ReasonCode> {
        self.dismissals.get(&device.0).copied()
    }

    /// Whether the device is connected, as far as it knows.
    pub fn is_connected(&self, device: Device) -> bool {
        self.devices[device.0].is_open()
    }

    /// How often a device got each message by way of a flow that takes from `in/` and publishes to `out/`.
    pub fn relayed_copies(&self, device: Device) -> BTreeMap<u64, usize> {
        self.ledger.relayed_copies(device.0)
    }

    /// The numbers of the messages that a device got, in their order.
    pub fn numbers(&self, device: Device) -> Vec<u64> {
        self.ledger.numbers(device.0)
    }

    /// How many messages died in the queue of a node with a disk.
    pub fn dead_letters(&self) -> usize {
        self.ground.as_ref().map_or(0, |ground| ground.queue.dead().len())
    }

    /// Adds a device, which is not connected yet.
    pub fn add(&mut self, options: DeviceOptions) -> Device {
        self.note(format_args!("{options:?}"));
        self.devices.push(crate::device::Device::new(options));
        Device(self.devices.len() - 1)
    }

    /// Everything in which the node broke its word; to be asked when all devices have settled.
    pub fn violations(&self) -> Vec<String> {
        let names: Vec<&str> = self.devices.iter().map(|device| device.options.id.as_str()).collect();
        let mut violations = self.ledger.check(&names);
        if let Some(ground) = &self.ground {
            violations.extend(self.ledger.check_queue(&ground.queue.waiting(), &ground.queue.dead()));
        }
        for (topic, (accepted, candidates)) in self.ledger.retained_candidates() {
            let Ok(filter) = message::TopicFilter::parse(topic.as_str()) else { continue };
            let kept = self.mqtt.router.retained(&filter, self.clock.now().wall);
            let kept: Vec<_> = kept.iter().map(|kept| String::from_utf8_lossy(&kept.payload).into_owned()).collect();
            let known = kept.iter().all(|number| number.parse().is_ok_and(|number| candidates.contains(&number)));
            let expected = usize::from(accepted.is_some());
            if !known || kept.len() < expected || kept.len() > 1 {
                violations.push(format!("`{topic}` retains {kept:?}, and one of {candidates:?} was to be kept"));
            }
        }
        violations
    }

    fn note(&mut self, what: std::fmt::Arguments<'_>) {
        self.trace.note(self.clock.now(), what);
    }
}

/// The node's side of MQTT over a broker.
fn mqtt(
    router: Arc<Router>,
    sessions: Arc<Sessions>,
    ground: Option<&Ground>,
    settings: Settings,
    keep_alive_s_max: u16,
) -> Arc<Mqtt> {
    let queues: Arc<dyn Queues> = match ground {
        Some(ground) => Arc::new(SimulatedQueues(Arc::clone(&ground.queue))),
        None => Arc::new(NoQueues),
    };
    Arc::new(Mqtt {
        sessions,
        router,
        access: Arc::new(OpenAccess),
        queues,
        streams: Arc::new(NoStreams),
        settings,
        keep_alive_s_max,
        mailbox: MailboxOptions::for_session(),
        connections_max: usize::MAX,
        subscriptions_max: limits::MQTT_SUBSCRIPTIONS_PER_SESSION_MAX,
        slow_client_max: None,
        assigned_ids: AssignedIds::Counted(AtomicU64::new(1)),
        figures: MqttFigures::default(),
    })
}

/// A story that fails is worth reading.
impl Drop for Simulation {
    fn drop(&mut self) {
        if let Some(text) = self.trace.text().filter(|_| std::thread::panicking()) {
            eprintln!("{text}");
        }
    }
}
