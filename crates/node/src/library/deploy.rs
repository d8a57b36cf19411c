//! Deploying, starting, stopping and removing flows: what is written down changes together with what runs.

use std::sync::Arc;

use flow::check::Problem;
use flow::plan::{Plan, PlanFor};
use message::FlowId;
use store::table::{FlowMarks, FlowVersion};

use super::{ChangeError, FlowLibrary, FlowText};
use crate::clock;

/// What to deploy, and what people shall read about it later.
#[derive(Debug, Clone, Default)]
pub(crate) struct DeployRequest {
    pub(crate) from: DeployFrom,
    pub(crate) author: String,
    pub(crate) note: String,
}

/// Where the text of a new version stands.
#[derive(Debug, Clone, Default)]
pub(crate) enum DeployFrom {
    #[default]
    Draft,
    /// A version that was deployed before.
    Version(u64),
    /// Here; the draft stays as it is.
    Text(FlowText),
}

/// A version that runs.
#[derive(Debug)]
pub(crate) struct Deployed {
    pub(crate) version: u64,
    /// What is hardly meant, but does not keep the flow from running.
    pub(crate) warnings: Vec<Problem>,
}

impl FlowLibrary {
    /// Makes a new version and switches to it without losing a message. On an error what runs goes on.
    pub(crate) async fn deploy(&self, id: &FlowId, request: DeployRequest) -> Result<Deployed, ChangeError> {
        let _changing = self.changing.lock().await;
        let text = match request.from {
            DeployFrom::Version(number) => {
                self.version(id, number).map(|version| FlowText { format: version.format, text: version.text })?
            }
            DeployFrom::Draft => {
                let draft = self.table.draft(id)?.ok_or_else(|| ChangeError::NoDraft(id.clone()))?;
                FlowText { format: draft.format, text: draft.text }
            }
            DeployFrom::Text(text) => text,
        };
        // Before anything is written: most mistakes end here.
        self.plan(id, &text, 0)?;
        let (author, note, created) = (request.author, request.note, clock::now().wall);
        let version = FlowVersion { format: text.format, text: text.text.clone(), created, author, note };
        let number = self.table.add_version(id, version).await?;
        let (plan, warnings) = self.plan(id, &text, number)?;
        self.run(id, plan).await?;
        self.remember(id, number).await?;
        tracing::info!(flow = id.as_str(), version = number, "flow deployed");
        Ok(Deployed { version: number, warnings })
    }

    /// Starts the deployed version, now and after every restart of the node.
    pub(crate) async fn start(&self, id: &FlowId) -> Result<(), ChangeError> {
        let _changing = self.changing.lock().await;
        let number = self.deployed_version(id)?;
        let is_running =
            self.host.show(id).is_some_and(|state| state.condition.status == crate::flows::FlowStatus::Running);
        if !is_running {
            let version = self.version(id, number)?;
            let (plan, _) = self.plan(id, &FlowText { format: version.format, text: version.text }, number)?;
            self.run(id, plan).await?;
            tracing::info!(flow = id.as_str(), version = number, "flow started");
        }
        self.remember(id, number).await
    }

    /// Writes down that a version runs.
    async fn remember(&self, id: &FlowId, number: u64) -> Result<(), ChangeError> {
        let marked = self.table.set_marks(id, FlowMarks { deployed: Some(number), running: true }).await;
        marked.map_err(|what| ChangeError::NotRemembered { flow: id.clone(), number, what })
    }

    /// Stops a flow, now and after every restart of the node; it ends what it has begun.
    pub(crate) async fn stop(&self, id: &FlowId) -> Result<(), ChangeError> {
        let changing = self.changing.lock().await;
        let number = self.deployed_version(id)?;
        // First of all the flow: it may be what fills the disk.
        let ending = self.host.stop(id).await;
        let marked = self.table.set_marks(id, FlowMarks { deployed: Some(number), running: false }).await;
        drop(changing);
        ending.await;
        tracing::info!(flow = id.as_str(), "flow stopped");
        Ok(marked?)
    }

    /// Stops a flow and forgets its draft, its versions and what it kept in memory.
    pub(crate) async fn remove(&self, id: &FlowId) -> Result<(), ChangeError> {
        let changing = self.changing.lock().await;
        self.show(id)?;
        let ending = self.host.remove(id).await;
        let removed = self.table.remove(id).await;
        if removed.is_ok() {
            self.host.forget_subscriptions(id).await;
        }
        self.not_started.lock().remove(id);
        drop(changing);
        ending.await;
        tracing::info!(flow = id.as_str(), "flow removed");
        removed?;
        Ok(())
    }

    /// Starts what ran when the node was last stopped. A flow that does not start is shown as failed; the others run.
    pub(crate) async fn restore(&self) -> Result<(), ChangeError> {
        let _changing = self.changing.lock().await;
        let flows = self.table.flows()?;
        let deployed = flows.iter().filter(|(_, marks)| marks.deployed.is_some()).map(|(id, _)| id.clone()).collect();
        for (id, marks) in flows {
            let Some(number) = marks.deployed else { continue };
            if let Err(error) = self.restore_one(&id, number, marks.running).await {
                let what = told(&error);
                tracing::error!(flow = id.as_str(), version = number, "flow was not started: {what}");
                self.not_started.lock().insert(id, what);
            }
        }
        self.host.tidy_subscriptions(&deployed).await;
        Ok(())
    }

    async fn restore_one(&self, id: &FlowId, number: u64, running: bool) -> Result<(), ChangeError> {
        let version = self.version(id, number)?;
        let (plan, _) = self.plan(id, &FlowText { format: version.format, text: version.text }, number)?;
        if !running {
            self.host.keep_stopped(plan, "").await;
            return Ok(());
        }
        let result = self.run(id, Arc::clone(&plan)).await;
        if let Err(error) = &result {
            self.host.keep_stopped(plan, &error.to_string()).await;
        }
        result
    }

    fn deployed_version(&self, id: &FlowId) -> Result<u64, ChangeError> {
        self.show(id)?.marks.deployed.ok_or_else(|| ChangeError::NotDeployed(id.clone()))
    }

    /// Reads, checks and plans one version; the problems that come with a plan are warnings.
    fn plan(&self, id: &FlowId, text: &FlowText, version: u64) -> Result<(Arc<Plan>, Vec<Problem>), ChangeError> {
        let examined = self.examine(text, Some(id));
        let Some(flow) = examined.flow.clone().filter(|_| examined.is_runnable()) else {
            return Err(ChangeError::Wrong(id.clone(), examined.problems));
        };
        let plan_for = PlanFor {
            version,
            run: clock::random_u64(),
            node: self.config.node.name.as_str().into(),
            site: message::Text::default(),
        };
        let plan = Plan::new(flow, &self.catalog, &self.overrides(id), &plan_for);
        let plan = plan.map_err(|problems| ChangeError::Wrong(id.clone(), problems))?;
        Ok((Arc::new(plan), examined.problems))
    }

    async fn run(&self, id: &FlowId, plan: Arc<Plan>) -> Result<(), ChangeError> {
        self.host.deploy(plan).await.map_err(|what| ChangeError::NotStarted { flow: id.clone(), what })?;
        self.not_started.lock().remove(id);
        Ok(())
    }
}

/// An error with all that is wrong with the flow, for the log.
fn told(error: &ChangeError) -> String {
    match error {
        ChangeError::Wrong(_, problems) => {
            let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
            format!("{error}: {}", problems.join("; "))
        }
        _ => error.to_string(),
    }
}
