//! `headwater pub`: publishes one message.

use std::io::Read as _;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use message::{QoS, TopicName};

use super::Failure;
use super::connect_options::ConnectOptions;
use super::mqtt_client::MqttClient;

#[derive(Debug, Args)]
pub(super) struct Publish {
    topic: String,
    /// The payload; empty when absent
    #[arg(conflicts_with = "file")]
    payload: Option<String>,
    /// Take the payload from a file, or from standard input with `-`
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// 0 at most once, 1 at least once, 2 exactly once
    #[arg(short, long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=2))]
    qos: u8,
    /// Have the node keep the message for those who subscribe later
    #[arg(short, long)]
    retain: bool,
    /// The node's MQTT listener [default: as the data directory or the configuration says]
    #[arg(long, value_name = "IP:PORT")]
    address: Option<SocketAddr>,
    #[command(flatten)]
    connect: ConnectOptions,
}

impl Publish {
    pub(super) fn run(self) -> Result<(), Failure> {
        let topic = TopicName::parse(&self.topic)
            .map_err(|error| Failure::not_done(format!("`{}` is no topic: {error}", self.topic)))?;
        let qos = QoS::try_from(self.qos).map_err(Failure::not_done)?;
        let payload = match self.file {
            None => self.payload.unwrap_or_default().into_bytes(),
            Some(path) => {
                read(&path).map_err(|error| Failure::not_done(format!("cannot read {}: {error}", path.display())))?
            }
        };
        let address = self.address.map_or_else(|| self.connect.mqtt(), Ok)?;
        let mut client = MqttClient::connect(address)?;
        client.publish(topic, payload, qos, self.retain)?;
        client.disconnect()
    }
}

fn read(path: &std::path::Path) -> std::io::Result<Vec<u8>> {
    if path.as_os_str() == "-" {
        let mut payload = Vec::new();
        std::io::stdin().read_to_end(&mut payload)?;
        return Ok(payload);
    }
    std::fs::read(path)
}
