//! Reading a flow file, with line and column of what is wrong.

use std::ops::Range;

use message::limits;
use serde_json::Value as Json;
use toml_edit::Document;

use super::decode::{Complaint, decode};
use super::lines::{normalise, place_of};
use super::locate::find;
use super::toml_json::table_to_json;
use super::too_long;
use crate::check::{Place, Problem};
use crate::model::Flow;

/// Where the reader of JSON stops. What TOML cannot say, below this, is kept as JSON.
const JSON_DEPTH_MAX: usize = 127;

/// Reads a flow file. All mistakes are told at once, unless the text is no TOML: then the first one.
pub fn read(text: &str) -> Result<Flow, Vec<Problem>> {
    if text.len() > limits::FLOW_FILE_BYTES_MAX {
        return Err(vec![too_long(text.len())]);
    }
    let text = normalise(text);
    let document = Document::parse(&*text).map_err(|error| {
        let at = place_of(&text, error.span().map_or(0, |span| span.start));
        vec![Problem::error(at, in_words(error.message()), hint_for(error.message()))]
    })?;
    let mut unfit = Vec::new();
    let json = Json::Object(table_to_json(document.as_table(), &mut unfit));
    if !unfit.is_empty() {
        let place = |span: Option<Range<usize>>| place_of(&text, span.map_or(0, |span| span.start));
        return Err(unfit.into_iter().map(|unfit| Problem::error(place(unfit.span), unfit.what, unfit.hint)).collect());
    }
    decode(json).map_err(|complaints| {
        let locate = |complaint: Complaint| {
            let byte = find(document.as_item(), &complaint.path).map_or(0, |found| found.key.start);
            let what = match complaint.path.as_str() {
                "" => complaint.what,
                path => format!("{path}: {}", complaint.what),
            };
            Problem::error(place_of(&text, byte), what, complaint.hint)
        };
        complaints.into_iter().map(locate).collect()
    })
}

/// Reads a flow from JSON, as the API takes it. All mistakes are told at once, unless the text is no JSON.
pub fn read_json(text: &[u8]) -> Result<Flow, Vec<Problem>> {
    if text.len() > limits::FLOW_FILE_BYTES_MAX {
        return Err(vec![too_long(text.len())]);
    }
    let json: Json = serde_json::from_slice(text).map_err(|error| {
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let at = Place::File { line: number(error.line()), column: number(error.column()) };
        let what = error.to_string();
        let what = what.rsplit_once(" at line ").map_or(what.as_str(), |(what, _)| what);
        if what == "recursion limit exceeded" {
            let what = format!("arrays and objects are nested deeper than {JSON_DEPTH_MAX} levels");
            return vec![Problem::error(at, what, "nest them less; a flow needs ten")];
        }
        vec![Problem::error(at, format!("this is no JSON: {what}"), "correct the text")]
    })?;
    decode(json).map_err(|complaints| {
        let tell = |complaint: Complaint| Problem::error(Place::flow(complaint.path), complaint.what, complaint.hint);
        complaints.into_iter().map(tell).collect()
    })
}

/// What the TOML parser says, as a fragment of its own.
fn in_words(message: &str) -> String {
    let first = message.lines().next().unwrap_or_default();
    format!("this is no TOML: {first}")
}

fn hint_for(message: &str) -> &'static str {
    if message.contains("duplicate key") {
        "take one of them out, or join the two"
    } else if message.contains("string") || message.contains("quote") {
        "close the text with the quotes that it began with"
    } else {
        "correct the text before this place"
    }
}
