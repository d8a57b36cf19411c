//! The one queue of a node with a disk: the machine and the spool are those of a node, its task is taken in turns. What
//! dies in it goes to a second queue, from which nobody takes.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering as Atomic};

use broker::queue::{
    ConsumerId, DeliveryTag, Nack, Ordinal, Queue, QueueOptions, QueueOutput, SpoolBacklog, dead_letter,
};
use broker::{
    Broken, Collector, Promises, Receipt, Refusal, SessionSender, Settled, SubscribeOptions, SubscriptionIds,
};
use message::{DestinationId, Moment, Publication, QoS, QueueName, TopicFilter, TopicName, limits};
use node::mqtt::{ConsumeError, Consuming, Over, Queues};
use parking_lot::Mutex;
use store::spool::{self, DestinationOptions, Placed, Placement, Spool};

use crate::Clock;

/// Its name, to which consumers subscribe.
const NAME: &str = "work";
/// What it takes.
const BINDINGS: [&str; 2] = ["a", "b/#"];
const WORK: DestinationId = DestinationId::new(u64::MAX);
const DEAD: DestinationId = DestinationId::new(u64::MAX - 1);

/// The queue in one process of the node.
pub(crate) struct WorkQueue {
    clock: Clock,
    spool: Spool,
    inside: Mutex<Inside>,
    said: Mutex<Vec<(ConsumerId, DeliveryTag, Said)>>,
    has_work: AtomicBool,
}

struct Inside {
    machine: Queue,
    backlog: SpoolBacklog,
    sinks: BTreeMap<ConsumerId, (SubscribeOptions, SessionSender)>,
}

#[derive(Debug, Clone, Copy)]
enum Said {
    Done,
    Not(Nack),
}

impl WorkQueue {
    pub(crate) fn open(spool: &Spool, clock: &Clock) -> Arc<Self> {
        for destination in [WORK, DEAD] {
            let added = spool.add(destination, DestinationOptions::default());
            added.unwrap_or_else(|error| panic!("the queue: {error}"));
        }
        let oldest = spool.state(WORK).map_or(Ordinal::default(), |state| Ordinal(state.low.0));
        let inside = Inside {
            machine: Queue::new(QueueOptions::default(), oldest),
            backlog: SpoolBacklog::new(spool.clone(), WORK),
            sinks: BTreeMap::new(),
        };
        Arc::new(Self {
            clock: clock.clone(),
            spool: spool.clone(),
            inside: Mutex::new(inside),
            said: Mutex::default(),
            has_work: AtomicBool::new(false),
        })
    }

    pub(crate) fn filters() -> Vec<TopicFilter> {
        BINDINGS.iter().filter_map(|filter| TopicFilter::parse(filter).ok()).collect()
    }

    /// Whether the queue is bound to a topic.
    pub(crate) fn takes(topic: &TopicName) -> bool {
        Self::filters().iter().any(|filter| filter.matches(topic))
    }

    /// Whether who subscribes to this consumes the queue.
    pub(crate) fn is_named_by(filter: &TopicFilter) -> bool {
        filter.as_str().strip_prefix("$queue/") == Some(NAME)
    }

    /// Whether the messages of a destination are those of the queue, or dead ones.
    pub(crate) fn owns(destination: DestinationId) -> bool {
        [WORK, DEAD].contains(&destination)
    }

    /// Everything that waits in the queue, in its order.
    pub(crate) fn waiting(&self) -> Vec<Publication> {
        self.all_of(WORK)
    }

    /// Everything that died in it.
    pub(crate) fn dead(&self) -> Vec<Publication> {
        self.all_of(DEAD)
    }

    fn all_of(&self, destination: DestinationId) -> Vec<Publication> {
        let mut all = Vec::new();
        let mut from = spool::Ordinal::default();
        loop {
            let mut some = Vec::new();
            let read = self.spool.read(destination, from, 50, 10_000, &mut some);
            let read = read.unwrap_or_else(|error| panic!("the queue can be read: {error}"));
            all.extend(some.into_iter().map(|spooled| spooled.publication));
            if !read.more {
                return all;
            }
            from = read.from;
        }
    }

    /// When its task has something to do.
    pub(crate) fn due(&self) -> Option<Moment> {
        let inside = self.inside.lock();
        let new = self.has_work.load(Atomic::Relaxed) && !inside.sinks.is_empty();
        let heard = !self.said.lock().is_empty();
        if new || heard { Some(self.clock.moment()) } else { inside.machine.poll_timeout() }
    }

    /// Lets its task do what there is to do.
    pub(crate) fn run(self: &Arc<Self>) {
        let now = self.clock.now();
        self.hear();
        self.has_work.store(false, Atomic::Relaxed);
        let mut inside = self.inside.lock();
        let Inside { machine, backlog, sinks } = &mut *inside;
        machine.handle_appended();
        machine.handle_timeout(now);
        loop {
            let output = machine.poll_output(now, backlog);
            match output.unwrap_or_else(|error| panic!("the queue can be read: {error}")) {
                None => return backlog.tell_handed_out(),
                Some(QueueOutput::Expired { .. }) => panic!("nothing expires here"),
                Some(QueueOutput::Searching) => {}
                Some(QueueOutput::Deliver { consumer, tag, publication }) => {
                    let ticket = Ticket { queue: Arc::clone(self), consumer, tag, taken: AtomicBool::new(false) };
                    // A consumer that left meanwhile has no sink, and its ticket gives the message back.
                    if let Some((options, to)) = sinks.get(&consumer) {
                        to.send(publication, options.qos, SubscriptionIds::default(), Arc::new(ticket));
                    }
                }
                Some(QueueOutput::DeadLetter { ordinal, reason, deliveries, publication }) => {
                    let name = QueueName::parse(NAME).unwrap_or_else(|error| panic!("{NAME}: {error}"));
                    self.bury(&dead_letter(&publication, &name, reason, deliveries));
                    machine.handle_dead_lettered(now, ordinal, true, backlog);
                }
            }
        }
    }

    fn bury(&self, letter: &Publication) {
        let to = Placement { destination: DEAD, qos: QoS::AtLeastOnce, retain: false, identifiers: Vec::new() };
        let appended = self.spool.append(self.clock.now().wall, letter, None, &[to], |_, _, _| {});
        appended.unwrap_or_else(|error| panic!("there is room for dead letters: {error}"));
    }

    fn hear(&self) {
        let mut inside = self.inside.lock();
        let said = std::mem::take(&mut *self.said.lock());
        let Inside { machine, backlog, .. } = &mut *inside;
        for (consumer, tag, said) in said {
            // What is unknown was settled before, by its time or by the end of its consumer.
            let _ = match said {
                Said::Done => machine.handle_acknowledged(consumer, tag, backlog).map(|_| ()),
                Said::Not(nack) => machine.handle_nack(self.clock.now(), consumer, tag, nack, backlog),
            };
        }
    }
}

impl fmt::Debug for WorkQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkQueue").finish_non_exhaustive()
    }
}

impl Collector for WorkQueue {
    fn collect(&self, _: &Publication) -> Result<Promises, Broken> {
        // Nobody is promised anything of a message of QoS 0.
        Ok(Promises::default())
    }

    fn destination(&self) -> Option<DestinationId> {
        Some(WORK)
    }

    fn handle_placed(&self, _: Placed) {
        self.has_work.store(true, Atomic::Relaxed);
    }
}

/// Lets clients consume the queue.
#[derive(Debug)]
pub(crate) struct SimulatedQueues(pub(crate) Arc<WorkQueue>);

impl Queues for SimulatedQueues {
    fn consume(
        &self,
        name: &QueueName,
        in_flight_max: usize,
        options: SubscribeOptions,
        to: SessionSender,
    ) -> Result<Box<dyn Consuming>, ConsumeError> {
        if name.as_str() != NAME {
            return Err(ConsumeError::Unknown(name.clone()));
        }
        let Self(queue) = self;
        let mut inside = queue.inside.lock();
        let joined = inside.machine.handle_joined(in_flight_max);
        let consumer = joined.map_err(|_| ConsumeError::Full(name.clone()))?;
        inside.sinks.insert(consumer, (options, to));
        queue.has_work.store(true, Atomic::Relaxed);
        Ok(Box::new(QueueConsumer { queue: Arc::clone(queue), consumer }))
    }
}

/// When it is dropped, what it has not settled goes to others.
#[derive(Debug)]
struct QueueConsumer {
    queue: Arc<WorkQueue>,
    consumer: ConsumerId,
}

impl Consuming for QueueConsumer {
    fn over(&self) -> Option<Over> {
        None
    }
}

impl Drop for QueueConsumer {
    fn drop(&mut self) {
        self.queue.hear();
        let mut inside = self.queue.inside.lock();
        inside.machine.handle_left(self.queue.clock.now(), self.consumer);
        let sink = inside.sinks.remove(&self.consumer);
        drop(inside);
        drop(sink);
        self.queue.has_work.store(true, Atomic::Relaxed);
    }
}

/// Gives a message back as unseen when it is dropped, unless it went out before.
#[derive(Debug)]
struct Ticket {
    queue: Arc<WorkQueue>,
    consumer: ConsumerId,
    tag: DeliveryTag,
    taken: AtomicBool,
}

impl Ticket {
    fn say(&self, said: Said) {
        self.queue.said.lock().push((self.consumer, self.tag, said));
    }
}

impl Receipt for Ticket {
    fn handle_sent(&self) {
        self.taken.store(true, Atomic::Relaxed);
    }

    fn handle_settled(&self, settled: Settled) {
        self.say(match settled {
            Settled::Done => Said::Done,
            Settled::Refused(Refusal::ForGood) => Said::Not(Nack::Reject),
            Settled::Refused(Refusal::ByThisOne) => Said::Not(Nack::PassOn),
            Settled::Refused(Refusal::ForNow) => Said::Not(Nack::Retry { delay: limits::QUEUE_MQTT_RETRY_DELAY }),
        });
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.taken.load(Atomic::Relaxed) {
            self.say(Said::Not(Nack::Return));
        }
    }
}
