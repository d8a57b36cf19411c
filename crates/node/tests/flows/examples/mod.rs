//! The examples that people read first, run for real: each does what its README says. Only addresses, paths and spans
//! of time are set otherwise, by the parameters that the flows offer for that.

mod enrichment;
mod plc_line;
mod readme;
mod routing;
mod simulated_machine;
mod two_nodes;

use std::path::{Path, PathBuf};

use crate::node::Node;

/// A file or folder of the repository.
fn of_repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

fn example(path: &str) -> String {
    of_repository("examples").join(path).to_str().unwrap().to_owned()
}

/// Deploys flow files as a person does.
fn deploy(node: &Node, files: &[String]) {
    let arguments: Vec<&str> = ["flow", "deploy"].into_iter().chain(files.iter().map(String::as_str)).collect();
    let output = node.command_line(&arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
