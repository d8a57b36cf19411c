//! A node under test: the real binary in a process of its own, on free ports of the loopback.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::curl::{Answer, curl};
use crate::patience::eventually;

const BINARY: &str = env!("CARGO_BIN_EXE_headwater");

/// A running node; it is ended when this is dropped.
pub(crate) struct Node {
    process: Process,
    addresses: Value,
    token: String,
    /// The node's own: `data` in it is its data directory, `log` what it says.
    folder: TempDir,
    settings: Vec<String>,
    /// The data directory as this process sees it.
    data_dir: PathBuf,
}

struct Process {
    child: Child,
    stdout: BufReader<ChildStdout>,
    log: PathBuf,
}

impl Node {
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts a node with settings, written `KEY=VALUE`.
    pub(crate) fn start_with(settings: &[&str]) -> Self {
        let settings = settings.iter().map(ToString::to_string).collect();
        Self::start_in(tempfile::tempdir().unwrap(), settings)
    }

    fn start_in(folder: TempDir, settings: Vec<String>) -> Self {
        let data_dir = folder.path().join("data");
        Self::launch(Command::new(BINARY), folder, settings, |_| data_dir)
    }

    /// Starts a node whose data directory, or a folder in it, is a file system of this size, which nobody else sees. Asks
    /// for root.
    pub(crate) fn start_on_small_disk(size: &str, within: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let disk = data.join(within);
        fs::create_dir_all(&disk).unwrap();
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-ec"]);
        command.arg(format!("mount -t tmpfs -o size={size},mode=700 disk \"$1\"; shift; exec \"$@\""));
        command.arg("sh").arg(&disk).arg(BINARY);
        // What a process has mounted for itself is seen below its root.
        let seen = |process: u32| Path::new("/proc").join(format!("{process}/root{}", data.display()));
        Self::launch(command, folder, Vec::new(), seen)
    }

    fn launch(
        mut command: Command,
        folder: TempDir,
        settings: Vec<String>,
        data_dir: impl FnOnce(u32) -> PathBuf,
    ) -> Self {
        let log = folder.path().join("log");
        let errors = File::options().create(true).append(true).open(&log).unwrap();
        command.args(["run", "--ready-json", "--data-dir"]).arg(folder.path().join("data"));
        for listener in ["mqtt", "mqtt_ws", "web", "endpoints"] {
            command.arg("--set").arg(format!("listeners.{listener}.address=127.0.0.1:0"));
        }
        for setting in &settings {
            command.args(["--set", setting]);
        }
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(errors).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let mut process = Process { child, stdout, log };
        let mut line = String::new();
        process.stdout.read_line(&mut line).unwrap();
        let addresses = serde_json::from_str(&line).expect("a node that is ready says where it listens");
        let data_dir = data_dir(process.child.id());
        let token = fs::read_to_string(data_dir.join("admin-token")).unwrap().trim().to_owned();
        Self { process, addresses, token, folder, settings, data_dir }
    }

    /// Starts a node in the place of this one, which must have ended.
    pub(crate) fn start_again(mut self) -> Self {
        assert!(self.process.child.try_wait().unwrap().is_some(), "the node still runs");
        Self::start_in(self.folder, self.settings)
    }

    /// Cuts the node off, as a power cut does with a process.
    pub(crate) fn kill(&mut self) {
        self.process.child.kill().unwrap();
        self.process.child.wait().unwrap();
    }

    /// Tells the node to end, by SIGTERM, without waiting for it.
    pub(crate) fn terminate(&self) {
        let id = self.process.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    }

    pub(crate) fn await_end(&mut self) -> ExitStatus {
        self.process.child.wait().unwrap()
    }

    pub(crate) fn process_id(&self) -> u32 {
        self.process.child.id()
    }

    pub(crate) fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// What the node has said about itself so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.process.log).unwrap()
    }

    pub(crate) fn mqtt_port(&self) -> &str {
        self.address("mqtt").rsplit(':').next().unwrap()
    }

    /// The URL of a path that a flow listens at.
    pub(crate) fn endpoint(&self, path: &str) -> String {
        format!("http://{}{path}", self.address("endpoints"))
    }

    /// Where people and probes ask.
    pub(crate) fn web(&self) -> &str {
        self.address("web")
    }

    fn address(&self, listener: &str) -> &str {
        self.addresses[listener].as_str().unwrap()
    }

    /// Asks the API, with the token; `path` stands behind `/api/v1`.
    pub(crate) fn api(&self, method: &str, path: &str, content: Option<(&str, &str)>) -> Answer {
        let url = format!("http://{}/api/v1{path}", self.address("web"));
        let token = format!("authorization: Bearer {}", self.token);
        let mut arguments = vec!["--request", method, "--header", &token];
        let content_type = content.map(|(content_type, _)| format!("content-type: {content_type}"));
        if let Some(content_type) = &content_type {
            arguments.extend(["--header", content_type]);
        }
        arguments.push(&url);
        curl(&arguments, content.map(|(_, body)| body.as_bytes()))
    }

    /// Asks the API for what there must be.
    pub(crate) fn get(&self, path: &str) -> Value {
        let answer = self.api("GET", path, None);
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.json()
    }

    pub(crate) fn post(&self, path: &str) {
        let answer = self.api("POST", path, None);
        assert!(answer.status < 300, "{path}: {}", answer.body);
    }

    pub(crate) fn metrics(&self) -> String {
        let answer = curl(&[&format!("http://{}/metrics", self.address("web"))], None);
        assert_eq!(answer.status, 200);
        answer.body
    }

    /// Saves a draft, whatever it is worth.
    pub(crate) fn save(&self, id: &str, text: &str) -> Answer {
        self.api("PUT", &format!("/flows/{id}"), Some(("application/toml", text)))
    }

    /// Saves a flow and deploys it; the answer is the one to the first step that was refused, or to the last.
    pub(crate) fn try_deploy(&self, id: &str, text: &str) -> Answer {
        let saved = self.save(id, text);
        if saved.status >= 300 { saved } else { self.api("POST", &format!("/flows/{id}/deploy"), None) }
    }

    /// Deploys a flow that can run.
    pub(crate) fn deploy(&self, id: &str, text: &str) {
        let answer = self.try_deploy(id, text);
        assert_eq!(answer.status, 200, "flow `{id}` is not deployed: {}", answer.body);
    }

    /// The state of a flow with its figures.
    pub(crate) fn flow(&self, id: &str) -> Value {
        self.get(&format!("/flows/{id}"))["flow"].take()
    }

    /// What the flow's `debug` modules have seen.
    pub(crate) fn shown(&self, id: &str) -> Vec<Value> {
        let mut values = self.get(&format!("/flows/{id}/debug"));
        values["values"].as_array_mut().unwrap().iter_mut().map(|entry| entry["value"].take()).collect()
    }

    /// Waits until the flow's state is as wanted.
    pub(crate) fn await_flow(&self, id: &str, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        eventually(&format!("flow `{id}` {what}"), || Some(self.flow(id)).filter(&is_so))
    }

    /// Runs the command line against this node.
    pub(crate) fn command_line(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(BINARY);
        command.args(arguments).arg("--data-dir").arg(&self.data_dir);
        command.output().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended, which is as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = fs::read_to_string(&self.log).unwrap_or_default();
            eprintln!("the node said:\n{log}");
        }
    }
}
