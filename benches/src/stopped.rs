//! Why a measurement stopped.

use std::io;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Stopped {
    #[error("`{argument}` is not understood here; usage: benches {usage}")]
    Usage { argument: String, usage: &'static str },
    #[error("{program} does not start, is it installed? {source}")]
    Start { program: String, source: io::Error },
    #[error("{program} does not answer on port {port} after {seconds} s; see what it printed above")]
    NotReady { program: String, port: u16, seconds: u64 },
    #[error("{contender} passes no message on after {seconds} s, is its flow running?")]
    NoAnswer { contender: &'static str, seconds: u64 },
    #[error("the connection to the broker failed: {0}")]
    Connection(#[from] io::Error),
    #[error("the contender refused {what}")]
    Refused { what: &'static str },
    #[error("{path} cannot be written: {source}")]
    Write { path: PathBuf, source: io::Error },
    #[error("{path} cannot be read: {source}")]
    Read { path: PathBuf, source: io::Error },
    #[error("{path} has no process figures in the form that Linux writes")]
    ProcessFigures { path: String },
    #[error("Node-RED is not installed: run `npm ci` in benches/node-red")]
    NodeRedMissing,
    #[error("a thread of the load generator panicked; see its message above")]
    Panicked,
}
