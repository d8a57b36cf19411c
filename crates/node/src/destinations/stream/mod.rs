//! One stream of the node: its log, how it is set, and those who publish to it and read it.

mod appended;
mod backlog;
mod client;
mod consumers;
mod flow;
mod group;
mod member;
mod progress;
mod settings;
mod staging;

use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use broker::{Broken, Collector, Promises};
use message::{DestinationId, Now, Publication, QoS, StreamName, Timestamp};
use parking_lot::Mutex;
use store::Durability;
use store::log::{AppendError, Intake, Poisoned};
use store::spool::{Placed, ReadError, Spool};
use store::stream::{Offset, ReadOn, Stream, StreamState, Streamed};
use store::table::StoredStream;

pub(crate) use self::appended::Appended;
use self::consumers::Readers;
pub(crate) use self::consumers::{ConsumerError, ConsumerState, consumer_name};
pub(crate) use self::group::GroupGround;
pub use self::settings::StreamSettings;
pub(super) use self::settings::log_options;
use self::staging::Staging;
use super::ChangeError;
use super::line::Line;
use crate::clock;
pub(crate) use message::StreamPosition as Position;

/// A stream that can be published to and read.
#[derive(Debug)]
pub(crate) struct NodeStream {
    name: StreamName,
    stream: Stream,
    stored: Mutex<StoredStream>,
    ground: GroupGround,
    readers: Mutex<Readers>,
    staging: Staging,
    line: Line,
    /// Messages that found no room. Their publishers were told, if they are told of anything.
    refused: AtomicU64,
    /// Messages that a person threw away.
    purged: AtomicU64,
}

/// What is known of a stream at one moment.
#[derive(Debug, Clone)]
pub(crate) struct NodeStreamState {
    pub(crate) name: StreamName,
    pub(crate) stored: StoredStream,
    pub(crate) log: StreamState,
    /// Why it takes no more, or is not available at all.
    pub(crate) failure: Option<String>,
    pub(crate) refused: u64,
    pub(crate) purged: u64,
    pub(crate) consumers: Vec<ConsumerState>,
}

/// What the router brings.
impl Collector for NodeStream {
    fn ask(&self, publication: &Publication) -> Result<(), AppendError> {
        self.stream.ask(publication)
    }

    fn collect(&self, publication: &Publication) -> Result<Promises, Broken> {
        match self.stream.append_asked(clock::now().wall, publication) {
            // Nobody waits for it.
            Ok(_) if publication.qos == QoS::AtMostOnce => Ok(Promises::default()),
            Ok((_, point)) => Ok(Promises::of_stream(&self.stream, point)),
            Err(error) => {
                self.refused.fetch_add(1, Ordering::Relaxed);
                Err(Broken::from(&error))
            }
        }
    }

    fn intake(&self) -> Option<&Arc<Intake>> {
        Some(self.stream.intake())
    }

    fn destination(&self) -> Option<DestinationId> {
        Some(self.stored.lock().destination)
    }

    fn is_only_placed_exactly_once(&self) -> bool {
        true
    }

    fn handle_placed(&self, placed: Placed) {
        if placed == Placed::Refused {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
        self.staging.notify();
    }
}

impl NodeStream {
    /// A stream over its log, with what waits for it in the spool and the cursors that the tables have.
    pub(super) fn open(
        name: StreamName,
        stream: Stream,
        stored: StoredStream,
        spool: &Spool,
        ground: &GroupGround,
    ) -> Result<Arc<Self>, ChangeError> {
        let staging = Staging::open(spool, stored.destination, stored.options.durability, &stream)?;
        if stored.options.durability == Durability::Memory {
            stream.purge();
        }
        let (refused, purged) = (AtomicU64::new(0), AtomicU64::new(0));
        let (stored, readers, ground) = (Mutex::new(stored), Mutex::default(), ground.clone());
        let line = Line::new(stream.intake());
        let stream = Self { name, stream, stored, ground, readers, staging, line, refused, purged };
        stream.restore_consumers()?;
        Ok(Arc::new(stream))
    }

    pub(crate) fn name(&self) -> &StreamName {
        &self.name
    }

    /// How it is set, and where it lies.
    pub(crate) fn stored(&self) -> StoredStream {
        self.stored.lock().clone()
    }

    /// Takes new settings; messages stay as far as these keep them.
    pub(super) fn change(&self, stored: StoredStream) -> Result<(), ReadError> {
        self.stream.set_options(log_options(&stored.options));
        self.staging.set_durability(stored.options.durability)?;
        *self.stored.lock() = stored;
        Ok(())
    }

    /// Brings messages of QoS 2 on from the spool, and says when the log takes no more, until it is cancelled.
    pub(super) async fn take_in(self: Arc<Self>) {
        let tell = async {
            let error = poll_fn(|context| self.stream.poll_failure(context.waker())).await;
            tracing::error!(stream = %self.name, %error, "what is for this stream is refused until the node is started again");
        };
        tokio::join!(self.staging.run(&self.name), tell);
    }

    /// Appends a message that is meant for this stream alone: at once, or in its turn while the log is crowded. Resolves to its
    /// place when it is as safe as the stream asks for, and can be read.
    pub(crate) fn bring(
        self: &Arc<Self>,
        now: Now,
        publication: Publication,
    ) -> impl Future<Output = Result<Offset, AppendError>> + Send + use<> {
        let at_once = self.line.is_free().then(|| self.append(now, &publication));
        let stream = Arc::clone(self);
        async move {
            let appended = match at_once {
                Some(appended) => appended?,
                None => {
                    let _turn = stream.line.turn().await;
                    stream.append(clock::now(), &publication)?
                }
            };
            let offset = appended.offset();
            appended.await?;
            Ok(offset)
        }
    }

    /// Appends a message that is meant for this stream alone, if there is room now.
    fn append(&self, now: Now, publication: &Publication) -> Result<Appended, AppendError> {
        let appended = self.stream.append(now.wall, publication, |_| {});
        let (offset, point) = appended.inspect_err(|_| {
            self.refused.fetch_add(1, Ordering::Relaxed);
        })?;
        Ok(Appended { stream: self.stream.clone(), offset, point })
    }

    /// The offset that a place stands for now. It may look into files.
    pub(crate) fn offset_of(&self, position: Position) -> Result<Offset, ReadError> {
        let state = self.stream.state();
        Ok(match position {
            Position::Earliest => state.earliest,
            Position::Latest => state.next,
            // What lies behind the end may have been written down for another stream of that name.
            Position::Offset(offset) => Offset(offset).min(state.next),
            Position::Time(time) => self.stream.offset_at(time)?,
        })
    }

    /// Reads messages from an offset on: at most so many and, but for the first, so many bytes.
    pub(crate) fn read(
        &self,
        from: Offset,
        messages_max: usize,
        bytes_max: usize,
    ) -> Result<(Vec<Streamed>, ReadOn), ReadError> {
        let mut messages = Vec::new();
        let read_on = self.stream.read(from, messages_max, bytes_max, &mut messages)?;
        Ok((messages, read_on))
    }

    /// Waits until a message at this offset or behind it can be read.
    pub(crate) async fn readable(&self, from: Offset) -> Result<(), Poisoned> {
        poll_fn(|context| self.stream.poll_readable(from, context.waker())).await
    }

    /// Throws away all messages that are there. Resolves to how many that were when it is on the disk.
    pub(crate) async fn purge(&self) -> Result<u64, Poisoned> {
        let purge = self.stream.purge();
        self.purged.fetch_add(purge.messages, Ordering::Relaxed);
        poll_fn(|context| self.stream.poll_purged(purge, context.waker())).await?;
        Ok(purge.messages)
    }

    /// Lets go what the stream does not keep any more. Returns how many messages that were.
    pub(super) fn trim(&self, now: Timestamp) -> u64 {
        self.stream.trim(now)
    }

    /// Why it takes no more, once a write or a sync has failed.
    pub(super) fn failure(&self) -> Option<Poisoned> {
        self.stream.failure()
    }

    pub(super) fn shortages(&self) -> u64 {
        self.stream.shortages().0
    }

    pub(crate) fn state(&self) -> NodeStreamState {
        let log = self.stream.state();
        NodeStreamState {
            name: self.name.clone(),
            stored: self.stored(),
            log,
            failure: self.failure().map(|failure| failure.to_string()),
            consumers: self.consumer_states(log.earliest.0, log.next.0),
            refused: self.refused.load(Ordering::Relaxed),
            purged: self.purged.load(Ordering::Relaxed),
        }
    }
}
