//! The streams of the node: which there are, made and changed by configuration, API and command line, kept in the tables,
//! fed by the broker's router. Each has a folder of its own.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use broker::Bindings;
use indexmap::IndexMap;
use message::{DestinationId, StreamName, TopicFilter, limits};
use store::disk::{Disk, RealDisk};
use store::log::{Committer, LogRecovery, Poisoned};
use store::stream::Stream;
use store::table::{self, Label, StoredStream};
use tokio::task::AbortHandle;

use super::stream::{NodeStream, NodeStreamState, StreamSettings, log_options};
use super::{ChangeError, Destinations, Put};
use crate::clock;

/// What is published to a topic that begins so goes straight into the stream that is named after it.
pub(crate) const STREAM_TOPICS: &str = "$stream/";

/// What a stream is, in its folder.
const LABEL_FILE: &str = "label";

/// Where the logs of streams lie, and who writes them.
#[derive(Debug, Clone)]
pub(crate) struct StreamLogs {
    folder: PathBuf,
    /// Gone when the node ends: then nothing is to be written any more.
    committer: Weak<Committer>,
}

/// A stream at work. Dropped, it takes nothing from the router any more.
#[derive(Debug)]
pub(super) struct RunningStream {
    stream: Arc<NodeStream>,
    bindings: Bindings,
    intake: AbortHandle,
}

impl Drop for RunningStream {
    fn drop(&mut self) {
        self.intake.abort();
        self.stream.close();
    }
}

impl StreamLogs {
    pub(crate) fn new(folder: PathBuf, committer: &Arc<Committer>) -> Self {
        Self { folder, committer: Arc::downgrade(committer) }
    }

    pub(crate) fn folder_of(&self, stream: DestinationId) -> PathBuf {
        self.folder.join(stream.get().to_string())
    }

    /// What a stream says of itself in its folder.
    pub(crate) fn label(&self, stream: DestinationId) -> Option<Label> {
        Label::decode(&std::fs::read(self.folder_of(stream).join(LABEL_FILE)).ok()?)
    }

    /// Writes that down, if it is not there already. Without it the stream is not made again when the tables are lost.
    fn put_label(&self, name: &StreamName, stored: &StoredStream) {
        let label = Label::Stream { name: name.clone(), stored: Some(stored.clone()) }.encode();
        let folder = self.folder_of(stored.destination);
        if std::fs::read(folder.join(LABEL_FILE)).is_ok_and(|found| found == label) {
            return;
        }
        if let Err(error) = write_whole(&folder, LABEL_FILE, &label) {
            tracing::warn!(stream = %name, %error, "the settings of a stream are not written down beside its messages");
        }
    }

    pub(crate) fn has_folder(&self, stream: DestinationId) -> bool {
        self.folder_of(stream).exists()
    }

    /// The streams that have a folder, known or not. What does not look like one was put there by someone else.
    pub(crate) fn folders(&self) -> BTreeSet<DestinationId> {
        let Ok(entries) = std::fs::read_dir(&self.folder) else { return BTreeSet::new() };
        let number = |name: &str| name.parse().ok().filter(|number: &u64| number.to_string() == name);
        let id = |entry: std::fs::DirEntry| number(entry.file_name().to_str()?).map(DestinationId::new);
        entries.flatten().filter_map(id).collect()
    }

    /// Deletes the folder of a stream that was removed. That it fails is told, and made up for at the next start.
    pub(crate) fn remove(&self, stream: DestinationId) {
        let folder = self.folder_of(stream);
        match std::fs::remove_dir_all(&folder) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => {
                tracing::warn!(folder = %folder.display(), %error, "the files of a stream that was removed are still there");
            }
        }
    }

    /// Returns when it is on disk which folders there are.
    pub(crate) fn sync(&self) -> std::io::Result<()> {
        match RealDisk.sync_folder(&self.folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            synced => synced,
        }
    }

    fn open(&self, name: &StreamName, stored: &StoredStream) -> Result<Stream, ChangeError> {
        let committer = self.committer.upgrade().ok_or(ChangeError::Stopping)?;
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        let (stream, recovery) =
            Stream::open(disk, &self.folder_of(stored.destination), log_options(&stored.options), &committer)?;
        tell(name, &recovery);
        Ok(stream)
    }
}

/// Writes a file whole or not at all: a power cut leaves the old one or the new one.
fn write_whole(folder: &Path, name: &str, bytes: &[u8]) -> std::io::Result<()> {
    let temporary = folder.join(format!("{name}.new"));
    let file = RealDisk.create(&temporary)?;
    file.write_all_at(0, bytes)?;
    file.sync_data()?;
    RealDisk.rename(&temporary, &folder.join(name))?;
    RealDisk.sync_folder(folder)
}

/// Says what was found, as far as a person should know.
fn tell(name: &StreamName, recovery: &LogRecovery) {
    for damage in &recovery.damage {
        tracing::error!(
            stream = %name,
            file = damage.file,
            at = damage.at,
            bytes = damage.bytes,
            records = damage.records,
            "a stream is damaged: {}",
            damage.what
        );
    }
    if recovery.cut_bytes > 0 || recovery.torn_records > 0 {
        tracing::info!(
            stream = %name,
            bytes = recovery.cut_bytes,
            records = recovery.torn_records,
            "the end of a stream was being written when the node ended; nobody was promised it"
        );
    }
}

impl Destinations {
    /// Opens all streams that the tables know, and makes or changes those that the configuration names.
    pub(super) async fn open_streams(&self, wanted: &IndexMap<StreamName, StreamSettings>) -> Result<(), ChangeError> {
        let mut known = Vec::new();
        let scan = self.tables.streams().each(|name, stored| known.push((name, stored)))?;
        if scan.damaged > 0 {
            tracing::error!(
                streams = scan.damaged,
                folder = %self.logs.folder.display(),
                "the tables are damaged: streams are not known any more, their files stay"
            );
        }
        for (name, stored) in known {
            if let Err(error) = self.start_stream(name.clone(), stored.clone()) {
                self.do_without(name, stored, &error);
            }
        }
        for (name, settings) in wanted.iter().filter(|(name, _)| self.unavailable(name).is_none()) {
            // One that cannot be so is no reason for all others not to be there.
            if let Err(error) = self.apply_stream(name, settings).await {
                tracing::error!(stream = %name, "a stream is not as the configuration wants it: {error}");
            }
        }
        Ok(())
    }

    pub(crate) fn stream(&self, name: &StreamName) -> Option<Arc<NodeStream>> {
        self.streams.read().get(name).map(|running| Arc::clone(&running.stream))
    }

    fn all_streams(&self) -> Vec<Arc<NodeStream>> {
        self.streams.read().values().map(|running| Arc::clone(&running.stream)).collect()
    }

    /// What is known of each stream, in the order of the names.
    pub(crate) fn stream_states(&self) -> Vec<NodeStreamState> {
        let mut states: Vec<_> = self.all_streams().iter().map(|stream| stream.state()).collect();
        states.extend(self.unavailable_states());
        states.sort_by(|one, other| one.name.cmp(&other.name));
        states
    }

    /// Why streams take no more, of those that do not.
    pub(crate) fn stream_failures(&self) -> Vec<Poisoned> {
        self.all_streams().iter().filter_map(|stream| stream.failure()).collect()
    }

    /// How often their disk had no room for what was for them.
    pub(crate) fn stream_shortages(&self) -> u64 {
        self.all_streams().iter().map(|stream| stream.shortages()).sum()
    }

    /// Makes a stream, or changes it.
    pub(crate) async fn put_stream(&self, name: &StreamName, settings: &StreamSettings) -> Result<Put, ChangeError> {
        self.check_stream_not_configured(name)?;
        self.apply_stream(name, settings).await
    }

    /// Whether the configuration says how the stream is set.
    pub(crate) fn is_configured_stream(&self, name: &StreamName) -> bool {
        self.configured.streams.contains(name)
    }

    fn check_stream_not_configured(&self, name: &StreamName) -> Result<(), ChangeError> {
        let is_configured = self.is_configured_stream(name);
        if is_configured { Err(ChangeError::Configured(format!("streams.{name}"))) } else { Ok(()) }
    }

    async fn apply_stream(&self, name: &StreamName, settings: &StreamSettings) -> Result<Put, ChangeError> {
        let options = settings.resolve()?;
        let _alone = self.changes.lock().await;
        if let Some(reason) = self.unavailable(name) {
            return Err(ChangeError::Unavailable(reason));
        }
        let Some(stream) = self.stream(name) else {
            return self.make_stream(name, options).await;
        };
        let before = stream.stored();
        if before.options == options {
            return Ok(Put::Changed);
        }
        let stored = StoredStream { options, ..before };
        self.tables.streams().put(name, &stored).await?;
        let filters = filters(name, &stored);
        self.logs.put_label(name, &stored);
        stream.change(stored)?;
        if let Some(running) = self.streams.read().get(name) {
            running.bindings.set(filters);
        }
        Ok(Put::Changed)
    }

    async fn make_stream(&self, name: &StreamName, options: table::StreamOptions) -> Result<Put, ChangeError> {
        if self.streams.read().len() >= limits::STREAMS_MAX {
            return Err(ChangeError::TooManyStreams);
        }
        let destination = self.tables.destinations().give()?;
        let stored = StoredStream { destination, created: clock::now().wall, options };
        self.tables.streams().put(name, &stored).await?;
        self.start_stream(name.clone(), stored)?;
        Ok(Put::Made)
    }

    /// Removes a stream with all its messages and what its consumers have read. Says whether it was there.
    pub(crate) async fn remove_stream(&self, name: &StreamName) -> Result<bool, ChangeError> {
        self.check_stream_not_configured(name)?;
        let _alone = self.changes.lock().await;
        let Some(stream) = self.stream(name) else { return self.remove_unavailable(name).await };
        // First, so that no cursor is written after it was removed.
        let readers = stream.close();
        if let Err(error) = self.tables.streams().remove(name).await {
            stream.reopen()?;
            return Err(error.into());
        }
        self.streams.write().remove(name);
        if readers > 0 {
            tracing::warn!(stream = %name, readers, "a stream was removed that is read: its readers wait until it is made again");
        }
        let stored = stream.stored();
        self.spool.remove(stored.destination);
        let logs = self.logs.clone();
        drop(stream);
        // It may be much.
        let _ = tokio::task::spawn_blocking(move || logs.remove(stored.destination)).await;
        Ok(true)
    }

    /// Lets go what is older, or more, than the streams keep, and the cursors of sessions that have ended.
    pub(crate) fn tidy_streams(&self) {
        let now = clock::now().wall;
        for stream in self.all_streams() {
            stream.forget_sessions(|session| self.spool.state(session).is_some());
            let messages = stream.trim(now);
            if messages > 0 {
                tracing::debug!(stream = %stream.name(), messages, "the oldest messages of a stream went");
            }
        }
    }

    /// Writes how far consumers have read, as it is now: the node stops.
    pub(crate) async fn save_cursors(&self) {
        for stream in self.all_streams() {
            if let Err(error) = stream.save_cursors().await {
                tracing::warn!(stream = %stream.name(), "how far consumers have read is not saved: {error}");
            }
        }
    }

    fn start_stream(&self, name: StreamName, stored: StoredStream) -> Result<(), ChangeError> {
        let filters = filters(&name, &stored);
        let log = self.logs.open(&name, &stored)?;
        self.logs.put_label(&name, &stored);
        let stream = NodeStream::open(name.clone(), log, stored, &self.spool, &self.groups)?;
        let bindings = Bindings::new(&self.router, Arc::clone(&stream) as Arc<dyn broker::Collector>);
        bindings.set(filters);
        let intake = tokio::spawn(Arc::clone(&stream).take_in()).abort_handle();
        self.streams.write().insert(name, RunningStream { stream, bindings, intake });
        Ok(())
    }
}

/// What the router shall bring: what is bound, and what is published to the stream by name.
pub(super) fn filters(name: &StreamName, stored: &StoredStream) -> Vec<TopicFilter> {
    let own = TopicFilter::parse(&format!("{STREAM_TOPICS}{name}"));
    stored.options.bindings.iter().cloned().chain(own.ok()).collect()
}
