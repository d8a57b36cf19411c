//! `headwater store`: what lies in a data directory, whether it is whole, and how damage is taken out. The node must be
//! stopped: the data directory is held meanwhile.

mod discard;
mod inspect;
mod names;
mod repair;
mod report;
mod verify;

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Subcommand};
use store::disk::{Disk, RealDisk};
use store::examine::LogKind;

use self::names::Names;
use super::Failure;
use super::node_options::NodeOptions;
use crate::data_dir::{DataDir, DataDirError};

#[derive(Debug, Subcommand)]
pub(super) enum StoreCommand {
    /// Read everything and say what is damaged; ends with 1 when something is.
    Verify(Look),
    /// Show what is there: files, sessions, queues, streams, tables, messages.
    Inspect(inspect::Inspect),
    /// Copy damaged bytes aside and write the damaged files anew without them.
    Repair(Look),
    /// Throw away the messages of a session, queue or stream that the tables do not know.
    Discard(discard::Discard),
}

#[derive(Debug, Args)]
pub(super) struct Look {
    #[command(flatten)]
    node: NodeOptions,
    /// Write JSON
    #[arg(long)]
    json: bool,
}

impl StoreCommand {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self {
            Self::Verify(Look { node, json }) => verify::verify(&Stopped::hold(&node)?, json),
            Self::Inspect(inspect) => inspect.run(),
            Self::Discard(discard) => discard.run(),
            Self::Repair(Look { node, json }) => repair::repair(&Stopped::hold(&node)?, json),
        }
    }
}

/// The data directory of a node that does not run, and cannot be started as long as this is there.
struct Stopped {
    data_dir: DataDir,
    disk: Arc<dyn Disk>,
}

/// One log in it.
struct FoundLog {
    /// As people call it: `spool`, or the name of the stream.
    name: String,
    folder: PathBuf,
    kind: LogKind,
}

impl Stopped {
    fn hold(node: &NodeOptions) -> Result<Self, Failure> {
        let path = node.load()?.config.data_dir;
        if !path.is_dir() {
            let path = path.display();
            return Err(Failure::not_done(format!("there is no data directory {path}; name one with --data-dir")));
        }
        let data_dir = DataDir::open(&path).map_err(|error| match error {
            DataDirError::Held { path } => Failure::not_done(format!(
                "a node runs in the data directory {}; stop it first, and start it again afterwards",
                path.display()
            )),
            other => Failure::not_done(other),
        })?;
        Ok(Self { data_dir, disk: Arc::new(RealDisk) })
    }

    fn tables(&self) -> PathBuf {
        self.data_dir.path().join("tables.redb")
    }

    /// The logs that there are, the spool first.
    fn logs(&self, names: &Names) -> Result<Vec<FoundLog>, Failure> {
        let mut logs = Vec::new();
        let spool = self.data_dir.path().join("spool");
        if spool.is_dir() {
            logs.push(FoundLog { name: "spool".to_owned(), folder: spool, kind: LogKind::Spool });
        }
        let streams = self.data_dir.path().join("streams");
        if !streams.is_dir() {
            return Ok(logs);
        }
        let failed = |error| Failure::not_done(format!("cannot read {}: {error}", streams.display()));
        let mut folders = std::fs::read_dir(&streams)
            .and_then(|entries| entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>())
            .map_err(failed)?;
        folders.sort();
        for folder in folders.into_iter().filter(|folder| folder.is_dir()) {
            logs.push(FoundLog { name: names.stream(&folder), folder, kind: LogKind::Stream });
        }
        Ok(logs)
    }
}
