//! An MQTT client over TCP that leaves every choice to the test.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};

use super::DEADLINE;
use super::packets::{self, read_packet};

/// One connection.
pub struct Client {
    pub stream: TcpStream,
}

impl Client {
    pub fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        Self { stream }
    }

    /// Opens one and sends CONNECT; the node has to accept it.
    pub fn connect(address: SocketAddr, connect: &[u8]) -> Self {
        let mut client = Self::open(address);
        let (first, body) = client.ask(connect);
        assert_eq!((first, body[1]), (0x20, 0), "{body:?}");
        client
    }

    pub fn send(&mut self, packet: &[u8]) {
        self.stream.write_all(packet).unwrap();
    }

    /// The next packet; `None` when the node has closed the connection.
    pub fn read(&mut self) -> Option<(u8, Vec<u8>)> {
        read_packet(&mut self.stream)
    }

    /// Sends a packet and takes the next one.
    pub fn ask(&mut self, packet: &[u8]) -> (u8, Vec<u8>) {
        self.send(packet);
        self.read().expect("the node closed the connection")
    }

    /// Subscribes to one filter; gives the reason code.
    pub fn subscribe(&mut self, filter: &str, qos: u8) -> u8 {
        let (first, body) = self.ask(&packets::subscribe(filter, qos));
        assert_eq!(first, 0x90);
        *body.last().unwrap()
    }

    /// Publishes with QoS 1 and waits for the acknowledgement.
    pub fn publish(&mut self, topic: &str, payload: &[u8]) {
        assert_eq!(self.ask(&packets::publish(topic, Some(1), payload)).0, 0x40);
    }

    /// The reason code of the DISCONNECT that comes next.
    pub fn reason_of_end(&mut self) -> u8 {
        let (first, body) = self.read().expect("a DISCONNECT");
        assert_eq!(first, 0xe0);
        body.first().copied().unwrap_or(0)
    }
}
