//! JSON to the model, with every mistake told: what is wrong is taken out and the rest is read again.

use serde_json::Value as Json;

use crate::check::{explain, remove_from_json};
use crate::model::Flow;

/// Mistakes that are told at once; a person begins with the first of them.
const COMPLAINTS_MAX: usize = 50;

/// What is wrong at a path of the flow, as in `modules.plc.type`.
pub(super) struct Complaint {
    pub(super) path: String,
    pub(super) what: String,
    pub(super) hint: String,
}

/// Reads a flow, or tells everything that keeps it from being one.
pub(super) fn decode(mut json: Json) -> Result<Flow, Vec<Complaint>> {
    let mut complaints: Vec<Complaint> = Vec::new();
    while complaints.len() < COMPLAINTS_MAX {
        let complaint = match serde_path_to_error::deserialize::<_, Flow>(&json) {
            Ok(flow) if complaints.is_empty() => return Ok(flow),
            Ok(_) => break,
            Err(error) => {
                let path = error.path().to_string();
                let (what, hint) = explain(&error.into_inner().to_string());
                Complaint { path: if path == "." { String::new() } else { path }, what, hint }
            }
        };
        // What was taken out for a mistake of its own is not also missing.
        let taken_out = complaint.what.ends_with("is missing")
            && complaints.iter().any(|earlier| {
                complaint.what == format!("`{}` is missing", earlier.path.rsplit('.').next().unwrap_or_default())
            });
        let removed = remove_from_json(&mut json, &complaint.path);
        if !taken_out {
            complaints.push(complaint);
        }
        if !removed {
            break;
        }
    }
    Err(complaints)
}
