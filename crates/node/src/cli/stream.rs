//! `headwater stream`: the streams of a running node.

use std::io::{Read as _, Write as _};

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use ureq::http::Method;

use super::Failure;
use super::api_client::segment;
use super::collection::{Collection, items, number};
use super::connect_options::ConnectOptions;

#[derive(Debug, Subcommand)]
pub(super) enum StreamCommand {
    /// Make a stream, or change it; what is not said has its default.
    Create(Create),
    /// List the streams.
    List(List),
    /// Show a stream with its settings and figures, as JSON.
    Show(Named),
    /// Write messages, a JSON object a line.
    Peek(Peek),
    /// Append a message and write its offset.
    Append(Append),
    /// Let a consumer go on elsewhere, or make one.
    Seek(Seek),
    /// Forget a consumer.
    Forget(Forget),
    /// Throw away all messages.
    Purge(Named),
    /// Remove a stream with all its messages.
    Delete(Named),
}

#[derive(Debug, Args)]
pub(super) struct Create {
    stream: String,
    /// Append what is published to topics that this filter matches; may be given several times
    #[arg(long = "bind", value_name = "FILTER")]
    bindings: Vec<String>,
    /// What an acknowledgement promises: fsync, os or memory
    #[arg(long)]
    durability: Option<String>,
    /// Messages that are kept at least; the oldest go an eighth of them at a time, or 64
    #[arg(long, value_name = "COUNT")]
    messages_max: Option<u64>,
    /// Bytes of files that are kept; the oldest go an eighth of them at a time, or 16 KiB
    #[arg(long, value_name = "BYTES")]
    bytes_max: Option<u64>,
    /// Let messages go that are older
    #[arg(long, value_name = "SECONDS")]
    age_max: Option<u64>,
    #[command(flatten)]
    connect: ConnectOptions,
}

#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    connect: ConnectOptions,
}

#[derive(Debug, Args)]
pub(super) struct Named {
    stream: String,
    #[command(flatten)]
    connect: ConnectOptions,
}

#[derive(Debug, Args)]
pub(super) struct Peek {
    stream: String,
    /// Messages at most
    #[arg(long, default_value_t = 10)]
    max: usize,
    /// Where to begin: earliest, latest, an offset, or time:2026-01-31T12:00:00Z
    #[arg(long, default_value = "earliest", value_name = "PLACE")]
    offset: String,
    #[command(flatten)]
    connect: ConnectOptions,
}

#[derive(Debug, Args)]
pub(super) struct Append {
    stream: String,
    /// The payload; standard input when left out
    payload: Option<String>,
    /// The topic that readers see
    #[arg(long)]
    topic: Option<String>,
    #[command(flatten)]
    connect: ConnectOptions,
}

#[derive(Debug, Args)]
pub(super) struct Seek {
    stream: String,
    consumer: String,
    /// Where to go on: earliest, latest, an offset, or time:2026-01-31T12:00:00Z
    #[arg(value_name = "PLACE")]
    offset: String,
    #[command(flatten)]
    connect: ConnectOptions,
}

#[derive(Debug, Args)]
pub(super) struct Forget {
    stream: String,
    consumer: String,
    #[command(flatten)]
    connect: ConnectOptions,
}

const STREAMS: Collection = Collection("/streams");

impl StreamCommand {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self {
            Self::Create(create) => create.run(),
            Self::List(List { connect }) => STREAMS.list(rows, &connect),
            Self::Show(Named { stream, connect }) => STREAMS.show(&stream, &connect),
            Self::Peek(Peek { stream, max, offset, connect }) => {
                STREAMS.peek(&stream, &format!("max={max}&offset={}", segment(&offset)), &connect)
            }
            Self::Append(append) => append.run(),
            Self::Seek(seek) => seek.run(),
            Self::Forget(Forget { stream, consumer, connect }) => {
                connect.api()?.ask(Method::DELETE, &consumer_path(&stream, &consumer), None).map(|_| ())
            }
            Self::Purge(Named { stream, connect }) => STREAMS.purge(&stream, &connect),
            Self::Delete(Named { stream, connect }) => STREAMS.delete(&stream, &connect),
        }
    }
}

impl Create {
    fn run(self) -> Result<(), Failure> {
        let settings = [
            ("bindings", Some(Value::from(self.bindings))),
            ("durability", self.durability.map(Value::from)),
            ("messages_max", self.messages_max.map(Value::from)),
            ("bytes_max", self.bytes_max.map(Value::from)),
            ("age_max_s", self.age_max.map(Value::from)),
        ];
        STREAMS.put(&self.stream, settings, &self.connect)
    }
}

impl Append {
    fn run(self) -> Result<(), Failure> {
        let payload = match self.payload {
            Some(payload) => payload.into_bytes(),
            None => {
                let mut payload = Vec::new();
                std::io::stdin().read_to_end(&mut payload)?;
                payload
            }
        };
        let query = self.topic.map(|topic| format!("?topic={}", segment(&topic))).unwrap_or_default();
        let path = format!("{}/messages{query}", STREAMS.path(&self.stream));
        let answer = self.connect.api()?.ask(Method::POST, &path, Some(("", payload)))?;
        Ok(writeln!(std::io::stdout(), "{}", number(&answer, "offset"))?)
    }
}

impl Seek {
    fn run(self) -> Result<(), Failure> {
        let body = json!({ "offset": self.offset }).to_string().into_bytes();
        let path = consumer_path(&self.stream, &self.consumer);
        let answer = self.connect.api()?.ask(Method::PUT, &path, Some(("application/json", body)))?;
        Ok(writeln!(std::io::stdout(), "{}", number(&answer, "offset"))?)
    }
}

fn consumer_path(stream: &str, consumer: &str) -> String {
    format!("{}/consumers/{}", STREAMS.path(stream), segment(consumer))
}

fn rows(answer: &Value) -> Vec<[String; 5]> {
    let head = ["STREAM", "MESSAGES", "BYTES", "EARLIEST", "NEXT"].map(str::to_owned);
    let row = |stream: &Value| {
        let name = stream.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        let figures = ["messages", "bytes", "earliest", "next"].map(|it| number(stream, it).to_string());
        let [messages, bytes, earliest, next] = figures;
        [name, messages, bytes, earliest, next]
    };
    std::iter::once(head).chain(items(answer, "streams").map(row)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::table::columns;

    #[test]
    fn streams_are_a_table() {
        let answer = json!({ "streams": [{ "name": "telemetry", "messages": 12, "bytes": 3400, "earliest": 100, "next": 112 }] });
        let expected = "STREAM     MESSAGES  BYTES  EARLIEST  NEXT\n\
                        telemetry  12        3400   100       112\n";
        assert_eq!(columns(&rows(&answer)), expected);
    }
}
