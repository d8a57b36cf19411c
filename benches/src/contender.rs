//! Who is measured, and how each is started: always afresh, on a free port of the loopback, with its data in a folder
//! that is removed afterwards, in the mode that is fastest for it.

use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::clock::sleep;
use crate::process::Process;
use crate::stopped::Stopped;

const READY_TRIES_MAX: u32 = 1000;
const READY_WAIT: Duration = Duration::from_millis(10);

/// Where the bench's own files are: the flows, and Node-RED with its packages.
const OWN_FOLDER: &str = env!("CARGO_MANIFEST_DIR");

/// Started processes that together do one job, with the port of their broker.
#[derive(Debug)]
pub(crate) struct Running {
    name: &'static str,
    port: u16,
    processes: Vec<Process>,
    /// Removed after the processes have ended.
    folder: Folder,
}

impl Running {
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Headwater's data directory.
    pub(crate) fn data_dir(&self) -> PathBuf {
        self.folder.path.join("data")
    }

    /// The same without its processes, which are killed.
    pub(crate) fn killed(self) -> Self {
        Self { processes: Vec::new(), ..self }
    }

    pub(crate) fn cpu_us(&self) -> Result<u64, Stopped> {
        self.processes.iter().map(Process::cpu_us).sum()
    }

    pub(crate) fn rss_kib(&self) -> Result<u64, Stopped> {
        self.processes.iter().map(Process::rss_kib).sum()
    }
}

/// Debian's mosquitto, without limits on what waits for a client: they would drop what others deliver.
pub(crate) fn start_mosquitto() -> Result<Running, Stopped> {
    start_mosquitto_with("")
}

/// The same, which keeps sessions in a file: it writes that at its end and every half hour, not before it acknowledges.
pub(crate) fn start_mosquitto_with_file() -> Result<Running, Stopped> {
    start_mosquitto_with("persistence true\n")
}

fn start_mosquitto_with(more: &str) -> Result<Running, Stopped> {
    let (folder, port) = (Folder::create()?, free_port()?);
    let configuration = folder.path.join("mosquitto.conf");
    let text = format!(
        "listener {port} 127.0.0.1\nallow_anonymous true\nlog_type none\nset_tcp_nodelay true\n\
         max_inflight_messages 1000\nmax_queued_messages 0\npersistence_location {}/\n{more}",
        folder.path.display()
    );
    write(&configuration, &text)?;
    let path = format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default());
    let process = Process::start(Command::new("mosquitto").arg("-c").arg(&configuration).env("PATH", path))?;
    await_port("mosquitto", port)?;
    Ok(Running { name: "mosquitto", port, processes: vec![process], folder })
}

/// The NATS server as an MQTT broker. What has QoS 1 goes through its JetStream, which it has on disk.
pub(crate) fn start_nats() -> Result<Running, Stopped> {
    let (folder, port) = (Folder::create()?, free_port()?);
    let configuration = folder.path.join("nats.conf");
    let text = format!(
        "server_name: bench\nlisten: \"127.0.0.1:-1\"\nlog_file: {log:?}\njetstream {{ store_dir: {store:?} }}\n\
         mqtt {{ host: \"127.0.0.1\", port: {port}, max_ack_pending: 1000 }}\n",
        log = folder.path.join("nats.log"),
        store = folder.path.join("jetstream"),
    );
    write(&configuration, &text)?;
    let process = Process::start(Command::new(nats_program()).arg("-c").arg(&configuration))?;
    await_port("nats-server", port)?;
    Ok(Running { name: "nats-server", port, processes: vec![process], folder })
}

/// rumqttd, which keeps what comes in segments in memory, as large as its own example has them.
pub(crate) fn start_rumqttd() -> Result<Running, Stopped> {
    let (folder, port) = (Folder::create()?, free_port()?);
    let configuration = folder.path.join("rumqttd.toml");
    let text = format!(
        "id = 0\n[router]\nid = 0\nmax_connections = 10010\nmax_outgoing_packet_count = 200\n\
         max_segment_size = 104857600\nmax_segment_count = 10\n\
         [v4.1]\nname = \"bench\"\nlisten = \"127.0.0.1:{port}\"\nnext_connection_delay_ms = 1\n\
         [v4.1.connections]\nconnection_timeout_ms = 60000\nmax_payload_size = 20480\nmax_inflight_count = 100\n"
    );
    write(&configuration, &text)?;
    let mut command = Command::new(rumqttd_program());
    let process = Process::start(command.arg("--quiet").arg("-c").arg(&configuration).stderr(Stdio::null()))?;
    await_port("rumqttd", port)?;
    Ok(Running { name: "rumqttd", port, processes: vec![process], folder })
}

/// Where `make bench` installs it.
pub(crate) fn rumqttd_program() -> PathBuf {
    Path::new(OWN_FOLDER).join("peers/rumqttd/bin/rumqttd")
}

/// Where `make bench` installs it.
pub(crate) fn nats_program() -> PathBuf {
    Path::new(OWN_FOLDER).join("peers/nats/bin/nats-server")
}

/// Headwater with the flows of a folder, or none.
pub(crate) fn start_headwater(binary: &Path, flows: Option<&str>) -> Result<Running, Stopped> {
    start_headwater_with(binary, flows, &[])
}

/// The same, with more settings, each `key=value`.
pub(crate) fn start_headwater_with(binary: &Path, flows: Option<&str>, settings: &[&str]) -> Result<Running, Stopped> {
    let (folder, port) = (Folder::create()?, free_port()?);
    let flows = flows.map_or_else(|| folder.path.join("flows"), |name| Path::new(OWN_FOLDER).join(name));
    let process = headwater(binary, &folder, port, &flows, settings)?;
    await_port("headwater", port)?;
    Ok(Running { name: "Headwater", port, processes: vec![process], folder })
}

/// Starts a node without flows again on what it has left. It need not be ready when this returns.
pub(crate) fn start_again(killed: Running, binary: &Path, settings: &[&str]) -> Result<Running, Stopped> {
    let process = headwater(binary, &killed.folder, killed.port, &killed.folder.path.join("flows"), settings)?;
    Ok(Running { processes: vec![process], ..killed })
}

fn headwater(binary: &Path, folder: &Folder, port: u16, flows: &Path, settings: &[&str]) -> Result<Process, Stopped> {
    let mut command = Command::new(binary);
    command.arg("run").arg("--data-dir").arg(folder.path.join("data"));
    for (key, value) in [
        ("listeners.mqtt.address", format!("127.0.0.1:{port}")),
        ("listeners.mqtt_ws.address", "127.0.0.1:0".to_owned()),
        ("listeners.web.address", "127.0.0.1:0".to_owned()),
        ("listeners.endpoints.address", "127.0.0.1:0".to_owned()),
        ("flows_dir", flows.display().to_string()),
    ] {
        command.arg("--set").arg(format!("{key}={value}"));
    }
    for setting in settings {
        command.arg("--set").arg(setting);
    }
    Process::start(command.stderr(Stdio::null()))
}

/// Node-RED with its flow, connected to a mosquitto: both work for a message, so both are counted.
pub(crate) fn start_node_red() -> Result<Running, Stopped> {
    let own = Path::new(OWN_FOLDER).join("node-red");
    let program = own.join("node_modules/node-red/red.js");
    if !program.is_file() {
        return Err(Stopped::NodeRedMissing);
    }
    let Running { port, mut processes, folder, .. } = start_mosquitto()?;
    // Node-RED writes beside its flow file.
    let flow = folder.path.join("flow.json");
    fs::copy(own.join("flow.json"), &flow).map_err(|source| Stopped::Write { path: flow.clone(), source })?;
    let mut command = Command::new("node");
    command.arg(program).arg("--settings").arg(own.join("settings.js")).arg("--userDir").arg(&folder.path).arg(&flow);
    processes.push(Process::start(command.env("BENCH_MQTT_PORT", port.to_string()))?);
    Ok(Running { name: "Node-RED", port, processes, folder })
}

/// A port that was free a moment ago.
fn free_port() -> Result<u16, Stopped> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

fn await_port(program: &str, port: u16) -> Result<(), Stopped> {
    for _ in 0..READY_TRIES_MAX {
        if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(());
        }
        sleep(READY_WAIT);
    }
    let seconds = (READY_WAIT * READY_TRIES_MAX).as_secs();
    Err(Stopped::NotReady { program: program.to_owned(), port, seconds })
}

fn write(path: &Path, text: &str) -> Result<(), Stopped> {
    fs::write(path, text).map_err(|source| Stopped::Write { path: path.to_owned(), source })
}

/// A folder of its own in the system's place for temporary files, removed when this is dropped.
#[derive(Debug)]
struct Folder {
    path: PathBuf,
}

impl Folder {
    fn create() -> Result<Self, Stopped> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("headwater-bench-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).map_err(|source| Stopped::Write { path: path.clone(), source })?;
        Ok(Self { path })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed is left to the system.
        let _ = fs::remove_dir_all(&self.path);
    }
}
