//! `headwater sub`: writes messages as they come.

use std::io::Write as _;
use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use message::{QoS, TopicFilter};
use mqtt::packet::Publish;
use serde_json::{Value, json};

use super::Failure;
use super::connect_options::ConnectOptions;
use super::mqtt_client::MqttClient;
use crate::clock;

#[derive(Debug, Args)]
pub(super) struct Subscribe {
    /// Topic filters: `+` stands for one level, `#` for the rest
    #[arg(required = true, value_name = "FILTER")]
    filters: Vec<String>,
    /// 0 at most once, 1 at least once, 2 exactly once
    #[arg(short, long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=2))]
    qos: u8,
    /// End after so many messages
    #[arg(short = 'n', long, value_name = "COUNT")]
    count: Option<u64>,
    /// Write the time, QoS and retain flag of each message, too
    #[arg(short, long)]
    verbose: bool,
    /// Write a line of JSON for each message
    #[arg(long, conflicts_with = "verbose")]
    json: bool,
    /// The node's MQTT listener [default: as the data directory or the configuration says]
    #[arg(long, value_name = "IP:PORT")]
    address: Option<SocketAddr>,
    #[command(flatten)]
    connect: ConnectOptions,
}

impl Subscribe {
    pub(super) fn run(self) -> Result<(), Failure> {
        let parse = |text: &String| {
            let no_filter = |error| Failure::not_done(format!("`{text}` is no topic filter: {error}"));
            TopicFilter::parse(text).map_err(no_filter)
        };
        let filters = self.filters.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
        let qos = QoS::try_from(self.qos).map_err(Failure::not_done)?;
        let address = self.address.map_or_else(|| self.connect.mqtt(), Ok)?;
        let mut client = MqttClient::connect(address)?;
        client.subscribe(&filters, qos)?;
        let mut left = self.count;
        while left != Some(0) {
            let publish = client.next_message()?;
            let line = self.line(&publish);
            // One write per message, so that whoever reads along sees it at once and whole.
            std::io::stdout().write_all(&line)?;
            left = left.map(|left| left - 1);
        }
        client.disconnect()
    }

    fn line(&self, publish: &Publish) -> Vec<u8> {
        let topic = publish.topic.as_ref().map_or("", |topic| topic.as_str());
        let mut line = if self.json {
            as_json(topic, publish).to_string().into_bytes()
        } else {
            let mut line = Vec::new();
            if self.verbose {
                let mark = if publish.retain { " retained" } else { "" };
                line.extend(format!("{} qos {}{mark} ", clock::now().wall, u8::from(publish.qos)).into_bytes());
            }
            line.extend_from_slice(topic.as_bytes());
            line.push(b' ');
            line.extend_from_slice(&publish.payload);
            line
        };
        line.push(b'\n');
        line
    }
}

/// A message as JSON: the payload as the JSON that it is, else as text, else as base64.
fn as_json(topic: &str, publish: &Publish) -> Value {
    let mut object = json!({
        "time": clock::now().wall,
        "topic": topic,
        "qos": u8::from(publish.qos),
        "retain": publish.retain,
    });
    let payload = serde_json::from_slice::<Value>(&publish.payload).ok();
    let text = || std::str::from_utf8(&publish.payload).ok().map(Value::from);
    let (name, value) = match payload.or_else(text) {
        Some(value) => ("payload", value),
        None => ("payload_base64", Value::from(STANDARD.encode(&publish.payload))),
    };
    if let Some(members) = object.as_object_mut() {
        members.insert(name.to_owned(), value);
    }
    object
}
