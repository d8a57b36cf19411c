//! The flows as they are written down: a draft each, numbered versions, which of them shall run. It checks what comes
//! in, and has the flow host run what is deployed.

mod change;
mod deploy;
mod examine;
mod folder;
mod text;

use std::collections::BTreeMap;
use std::sync::Arc;

use flow::Catalog;
use message::{FlowId, Text};
use parking_lot::Mutex;
use store::table::{FlowDraft, FlowMarks, FlowTable, FlowVersion, MetaTable, ReadError, Tables, VersionSummary};

pub(crate) use change::{DraftTag, Precondition};
pub(crate) use deploy::{DeployFrom, DeployRequest};
pub(crate) use examine::Examined;
pub(crate) use folder::FlowFolder;
pub(crate) use text::FlowText;

use crate::config::Config;
use crate::flows::{DebugEntry, FlowHost, FlowState};

/// The flows of this node, written down and at work.
#[derive(Debug)]
pub(crate) struct FlowLibrary {
    table: FlowTable,
    /// Which flow files were deployed last.
    meta: MetaTable,
    host: Arc<FlowHost>,
    catalog: Catalog,
    config: Arc<Config>,
    /// Changes of all flows happen one after another, so that what was checked still holds when it is done.
    changing: tokio::sync::Mutex<()>,
    /// Why flows were not started with the node.
    not_started: Mutex<BTreeMap<FlowId, String>>,
}

/// Why a flow cannot be changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChangeError {
    #[error("there is no flow `{0}`; `headwater flow list` names those that there are")]
    NoFlow(FlowId),
    #[error("flow `{0}` has no draft: save one first")]
    NoDraft(FlowId),
    #[error("flow `{flow}` has no version {number}")]
    NoVersion { flow: FlowId, number: u64 },
    #[error("flow `{0}` has no deployed version: deploy it first")]
    NotDeployed(FlowId),
    #[error("the draft of flow `{flow}` was changed by someone else: read it again ({tag})")]
    Changed { flow: FlowId, tag: String },
    #[error("flow `{0}` cannot run as it is written")]
    Wrong(FlowId, Vec<flow::check::Problem>),
    #[error("flow `{flow}` does not start: {what}")]
    NotStarted { flow: FlowId, what: String },
    #[error(
        "version {number} of flow `{flow}` runs, but the node will not remember it: {what}; once that is mended deploy it \
         again, or the next start of the node brings back what was remembered before"
    )]
    NotRemembered { flow: FlowId, number: u64, what: store::table::WriteError },
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Write(#[from] store::table::WriteError),
}

/// One flow: what is written down, and how it runs.
#[derive(Debug)]
pub(crate) struct FlowEntry {
    pub(crate) id: FlowId,
    pub(crate) marks: FlowMarks,
    /// `None` before it was first deployed, and when its deployed version cannot be planned any more.
    pub(crate) state: Option<FlowState>,
    /// Why the deployed version was not started with the node.
    pub(crate) not_started: Option<String>,
}

impl FlowLibrary {
    pub(crate) fn new(tables: &Tables, host: Arc<FlowHost>, catalog: Catalog, config: Arc<Config>) -> Arc<Self> {
        let (table, meta) = (tables.flows(), tables.meta());
        let (changing, not_started) = (tokio::sync::Mutex::default(), Mutex::default());
        Arc::new(Self { table, meta, host, catalog, config, changing, not_started })
    }

    pub(crate) fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// Every flow, by id.
    pub(crate) fn list(&self) -> Result<Vec<FlowEntry>, ReadError> {
        let mut states: BTreeMap<FlowId, FlowState> =
            self.host.list().into_iter().map(|state| (state.id.clone(), state)).collect();
        let flows = self.table.flows()?.into_iter();
        let not_started = self.not_started.lock();
        let entry = |(id, marks): (FlowId, FlowMarks)| {
            let (state, not_started) = (states.remove(&id), not_started.get(&id).cloned());
            FlowEntry { id, marks, state, not_started }
        };
        Ok(flows.map(entry).collect())
    }

    /// One flow.
    pub(crate) fn show(&self, id: &FlowId) -> Result<FlowEntry, ChangeError> {
        let marks = self.table.flows()?.remove(id).ok_or_else(|| ChangeError::NoFlow(id.clone()))?;
        let not_started = self.not_started.lock().get(id).cloned();
        Ok(FlowEntry { id: id.clone(), marks, state: self.host.show(id), not_started })
    }

    pub(crate) fn draft(&self, id: &FlowId) -> Result<Option<FlowDraft>, ReadError> {
        self.table.draft(id)
    }

    /// The versions that are kept, the oldest first.
    pub(crate) fn versions(&self, id: &FlowId) -> Result<Vec<VersionSummary>, ChangeError> {
        self.show(id)?;
        Ok(self.table.versions(id)?)
    }

    pub(crate) fn version(&self, id: &FlowId, number: u64) -> Result<FlowVersion, ChangeError> {
        let version = self.table.version(id, number)?;
        version.ok_or_else(|| ChangeError::NoVersion { flow: id.clone(), number })
    }

    /// How every flow that was deployed runs.
    pub(crate) fn states(&self) -> Vec<FlowState> {
        self.host.list()
    }

    /// The last values that the flow's `debug` modules have seen, the oldest first.
    pub(crate) fn debug(&self, id: &FlowId) -> Result<Vec<DebugEntry>, ChangeError> {
        self.show(id)?;
        Ok(self.host.debug(id).unwrap_or_default())
    }

    /// Lets all flows end what they have begun.
    pub(crate) async fn shut_down(&self) {
        let _changing = self.changing.lock().await;
        self.host.shut_down().await;
    }

    /// What this node sets differently for a flow.
    fn overrides(&self, id: &FlowId) -> BTreeMap<String, serde_json::Value> {
        let parameters = self.config.flows.get(id).map(|flow| &flow.parameters);
        let parameters = parameters.into_iter().flatten();
        parameters.map(|(name, value): (&Text, _)| (name.to_string(), value.clone())).collect()
    }
}
