//! Readers of a stream who share a cursor: each message goes to one of them, until it is acknowledged. A reader of its own
//! is a group of one. A group with a name has its cursor in the tables and goes on there after any end.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use broker::queue::{ConsumerId, Nack, Ordinal, Queue, QueueOptions, QueueOutput, Room};
use message::{ConsumerName, Moment, Now, StreamName, limits};
use parking_lot::Mutex;
use store::log::Poisoned;
use store::stream::{Offset, Stream};
use store::table::{ConsumerTable, StoredConsumer, WriteError, Written};
use tokio::runtime::Handle;
use tokio::sync::Notify;

use super::backlog::StreamBacklog;
use super::consumers::ConsumerError;
use super::member::{StreamDelivery, StreamMember};
use super::progress::Progress;
use crate::clock;
use crate::destinations::hand_out::{HandedOut, HandsOut, Said, Sink, Taker};
use crate::mqtt::Over;

/// What groups of all streams need.
#[derive(Debug, Clone)]
pub(crate) struct GroupGround {
    pub(super) cursors: ConsumerTable,
    /// Where groups work; those who join do so from anywhere.
    pub(super) runtime: Handle,
}

impl GroupGround {
    /// For the runtime that this is called in.
    pub(in crate::destinations) fn new(cursors: ConsumerTable) -> Self {
        Self { cursors, runtime: Handle::current() }
    }
}

/// Readers who share a cursor.
#[derive(Debug)]
pub(super) struct Group {
    stream_name: StreamName,
    /// None: the cursor goes with the last reader.
    name: Option<ConsumerName>,
    stream: Stream,
    ground: GroupGround,
    inside: Mutex<Inside>,
    /// What readers said and the machine was not told yet. It is the last lock that anyone takes. Each entry is of a message
    /// that is in flight: it cannot hold more than these, and those of before a seek.
    said: Mutex<Vec<(StreamDelivery, Said)>>,
    /// Members with room again where they get their messages, as far as the machine was not told yet: each waits for it once.
    /// Nobody takes another lock while holding this one.
    roomy: Mutex<Vec<u64>>,
    work: Notify,
    /// What of its progress the tables have, as counted there.
    saved: AtomicU64,
    skipped: AtomicU64,
    /// It is to be forgotten: the tables must not get its cursor once more. Set under the lock of what is inside.
    over: OnceLock<Over>,
}

impl HandsOut for Group {
    type Delivery = StreamDelivery;

    fn say(&self, delivery: StreamDelivery, said: Said) {
        self.said.lock().push((delivery, said));
        self.work.notify_one();
    }

    fn note_room(&self, taker: u64) {
        self.roomy.lock().push(taker);
        self.work.notify_one();
    }
}

#[derive(Debug)]
struct Inside {
    /// Hands out as a queue does; the cursor is the place of the oldest message that is not acknowledged.
    machine: Queue,
    backlog: StreamBacklog,
    members: Vec<Member>,
    next_member: u64,
    /// Counts seeks.
    round: u64,
    is_running: bool,
}

#[derive(Debug)]
struct Member {
    id: u64,
    consumer: ConsumerId,
    room: Room,
    taker: Taker<Group>,
    /// Takes no more.
    is_at_rest: bool,
}

impl Inside {
    /// There may be room again where these members get their messages.
    fn handle_drained(&mut self, roomy: &BTreeSet<u64>) {
        for member in self.members.iter_mut().filter(|member| roomy.contains(&member.id)) {
            if member.taker.has_room() {
                self.machine.handle_drained(member.consumer);
            }
        }
    }
}

/// What is known of a group at one moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GroupState {
    /// The first message that is not acknowledged.
    pub(crate) cursor: u64,
    pub(crate) members: usize,
    pub(crate) in_flight: usize,
    pub(crate) redelivered: u64,
    /// Messages that are not acknowledged.
    pub(crate) lag: u64,
    /// Messages that were passed over, as no reader could or would take them.
    pub(crate) skipped: u64,
}

/// What a step left to do.
struct Rest {
    more: bool,
    at: Option<Moment>,
}

fn machine(from: u64) -> Queue {
    let options = QueueOptions {
        // Readers have as much time as they want: others get what one has when it goes.
        ack_timeout: limits::SETTING_SPAN_MAX,
        deliveries_max: 0,
        has_delay: false,
        dies_when_all_refuse: true,
        ..QueueOptions::default()
    };
    Queue::new(options, Ordinal(from))
}

impl Group {
    pub(super) fn new(
        stream_name: &StreamName,
        stream: &Stream,
        ground: &GroupGround,
        name: Option<ConsumerName>,
        progress: Progress,
    ) -> Arc<Self> {
        let saved = AtomicU64::new(progress.changes());
        let inside = Inside {
            machine: machine(progress.cursor()),
            backlog: StreamBacklog::new(stream, progress),
            members: Vec::new(),
            next_member: 0,
            round: 0,
            is_running: false,
        };
        Arc::new(Self {
            stream_name: stream_name.clone(),
            name,
            stream: stream.clone(),
            ground: ground.clone(),
            inside: Mutex::new(inside),
            said: Mutex::default(),
            roomy: Mutex::default(),
            work: Notify::new(),
            saved,
            skipped: AtomicU64::new(0),
            over: OnceLock::new(),
        })
    }

    /// A reader comes, who takes so much at a time. It leaves when what this returns is dropped.
    pub(super) fn join(
        self: &Arc<Self>,
        room: Room,
        sink: Box<dyn Sink<Group>>,
    ) -> Result<StreamMember, ConsumerError> {
        let mut inside = self.inside.lock();
        if self.over().is_some() {
            return Err(ConsumerError::Removed);
        }
        let consumer = inside.machine.handle_joined(room)?;
        let id = inside.next_member;
        inside.next_member += 1;
        let taker = Taker::new(self, id, sink);
        inside.members.push(Member { id, consumer, room, taker, is_at_rest: false });
        if !std::mem::replace(&mut inside.is_running, true) {
            self.ground.runtime.spawn(Arc::clone(self).run());
        }
        drop(inside);
        self.work.notify_one();
        Ok(StreamMember { group: Arc::clone(self), id })
    }

    pub(super) fn leave(&self, id: u64) {
        let now = clock::now();
        let mut inside = self.inside.lock();
        self.hear(now, &mut inside);
        let place = inside.members.iter().position(|member| member.id == id);
        let left = place.map(|place| inside.members.remove(place));
        if let Some(member) = &left {
            inside.machine.handle_left(now, member.consumer);
        }
        drop(inside);
        // After the lock: what it holds speaks of it when it is dropped.
        drop(left);
        self.work.notify_one();
    }

    /// A member takes no more, but may still settle what it has.
    pub(super) fn rest(&self, id: u64) {
        let mut inside = self.inside.lock();
        let Inside { machine, members, .. } = &mut *inside;
        if let Some(member) = members.iter_mut().find(|member| member.id == id) {
            member.is_at_rest = true;
            machine.handle_retired(member.consumer);
        }
    }

    /// Lets all readers go, for good. Returns how many there were.
    pub(super) fn close(&self, over: Over) -> usize {
        let mut inside = self.inside.lock();
        self.over.get_or_init(|| over);
        let members = std::mem::take(&mut inside.members);
        drop(inside);
        let count = members.len();
        // They look for the reason when they hear of it.
        drop(members);
        self.work.notify_one();
        count
    }

    /// Why it has no readers any more, if so.
    pub(super) fn over(&self) -> Option<Over> {
        self.over.get().copied()
    }

    /// Moves the cursor: readers get what stands from there on. What they have already is theirs, and counts for nothing.
    pub(super) fn seek(&self, to: u64) {
        let mut inside = self.inside.lock();
        inside.round += 1;
        inside.machine = machine(to);
        inside.backlog.seek(to);
        let Inside { machine, members, .. } = &mut *inside;
        for member in members.iter_mut().filter(|member| !member.is_at_rest) {
            // They were not too many before.
            if let Ok(consumer) = machine.handle_joined(member.room) {
                member.consumer = consumer;
            }
        }
        drop(inside);
        self.work.notify_one();
    }

    pub(super) fn has_members(&self) -> bool {
        !self.inside.lock().members.is_empty()
    }

    /// What is known of it, of a stream that has the messages from `earliest` to `next`.
    pub(super) fn state(&self, earliest: u64, next: u64) -> GroupState {
        let inside = self.inside.lock();
        let figures = inside.machine.figures();
        let progress = &inside.backlog.progress;
        GroupState {
            cursor: progress.cursor(),
            members: inside.members.len(),
            in_flight: figures.in_flight,
            redelivered: figures.redelivered,
            lag: progress.lag(earliest, next),
            skipped: self.skipped.load(Ordering::Relaxed),
        }
    }

    /// Writes into the tables how far it is. A group without a name has no place there.
    fn save(&self) -> Option<(u64, Written<()>)> {
        let name = self.name.as_ref()?;
        let now = clock::now();
        let mut inside = self.inside.lock();
        if self.over().is_some() {
            return None;
        }
        self.hear(now, &mut inside);
        let progress = &inside.backlog.progress;
        let reached = StoredConsumer {
            offset: progress.cursor(),
            acknowledged: progress.acknowledged(limits::STREAM_CURSOR_RUNS_MAX),
            updated: now.wall,
        };
        Some((progress.changes(), self.ground.cursors.put(&self.stream_name, name, &reached)))
    }

    /// Writes how far it is and waits until that is on disk.
    pub(super) async fn saved(&self) -> Result<(), WriteError> {
        let Some((changes, written)) = self.save() else { return Ok(()) };
        written.await?;
        self.saved.store(changes, Ordering::Relaxed);
        Ok(())
    }

    /// Works as long as there are readers, and until it is saved how far they are.
    async fn run(self: Arc<Self>) {
        let mut save_after = clock::moment();
        let mut failed = None;
        loop {
            let now = clock::now();
            let rest = self.step(now);
            if self.ends() {
                return;
            }
            let is_unsaved = self.is_unsaved();
            if is_unsaved && save_after <= now.moment {
                save_after = self.save_and_tell(now).await;
                continue;
            }
            if rest.more {
                tokio::task::yield_now().await;
                continue;
            }
            let due = [rest.at, is_unsaved.then_some(save_after)].into_iter().flatten().min();
            self.wait(due, &mut failed).await;
        }
    }

    /// Returns when to save the next time.
    async fn save_and_tell(&self, now: Now) -> Moment {
        match self.saved().await {
            Ok(()) => now.moment + limits::STREAM_CURSOR_SAVE_DELAY,
            Err(error) => {
                let consumer = self.name.as_ref().map(tracing::field::display);
                tracing::warn!(stream = %self.stream_name, consumer, "how far a consumer has read is not saved: {error}");
                clock::moment() + limits::STREAM_RETRY_DELAY
            }
        }
    }

    /// Waits for something to do. A log that failed is not waited for: it gets no more messages.
    async fn wait(&self, due: Option<Moment>, failed: &mut Option<Poisoned>) {
        let end = if failed.is_none() { self.inside.lock().backlog.end() } else { None };
        let readable = async {
            match end {
                Some(end) => self.readable(end).await,
                None => std::future::pending().await,
            }
        };
        let time_is_over = async {
            match due {
                Some(due) => tokio::time::sleep(due.since(clock::moment())).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.work.notified() => {}
            () = time_is_over => {}
            result = readable => match result {
                Ok(()) => self.inside.lock().backlog.handle_readable(),
                Err(poisoned) => *failed = Some(poisoned),
            },
        }
    }

    async fn readable(&self, from: Offset) -> Result<(), Poisoned> {
        poll_fn(|context| self.stream.poll_readable(from, context.waker())).await
    }

    fn is_unsaved(&self) -> bool {
        let inside = self.inside.lock();
        let has_place = self.name.is_some() && self.over().is_none();
        has_place && inside.backlog.progress.changes() != self.saved.load(Ordering::Relaxed)
    }

    /// Whether there is nothing to do any more until someone joins.
    fn ends(&self) -> bool {
        let is_unsaved = self.is_unsaved();
        let mut inside = self.inside.lock();
        let ends = inside.members.is_empty() && !is_unsaved;
        inside.is_running = !ends;
        ends
    }

    /// Tells the machine what readers said.
    fn hear(&self, now: Now, inside: &mut Inside) {
        let said = std::mem::take(&mut *self.said.lock());
        let Inside { machine, backlog, round, .. } = inside;
        for (StreamDelivery { consumer, tag, .. }, said) in said.into_iter().filter(|(name, _)| name.round == *round) {
            // What is unknown was settled before, by the end of its reader.
            let _ = match said {
                Said::Done => machine.handle_acknowledged(consumer, tag, backlog),
                // What one reader cannot or will not take may be what another waits for.
                Said::Not(Nack::Reject) => machine.handle_nack(now, consumer, tag, Nack::PassOn, backlog),
                Said::Not(nack) => machine.handle_nack(now, consumer, tag, nack, backlog),
            };
        }
    }

    /// Every reader refused the message. It is said once: a client that cannot take one cannot take many.
    fn count_skipped(&self, ordinal: Ordinal) {
        if self.skipped.fetch_add(1, Ordering::Relaxed) == 0 {
            let consumer = self.name.as_ref().map(tracing::field::display);
            tracing::warn!(
                stream = %self.stream_name,
                consumer,
                offset = ordinal.0,
                "a message of a stream was passed over, as every reader of this consumer refused it or cannot take a packet \
                 of its size; more of them are counted as skipped"
            );
        }
    }

    fn step(self: &Arc<Self>, now: Now) -> Rest {
        // First, so that what they gave back for want of room is heard before they get anything.
        let roomy: BTreeSet<u64> = std::mem::take(&mut *self.roomy.lock()).into_iter().collect();
        let mut inside = self.inside.lock();
        self.hear(now, &mut inside);
        inside.handle_drained(&roomy);
        if inside.backlog.end().is_none() {
            inside.machine.handle_appended();
        }
        inside.machine.handle_timeout(now);
        for _ in 0..limits::QUEUE_STEPS_MAX {
            let Inside { machine, backlog, members, round, .. } = &mut *inside;
            match machine.poll_output(now, backlog) {
                Ok(None) => return Rest { more: false, at: machine.poll_timeout() },
                Ok(Some(QueueOutput::Expired { .. })) => {}
                Ok(Some(QueueOutput::Searching)) => break,
                Ok(Some(QueueOutput::Deliver { consumer, tag, publication })) => {
                    let delivery = StreamDelivery { round: *round, consumer, tag };
                    // One that nobody takes gives itself back.
                    let handed = HandedOut::new(self, delivery, publication);
                    if let Some(member) = members.iter_mut().find(|member| member.consumer == consumer)
                        && !member.taker.hand_over(handed)
                    {
                        machine.handle_crowded(consumer);
                    }
                }
                Ok(Some(QueueOutput::DeadLetter { ordinal, .. })) => {
                    self.count_skipped(ordinal);
                    machine.handle_dead_lettered(now, ordinal, true, backlog);
                }
                Err(error) => {
                    tracing::error!(stream = %self.stream_name, "the messages of a stream cannot be read: {error}");
                    return Rest { more: false, at: Some(now.moment + limits::STREAM_RETRY_DELAY) };
                }
            }
        }
        Rest { more: true, at: None }
    }
}
