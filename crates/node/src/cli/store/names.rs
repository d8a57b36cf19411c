//! How people call what the store knows by numbers.

use std::collections::BTreeMap;
use std::path::Path;

use message::DestinationId;
use store::table::{ReadError, Tables};

/// The names of sessions, queues and streams.
#[derive(Debug, Default)]
pub(super) struct Names {
    destinations: BTreeMap<DestinationId, String>,
    streams: BTreeMap<DestinationId, String>,
}

impl Names {
    pub(super) fn read(tables: &Tables) -> Result<Self, ReadError> {
        let mut names = Self::default();
        // Records that are damaged are told by those who look at the tables.
        let _ = tables.sessions().each(|client, session| {
            names.destinations.insert(session.destination, format!("session `{}`", client.as_str()));
        })?;
        let _ = tables.queues().each(|name, queue| {
            names.destinations.insert(queue.destination, format!("queue `{}`", name.as_str()));
        })?;
        let _ = tables.streams().each(|name, stream| {
            names.streams.insert(stream.destination, name.as_str().to_owned());
        })?;
        Ok(names)
    }

    /// A session or queue: by its name, or by its number if the tables do not know it.
    pub(super) fn destination(&self, id: DestinationId) -> String {
        self.destinations.get(&id).cloned().unwrap_or_else(|| format!("destination {}", id.get()))
    }

    /// What the tables know under this number.
    pub(super) fn known(&self, id: DestinationId) -> Option<String> {
        let stream = || self.streams.get(&id).map(|name| format!("stream `{name}`"));
        self.destinations.get(&id).cloned().or_else(stream)
    }

    /// The number of a session or queue: by its name or as it is written.
    pub(super) fn find(&self, text: &str) -> Option<DestinationId> {
        let quoted = format!("`{text}`");
        let named = self.destinations.iter().find(|(_, name)| name.ends_with(&quoted)).map(|(id, _)| *id);
        named.or_else(|| text.parse().ok().map(DestinationId::new))
    }

    /// A stream, by the folder of its log.
    pub(super) fn stream(&self, folder: &Path) -> String {
        let folder = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let known = folder.parse().ok().and_then(|id| self.streams.get(&DestinationId::new(id)));
        known.map_or_else(|| format!("stream in streams/{folder}"), |name| format!("stream `{name}`"))
    }
}
