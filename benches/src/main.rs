//! `make bench`: Headwater beside others as a broker and beside Node-RED as a runner of flows, on the same machine with
//! the same load, in turns; what lies on disk, and how fast a node is back on it; and a flow beside others that make trouble. It prints figures and judges nothing.

mod api;
mod broker_suite;
mod clock;
mod contender;
mod disk_load;
mod disk_suite;
mod figures;
mod flow_suite;
mod frames;
mod idle_suite;
mod load;
mod neighbour_suite;
mod options;
mod page_cache;
mod process;
mod publisher;
mod receiver;
mod restart_suite;
mod stopped;
mod traffic;

use std::process::ExitCode;

use crate::options::Options;
use crate::stopped::Stopped;

/// The word that chooses a suite, and the suite.
type Suite = (&'static str, fn(&Options) -> Result<(), Stopped>);

/// Everything that can be measured.
const SUITES: &[Suite] = &[
    ("broker", broker_suite::run),
    ("idle", idle_suite::run),
    ("disk", disk_suite::run),
    ("restart", restart_suite::run),
    ("flow", flow_suite::run),
    ("neighbours", neighbour_suite::run),
];

fn main() -> ExitCode {
    match measure() {
        Ok(()) => ExitCode::SUCCESS,
        Err(stopped) => {
            eprintln!("error: {stopped}");
            ExitCode::FAILURE
        }
    }
}

fn measure() -> Result<(), Stopped> {
    let options = Options::from_arguments(std::env::args().skip(1), SUITES.iter().map(|(name, _)| *name))?;
    if !options.headwater.is_file() {
        println!(
            "{} is not there: only the others are measured. Build it with `cargo build --release -p node`.\n",
            options.headwater.display()
        );
    }
    for (name, run) in SUITES {
        if options.suite.as_ref().is_none_or(|chosen| chosen == name) {
            run(&options)?;
        }
    }
    Ok(())
}
