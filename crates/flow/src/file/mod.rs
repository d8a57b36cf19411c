//! A flow as one readable TOML file: read with the place of every mistake, written in one canonical form, and updated
//! so that a person's comments, order and formatting stay wherever the meaning is unchanged.
//!
//! The same model travels as JSON through the API; [`read_json`] finds its mistakes as thoroughly.

mod compose;
mod decode;
mod level;
mod lines;
mod locate;
mod merge;
mod read;
mod toml_json;

pub use locate::locate;
pub use read::{read, read_json};

use message::limits;
use toml_edit::DocumentMut;

use crate::check::{Place, Problem};
use crate::model::Flow;

/// Writes a flow in canonical form. Refused is only what [`unsayable`] tells.
pub fn write(flow: &Flow) -> Result<String, Vec<Problem>> {
    update("", flow)
}

/// Changes a flow file so that it says `flow`, and nothing else about it: comments, order and formatting stay. A text
/// that is no TOML is replaced as a whole.
pub fn update(existing: &str, flow: &Flow) -> Result<String, Vec<Problem>> {
    let windows = existing.contains("\r\n");
    let mut document: DocumentMut = lines::normalise(existing).parse().unwrap_or_default();
    let wanted = compose::flow_json(flow)?;
    merge::merge_flow(document.as_table_mut(), &wanted);
    let text = document.to_string();
    let text = text.trim_start_matches('\n');
    if text.len() > limits::FLOW_FILE_BYTES_MAX {
        return Err(vec![too_long(text.len())]);
    }
    Ok(if windows { text.replace('\n', "\r\n") } else { text.to_owned() })
}

/// Everything in a flow that a flow file cannot say: a null or a number above 2^63 in settings, and too deep nesting.
pub(crate) fn unsayable(flow: &Flow) -> Vec<Problem> {
    compose::flow_json(flow).err().unwrap_or_default()
}

fn too_long(bytes: usize) -> Problem {
    let what = format!("the flow file has {bytes} bytes, {} are the limit", limits::FLOW_FILE_BYTES_MAX);
    Problem::error(Place::flow(""), what, "split the flow, or shorten its scripts")
}

#[cfg(test)]
mod tests;
