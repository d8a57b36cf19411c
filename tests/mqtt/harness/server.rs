//! The servers under test, each started afresh on ports of the loopback: Headwater, and Debian's mosquitto to test the
//! tests.

use std::fs::Permissions;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::node::{self, Node, NodeOptions};

const MISSING: &str = "these tests need mosquitto: install it with `apt-get install mosquitto`";

/// Messages that may wait for one session of Headwater; it refuses what would be more.
pub(crate) const BACKLOG_MESSAGES_MAX: u32 = 100;

/// Which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Headwater,
    Mosquitto,
}

impl Kind {
    /// The transports that the scenarios run over.
    pub(crate) fn transports(self) -> &'static [Over] {
        match self {
            Self::Headwater => &[Over::Tcp, Over::WebSocket],
            Self::Mosquitto => &[Over::Tcp],
        }
    }
}

/// A transport to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Over {
    Tcp,
    WebSocket,
}

/// A running server; it ends when it is dropped.
pub(crate) enum Server {
    Headwater(Node),
    Mosquitto(Mosquitto),
}

impl Server {
    pub(crate) fn start(kind: Kind) -> Self {
        match kind {
            Kind::Headwater => {
                let most = BACKLOG_MESSAGES_MAX.to_string();
                let options = NodeOptions::default()
                    .set("log.level", "error")
                    .set("sessions.backlog_messages_max", &most)
                    .set("sessions.backlog_full", "refuse");
                Self::Headwater(Node::start_with(&options))
            }
            Kind::Mosquitto => Self::Mosquitto(Mosquitto::start()),
        }
    }

    pub(crate) fn address(&self, over: Over) -> SocketAddr {
        match (self, over) {
            (Self::Headwater(node), Over::Tcp) => node.mqtt,
            (Self::Headwater(node), Over::WebSocket) => node.mqtt_ws,
            (Self::Mosquitto(mosquitto), _) => mosquitto.address,
        }
    }

    /// Fails when the server said that something inside of it went wrong.
    pub(crate) fn assert_sound(&self) {
        if let Self::Headwater(node) = self {
            let log = node.log();
            assert!(!log.contains("panicked"), "{log}");
        }
    }
}

/// What mosquitto lets anyone do: everything, except to publish under `$SYS`, as with Headwater.
const ACCESS: &str = "pattern readwrite #\npattern readwrite $test/#\npattern read $forbidden/#\n";

/// The user that mosquitto knows. One with any other name is refused.
pub(crate) const USER: (&str, &str) = ("user", "password");

/// A mosquitto that takes as much as Headwater does and keeps nothing on disk.
pub(crate) struct Mosquitto {
    child: Child,
    address: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Mosquitto {
    fn start() -> Self {
        // Someone else may take the port in between.
        (0..10).find_map(|_| Self::try_start()).expect("mosquitto starts on a free port")
    }

    fn try_start() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        let (path, access) = (folder.path().join("mosquitto.conf"), folder.path().join("access"));
        std::fs::write(&access, ACCESS).unwrap();
        let users = folder.path().join("users");
        let made = Command::new("mosquitto_passwd").arg("-b").arg("-c").arg(&users).args([USER.0, USER.1]).status();
        assert!(made.expect(MISSING).success());
        std::fs::set_permissions(&users, Permissions::from_mode(0o644)).unwrap();
        // It reads its files before it gives up the rights of root, but once more on some signals: let it.
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        let settings = format!(
            "listener {} 127.0.0.1\nallow_anonymous true\nacl_file {}\npassword_file {}\nlog_type none\n\
             set_tcp_nodelay true\nmax_packet_size 1048576\nmax_queued_messages 0\nmax_inflight_messages 1000\n",
            free.port(),
            access.display(),
            users.display()
        );
        std::fs::write(&path, settings).unwrap();
        let search = format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default());
        let mut command = Command::new("mosquitto");
        command
            .arg("-c")
            .arg(&path)
            .env("PATH", search)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let child = command.spawn().expect(MISSING);
        let mut started = Self { child, address: free, _folder: folder };
        let listens = node::eventually(|| started.listens(), Option::is_some);
        (listens == Some(true)).then_some(started)
    }

    /// Whether it listens; nothing while that is open.
    fn listens(&mut self) -> Option<bool> {
        if self.child.try_wait().unwrap().is_some() {
            return Some(false);
        }
        TcpStream::connect_timeout(&self.address, Duration::from_secs(1)).is_ok().then_some(true)
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
