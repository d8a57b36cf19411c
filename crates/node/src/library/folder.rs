//! A folder of flow files: each is deployed when the node starts and when the file changes. A file that has not changed
//! since it was deployed is left alone, so that what was changed by the API since then stays.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use message::limits;

use super::{ChangeError, DeployRequest, FlowLibrary, FlowText, Precondition};

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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Known {
    seen: Stamp,
    /// The state in which the file was dealt with.
    handled: Option<Stamp>,
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
                    self.handle(&path).await;
                    self.files.insert(path, Known { seen, handled: Some(seen) });
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
                let known = self.files.get(&path).copied();
                let handled = known.and_then(|known| known.handled);
                // A file that still changes is being written.
                let is_settled = known.is_some_and(|known| known.seen == stamp);
                let is_due = is_settled && handled != Some(stamp);
                if is_due {
                    self.handle(&path).await;
                }
                self.files.insert(path, Known { seen: stamp, handled: if is_due { Some(stamp) } else { handled } });
            }
        }
    }

    async fn handle(&self, path: &Path) {
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let text = match std::fs::read_to_string(path) {
            Ok(text) => FlowText::toml(text),
            Err(error) => {
                tracing::error!(file, %error, "a flow file cannot be read");
                return;
            }
        };
        match self.library.deploy_file(&file, text).await {
            Ok(()) => {}
            Err(ChangeError::Wrong(flow, problems)) => {
                for problem in problems {
                    tracing::error!(file, flow = flow.as_str(), "flow file is not deployed: {problem}");
                }
            }
            Err(error) => tracing::error!(file, "flow file is not deployed: {error}"),
        }
    }
}

impl FlowLibrary {
    /// Deploys a flow file, unless it is as it was when it was last deployed.
    async fn deploy_file(&self, file: &str, text: FlowText) -> Result<(), ChangeError> {
        let author = format!("file {file}");
        let examined = self.examine(&text, None);
        let Some(flow) = examined.flow else {
            for problem in examined.problems {
                tracing::error!(file, "flow file is not deployed: {problem}");
            }
            return Ok(());
        };
        let id = flow.id.clone();
        let deployed = self.table.versions(&id)?.into_iter().rev().find(|version| version.author == author);
        if let Some(version) = deployed
            && self.version(&id, version.number)?.text == text.text
        {
            return Ok(());
        }
        self.save_draft(&id, text, &author, &Precondition::None).await?;
        let request = DeployRequest { version: None, author, note: String::new() };
        self.deploy(&id, request).await.map(|_| ())
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
