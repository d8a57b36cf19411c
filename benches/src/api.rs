//! As much of the node's HTTP API as deploying a flow needs.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;

use crate::stopped::Stopped;

/// The API of a running node.
#[derive(Debug)]
pub(crate) struct Api {
    address: SocketAddr,
    token: String,
}

impl Api {
    /// The API of the node that runs in this data directory.
    pub(crate) fn of(data_dir: &Path) -> Result<Self, Stopped> {
        let read = |name: &str| {
            let path = data_dir.join(name);
            std::fs::read_to_string(&path).map_err(|source| Stopped::Read { path, source })
        };
        let address = web_address(&read("node.json")?).ok_or(Stopped::Refused { what: "its address" })?;
        Ok(Self { address, token: read("admin-token")?.trim().to_owned() })
    }

    /// Saves a flow and deploys it.
    pub(crate) fn deploy(&self, id: &str, text: &str) -> Result<(), Stopped> {
        self.ask("PUT", &format!("/api/v1/flows/{id}"), text)?;
        self.ask("POST", &format!("/api/v1/flows/{id}/deploy"), "")
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> Result<(), Stopped> {
        let Self { address, token } = self;
        let mut stream = TcpStream::connect(address)?;
        let content = if body.is_empty() { "" } else { "content-type: application/toml\r\n" };
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\
             {content}content-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(format!("{head}{body}").as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        if answer.starts_with("HTTP/1.1 20") { Ok(()) } else { Err(Stopped::Refused { what: "a flow" }) }
    }
}

/// The address of the web listener in what a node writes about itself.
fn web_address(json: &str) -> Option<SocketAddr> {
    let (_, rest) = json.split_once("\"web\":\"")?;
    rest.split('"').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_found_among_the_others() {
        let json = r#"{"event":"ready","mqtt":"127.0.0.1:1","web":"127.0.0.1:2","endpoints":"127.0.0.1:3"}"#;
        assert_eq!(web_address(json), Some("127.0.0.1:2".parse().expect("an address")));
        assert_eq!(web_address("{}"), None);
    }
}
