//! `headwater run`: a node, until it is told to stop.

use std::io::{IsTerminal, Write};

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use super::Failure;
use super::node_options::NodeOptions;
use crate::config::Loaded;
use crate::run::RunningNode;
use crate::{run, scheduling, telemetry};

#[derive(Debug, Args)]
pub(super) struct Run {
    #[command(flatten)]
    node: NodeOptions,
    /// Write one line of JSON with the addresses to standard output once the node is ready
    #[arg(long)]
    ready_json: bool,
}

impl Run {
    pub(super) fn run(self) -> Result<(), Failure> {
        let Loaded { config, .. } = self.node.load()?;
        telemetry::start(&config.log);
        run::raise_open_files_limit();
        scheduling::take_short_turns();
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(config.threads_on(processors))
            .enable_all()
            .build()
            .map_err(|error| Failure::not_done(format!("cannot start threads: {error}")))?;
        runtime.block_on(async {
            // Before the start, so that a signal during it ends the process in order, too.
            let mut signals = Signals::open().map_err(Failure::not_done)?;
            let node = tokio::select! {
                node = run::start(config) => node.map_err(Failure::not_done)?,
                () = signals.received() => return Ok(()),
            };
            self.say_ready(&node)?;
            signals.received().await;
            tokio::select! {
                () = node.stop() => {}
                () = signals.received() => tracing::warn!("told twice to stop: what was under way is cut"),
            }
            Ok(())
        })
    }

    fn say_ready(&self, node: &RunningNode) -> Result<(), Failure> {
        let lines = if self.ready_json { format!("{}\n", node.addresses().ready_line()) } else { for_people(node) };
        let mut output = std::io::stdout().lock();
        output
            .write_all(lines.as_bytes())
            .and_then(|()| output.flush())
            .map_err(|error| Failure::not_done(format!("cannot write to standard output: {error}")))?;
        if node.is_first_start() || std::io::stderr().is_terminal() {
            eprintln!("Open once, within an hour: {}", node.setup_link());
        }
        Ok(())
    }
}

fn for_people(node: &RunningNode) -> String {
    let addresses = node.addresses();
    format!(
        "Headwater is ready.\n  MQTT             {}\n  MQTT, WebSocket  ws://{}/mqtt\n  status page, API http://{}/\n  \
         flows' endpoints http://{}/\n",
        addresses.mqtt, addresses.mqtt_ws, addresses.web, addresses.endpoints
    )
}

/// The signals that end a node.
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    fn open() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn received(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
