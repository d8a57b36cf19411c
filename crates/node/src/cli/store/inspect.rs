//! `headwater store inspect`: what is there. Without a name an overview, with one the messages of a session, queue or stream.

use std::io::Write as _;
use std::sync::Arc;

use clap::Args;
use message::{DestinationId, Publication};
use serde_json::{Value, json};
use store::disk::{Disk, ReadOnlyDisk};
use store::examine::LogKind;
use store::log::Committer;
use store::spool::{Ordinal, Spool, SpoolOptions};
use store::stream::{Offset, Stream, StreamOptions};

use super::super::Failure;
use super::super::table::columns;
use super::verify::TableReport;
use super::{FoundLog, NodeOptions, Stopped};

#[derive(Debug, Args)]
pub(in crate::cli) struct Inspect {
    #[command(flatten)]
    node: NodeOptions,
    /// Show the messages that wait for a session or queue, by its name or number
    #[arg(long, value_name = "NAME", conflicts_with = "stream")]
    destination: Option<String>,
    /// Show the messages of a stream, by its name or the number of its folder
    #[arg(long, value_name = "NAME")]
    stream: Option<String>,
    /// Begin at this message
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Show so many messages at most
    #[arg(long, default_value_t = 20, value_name = "COUNT")]
    limit: usize,
    /// Write JSON
    #[arg(long)]
    json: bool,
}

/// A log, opened by one who only looks: nothing is committed.
struct Looking {
    disk: Arc<dyn Disk>,
    committer: Committer,
}

impl Looking {
    fn at(stopped: &Stopped) -> Self {
        let disk: Arc<dyn Disk> = Arc::new(ReadOnlyDisk::new(Arc::clone(&stopped.disk)));
        Self { committer: Committer::stepped(), disk }
    }

    fn spool(&self, log: &FoundLog) -> Result<Spool, Failure> {
        let opened = Spool::open(Arc::clone(&self.disk), &log.folder, SpoolOptions::default(), &self.committer);
        opened.map(|(spool, _)| spool).map_err(Failure::not_done)
    }

    fn stream(&self, log: &FoundLog) -> Result<Stream, Failure> {
        let opened = Stream::open(Arc::clone(&self.disk), &log.folder, StreamOptions::default(), &self.committer);
        opened.map(|(stream, _)| stream).map_err(Failure::not_done)
    }
}

impl Inspect {
    pub(super) fn run(self) -> Result<(), Failure> {
        let stopped = Stopped::hold(&self.node)?;
        let tables = TableReport::look(&stopped);
        let logs = stopped.logs(&tables.names)?;
        let looking = Looking::at(&stopped);
        if let Some(name) = &self.destination {
            let unknown = || Failure::not_done(format!("there is no session or queue `{name}` in the data directory"));
            let id = tables.names.find(name).ok_or_else(unknown)?;
            let log = logs.iter().find(|log| log.kind == LogKind::Spool).ok_or_else(unknown)?;
            return self.show_destination(&looking.spool(log)?, id);
        }
        if let Some(name) = &self.stream {
            let quoted = format!("`{name}`");
            let is_meant = |log: &&FoundLog| {
                log.kind == LogKind::Stream && (log.name.ends_with(&quoted) || log.folder.ends_with(name))
            };
            let unknown = || Failure::not_done(format!("there is no stream `{name}` in the data directory"));
            let log = logs.iter().find(is_meant).ok_or_else(unknown)?;
            return self.show_stream(&looking.stream(log)?);
        }
        self.overview(&looking, &logs, &tables)
    }

    fn overview(&self, looking: &Looking, logs: &[FoundLog], tables: &TableReport) -> Result<(), Failure> {
        let mut rows = vec![["WHAT", "MESSAGES", "BYTES", "NEXT"].map(str::to_owned)];
        let mut waiting = Vec::new();
        let mut sizes = Vec::new();
        for log in logs {
            match log.kind {
                LogKind::Spool => {
                    let spool = looking.spool(log)?;
                    let figures = spool.figures();
                    sizes.push(json!({ "log": log.name, "files": figures.segments, "bytes": figures.bytes }));
                    rows.push([log.name.clone(), String::new(), figures.bytes.to_string(), String::new()]);
                    let mut ids = spool.destinations();
                    ids.sort_unstable();
                    for id in ids {
                        let Some(state) = spool.state(id) else { continue };
                        let (name, next) = (tables.names.destination(id), state.next.0);
                        let (messages, bytes) = (state.waiting_messages, state.waiting_bytes);
                        waiting.push(json!({
                            "destination": id.get(), "name": name, "messages": messages, "bytes": bytes,
                            "low": state.low.0, "next": next,
                        }));
                        rows.push([name, messages.to_string(), bytes.to_string(), next.to_string()]);
                    }
                }
                LogKind::Stream => {
                    let state = looking.stream(log)?.state();
                    sizes.push(json!({
                        "log": log.name, "bytes": state.bytes, "messages": state.messages,
                        "earliest": state.earliest.0, "next": state.next.0,
                    }));
                    let (messages, bytes) = (state.messages.to_string(), state.bytes.to_string());
                    rows.push([log.name.clone(), messages, bytes, state.next.0.to_string()]);
                }
            }
        }
        let mut out = std::io::stdout();
        if self.json {
            let all = json!({ "logs": sizes, "destinations": waiting, "tables": tables.json() });
            return Ok(writeln!(out, "{all:#}")?);
        }
        out.write_all(columns(&rows).as_bytes())?;
        Ok(out.write_all(tables.text().as_bytes())?)
    }

    fn show_destination(&self, spool: &Spool, id: DestinationId) -> Result<(), Failure> {
        let mut found = Vec::new();
        if spool.state(id).is_some() {
            let bytes_max = message::limits::SESSION_BACKLOG_BYTES_MAX as usize;
            spool.read(id, Ordinal(self.from), self.limit, bytes_max, &mut found).map_err(Failure::not_done)?;
        }
        let messages = found.iter().map(|spooled| {
            let mut shown = shown(spooled.ordinal.0, &spooled.publication);
            shown["sent"] = json!(spooled.was_sent);
            shown
        });
        self.write(messages)
    }

    fn show_stream(&self, stream: &Stream) -> Result<(), Failure> {
        let mut found = Vec::new();
        let bytes_max = message::limits::SESSION_BACKLOG_BYTES_MAX as usize;
        stream.read(Offset(self.from), self.limit, bytes_max, &mut found).map_err(Failure::not_done)?;
        self.write(found.iter().map(|streamed| shown(streamed.offset.0, &streamed.publication)))
    }

    /// A JSON object a line, or a list of them.
    fn write(&self, messages: impl Iterator<Item = Value>) -> Result<(), Failure> {
        let mut out = std::io::stdout();
        if self.json {
            return Ok(writeln!(out, "{:#}", Value::from(messages.collect::<Vec<_>>()))?);
        }
        for message in messages {
            writeln!(out, "{message}")?;
        }
        Ok(())
    }
}

/// A message for people: its payload as text if it is one.
fn shown(number: u64, publication: &Publication) -> Value {
    let payload = match std::str::from_utf8(&publication.payload) {
        Ok(text) => json!({ "text": text }),
        Err(_) => json!({ "bytes": publication.payload.len() }),
    };
    json!({
        "number": number,
        "topic": publication.topic.as_str(),
        "published_at": publication.published_at.to_string(),
        "payload": payload,
    })
}
