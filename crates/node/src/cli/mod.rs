//! The command line: a file per command. Answers go to standard output, everything else to standard error.

mod api_client;
mod collection;
mod config;
mod connect_options;
mod exit;
mod flow;
mod flow_problem;
mod kv;
mod mqtt_client;
mod node_options;
mod publish;
mod queue;
mod run;
mod store;
mod stream;
mod subscribe;
mod table;
#[cfg(test)]
mod tests;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::exit::Failure;
use crate::clock;

/// Runs flows between devices, files, services and the cloud; an MQTT broker is built in.
#[derive(Debug, Parser)]
#[command(name = "headwater", version, after_help = exit::HELP)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start a node; Ctrl-C or SIGTERM ends it.
    Run(run::Run),
    /// Look at the configuration without starting a node.
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Check, deploy, start and stop flows of a running node.
    #[command(subcommand)]
    Flow(flow::FlowCommand),
    /// Read and write persistent key/value stores of a running node.
    #[command(subcommand)]
    Kv(kv::KvCommand),
    /// Make, look at and clear queues of a running node.
    #[command(subcommand)]
    Queue(queue::QueueCommand),
    /// Make, read and clear streams of a running node.
    #[command(subcommand)]
    Stream(stream::StreamCommand),
    /// Verify, look at and repair what a stopped node has on disk.
    #[command(subcommand)]
    Store(store::StoreCommand),
    /// Publish one message.
    Pub(publish::Publish),
    /// Write messages as they come: topic and payload.
    Sub(subscribe::Subscribe),
}

/// Does what the command line says.
pub fn main() -> ExitCode {
    // The first look at the clock is the start of the process for all that counts from there.
    clock::moment();
    let result = match CommandLine::parse().command {
        Command::Run(command) => command.run(),
        Command::Config(command) => command.run(),
        Command::Flow(command) => command.run(),
        Command::Kv(command) => command.run(),
        Command::Queue(command) => command.run(),
        Command::Stream(command) => command.run(),
        Command::Store(command) => command.run(),
        Command::Pub(command) => command.run(),
        Command::Sub(command) => command.run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
