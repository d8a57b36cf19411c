//! A node's broker on a simulated disk, and clients of it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Weak};
use std::task::{Poll, Waker};
use std::time::Duration;

use broker::{
    Broken, Claim, Connect, Connected, MailboxOptions, Origin, Outgoing, Pending, RestoredSession, RetainedChange,
    RetainedJournal, Routed, Router, RouterOptions, Session, SessionChange, SessionExpiry, SessionJournal,
    SessionStore, Sessions, Slot, SubscribeOptions, Subscription, Will,
};
use message::{Bytes, ClientId, DestinationId, Moment, Now, Publication, QoS, Timestamp, TopicFilter, TopicName};
use parking_lot::Mutex;
use store::disk::SimulatedDisk;
use store::log::Committer;
use store::spool::{DestinationOptions, Spool, SpoolOptions};
use store::{Revision, RevisionMark, Turn};

/// Sessions as a table would have them, written at once.
#[derive(Debug, Default)]
struct Journal {
    sessions: Mutex<Vec<RestoredSession>>,
    given: Mutex<u64>,
    /// Asked for something when a number is wanted: who gives one may have to wait, and may hold nobody up.
    registry: Mutex<Weak<Sessions>>,
}

#[derive(Debug)]
struct Done;

impl Pending for Done {
    fn poll_kept(&mut self, _: &Waker) -> Poll<Result<(), Broken>> {
        Poll::Ready(Ok(()))
    }
}

impl SessionJournal for Journal {
    fn new_destination(&self) -> Result<DestinationId, Broken> {
        let registry = self.registry.lock().upgrade();
        registry.map(|sessions| sessions.connected_and_all());
        let mut given = self.given.lock();
        *given += 1;
        Ok(DestinationId::new(*given))
    }

    fn record(&self, change: SessionChange<'_>) -> Box<dyn Pending> {
        let mut sessions = self.sessions.lock();
        match change {
            SessionChange::Opened { client_id, destination, expiry, will, .. } => {
                let known = sessions.iter().position(|session| session.client_id == *client_id);
                let subscriptions = known.map(|at| sessions.remove(at).subscriptions).unwrap_or_default();
                sessions.push(RestoredSession {
                    client_id: client_id.clone(),
                    destination,
                    expiry,
                    will: will.cloned(),
                    absent_since: None,
                    subscriptions,
                    is_whole: true,
                });
            }
            SessionChange::Left { client_id, expiry, at, will } => {
                for session in sessions.iter_mut().filter(|session| session.client_id == *client_id) {
                    session.absent_since = Some(at);
                    session.expiry = expiry;
                    session.will.take_if(|_| will.is_none());
                }
            }
            SessionChange::Ended { client_id } => sessions.retain(|session| session.client_id != *client_id),
            SessionChange::Subscribed { client_id, subscriptions } => {
                for session in sessions.iter_mut().filter(|session| session.client_id == *client_id) {
                    session.subscriptions.extend_from_slice(subscriptions);
                }
            }
            SessionChange::Unsubscribed { client_id, filters } => {
                for session in sessions.iter_mut().filter(|session| session.client_id == *client_id) {
                    session.subscriptions.retain(|one| !filters.contains(&one.filter));
                }
            }
            SessionChange::WillSent { client_id } => {
                for session in sessions.iter_mut().filter(|session| session.client_id == *client_id) {
                    session.will = None;
                }
            }
        }
        Box::new(Done)
    }
}

/// Retained messages as a table would have them, written when a test says so.
#[derive(Debug, Default)]
pub(crate) struct RetainedTable(Mutex<RetainedState>);

#[derive(Debug, Default)]
struct RetainedState {
    waiting: Vec<(Publication, Turn)>,
    /// Those without a payload stand for topics that were cleared.
    written: BTreeMap<TopicName, (Publication, Revision)>,
    mark: RevisionMark,
}

impl RetainedTable {
    pub(crate) fn commit(&self) {
        let mut state = self.0.lock();
        for (publication, turn) in std::mem::take(&mut state.waiting) {
            state.written.insert(publication.topic.clone(), (publication, turn.revision));
            state.mark.raise(turn.complete);
        }
        let mark = state.mark.get();
        state.written.retain(|_, (publication, revision)| !publication.payload.is_empty() || *revision > mark);
    }

    /// What the next process finds.
    fn crash(&self, router: &Router, spool: &Spool) {
        let mut state = self.0.lock();
        state.waiting.clear();
        let found: Vec<_> = state.written.values().cloned().collect();
        let mark = state.mark.clone();
        drop(state);
        let mut restored = router.restore_retained(now().wall, spool.retained());
        found.into_iter().for_each(|(publication, revision)| restored.take(publication, revision));
        assert_eq!(restored.finish(mark.get()).surplus, 0);
        spool.follow_retained(mark);
    }

    /// The topics that it has something of, and how far it is.
    pub(crate) fn figures(&self) -> (usize, Revision) {
        let state = self.0.lock();
        (state.written.len(), state.mark.get())
    }
}

impl RetainedJournal for RetainedTable {
    fn record(&self, change: RetainedChange, turn: Turn) {
        let publication = match change {
            RetainedChange::Kept { publication, .. } => Publication::clone(&publication),
            RetainedChange::Cleared(topic) => {
                Publication::new(topic, Bytes::new(), QoS::AtMostOnce, Timestamp::default())
            }
        };
        self.0.lock().waiting.push((publication, turn));
    }

    fn promise(&self) -> Box<dyn Pending> {
        Box::new(Done)
    }
}

/// A node's broker on a simulated disk.
pub(crate) struct World {
    pub(crate) disk: SimulatedDisk,
    pub(crate) retained: Arc<RetainedTable>,
    journal: Arc<Journal>,
    options: DestinationOptions,
    pub(crate) committer: Committer,
    pub(crate) spool: Spool,
    pub(crate) router: Arc<Router>,
    pub(crate) sessions: Arc<Sessions>,
}

const MAILBOX_MESSAGES: usize = 4;

pub(crate) fn now() -> Now {
    Now { moment: Moment::since_start(Duration::from_secs(100)), wall: Timestamp::from_millis(100_000) }
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with_options(DestinationOptions::default())
    }

    /// With sessions of this kind.
    pub(crate) fn with_options(options: DestinationOptions) -> Self {
        Self::open(SimulatedDisk::new(1), (Arc::default(), Arc::default()), options)
    }

    fn open(
        disk: SimulatedDisk,
        (journal, retained): (Arc<Journal>, Arc<RetainedTable>),
        options: DestinationOptions,
    ) -> Self {
        let committer = Committer::stepped();
        let (spool, _) =
            Spool::open(Arc::new(disk.clone()), Path::new("spool"), SpoolOptions::default(), &committer).unwrap();
        let router = Router::new(RouterOptions {
            spool: Some(spool.clone()),
            retained_journal: Some(Arc::clone(&retained) as Arc<dyn RetainedJournal>),
            ..RouterOptions::new(1)
        });
        retained.crash(&router, &spool);
        let store =
            SessionStore { spool: spool.clone(), journal: Arc::clone(&journal) as Arc<dyn SessionJournal>, options };
        let sessions = Sessions::with_store(&router, 100, Some(store));
        *journal.registry.lock() = Arc::downgrade(&sessions);
        let found = journal.sessions.lock().clone();
        sessions.restore(now(), Self::mailbox(), found);
        Self { disk, retained, journal, options, committer, spool, router, sessions }
    }

    /// Since when each session's client is absent, as it is written down.
    pub(crate) fn absent_since(&self) -> Vec<Option<Timestamp>> {
        self.journal.sessions.lock().iter().map(|session| session.absent_since).collect()
    }

    /// How many sessions are written down, and how many of them with a will.
    pub(crate) fn written_down(&self) -> (usize, usize) {
        let sessions = self.journal.sessions.lock();
        (sessions.len(), sessions.iter().filter(|session| session.will.is_some()).count())
    }

    /// Lets the timers run, so much later.
    pub(crate) fn time_passes(&self, span: Duration) {
        let now = now();
        let later = Now { moment: now.moment + span, wall: now.wall.saturating_add(span) };
        self.sessions.handle_timeout(later);
    }

    /// A client whose session is kept for an hour, with a will to the topic `a`.
    pub(crate) fn connect_with_will(&self, client: &str, delay: Duration, clean_start: bool) -> Session {
        let publication = Publication::new(TopicName::parse("a").unwrap(), "will".into(), QoS::AtLeastOnce, now().wall);
        let connect = Connect {
            client_id: ClientId::parse(client).unwrap(),
            clean_start,
            expiry: SessionExpiry::After(Duration::from_secs(3600)),
            will: Some(Will { publication, delay }),
            mailbox: Self::mailbox(),
        };
        match self.sessions.connect(now(), connect).unwrap().poll_connected(Waker::noop()) {
            Poll::Ready(connected) => connected.unwrap().session,
            Poll::Pending => panic!("someone holds the session"),
        }
    }

    fn mailbox() -> MailboxOptions {
        MailboxOptions { messages_max: MAILBOX_MESSAGES, ..MailboxOptions::for_session() }
    }

    pub(crate) fn commit(&self) {
        while self.committer.commit_once() {}
    }

    /// The process is killed; the next one finds what it had written.
    pub(crate) fn kill(self) -> Self {
        Self::open(self.disk.after_kill(), (self.journal, self.retained), self.options)
    }

    /// The process is killed, and the next one finds sessions without their subscriptions.
    pub(crate) fn kill_and_forget(self) -> Self {
        for session in self.journal.sessions.lock().iter_mut() {
            session.subscriptions.clear();
            session.is_whole = false;
        }
        self.kill()
    }

    pub(crate) fn connect(&self, client: &str, clean_start: bool) -> Connected {
        match claim(&self.sessions, client, clean_start).poll_connected(Waker::noop()) {
            Poll::Ready(connected) => connected.unwrap(),
            Poll::Pending => panic!("someone holds the session"),
        }
    }

    pub(crate) fn subscribed(&self, client: &str, filter: &str) -> Session {
        let mut session = self.connect(client, false).session;
        session.set_waker(Waker::noop().clone());
        let options = SubscribeOptions { qos: QoS::ExactlyOnce, ..SubscribeOptions::default() };
        let (granted, _) =
            session.subscribe(now(), vec![Subscription { filter: TopicFilter::parse(filter).unwrap(), options }]);
        assert!(granted.iter().all(Result::is_ok));
        session
    }

    pub(crate) fn publish(&self, payload: &str, qos: QoS) -> Routed {
        self.publish_from(payload, qos, Origin::default())
    }

    pub(crate) fn publish_from(&self, payload: &str, qos: QoS, origin: Origin) -> Routed {
        self.publish_any(payload, qos, false, origin)
    }

    pub(crate) fn publish_any(&self, payload: &str, qos: QoS, retain: bool, origin: Origin) -> Routed {
        let payload = Bytes::copy_from_slice(payload.as_bytes());
        let publication = Publication::new(TopicName::parse("a").unwrap(), payload, qos, now().wall);
        let publication = Publication { retain, ..publication };
        self.router.publish_from(publication, origin, &mut self.router.route_cache())
    }
}

/// Asks for the session of a client.
pub(crate) fn claim(sessions: &Arc<Sessions>, client: &str, clean_start: bool) -> Claim {
    let connect = Connect {
        client_id: ClientId::parse(client).unwrap(),
        clean_start,
        expiry: SessionExpiry::Never,
        will: None,
        mailbox: World::mailbox(),
    };
    sessions.connect(now(), connect).unwrap()
}

/// What the session sends next, as `payload@slot`, with `!` for what was sent before and `release@slot`.
pub(crate) fn sent(session: &mut Session, in_flight_max: u16) -> Vec<String> {
    let mut out = Vec::new();
    while session.next_deliveries(now(), in_flight_max, 3, &mut out) {}
    let words = out.iter().map(|one| match one {
        Outgoing::Message { slot, delivery, duplicate } => {
            let payload = String::from_utf8_lossy(&delivery.publication.payload);
            let again = if *duplicate { "!" } else { "" };
            format!("{payload}@{}{again}", slot.map_or(0, Slot::get))
        }
        Outgoing::Release { slot } => format!("release@{slot}"),
    });
    words.collect()
}

pub(crate) fn slot(number: u16) -> Slot {
    Slot::new(number).unwrap()
}
