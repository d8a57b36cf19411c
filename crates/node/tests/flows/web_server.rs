//! An HTTP server that is not our own: Python's, which keeps what is posted to it.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use tempfile::TempDir;

/// A running server; it is ended when this is dropped.
pub(crate) struct WebServer {
    child: Child,
    port: u16,
    posts: Arc<Mutex<Vec<(String, String)>>>,
    /// Holds a file `gate` while the server answers nobody.
    folder: TempDir,
}

impl WebServer {
    pub(crate) fn start() -> Self {
        let server = Self::start_closed();
        server.open();
        server
    }

    /// Starts a server that takes what comes and answers nobody until it is opened.
    pub(crate) fn start_closed() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let gate = folder.path().join("gate");
        std::fs::write(&gate, "").unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/flows/web_server.py");
        let mut child = Command::new("python3")
            .arg(script)
            .arg(gate)
            .stdout(Stdio::piped())
            .spawn()
            .expect("these tests need Python: install it with `apt-get install python3`");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let port = lines.next().unwrap().parse().unwrap();
        let posts = Arc::new(Mutex::new(Vec::new()));
        let taking = Arc::clone(&posts);
        std::thread::spawn(move || {
            for line in lines {
                let (path, body) = line.split_once(' ').unwrap();
                taking.lock().unwrap().push((path.to_owned(), body.to_owned()));
            }
        });
        Self { child, port, posts, folder }
    }

    pub(crate) fn open(&self) {
        std::fs::remove_file(self.folder.path().join("gate")).unwrap();
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Path and body of every POST so far, in their order.
    pub(crate) fn posts(&self) -> Vec<(String, String)> {
        self.posts.lock().unwrap().clone()
    }
}

impl Drop for WebServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
