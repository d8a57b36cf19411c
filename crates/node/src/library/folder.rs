//! A folder of flow files: each is deployed when the node starts and when the file changes. A file that has not changed
//! since it was deployed is left alone, so that what was changed by the API since then stays. One that cannot be deployed
//! is tried again: what stands in its way may pass.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use flow::check::Problem;
use message::{FlowId, Moment, limits};

use super::{ChangeError, DeployFrom, DeployRequest, DraftTag, FlowLibrary, FlowText, Precondition};
use crate::clock;

/// How often the folder is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A folder of flow files.
#[derive(Debug)]
pub(crate) struct FlowFolder {
    path: PathBuf,
    library: Arc<FlowLibrary>,
    /// What is known of each file.
    files: BTreeMap<PathBuf, Known>,
}

/// Tells one state of a file from another.
type Stamp = (Option<SystemTime>, u64);

#[derive(Debug)]
struct Known {
    seen: Stamp,
    /// The state in which the file was dealt with.
    handled: Option<Stamp>,
    trouble: Option<Trouble>,
}

/// Why a file is not deployed. It is tried again though it stays as it is: a disk gets room, a path becomes free.
#[derive(Debug)]
struct Trouble {
    told: Vec<String>,
    tries: u32,
    again: Moment,
}

impl FlowFolder {
    pub(crate) fn new(path: PathBuf, library: Arc<FlowLibrary>) -> Self {
        Self { path, library, files: BTreeMap::new() }
    }

    /// Deploys the files that are there.
    pub(crate) async fn deploy_all(&mut self) {
        match flow_files(&self.path) {
            Ok(files) => {
                for (path, seen) in files {
                    let trouble = self.handle(&path, None).await;
                    self.files.insert(path, Known { seen, handled: Some(seen), trouble });
                }
            }
            Err(error) => {
                tracing::error!(folder = %self.path.display(), %error, "`flows_dir` cannot be read; its flows are not deployed");
            }
        }
    }

    /// Deploys files when they change, until the task is ended.
    pub(crate) async fn watch(mut self) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            // Told at the start; a folder that comes back is taken up again.
            let Ok(files) = flow_files(&self.path) else { continue };
            self.files.retain(|path, _| files.contains_key(path));
            for (path, stamp) in files {
                let Some(mut known) = self.files.remove(&path) else {
                    // It may still be written.
                    self.files.insert(path, Known { seen: stamp, handled: None, trouble: None });
                    continue;
                };
                let has_changed = known.handled != Some(stamp);
                let is_due = has_changed || known.trouble.as_ref().is_some_and(|it| it.again <= clock::now().moment);
                if known.seen == stamp && is_due {
                    let before = known.trouble.filter(|_| !has_changed);
                    let trouble = self.handle(&path, before).await;
                    known = Known { seen: stamp, handled: Some(stamp), trouble };
                }
                self.files.insert(path, Known { seen: stamp, ..known });
            }
        }
    }

    /// Deploys a file, and says why it cannot be deployed if that is something new.
    async fn handle(&self, path: &Path, before: Option<Trouble>) -> Option<Trouble> {
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let result = match std::fs::read_to_string(path) {
            Ok(text) => self.library.deploy_file(&file, FlowText::toml(text)).await,
            Err(error) => Err(vec![format!("it cannot be read: {error}")]),
        };
        let Err(told) = result else { return None };
        let tries = before.as_ref().map_or(0, |before| before.tries.saturating_add(1));
        if before.is_none_or(|before| before.told != told) {
            told.iter().for_each(|what| tracing::error!(file, "flow file is not deployed: {what}"));
        }
        let rest = Duration::from_secs(1_u64 << tries.min(16)).min(limits::FLOW_FILE_RETRY_DELAY_MAX);
        Some(Trouble { told, tries, again: clock::now().moment + rest })
    }
}

impl FlowLibrary {
    /// Deploys a flow file, unless it is as it was when it was last deployed. Gives what is wrong in words.
    async fn deploy_file(&self, file: &str, text: FlowText) -> Result<(), Vec<String>> {
        let words = |problems: Vec<Problem>| problems.iter().map(ToString::to_string).collect::<Vec<_>>();
        let examined = self.examine(&text, None);
        let Some(flow) = examined.flow else { return Err(words(examined.problems)) };
        self.deploy_file_of(file, &flow.id, text).await.map_err(|error| match error {
            ChangeError::Wrong(_, problems) => words(problems),
            error => vec![error.to_string()],
        })
    }

    async fn deploy_file_of(&self, file: &str, id: &FlowId, text: FlowText) -> Result<(), ChangeError> {
        let author = format!("file {file}");
        let versions = self.table.versions(id)?;
        let of_file = versions.iter().rev().find(|version| version.author == author);
        // Remembered by itself, as versions are kept only so long.
        let memory = format!("flow-file/{file}");
        let deployed = match (self.meta.get(&memory)?, of_file) {
            (Some(text), _) => Some(String::from_utf8_lossy(&text).into_owned()),
            (None, Some(version)) => Some(self.version(id, version.number)?.text),
            (None, None) => None,
        };
        let latest = versions.last();
        if latest.is_some() && deployed.as_ref() == Some(&text.text) {
            return Ok(());
        }
        if let Some(latest) = latest.filter(|latest| latest.author != author) {
            let (version, made_by) = (latest.number, latest.author.as_str());
            tracing::warn!(
                file,
                flow = id.as_str(),
                version,
                made_by,
                "the flow file takes the place of a version that was made elsewhere"
            );
        }
        let bytes = text.text.clone().into_bytes();
        let request = self.request_of(file, id, text, author).await?;
        self.deploy(id, request).await?;
        self.meta.put(&memory, &bytes).await?;
        Ok(())
    }

    /// Makes a file the draft, to be deployed from there. A draft that someone is at work on stays as it is.
    async fn request_of(
        &self,
        file: &str,
        id: &FlowId,
        text: FlowText,
        author: String,
    ) -> Result<DeployRequest, ChangeError> {
        let Some(draft) = self.table.draft(id)? else {
            self.save_draft(id, text, &author, &Precondition::Absent).await?;
            return Ok(DeployRequest { author, ..DeployRequest::default() });
        };
        let latest = self.table.versions(id)?.last().map(|latest| self.version(id, latest.number)).transpose()?;
        let is_deployed = latest.is_some_and(|latest| latest.text == draft.text);
        if is_deployed || draft.author == author || draft.text == text.text {
            let seen = Precondition::OneOf(vec![DraftTag::of(&draft).as_str().to_owned()]);
            self.save_draft(id, text, &author, &seen).await?;
            return Ok(DeployRequest { author, ..DeployRequest::default() });
        }
        let note = format!("the draft, which `{}` changed, differs from the file and was kept", draft.author);
        tracing::warn!(file, flow = id.as_str(), "flow file is deployed: {note}");
        Ok(DeployRequest { from: DeployFrom::Text(text), author, note })
    }
}

/// The flow files of a folder with their states, in the order of their names.
fn flow_files(folder: &Path) -> std::io::Result<BTreeMap<PathBuf, Stamp>> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        // Gone since it was listed.
        let Ok(metadata) = std::fs::metadata(&path) else { continue };
        if metadata.is_file() {
            files.insert(path, (metadata.modified().ok(), metadata.len()));
        }
        if files.len() > limits::FLOWS_MAX {
            return Err(std::io::Error::other(format!("it has more than {} flow files", limits::FLOWS_MAX)));
        }
    }
    Ok(files)
}
