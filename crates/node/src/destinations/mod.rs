//! The queues and streams of the node: which there are, made and changed by configuration, API, command line and flows,
//! kept in the tables, fed by the broker's router.

mod absence;
mod client;
mod commit;
mod hand_out;
mod line;
mod memory;
mod queue;
mod requeue;
mod settings;
mod stream;
mod streams;
mod subscription;
mod unavailable;

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Weak};

use broker::Bindings;
use indexmap::IndexMap;
use message::{QueueName, StreamName, TopicFilter, limits};
use parking_lot::RwLock;
use store::log::OpenError;
use store::spool::{ReadError, Spool};
use store::table::{self, StoredQueue, Tables, WriteError};
use tokio::sync::Mutex;
use tokio::task::AbortHandle;

pub(crate) use self::commit::Commit;
pub(crate) use self::hand_out::{ChannelSink, HandedOut, Sink};
pub(crate) use self::queue::{NodeQueue, PutError, QueueConsumer, QueueState};
pub(crate) use self::requeue::{RequeueError, Requeued};
use self::settings::SettingsError;
pub use self::settings::{DurabilityWord, PolicyWord, QueueSettings};
use self::stream::GroupGround;
pub use self::stream::StreamSettings;
pub(crate) use self::stream::{ConsumerError, ConsumerState, NodeStream, NodeStreamState, Position, consumer_name};
use self::streams::RunningStream;
pub(crate) use self::streams::{STREAM_TOPICS, StreamLogs};
pub(crate) use self::subscription::PutSubscription;
use self::unavailable::Unavailable;
use crate::clock;

/// How a queue is set whose settings are lost: nothing that waits in it is dropped.
pub(crate) fn default_queue() -> table::QueueOptions {
    let letters = QueueSettings::for_dead_letters();
    table::QueueOptions {
        bindings: Vec::new(),
        limits: store::DestinationLimits {
            messages_max: letters.messages_max,
            bytes_max: letters.bytes_max,
            age_max: None,
        },
        policy: letters.policy.into(),
        durability: letters.durability.into(),
        ack_timeout: limits::QUEUE_ACK_TIMEOUT,
        deliveries_max: letters.deliveries_max,
        dead_letter: None,
        has_priority: letters.priority,
        has_delay: true,
    }
}

/// How a stream is set whose settings are lost: nothing in it goes.
pub(crate) fn default_stream() -> table::StreamOptions {
    table::StreamOptions {
        bindings: Vec::new(),
        retention: store::DestinationLimits::NONE,
        durability: store::Durability::Fsync,
    }
}

/// What is published to a topic that begins so goes straight into the queue that is named after it.
pub(crate) const QUEUE_TOPICS: &str = "$queue/";

/// All queues and streams of a node.
#[derive(Debug)]
pub(crate) struct Destinations {
    /// For those who look for what was removed.
    me: Weak<Self>,
    tables: Tables,
    spool: Spool,
    router: Arc<broker::Router>,
    queues: RwLock<BTreeMap<QueueName, Running>>,
    streams: RwLock<BTreeMap<StreamName, RunningStream>>,
    /// Streams whose files could not be opened.
    unavailable: RwLock<BTreeMap<StreamName, Unavailable>>,
    logs: StreamLogs,
    groups: GroupGround,
    /// What the configuration names, which nobody else changes.
    configured: Configured,
    /// One change at a time: a change looks at others before it is made.
    changes: Mutex<()>,
}

/// The queues and streams that the configuration names.
#[derive(Debug)]
struct Configured {
    queues: HashSet<QueueName>,
    streams: HashSet<StreamName>,
}

/// A queue at work. Dropped, it takes nothing from the router any more and its task ends.
#[derive(Debug)]
struct Running {
    queue: Arc<NodeQueue>,
    bindings: Arc<Bindings>,
    task: AbortHandle,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
        self.queue.close();
    }
}

/// Whether a change made something or changed what was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Put {
    Made,
    Changed,
}

/// When the router begins to bring what a queue is bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bind {
    Now,
    /// Whoever makes or changes it binds it, together with others.
    Later,
}

/// What the configuration wants there to be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub(crate) queues: &'a IndexMap<QueueName, QueueSettings>,
    pub(crate) streams: &'a IndexMap<StreamName, StreamSettings>,
}

/// Why a queue or a stream was not made, changed or removed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChangeError {
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error("dead letters of `{0}` would come back to it: let the last dead letter queue have an empty `dead_letter`")]
    Circle(QueueName),
    #[error("the node has {} queues, which is the limit: remove some first", limits::QUEUES_MAX)]
    TooMany,
    #[error("the node has {} streams, which is the limit: remove some first", limits::STREAMS_MAX)]
    TooManyStreams,
    #[error("{0}")]
    Unavailable(String),
    #[error("the node stops")]
    Stopping,
    #[error("queue `{by}` sends its dead letters to `{name}`: change that first")]
    InUse { name: QueueName, by: QueueName },
    #[error("the configuration of the node sets `{0}`, and would do so again at the next start: change it there")]
    Configured(String),
    #[error("queue `{0}` was removed at the same time")]
    Gone(QueueName),
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Table(#[from] table::ReadError),
    #[error(transparent)]
    Open(#[from] OpenError),
}

impl Destinations {
    /// Opens all queues and streams that the tables know, and makes or changes those that the configuration names.
    pub(crate) async fn open(
        tables: &Tables,
        spool: &Spool,
        logs: StreamLogs,
        router: &Arc<broker::Router>,
        wanted: Wanted<'_>,
    ) -> Result<Arc<Self>, ChangeError> {
        let all = Arc::new_cyclic(|me| Self {
            me: me.clone(),
            tables: tables.clone(),
            spool: spool.clone(),
            router: Arc::clone(router),
            queues: RwLock::default(),
            streams: RwLock::default(),
            unavailable: RwLock::default(),
            logs,
            groups: GroupGround::new(tables.consumers()),
            configured: Configured {
                queues: wanted.queues.keys().cloned().collect(),
                streams: wanted.streams.keys().cloned().collect(),
            },
            changes: Mutex::default(),
        });
        let mut known = Vec::new();
        let scan = all.tables.queues().each(|name, stored| known.push((name, stored)))?;
        if scan.damaged > 0 {
            tracing::error!(queues = scan.damaged, "the tables are damaged: queues are lost with what waits in them");
        }
        for (name, stored) in known {
            all.start(name, stored, Bind::Now)?;
        }
        for (name, settings) in wanted.queues {
            // One that cannot be so is no reason for all others not to be there.
            if let Err(error) = all.apply_queue(name, settings).await {
                tracing::error!(queue = %name, "a queue is not as the configuration wants it: {error}");
            }
        }
        all.open_streams(wanted.streams).await?;
        Ok(all)
    }

    pub(crate) fn queue(&self, name: &QueueName) -> Option<Arc<NodeQueue>> {
        self.queues.read().get(name).map(|running| Arc::clone(&running.queue))
    }

    /// What is known of each queue, in the order of the names.
    pub(crate) fn queue_states(&self) -> Vec<QueueState> {
        let queues: Vec<_> = self.queues.read().values().map(|running| Arc::clone(&running.queue)).collect();
        queues.iter().map(|queue| queue.state()).collect()
    }

    /// Makes a queue, or changes it. Its dead letter queue is made when it is missing.
    pub(crate) async fn put_queue(
        self: &Arc<Self>,
        name: &QueueName,
        settings: &QueueSettings,
    ) -> Result<Put, ChangeError> {
        self.check_not_configured(name)?;
        self.apply_queue(name, settings).await
    }

    /// Whether the configuration says how the queue is set.
    pub(crate) fn is_configured_queue(&self, name: &QueueName) -> bool {
        self.configured.queues.contains(name)
    }

    fn check_not_configured(&self, name: &QueueName) -> Result<(), ChangeError> {
        if self.is_configured_queue(name) { Err(ChangeError::Configured(format!("queues.{name}"))) } else { Ok(()) }
    }

    async fn apply_queue(self: &Arc<Self>, name: &QueueName, settings: &QueueSettings) -> Result<Put, ChangeError> {
        let options = settings.resolve(name)?;
        let _alone = self.changes.lock().await;
        self.check_letters(name, &options)?;
        let letters = options.dead_letter.clone().filter(|letters| self.queue(letters).is_none());
        let new = usize::from(self.queue(name).is_none()) + usize::from(letters.is_some());
        if new > 0 && self.queues.read().len() + new > limits::QUEUES_MAX {
            return Err(ChangeError::TooMany);
        }
        if let Some(letters) = letters {
            let options = QueueSettings::for_dead_letters().resolve(&letters)?;
            self.write(&letters, options, Bind::Now).await?;
        }
        self.write(name, options, Bind::Now).await
    }

    /// Removes a queue with all that waits in it. Says whether it was there.
    pub(crate) async fn remove_queue(&self, name: &QueueName) -> Result<bool, ChangeError> {
        self.check_not_configured(name)?;
        let _alone = self.changes.lock().await;
        let user = self.queues.read().values().find_map(|other| {
            let stored = other.queue.stored();
            (stored.options.dead_letter.as_ref() == Some(name) && other.queue.name() != name)
                .then(|| other.queue.name().clone())
        });
        if let Some(by) = user {
            return Err(ChangeError::InUse { name: name.clone(), by });
        }
        let Some(queue) = self.queue(name) else { return Ok(false) };
        let consumers = queue.consumers();
        self.forget(&queue).await?;
        if consumers > 0 {
            tracing::warn!(queue = %name, consumers, "a queue was removed that is consumed: its consumers wait until it is made again");
        }
        Ok(true)
    }

    async fn forget(&self, queue: &NodeQueue) -> Result<(), WriteError> {
        self.tables.queues().remove(queue.name()).await?;
        self.queues.write().remove(queue.name());
        self.spool.remove(queue.destination());
        Ok(())
    }

    /// Follows the dead letters from queue to queue.
    fn check_letters(&self, name: &QueueName, options: &table::QueueOptions) -> Result<(), ChangeError> {
        let mut next = options.dead_letter.clone();
        for _ in 0..limits::QUEUES_MAX {
            let Some(letters) = next else { return Ok(()) };
            if letters == *name {
                return Err(ChangeError::Circle(name.clone()));
            }
            next = self.queue(&letters).and_then(|queue| queue.stored().options.dead_letter);
        }
        Err(ChangeError::Circle(name.clone()))
    }

    async fn write(
        self: &Arc<Self>,
        name: &QueueName,
        options: table::QueueOptions,
        bind: Bind,
    ) -> Result<Put, ChangeError> {
        let Some(queue) = self.queue(name) else {
            let destination = self.tables.destinations().give()?;
            let stored = StoredQueue { destination, created: clock::now().wall, options };
            self.tables.queues().put(name, &stored).await?;
            self.start(name.clone(), stored, bind)?;
            return Ok(Put::Made);
        };
        let before = queue.stored();
        if before.options == options {
            return Ok(Put::Changed);
        }
        let stored = StoredQueue { options, ..before };
        self.tables.queues().put(name, &stored).await?;
        let filters = filters(name, &stored);
        queue.change(stored)?;
        if let Some(running) = self.queues.read().get(name).filter(|_| bind == Bind::Now) {
            running.bindings.set(filters);
        }
        Ok(Put::Changed)
    }

    fn start(self: &Arc<Self>, name: QueueName, stored: StoredQueue, bind: Bind) -> Result<(), ReadError> {
        let filters = filters(&name, &stored);
        let queue = NodeQueue::open(&self.spool, name.clone(), stored)?;
        let bindings = Bindings::new(&self.router, Arc::clone(&queue) as Arc<dyn broker::Collector>);
        if bind == Bind::Now {
            bindings.set(filters);
        }
        let bindings = Arc::new(bindings);
        let task = tokio::spawn(queue.run(self)).abort_handle();
        self.queues.write().insert(name, Running { queue, bindings, task });
        Ok(())
    }
}

/// What the router shall bring: what is bound, and what is published to the queue by name, but for those of flows.
fn filters(name: &QueueName, stored: &StoredQueue) -> Vec<TopicFilter> {
    if name.owner().is_some() {
        return stored.options.bindings.clone();
    }
    let own = TopicFilter::parse(&format!("{QUEUE_TOPICS}{name}"));
    stored.options.bindings.iter().cloned().chain(own.ok()).collect()
}
