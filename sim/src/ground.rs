//! What a node stands on when it has a disk: the spool on a simulated one, stepped, and its tables as facts with a list of
//! changes that are not on disk yet. A loss of power keeps a part of that list, in its order, as commits do.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use broker::{
    Bindings, Broken, Collector, Pending, RestoredSession, RetainedChange, RetainedJournal, Router, RouterOptions,
    SessionChange, SessionExpiry, SessionJournal, SessionStore, Sessions, Subscription,
};
use message::{Bytes, ClientId, DestinationId, Moment, Publication, QoS, Timestamp, TopicFilter, TopicName};
use parking_lot::Mutex;
use store::disk::SimulatedDisk;
use store::log::Committer;
use store::spool::{DestinationOptions, Spool, SpoolOptions};
use store::{Revision, RevisionMark, Turn};

use crate::queue::WorkQueue;
use crate::{Chance, Clock};

/// How a process ends that is not asked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crash {
    /// What it had written is there.
    Killed,
    /// The same in the middle of writing or syncing: what it had written is seen, and perhaps not on the disk.
    KilledAtWork,
    /// What was not synced is there, torn or gone.
    PowerCut,
    /// The power goes in the middle of writing or syncing.
    PowerCutAtWork,
}

#[derive(Debug)]
pub(crate) struct Ground {
    disk: SimulatedDisk,
    committer: Committer,
    pub(crate) queue: Arc<WorkQueue>,
    tables: SimulatedTables,
    segment_bytes: u64,
    /// How long the disk takes at most.
    latency_max: Duration,
    /// When what waits for the log, and for the tables, is on its way to the disk.
    log_due: Option<Moment>,
    tables_due: Option<Moment>,
    /// Bound for as long as the process lives.
    _bindings: Bindings,
}

/// The node's broker as a process finds it on its disk.
pub(crate) struct Broker {
    pub(crate) ground: Ground,
    pub(crate) router: Arc<Router>,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) found: Vec<RestoredSession>,
}

impl Ground {
    /// A node that starts for the first time.
    pub(crate) fn first(chance: &mut Chance, clock: &Clock, hash_seed: u64, sessions_max: usize) -> Broker {
        let segment_bytes = chance.pick(&[600, 3_000, 1_000_000]);
        let latency_max = Duration::from_millis(chance.pick(&[0, 2, 50, 400]));
        let disk = SimulatedDisk::new(chance.bits());
        Self::open(disk, SimulatedTables::default(), (segment_bytes, latency_max), clock, hash_seed, sessions_max)
    }

    /// The next process, after this one has crashed.
    pub(crate) fn crash(
        self,
        crash: Crash,
        chance: &mut Chance,
        clock: &Clock,
        hash_seed: u64,
        sessions_max: usize,
    ) -> Broker {
        let disk = match crash {
            Crash::Killed => self.disk.after_kill(),
            Crash::PowerCut => self.disk.power_cut(),
            Crash::KilledAtWork | Crash::PowerCutAtWork => {
                self.disk.cut_power_at(self.disk.steps() + chance.between(1, 5) as u64);
                self.committer.commit_once();
                if crash == Crash::KilledAtWork { self.disk.after_kill() } else { self.disk.power_cut() }
            }
        };
        self.tables.crash(chance);
        Self::open(disk, self.tables.clone(), (self.segment_bytes, self.latency_max), clock, hash_seed, sessions_max)
    }

    fn open(
        disk: SimulatedDisk,
        tables: SimulatedTables,
        (segment_bytes, latency_max): (u64, Duration),
        clock: &Clock,
        hash_seed: u64,
        sessions_max: usize,
    ) -> Broker {
        let committer = Committer::stepped();
        let options = SpoolOptions { segment_bytes, ..SpoolOptions::default() };
        let opened = Spool::open(Arc::new(disk.clone()), Path::new("spool"), options, &committer);
        let (spool, recovery) = opened.unwrap_or_else(|error| panic!("a node starts on whatever is there: {error}"));
        assert!(recovery.damage.is_empty() && recovery.lost_messages == 0, "nothing was damaged: {recovery:?}");
        let router = Router::new(RouterOptions {
            retained_journal: Some(Arc::new(tables.clone())),
            spool: Some(spool.clone()),
            ..RouterOptions::new(hash_seed)
        });
        let (found, retained, mark) = tables.facts();
        let mut restored = router.restore_retained(clock.now().wall, spool.retained());
        retained.into_iter().for_each(|(publication, revision)| restored.take(publication, revision));
        assert_eq!(restored.finish(mark.get()).surplus, 0, "there was room for it");
        spool.follow_retained(mark);
        // As the node does: what waits for nobody that is known is removed.
        let known = |id: &DestinationId| WorkQueue::owns(*id) || found.iter().any(|session| session.destination == *id);
        for unknown in spool.destinations().into_iter().filter(|id| !known(id)) {
            spool.remove(unknown);
        }
        let queue = WorkQueue::open(&spool, clock);
        let bindings = Bindings::new(&router, Arc::clone(&queue) as Arc<dyn Collector>);
        bindings.set(WorkQueue::filters());
        let store = SessionStore {
            spool: spool.clone(),
            journal: Arc::new(tables.clone()),
            options: DestinationOptions::default(),
        };
        let sessions = Sessions::with_store(&router, sessions_max, Some(store));
        let (log_due, tables_due) = (None, None);
        let ground = Self {
            disk,
            committer,
            queue,
            tables,
            segment_bytes,
            latency_max,
            log_due,
            tables_due,
            _bindings: bindings,
        };
        Broker { ground, router, sessions, found }
    }

    /// When the log is to be committed; drawn when something waits.
    pub(crate) fn log_due(&mut self, now: Moment, chance: &mut Chance) -> Option<Moment> {
        let waits = self.committer.has_work();
        self.log_due = self.log_due.or_else(|| waits.then(|| now + chance.span(self.latency_max)));
        self.log_due
    }

    /// The same for the tables.
    pub(crate) fn tables_due(&mut self, now: Moment, chance: &mut Chance) -> Option<Moment> {
        let waits = self.tables.wait();
        self.tables_due = self.tables_due.or_else(|| waits.then(|| now + chance.span(self.latency_max)));
        self.tables_due
    }

    /// When something is to be committed next.
    pub(crate) fn next_due(&self) -> Option<Moment> {
        self.log_due.into_iter().chain(self.tables_due).min()
    }

    pub(crate) fn commit_log(&mut self) {
        self.log_due = None;
        self.committer.commit_once();
    }

    pub(crate) fn commit_tables(&mut self) {
        self.tables_due = None;
        self.tables.commit();
    }
}

/// The tables of a node. Clones share them.
#[derive(Debug, Clone, Default)]
struct SimulatedTables(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    durable: Facts,
    pending: VecDeque<Change>,
    /// Changes that are on disk, of all that there were.
    written: u64,
    given: u64,
    /// The process that these changes are of.
    process: u64,
    waiting: Vec<Waker>,
}

#[derive(Debug, Default)]
struct Facts {
    sessions: BTreeMap<ClientId, RestoredSession>,
    /// Those without a payload stand for topics that were cleared.
    retained: BTreeMap<TopicName, (Publication, Revision)>,
    mark: RevisionMark,
}

#[derive(Debug)]
enum Change {
    Opened(RestoredSession),
    Left { client_id: ClientId, expiry: SessionExpiry, will_waits: bool, at: Timestamp },
    WillSent(ClientId),
    Ended(ClientId),
    Subscribed(ClientId, Vec<Subscription>),
    Unsubscribed(ClientId, Vec<TopicFilter>),
    Retained(Publication, Turn),
}

impl Facts {
    fn apply(&mut self, change: Change) {
        match change {
            Change::Opened(mut session) => {
                if let Some(before) = self.sessions.remove(&session.client_id) {
                    session.subscriptions = before.subscriptions;
                }
                self.sessions.insert(session.client_id.clone(), session);
            }
            Change::Left { client_id, expiry, will_waits, at } => {
                if let Some(session) = self.sessions.get_mut(&client_id) {
                    session.absent_since = Some(at);
                    session.expiry = expiry;
                    session.will.take_if(|_| !will_waits);
                }
            }
            Change::WillSent(client_id) => {
                if let Some(session) = self.sessions.get_mut(&client_id) {
                    session.will = None;
                }
            }
            Change::Ended(client_id) => {
                self.sessions.remove(&client_id);
            }
            Change::Subscribed(client_id, subscriptions) => {
                if let Some(session) = self.sessions.get_mut(&client_id) {
                    session.subscriptions.retain(|old| !subscriptions.iter().any(|new| new.filter == old.filter));
                    session.subscriptions.extend(subscriptions);
                }
            }
            Change::Unsubscribed(client_id, filters) => {
                if let Some(session) = self.sessions.get_mut(&client_id) {
                    session.subscriptions.retain(|old| !filters.contains(&old.filter));
                }
            }
            Change::Retained(publication, turn) => {
                self.retained.insert(publication.topic.clone(), (publication, turn.revision));
                // They are written in the order in which they were told.
                self.mark.raise(turn.complete);
                let mark = self.mark.get();
                self.retained.retain(|_, (kept, revision)| !kept.payload.is_empty() || *revision > mark);
            }
        }
    }
}

impl SimulatedTables {
    fn add(&self, change: Change) {
        self.0.lock().pending.push_back(change);
    }

    /// What is kept once all that was added so far is on disk.
    fn promise_all(&self) -> Box<dyn Pending> {
        let state = self.0.lock();
        let until = state.written + state.pending.len() as u64;
        Box::new(Promise { tables: self.clone(), until, process: state.process })
    }

    fn wait(&self) -> bool {
        !self.0.lock().pending.is_empty()
    }

    fn commit(&self) {
        let mut state = self.0.lock();
        let State { durable, pending, written, waiting, .. } = &mut *state;
        *written += pending.len() as u64;
        pending.drain(..).for_each(|change| durable.apply(change));
        let waiting = std::mem::take(waiting);
        drop(state);
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Some of what waits reached the disk.
    fn crash(&self, chance: &mut Chance) {
        let mut state = self.0.lock();
        let survived = chance.between(0, state.pending.len());
        let State { durable, pending, written, process, waiting, .. } = &mut *state;
        pending.drain(..survived).for_each(|change| durable.apply(change));
        pending.clear();
        *written += survived as u64;
        *process += 1;
        waiting.clear();
    }

    fn facts(&self) -> (Vec<RestoredSession>, Vec<(Publication, Revision)>, RevisionMark) {
        let state = self.0.lock();
        let Facts { sessions, retained, mark } = &state.durable;
        (sessions.values().cloned().collect(), retained.values().cloned().collect(), mark.clone())
    }
}

impl SessionJournal for SimulatedTables {
    fn new_destination(&self) -> Result<DestinationId, Broken> {
        let mut state = self.0.lock();
        state.given += 1;
        Ok(DestinationId::new(state.given))
    }

    fn record(&self, change: SessionChange<'_>) -> Box<dyn Pending> {
        self.add(match change {
            SessionChange::Opened { client_id, destination, expiry, will, .. } => Change::Opened(RestoredSession {
                client_id: client_id.clone(),
                destination,
                expiry,
                will: will.cloned(),
                absent_since: None,
                subscriptions: Vec::new(),
                is_whole: true,
            }),
            SessionChange::Left { client_id, expiry, will, at } => {
                Change::Left { client_id: client_id.clone(), expiry, will_waits: will.is_some(), at }
            }
            SessionChange::WillSent { client_id } => Change::WillSent(client_id.clone()),
            SessionChange::Ended { client_id } => Change::Ended(client_id.clone()),
            SessionChange::Subscribed { client_id, subscriptions } => {
                Change::Subscribed(client_id.clone(), subscriptions.to_vec())
            }
            SessionChange::Unsubscribed { client_id, filters } => {
                Change::Unsubscribed(client_id.clone(), filters.to_vec())
            }
        });
        self.promise_all()
    }
}

impl RetainedJournal for SimulatedTables {
    fn record(&self, change: RetainedChange, turn: Turn) {
        self.add(Change::Retained(
            match change {
                RetainedChange::Kept { publication, .. } => Publication::clone(&publication),
                RetainedChange::Cleared(topic) => {
                    Publication::new(topic, Bytes::new(), QoS::AtMostOnce, Timestamp::default())
                }
            },
            turn,
        ));
    }

    fn promise(&self) -> Box<dyn Pending> {
        self.promise_all()
    }
}

#[derive(Debug)]
struct Promise {
    tables: SimulatedTables,
    until: u64,
    process: u64,
}

impl Pending for Promise {
    fn poll_kept(&mut self, waker: &Waker) -> Poll<Result<(), Broken>> {
        let mut state = self.tables.0.lock();
        if state.process != self.process {
            return Poll::Ready(Err(Broken::Failed));
        }
        if state.written >= self.until {
            return Poll::Ready(Ok(()));
        }
        if !state.waiting.iter().any(|held| held.will_wake(waker)) {
            state.waiting.push(waker.clone());
        }
        Poll::Pending
    }
}
