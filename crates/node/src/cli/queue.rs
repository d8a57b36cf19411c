//! `headwater queue`: the queues of a running node.

use std::io::Write as _;

use clap::{Args, Subcommand};
use serde_json::Value;
use ureq::http::Method;

use super::Failure;
use super::collection::{Collection, items, number};
use super::connect_options::ConnectOptions;

#[derive(Debug, Subcommand)]
pub(super) enum QueueCommand {
    /// Make a queue, or change it; what is not said has its default.
    Create(Create),
    /// List the queues.
    List(List),
    /// Show a queue with its settings and figures, as JSON.
    Show(Named),
    /// Write messages without taking them, a JSON object a line.
    Peek(Peek),
    /// Throw away all messages that wait.
    Purge(Named),
    /// Put dead letters back into the queues in which they died.
    Requeue(Requeue),
    /// Remove a queue with all that waits in it.
    Delete(Named),
}

#[derive(Debug, Args)]
pub(super) struct Create {
    queue: String,
    /// Take what is published to topics that this filter matches; may be given several times
    #[arg(long = "bind", value_name = "FILTER")]
    bindings: Vec<String>,
    /// What an acknowledgement promises: fsync, os or memory
    #[arg(long)]
    durability: Option<String>,
    /// Messages that may wait
    #[arg(long, value_name = "COUNT")]
    messages_max: Option<u64>,
    /// Bytes that may wait
    #[arg(long, value_name = "BYTES")]
    bytes_max: Option<u64>,
    /// Drop messages that are older
    #[arg(long, value_name = "SECONDS")]
    age_max: Option<u64>,
    /// What a full queue does: refuse, drop-oldest, drop-newest or keep-last
    #[arg(long)]
    policy: Option<String>,
    /// How long a consumer may keep a message
    #[arg(long, value_name = "SECONDS")]
    ack_timeout: Option<u64>,
    /// Deliveries before a message is a dead letter; 0 for as many as it takes
    #[arg(long, value_name = "COUNT")]
    deliveries_max: Option<u64>,
    /// The queue for dead letters; empty for none
    #[arg(long, value_name = "QUEUE")]
    dead_letter: Option<String>,
    /// Let messages with a higher user property `priority` go first
    #[arg(long)]
    priority: bool,
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
    queue: String,
    #[command(flatten)]
    connect: ConnectOptions,
}

#[derive(Debug, Args)]
pub(super) struct Peek {
    queue: String,
    /// Messages at most
    #[arg(long, default_value_t = 10)]
    max: usize,
    /// Begin at the message with this id
    #[arg(long, default_value_t = 0, value_name = "ID")]
    from: u64,
    #[command(flatten)]
    connect: ConnectOptions,
}

#[derive(Debug, Args)]
pub(super) struct Requeue {
    /// The queue in which the dead letters are
    queue: String,
    /// Only the message with this id
    #[arg(long)]
    id: Option<u64>,
    #[command(flatten)]
    connect: ConnectOptions,
}

const QUEUES: Collection = Collection("/queues");

impl QueueCommand {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self {
            Self::Create(create) => create.run(),
            Self::List(List { connect }) => QUEUES.list(rows, &connect),
            Self::Show(Named { queue, connect }) => QUEUES.show(&queue, &connect),
            Self::Peek(Peek { queue, max, from, connect }) => {
                QUEUES.peek(&queue, &format!("max={max}&from={from}"), &connect)
            }
            Self::Purge(Named { queue, connect }) => QUEUES.purge(&queue, &connect),
            Self::Requeue(Requeue { queue, id, connect }) => {
                let query = id.map(|id| format!("?id={id}")).unwrap_or_default();
                let path = format!("{}/requeue{query}", QUEUES.path(&queue));
                let answer = connect.api()?.ask(Method::POST, &path, None)?;
                let (requeued, left) = (number(&answer, "requeued"), number(&answer, "left"));
                Ok(writeln!(std::io::stdout(), "requeued {requeued}, left {left}")?)
            }
            Self::Delete(Named { queue, connect }) => QUEUES.delete(&queue, &connect),
        }
    }
}

impl Create {
    fn run(self) -> Result<(), Failure> {
        let settings = [
            ("bindings", Some(Value::from(self.bindings))),
            ("priority", Some(Value::from(self.priority))),
            ("durability", self.durability.map(Value::from)),
            ("messages_max", self.messages_max.map(Value::from)),
            ("bytes_max", self.bytes_max.map(Value::from)),
            ("age_max_s", self.age_max.map(Value::from)),
            ("policy", self.policy.map(Value::from)),
            ("ack_timeout_s", self.ack_timeout.map(Value::from)),
            ("deliveries_max", self.deliveries_max.map(Value::from)),
            ("dead_letter", self.dead_letter.map(Value::from)),
        ];
        QUEUES.put(&self.queue, settings, &self.connect)
    }
}

fn rows(answer: &Value) -> Vec<[String; 8]> {
    let head = ["QUEUE", "FLOW", "MESSAGES", "BYTES", "IN FLIGHT", "DELAYED", "CONSUMERS", "DEAD"].map(str::to_owned);
    let row = |queue: &Value| {
        let text = |name: &str, missing: &str| queue.get(name).and_then(Value::as_str).unwrap_or(missing).to_owned();
        let (name, flow) = (text("name", ""), text("flow", "-"));
        let figures = ["messages", "bytes", "in_flight", "delayed", "consumers", "dead_lettered"];
        let [messages, bytes, in_flight, delayed, consumers, dead] = figures.map(|it| number(queue, it).to_string());
        [name, flow, messages, bytes, in_flight, delayed, consumers, dead]
    };
    std::iter::once(head).chain(items(answer, "queues").map(row)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cli::table::columns;

    #[test]
    fn queues_are_a_table() {
        let figures = |name: &str| json!({ "name": name, "messages": 12, "bytes": 3400, "in_flight": 1, "delayed": 5, "consumers": 2, "dead_lettered": 0 });
        let mut of_flow = figures("line.in");
        of_flow.as_object_mut().unwrap().insert("flow".to_owned(), json!("line"));
        let answer = json!({ "queues": [figures("orders"), of_flow] });
        let expected = "QUEUE    FLOW  MESSAGES  BYTES  IN FLIGHT  DELAYED  CONSUMERS  DEAD\n\
                        orders   -     12        3400   1          5        2          0\n\
                        line.in  line  12        3400   1          5        2          0\n";
        assert_eq!(columns(&rows(&answer)), expected);
    }
}
