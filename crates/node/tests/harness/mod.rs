//! Starts real nodes in folders of their own, on ports that the system chooses, and speaks HTTP with them.
//! Each test file uses what it needs of it.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]
#![expect(unreachable_pub, reason = "each test file is a crate of its own")]

pub mod client;
pub mod events;
pub mod packets;
pub mod syncs;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use serde_json::Value;

/// How long anything may take before a test fails; never waited for when all is well.
pub const DEADLINE: Duration = Duration::from_secs(240);

/// The program under test.
pub fn headwater() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_headwater"));
    let foreign = std::env::vars().map(|(name, _)| name).filter(|name| name.starts_with("HEADWATER"));
    for name in foreign {
        command.env_remove(name);
    }
    command
}

/// The same command below a limit, which the shell sets.
fn with_open_files_max(command: &Command, most: u32) -> Command {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(format!("ulimit -n {most} && exec \"$0\" \"$@\""));
    shell.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell
}

/// How a node is started.
#[derive(Debug, Default, Clone)]
pub struct NodeOptions {
    pub sets: Vec<String>,
    pub config: Option<PathBuf>,
    /// More of the environment.
    pub environment: Vec<(String, String)>,
    /// As many files may it open, if this is not as the test may.
    pub open_files_max: Option<u32>,
}

impl NodeOptions {
    pub fn set(mut self, key: &str, value: &str) -> Self {
        self.sets.push(format!("{key}={value}"));
        self
    }

    fn command(&self, data_dir: &Path) -> Command {
        let mut command = headwater();
        command.arg("run").arg("--ready-json").arg("--data-dir").arg(data_dir);
        for listener in ["mqtt", "mqtt_ws", "web", "endpoints"] {
            command.arg("--set").arg(format!("listeners.{listener}.address=127.0.0.1:0"));
        }
        if let Some(config) = &self.config {
            command.arg("--config").arg(config);
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        for set in &self.sets {
            command.arg("--set").arg(set);
        }
        match self.open_files_max {
            Some(most) => with_open_files_max(&command, most),
            None => command,
        }
    }

    /// Starts a node that is expected to refuse; gives its exit code and what it said.
    pub fn refusal(&self, data_dir: &Path) -> (Option<i32>, String) {
        let output = self.command(data_dir).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    }
}

/// A running node; killed when it is dropped.
pub struct Node {
    child: Child,
    pub mqtt: SocketAddr,
    pub mqtt_ws: SocketAddr,
    pub web: SocketAddr,
    pub endpoints: SocketAddr,
    pub token: String,
    pub data_dir: PathBuf,
    /// Removed with the node when it was made for it.
    folder: Option<tempfile::TempDir>,
}

impl Node {
    /// Starts a node in a new folder and waits until it is ready.
    pub fn start() -> Self {
        Self::start_with(&NodeOptions::default())
    }

    pub fn start_with(options: &NodeOptions) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut node = Self::start_in(&folder.path().join("data"), options);
        node.folder = Some(folder);
        node
    }

    /// Starts a node in a folder that outlives it.
    pub fn start_in(data_dir: &Path, options: &NodeOptions) -> Self {
        let log = data_dir.with_extension("log");
        std::fs::create_dir_all(data_dir.parent().unwrap()).unwrap();
        let stderr = std::fs::OpenOptions::new().create(true).append(true).open(&log).unwrap();
        let mut child = options.command(data_dir).stdout(Stdio::piped()).stderr(stderr).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let Ok(ready) = serde_json::from_str::<Value>(&line) else {
            let status = child.wait().unwrap();
            panic!("the node did not start ({status}): {}", std::fs::read_to_string(&log).unwrap());
        };
        assert_eq!(ready["event"], "ready");
        let address = |name: &str| ready[name].as_str().unwrap().parse().unwrap();
        let token = std::fs::read_to_string(data_dir.join("admin-token")).unwrap().trim().to_owned();
        let (mqtt, mqtt_ws) = (address("mqtt"), address("mqtt_ws"));
        let (web, endpoints) = (address("web"), address("endpoints"));
        Self { child, mqtt, mqtt_ws, web, endpoints, token, data_dir: data_dir.to_owned(), folder: None }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What the node has said on standard error so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.data_dir.with_extension("log")).unwrap()
    }

    /// Sends SIGTERM and waits until the node has ended; with the folder, if it is the node's own.
    pub fn stop(mut self) -> ExitStatus {
        let status = Command::new("kill").arg(self.pid().to_string()).status().unwrap();
        assert!(status.success());
        self.child.wait().unwrap()
    }

    /// Ends the node as a power cut would, as far as a process can tell.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks the API with the token.
    pub fn api(&self, method: &str, path: &str) -> Answer {
        self.send(method, path, &[], b"")
    }

    /// Sends JSON to the API with the token.
    pub fn api_json(&self, method: &str, path: &str, body: &Value) -> Answer {
        self.send(method, path, &[("content-type", "application/json")], body.to_string().as_bytes())
    }

    /// Sends to the API with the token.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let bearer = format!("Bearer {}", self.token);
        let mut all = vec![("authorization", bearer.as_str())];
        all.extend_from_slice(headers);
        http(self.web, method, &format!("/api/v1{path}"), &all, body)
    }

    /// Saves a flow and deploys it.
    pub fn deploy(&self, toml: &str) -> Answer {
        let id = toml.lines().find_map(|line| line.strip_prefix("id = ")).unwrap().trim_matches('"');
        let saved = self.send("PUT", &format!("/flows/{id}"), &[("content-type", "application/toml")], toml.as_bytes());
        assert!(saved.status < 300, "{}", saved.text());
        self.api("POST", &format!("/flows/{id}/deploy"))
    }

    /// Runs a command of the program against this node that has to succeed; gives its output.
    pub fn run(&self, arguments: &[&str]) -> String {
        let (code, out, error) = self.command(arguments);
        assert_eq!(code, 0, "{arguments:?}: {error}");
        out
    }

    /// Checks that the metrics have these lines.
    pub fn expect_metrics(&self, lines: &[&str]) {
        let metrics = http(self.web, "GET", "/metrics", &[], b"").text();
        for line in lines {
            assert!(metrics.lines().any(|it| it == *line), "{line} is not in {metrics}");
        }
    }

    /// Runs a command of the program against this node; gives exit code, output and errors.
    pub fn command(&self, arguments: &[&str]) -> (i32, String, String) {
        let output = headwater().args(arguments).arg("--data-dir").arg(&self.data_dir).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // When it has ended already, that is as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The answer to one HTTP request.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{} {}", self.status, self.text()))
    }

    /// Checks that this is a problem document of the status, and gives its detail.
    pub fn problem(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.text());
        let json = self.json();
        assert_eq!(json["status"], status);
        assert!(json["title"].as_str().is_some_and(|title| !title.is_empty()), "{json}");
        json["detail"].as_str().unwrap().to_owned()
    }
}

/// One HTTP/1.1 request on a connection of its own, written byte for byte, so that tests can be as rude as clients are.
pub fn http(address: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let mut head = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n");
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        head.push_str(&format!("host: {address}\r\n"));
    }
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() {
        head.push_str(&format!("content-length: {}\r\n", body.len()));
    }
    head.push_str("\r\n");
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    // A node that refuses from the head alone may close before all of the body is sent.
    let _ = stream.write_all(body);
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    parse(&bytes)
}

fn parse(bytes: &[u8]) -> Answer {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("a whole head");
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
        .collect();
    let rest = &bytes[end + 4..];
    let chunked = headers.iter().any(|(name, value)| name == "transfer-encoding" && value == "chunked");
    Answer { status, headers, body: if chunked { unchunked(rest) } else { rest.to_vec() } }
}

fn unchunked(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = rest.windows(2).position(|window| window == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap(), 16).unwrap();
        if size == 0 {
            break;
        }
        body.extend_from_slice(&rest[end + 2..end + 2 + size]);
        rest = &rest[end + 2 + size + 2..];
    }
    body
}

/// Asks again and again until the answer is what was hoped for.
pub fn eventually<T: std::fmt::Debug>(mut ask: impl FnMut() -> T, hoped: impl Fn(&T) -> bool) -> T {
    let mut answer = ask();
    // As many tries as make the deadline, whatever the clock says.
    for _ in 0..DEADLINE.as_millis() / 20 {
        if hoped(&answer) {
            return answer;
        }
        pause();
        answer = ask();
    }
    panic!("still {answer:?}");
}

#[expect(clippy::disallowed_methods, reason = "a test beside a real node can only wait")]
fn pause() {
    std::thread::sleep(Duration::from_millis(20));
}
