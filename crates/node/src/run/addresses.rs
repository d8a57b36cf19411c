//! Where a running node listens, and how it says so to machines.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use serde::{Deserialize, Serialize};

/// Where a running node listens: as configured, with the ports that the system chose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addresses {
    pub mqtt: SocketAddr,
    pub mqtt_ws: SocketAddr,
    pub web: SocketAddr,
    pub endpoints: SocketAddr,
}

#[derive(Serialize)]
struct Ready {
    event: &'static str,
    mqtt: SocketAddr,
    mqtt_ws: SocketAddr,
    web: SocketAddr,
    endpoints: SocketAddr,
    pid: u32,
}

impl Addresses {
    /// The line of JSON that says that the node is ready, without its end.
    pub fn ready_line(&self) -> String {
        let Self { mqtt, mqtt_ws, web, endpoints } = *self;
        let ready = Ready { event: "ready", mqtt, mqtt_ws, web, endpoints, pid: std::process::id() };
        serde_json::to_string(&ready).unwrap_or_default()
    }
}

/// The address by which this machine reaches a listener: one that listens everywhere is reached on loopback.
pub(crate) fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ready_line_names_every_listener() {
        let address = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let addresses = Addresses { mqtt: address(1), mqtt_ws: address(4), web: address(2), endpoints: address(3) };
        let line = addresses.ready_line();
        let start = concat!(
            r#"{"event":"ready","mqtt":"127.0.0.1:1","mqtt_ws":"127.0.0.1:4","web":"127.0.0.1:2","#,
            r#""endpoints":"127.0.0.1:3","pid":"#
        );
        assert!(line.starts_with(start), "{line}");
        assert_eq!(serde_json::from_str::<Addresses>(&line).unwrap(), addresses);
    }

    #[test]
    fn everywhere_is_reached_on_loopback() {
        for (listens, reached) in
            [("0.0.0.0:80", "127.0.0.1:80"), ("[::]:80", "[::1]:80"), ("10.0.0.1:80", "10.0.0.1:80")]
        {
            assert_eq!(reachable(listens.parse().unwrap()), reached.parse().unwrap());
        }
    }
}
