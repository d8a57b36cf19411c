//! The named consumers of a stream, each with a cursor that lasts: groups that people name, and those of sessions.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use broker::queue::{Room, TooManyConsumers};
use message::{ConsumerName, DestinationId, IdError, StreamPositionError, limits};
use store::log::{Ranges, ReadError};
use store::stream::Offset;
use store::table::{self, WriteError, Written};

use super::group::{Group, GroupState};
use super::member::StreamMember;
use super::progress::Progress;
use super::{NodeStream, Position};
use crate::destinations::hand_out::Sink;
use crate::mqtt::Over;

/// Whose cursor it is.
#[derive(Debug, Clone)]
pub(crate) enum Reader {
    /// Nobody's: it is gone with its reader.
    Alone,
    /// That of all who use this name.
    Group(ConsumerName),
    /// That of one durable session.
    Session(DestinationId),
}

/// The cursor of a session is named after the session's place in the tables: nobody else may be named so.
const OF_SESSION: &str = "session-";

/// Why a stream cannot be read so, or a cursor not moved.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConsumerError {
    #[error(transparent)]
    Position(#[from] StreamPositionError),
    #[error(transparent)]
    Name(#[from] IdError),
    #[error("consumers whose names begin with `{OF_SESSION}` are those of sessions: choose another name")]
    Reserved,
    #[error("the stream has {} consumers, which is the limit: remove some first", limits::STREAM_CONSUMERS_MAX)]
    TooMany,
    #[error("the consumer has as many members as it takes")]
    Full(#[from] TooManyConsumers),
    #[error("the stream, or this consumer of it, was just removed: try again")]
    Removed,
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// All who read a stream.
#[derive(Debug, Default)]
pub(super) struct Readers {
    /// Those with a cursor that lasts, by name.
    groups: BTreeMap<ConsumerName, Arc<Group>>,
    /// Those without; some of them are gone.
    alone: Vec<Weak<Group>>,
    /// The stream is removed: nobody comes any more.
    is_closed: bool,
}

impl Readers {
    fn add_alone(&mut self, group: &Arc<Group>) {
        if self.alone.len() == self.alone.capacity() {
            self.alone.retain(|group| group.strong_count() > 0);
        }
        self.alone.push(Arc::downgrade(group));
    }
}

/// What is known of a consumer at one moment.
#[derive(Debug, Clone)]
pub(crate) struct ConsumerState {
    pub(crate) name: ConsumerName,
    pub(crate) group: GroupState,
}

/// A name that people may give.
pub(crate) fn consumer_name(text: &str) -> Result<ConsumerName, ConsumerError> {
    let name = ConsumerName::parse(text)?;
    if text.starts_with(OF_SESSION) { Err(ConsumerError::Reserved) } else { Ok(name) }
}

fn name_of_session(session: DestinationId) -> Result<ConsumerName, IdError> {
    ConsumerName::parse(&format!("{OF_SESSION}{}", session.get()))
}

fn session_of(name: &ConsumerName) -> Option<DestinationId> {
    name.as_str().strip_prefix(OF_SESSION)?.parse().ok().map(DestinationId::new)
}

impl NodeStream {
    /// Takes up the cursors that the tables have.
    pub(super) fn restore_consumers(&self) -> Result<(), table::ReadError> {
        let mut readers = self.readers.lock();
        let mut furthest: Option<(u64, ConsumerName)> = None;
        let scan = self.ground.cursors.each_of(&self.name, |name, stored| {
            let end = stored.end();
            if furthest.as_ref().is_none_or(|(offset, _)| *offset < end) {
                furthest = Some((end, name.clone()));
            }
            let group = self.group(Some(name.clone()), Progress::new(stored.offset, stored.acknowledged));
            readers.groups.insert(name, group);
        })?;
        if let Some((offset, consumer)) = furthest {
            // What was read there is not what comes there next: the offsets are left out, and consumers go on.
            let messages = self.stream.leave_out(Offset(offset));
            if messages > 0 {
                tracing::warn!(
                    stream = %self.name,
                    %consumer,
                    messages,
                    "the end of a stream is lost, as a loss of power takes it with the durability `os`: a consumer has read \
                     further than there are messages. Offsets that it has read are not given again"
                );
            }
        }
        if scan.damaged > 0 {
            tracing::error!(
                stream = %self.name,
                consumers = scan.damaged,
                "the tables are damaged: how far consumers have read is lost, they begin anew"
            );
        }
        Ok(())
    }

    fn group(&self, name: Option<ConsumerName>, progress: Progress) -> Arc<Group> {
        Group::new(&self.name, &self.stream, &self.ground, name, progress)
    }

    fn group_at(&self, name: Option<ConsumerName>, offset: Offset) -> Arc<Group> {
        self.group(name, Progress::new(offset.0, Ranges::default()))
    }

    /// A reader comes, who takes so much at a time, and leaves when the first of what this returns is dropped. One
    /// whose cursor is known goes on there; another begins at `position`, and the group is the second part: its cursor is to
    /// be saved before anyone is told.
    pub(super) fn join(
        &self,
        reader: Reader,
        position: Position,
        room: Room,
        sink: Box<dyn Sink<Group>>,
    ) -> Result<(StreamMember, Option<Arc<Group>>), ConsumerError> {
        let name = match reader {
            Reader::Alone => {
                let group = self.group_at(None, self.offset_of(position)?);
                let mut readers = self.readers.lock();
                if readers.is_closed {
                    return Err(ConsumerError::Removed);
                }
                readers.add_alone(&group);
                drop(readers);
                return Ok((group.join(room, sink)?, None));
            }
            Reader::Group(name) => name,
            Reader::Session(session) => name_of_session(session)?,
        };
        let (group, is_new) = self.named(&name, position)?;
        Ok((group.join(room, sink)?, is_new.then_some(group)))
    }

    /// The consumer of that name; whether it was made for this.
    fn named(&self, name: &ConsumerName, position: Position) -> Result<(Arc<Group>, bool), ConsumerError> {
        if let Some(group) = self.readers.lock().groups.get(name) {
            return Ok((Arc::clone(group), false));
        }
        let from = self.offset_of(position)?;
        let mut readers = self.readers.lock();
        if readers.is_closed {
            return Err(ConsumerError::Removed);
        }
        let groups = &mut readers.groups;
        if !groups.contains_key(name) && groups.len() >= limits::STREAM_CONSUMERS_MAX {
            return Err(ConsumerError::TooMany);
        }
        let mut is_new = false;
        let group = groups.entry(name.clone()).or_insert_with(|| {
            is_new = true;
            self.group_at(Some(name.clone()), from)
        });
        Ok((Arc::clone(group), is_new))
    }

    /// Moves the cursor of a consumer, or makes one. It returns when that is on disk. Says where the cursor is now.
    pub(crate) async fn seek(&self, name: &ConsumerName, position: Position) -> Result<u64, ConsumerError> {
        let to = self.offset_of(position)?.0;
        let (group, _) = self.named(name, position)?;
        group.seek(to);
        group.saved().await?;
        Ok(to)
    }

    /// Whether there is a consumer of that name.
    pub(crate) fn has_consumer(&self, name: &ConsumerName) -> bool {
        self.readers.lock().groups.contains_key(name)
    }

    /// Forgets a consumer at once; readers that it has begin anew. The tables say whether there was one.
    pub(crate) fn forget(&self, name: &ConsumerName) -> Written<bool> {
        let mut readers = self.readers.lock();
        if let Some(group) = readers.groups.remove(name) {
            group.close(Over::Forgotten);
        }
        // Under the lock, so that one who comes anew under that name is written after this.
        self.ground.cursors.remove(&self.name, name)
    }

    /// Forgets the cursor of a session that does not go on.
    pub(super) fn forget_session(&self, session: DestinationId) {
        if let Ok(name) = name_of_session(session) {
            self.forget_and_tell(&name);
        }
    }

    fn forget_and_tell(&self, name: &ConsumerName) {
        let forgotten = self.forget(name);
        let (stream, consumer) = (self.name.clone(), name.clone());
        self.ground.runtime.spawn(async move {
            if let Err(error) = forgotten.await {
                tracing::warn!(%stream, %consumer, "a consumer that is gone stays in the tables: {error}");
            }
        });
    }

    /// Writes all cursors as they are now.
    pub(in crate::destinations) async fn save_cursors(&self) -> Result<(), WriteError> {
        let groups: Vec<Arc<Group>> = self.readers.lock().groups.values().cloned().collect();
        for group in groups {
            group.saved().await?;
        }
        Ok(())
    }

    /// Forgets the cursors of sessions that have ended.
    pub(in crate::destinations) fn forget_sessions(&self, is_known: impl Fn(DestinationId) -> bool) {
        let is_gone = |(name, group): &(&ConsumerName, &Arc<Group>)| {
            session_of(name).is_some_and(|session| !is_known(session)) && !group.has_members()
        };
        let readers = self.readers.lock();
        let gone: Vec<ConsumerName> = readers.groups.iter().filter(is_gone).map(|(name, _)| name.clone()).collect();
        drop(readers);
        for name in gone {
            self.forget_and_tell(&name);
        }
    }

    /// What is known of each consumer, in the order of the names.
    pub(super) fn consumer_states(&self, earliest: u64, next: u64) -> Vec<ConsumerState> {
        let groups: BTreeMap<ConsumerName, Arc<Group>> = self.readers.lock().groups.clone();
        let state =
            |(name, group): (ConsumerName, Arc<Group>)| ConsumerState { name, group: group.state(earliest, next) };
        groups.into_iter().map(state).collect()
    }

    /// Lets all readers go, as the stream is to be removed. Returns how many there were.
    pub(in crate::destinations) fn close(&self) -> usize {
        let mut readers = self.readers.lock();
        readers.is_closed = true;
        let (groups, alone) = (std::mem::take(&mut readers.groups), std::mem::take(&mut readers.alone));
        drop(readers);
        let all = groups.into_values().chain(alone.iter().filter_map(Weak::upgrade));
        all.map(|group| group.close(Over::Removed)).sum()
    }

    /// It could not be removed: readers may come again.
    pub(in crate::destinations) fn reopen(&self) -> Result<(), table::ReadError> {
        self.readers.lock().is_closed = false;
        self.restore_consumers()
    }
}
