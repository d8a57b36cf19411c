//! One queue of the node: the machine that hands out, its messages in the spool, and those who publish and consume.

mod client;
mod consumer;
mod flow;
mod work;

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use broker::queue::{
    ConsumerId, DeliveryTag, MessageState, Nack, Ordinal, Peeked, Queue, QueueFigures, ReadOn, Room, SettleError,
    SpoolBacklog, TooManyConsumers,
};
use broker::{Broken, Collector, Promises};
use message::{DestinationId, Now, Publication, QoS, QueueName, limits};
use parking_lot::Mutex;
use store::Durability;
use store::log::{CommitPoint, Intake, Poisoned};
use store::spool::{AppendError, DestinationOptions, DropReason, Placed, Placement, ReadError, Spool};
use store::table::{Label, StoredQueue};
use tokio::sync::Notify;

use super::commit::Commit;
use super::hand_out::{Said, Sink, Taker};
use super::line::Line;
use super::{memory, settings};
use crate::clock;
pub(crate) use consumer::QueueConsumer;
use consumer::QueueDelivery;

/// A queue that can be published to and consumed.
#[derive(Debug)]
pub(crate) struct NodeQueue {
    name: QueueName,
    destination: DestinationId,
    /// Nobody can guess it, and the next life of this queue, or of another of that name, has another one.
    life: u64,
    spool: Spool,
    inside: Mutex<Inside>,
    /// What consumers said and the machine was not told yet. It is the last lock that anyone takes, so that they may speak
    /// wherever they are. Each entry is of a message that is in flight: it cannot hold more than these.
    said: Mutex<Vec<(QueueDelivery, Said)>>,
    /// Consumers with room again where they get their messages, as far as the machine was not told yet: each waits for it once.
    /// Nobody takes another lock while holding this one.
    roomy: Mutex<Vec<ConsumerId>>,
    /// There may be something to do.
    work: Notify,
    /// A consumer waits for messages: without one, a new message is nothing to do.
    wanted: AtomicBool,
    line: Line,
    /// It is removed: nobody comes any more. Set under the lock of what is inside.
    is_closed: AtomicBool,
    /// Messages that found the queue full. Their publishers were told, if they are told of anything.
    refused: AtomicU64,
    /// Dead letters that went nowhere, as there is no queue for them.
    discarded: AtomicU64,
}

#[derive(Debug)]
struct Inside {
    stored: StoredQueue,
    machine: Queue,
    backlog: SpoolBacklog,
    takers: BTreeMap<ConsumerId, Taker<NodeQueue>>,
}

/// What is known of a queue at one moment.
#[derive(Debug, Clone)]
pub(crate) struct QueueState {
    pub(crate) name: QueueName,
    pub(crate) stored: StoredQueue,
    pub(crate) waiting_messages: u64,
    pub(crate) waiting_bytes: u64,
    pub(crate) machine: QueueFigures,
    pub(crate) refused: u64,
    pub(crate) discarded: u64,
    /// By [`DropReason`].
    pub(crate) dropped: [u64; DropReason::ALL.len()],
    /// Why it takes no more, once a write or a sync has failed.
    pub(crate) failure: Option<Poisoned>,
}

impl QueueState {
    /// Messages that wait for the end of their delay. The machine finds out later about those that a limit dropped.
    pub(crate) fn delayed(&self) -> u64 {
        self.machine.delayed.min(self.waiting_messages)
    }
}

/// Why a message was not put into a queue.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum PutError {
    #[error("queue `{0}` is full: let its messages be consumed, or purge it")]
    Full(QueueName),
    #[error("queue `{0}` was just removed: make it again first")]
    Removed(QueueName),
    #[error(transparent)]
    Append(#[from] AppendError),
}

impl PutError {
    /// In the broker's words.
    pub(crate) fn broken(&self) -> Broken {
        match self {
            Self::Full(_) | Self::Removed(_) => Broken::NoRoom,
            Self::Append(error) => Broken::from(error),
        }
    }
}

/// Why someone cannot consume a queue.
#[derive(Debug, Clone, Copy, thiserror::Error)]
pub(crate) enum JoinError {
    #[error(transparent)]
    Full(#[from] TooManyConsumers),
    #[error("the queue was just removed")]
    Removed,
}

/// Why a message was not moved.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MoveError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Put(#[from] PutError),
}

/// What the router brings.
impl Collector for NodeQueue {
    fn collect(&self, publication: &Publication) -> Result<Promises, Broken> {
        self.put(clock::now(), publication).map(Commit::into_promises).map_err(|error| error.broken())
    }

    fn intake(&self) -> Option<&Arc<Intake>> {
        Some(self.spool.intake())
    }

    fn destination(&self) -> Option<DestinationId> {
        Some(self.destination)
    }

    fn handle_placed(&self, placed: Placed) {
        if placed == Placed::Refused {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
        self.tell_of_message();
    }
}

impl NodeQueue {
    /// A queue over what the spool has of it.
    pub(super) fn open(spool: &Spool, name: QueueName, stored: StoredQueue) -> Result<Arc<Self>, ReadError> {
        let destination = stored.destination;
        spool.add(destination, destination_options(&stored))?;
        spool.set_label(destination, &label(&name, &stored));
        if stored.options.durability == Durability::Memory {
            memory::throw_away(spool, destination)?;
        }
        let oldest = spool.state(destination).map_or(Ordinal::default(), |state| Ordinal(state.low.0));
        let inside = Inside {
            machine: Queue::new(settings::hand_out(&stored.options), oldest),
            backlog: SpoolBacklog::new(spool.clone(), destination),
            takers: BTreeMap::new(),
            stored,
        };
        Ok(Arc::new(Self {
            name,
            destination,
            life: clock::random_u64(),
            spool: spool.clone(),
            inside: Mutex::new(inside),
            said: Mutex::default(),
            roomy: Mutex::default(),
            work: Notify::new(),
            wanted: AtomicBool::new(false),
            line: Line::new(spool.intake()),
            is_closed: AtomicBool::new(false),
            refused: AtomicU64::new(0),
            discarded: AtomicU64::new(0),
        }))
    }

    pub(crate) fn name(&self) -> &QueueName {
        &self.name
    }

    pub(crate) fn destination(&self) -> DestinationId {
        self.destination
    }

    /// Names this life of the queue: deliveries of others are unknown to it.
    pub(crate) fn life(&self) -> u64 {
        self.life
    }

    /// Takes new settings; messages that wait stay.
    pub(super) fn change(&self, stored: StoredQueue) -> Result<(), ReadError> {
        self.spool.add(self.destination, destination_options(&stored))?;
        self.spool.set_label(self.destination, &label(&self.name, &stored));
        let mut inside = self.inside.lock();
        inside.machine.set_options(settings::hand_out(&stored.options));
        inside.stored = stored;
        drop(inside);
        self.work.notify_one();
        Ok(())
    }

    /// Appends a message that is meant for this queue alone: at once, or in its turn while the log is crowded. Resolves when it
    /// is as safe as the queue asks for.
    pub(crate) fn bring(
        self: &Arc<Self>,
        now: Now,
        publication: Publication,
    ) -> impl Future<Output = Result<(), PutError>> + Send + use<> {
        let at_once = self.line.is_free().then(|| self.put(now, &publication));
        let queue = Arc::clone(self);
        async move {
            let commit = match at_once {
                Some(commit) => commit?,
                None => {
                    let _turn = queue.line.turn().await;
                    queue.put(clock::now(), &publication)?
                }
            };
            Ok(commit.await.map_err(AppendError::from)?)
        }
    }

    /// Waits until its log is not crowded.
    pub(crate) async fn room(&self) {
        self.line.room().await;
    }

    /// Appends a message that is meant for this queue alone, if there is room now. It is safe when the commit is reached.
    pub(crate) fn put(&self, now: Now, publication: &Publication) -> Result<Commit, PutError> {
        let to = Placement {
            destination: self.destination,
            qos: publication.qos.max(QoS::AtLeastOnce),
            retain: false,
            identifiers: Vec::new(),
        };
        let mut found = true;
        let appended = self.spool.append(now.wall, publication, None, &[to], |_, placed, _| {
            found = placed != Placed::Unknown;
        });
        let point = match appended {
            Ok(point) if found => point,
            Ok(_) => return Err(PutError::Removed(self.name.clone())),
            Err(AppendError::Refused) => {
                self.refused.fetch_add(1, Ordering::Relaxed);
                return Err(PutError::Full(self.name.clone()));
            }
            Err(error) => return Err(error.into()),
        };
        self.tell_of_message();
        Ok(Commit::new(&self.spool, point))
    }

    /// Wakes the task for a message that is in the spool, if it has to go to someone. The task says that messages are wanted
    /// before it looks into the spool, so one of the two sees the other.
    fn tell_of_message(&self) {
        if self.wanted.load(Ordering::Relaxed) {
            self.work.notify_one();
        }
    }

    /// A consumer comes, who takes so much at a time. It leaves when what this returns is dropped.
    pub(crate) fn join(
        self: &Arc<Self>,
        room: impl Into<Room>,
        sink: Box<dyn Sink<NodeQueue>>,
    ) -> Result<QueueConsumer, JoinError> {
        let mut inside = self.inside.lock();
        if self.is_closed() {
            return Err(JoinError::Removed);
        }
        let id = inside.machine.handle_joined(room)?;
        inside.takers.insert(id, Taker::new(self, id.0, sink));
        drop(inside);
        self.work.notify_one();
        Ok(QueueConsumer::new(self, id))
    }

    /// A consumer has worked a message off. It is gone for good when the commit is reached.
    pub(crate) fn acknowledge(&self, consumer: ConsumerId, tag: DeliveryTag) -> Result<Commit, SettleError> {
        let mut inside = self.inside.lock();
        let Inside { machine, backlog, .. } = &mut *inside;
        let point = machine.handle_acknowledged(consumer, tag, backlog)?;
        drop(inside);
        self.work.notify_one();
        Ok(self.commit(point))
    }

    /// A consumer gives a message back.
    pub(crate) fn nack(&self, now: Now, consumer: ConsumerId, tag: DeliveryTag, nack: Nack) -> Result<(), SettleError> {
        let mut inside = self.inside.lock();
        let Inside { machine, backlog, .. } = &mut *inside;
        machine.handle_nack(now, consumer, tag, nack, backlog)?;
        drop(inside);
        self.work.notify_one();
        Ok(())
    }

    /// Messages from a place on, without taking them.
    pub(crate) fn peek(&self, from: Ordinal, messages_max: usize) -> Result<(Vec<Peeked>, ReadOn), ReadError> {
        let mut inside = self.inside.lock();
        let Inside { machine, backlog, .. } = &mut *inside;
        let mut peeked = Vec::new();
        let read_on =
            machine.peek(clock::now(), from, messages_max, limits::QUEUE_READ_AHEAD_BYTES, backlog, &mut peeked)?;
        Ok((peeked, read_on))
    }

    /// Throws one message away, unless a consumer has it. Says whether it was there.
    pub(crate) fn discard(&self, ordinal: Ordinal) -> Result<bool, ReadError> {
        let mut inside = self.inside.lock();
        let Inside { machine, backlog, .. } = &mut *inside;
        machine.handle_discarded(ordinal, backlog)
    }

    /// Throws away all that waits now, step by step, so that others have their turn. Returns how many messages that were.
    pub(crate) async fn purge(&self) -> Result<u64, ReadError> {
        let until = self.next();
        let mut messages = 0;
        loop {
            let purged = {
                let mut inside = self.inside.lock();
                let Inside { machine, backlog, .. } = &mut *inside;
                machine.handle_purge(until, backlog)?
            };
            messages += purged.messages;
            if !purged.more {
                return Ok(messages);
            }
            tokio::task::yield_now().await;
        }
    }

    /// Moves a message into another queue, changed, unless a consumer has it or it is gone. No crash loses it, as both
    /// queues are in one log.
    pub(super) fn move_to(
        &self,
        now: Now,
        to: &Self,
        ordinal: Ordinal,
        change: impl FnOnce(&Publication) -> Publication,
    ) -> Result<Option<Commit>, MoveError> {
        let mut inside = self.inside.lock();
        let Inside { machine, backlog, .. } = &mut *inside;
        let mut found = Vec::new();
        machine.peek(now, ordinal, 1, usize::MAX, backlog, &mut found)?;
        let is_idle = |peeked: &Peeked| peeked.stored.ordinal == ordinal && peeked.state == MessageState::Waiting;
        let Some(peeked) = found.pop().filter(is_idle) else { return Ok(None) };
        let commit = to.put(now, &change(&peeked.stored.publication))?;
        machine.handle_discarded(ordinal, backlog)?;
        Ok(Some(commit))
    }

    /// How it is set, and where it lies.
    pub(crate) fn stored(&self) -> StoredQueue {
        self.inside.lock().stored.clone()
    }

    /// Where the next message will lie.
    pub(crate) fn next(&self) -> Ordinal {
        self.spool.state(self.destination).map_or(Ordinal::default(), |state| Ordinal(state.next.0))
    }

    /// Messages in it, those with consumers among them.
    pub(crate) fn waiting_messages(&self) -> u64 {
        self.spool.waiting(self.destination).0
    }

    /// Lets all consumers go, for good.
    pub(super) fn close(&self) {
        let mut inside = self.inside.lock();
        self.is_closed.store(true, Ordering::Relaxed);
        let takers = std::mem::take(&mut inside.takers);
        drop(inside);
        drop(takers);
    }

    /// Whether it has consumers no more.
    pub(super) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Relaxed)
    }

    pub(super) fn consumers(&self) -> usize {
        self.inside.lock().takers.len()
    }

    pub(crate) fn state(&self) -> QueueState {
        let (stored, machine) = {
            let inside = self.inside.lock();
            (inside.stored.clone(), inside.machine.figures())
        };
        let spooled = self.spool.state(self.destination).unwrap_or_default();
        QueueState {
            name: self.name.clone(),
            stored,
            waiting_messages: spooled.waiting_messages,
            waiting_bytes: spooled.waiting_bytes,
            machine,
            refused: self.refused.load(Ordering::Relaxed),
            discarded: self.discarded.load(Ordering::Relaxed),
            dropped: spooled.dropped,
            failure: self.spool.failure(),
        }
    }

    fn commit(&self, point: CommitPoint) -> Commit {
        Commit::new(&self.spool, point)
    }
}

/// What the queue says of itself in the spool.
fn label(name: &QueueName, stored: &StoredQueue) -> Vec<u8> {
    Label::Queue { name: name.clone(), stored: Some(stored.clone()) }.encode()
}

fn destination_options(stored: &StoredQueue) -> DestinationOptions {
    let options = &stored.options;
    DestinationOptions { durability: options.durability, limits: options.limits, policy: options.policy }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use message::{Bytes, Timestamp, TopicName};
    use store::disk::SimulatedDisk;
    use store::log::Committer;
    use store::spool::SpoolOptions;

    use super::*;
    use crate::destinations::QueueSettings;

    #[test]
    fn a_queue_that_was_just_removed_does_not_say_that_it_took_a_message() {
        let disk = Arc::new(SimulatedDisk::new(1));
        let committer = Committer::stepped();
        let (spool, _) = Spool::open(disk, Path::new("spool"), SpoolOptions::default(), &committer).unwrap();
        let name = QueueName::parse("orders").unwrap();
        let options = QueueSettings::for_dead_letters().resolve(&name).unwrap();
        let destination = DestinationId::new(1);
        let stored = StoredQueue { destination, created: Timestamp::default(), options };
        let queue = NodeQueue::open(&spool, name, stored).unwrap();
        let now = clock::now();
        let topic = TopicName::parse("a").unwrap();
        let publication = Publication::new(topic, Bytes::from_static(b"x"), QoS::AtLeastOnce, now.wall);
        drop(queue.put(now, &publication).unwrap());
        spool.remove(destination);
        assert!(matches!(queue.put(now, &publication), Err(PutError::Removed(_))));
    }
}
