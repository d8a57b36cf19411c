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
use store::table::{FlowDraft, FlowMarks, FlowTable, FlowVersion, ReadError, VersionSummary};

pub(crate) use change::{DraftTag, Precondition};
pub(crate) use deploy::DeployRequest;
pub(crate) use examine::Examined;
pub(crate) use folder::FlowFolder;
pub(crate) use text::FlowText;

use crate::config::Config;
use crate::flows::{DebugEntry, FlowHost, FlowState};

/// The flows of this node, written down and at work.
#[derive(Debug)]
pub(crate) struct FlowLibrary {
    table: FlowTable,
    host: Arc<FlowHost>,
    catalog: Catalog,
    config: Arc<Config>,
    /// Changes of all flows happen one after another, so that what was checked still holds when it is done.
    changing: tokio::sync::Mutex<()>,
}

/// Why a flow cannot be changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChangeError {
    #[error("there is no flow `{0}`")]
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
    /// `None` before it was first deployed.
    pub(crate) state: Option<FlowState>,
}

impl FlowLibrary {
    pub(crate) fn new(table: FlowTable, host: Arc<FlowHost>, catalog: Catalog, config: Arc<Config>) -> Arc<Self> {
        Arc::new(Self { table, host, catalog, config, changing: tokio::sync::Mutex::default() })
    }

    pub(crate) fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// Every flow, by id.
    pub(crate) fn list(&self) -> Result<Vec<FlowEntry>, ReadError> {
        let mut states: BTreeMap<FlowId, FlowState> =
            self.host.list().into_iter().map(|state| (state.id.clone(), state)).collect();
        let flows = self.table.flows()?.into_iter();
        Ok(flows.map(|(id, marks)| FlowEntry { state: states.remove(&id), id, marks }).collect())
    }

    /// One flow.
    pub(crate) fn show(&self, id: &FlowId) -> Result<FlowEntry, ChangeError> {
        let marks = self.table.flows()?.remove(id).ok_or_else(|| ChangeError::NoFlow(id.clone()))?;
        Ok(FlowEntry { id: id.clone(), marks, state: self.host.show(id) })
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
