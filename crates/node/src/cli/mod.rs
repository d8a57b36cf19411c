//! The command line: a file per command. Answers go to standard output, everything else to standard error.

mod config;
mod exit;
mod node_options;
mod run;

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
}

/// Does what the command line says.
pub fn main() -> ExitCode {
    // The first look at the clock is the start of the process for all that counts from there.
    clock::moment();
    let result = match CommandLine::parse().command {
        Command::Run(command) => command.run(),
        Command::Config(command) => command.run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
