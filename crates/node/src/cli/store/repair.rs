//! `headwater store repair`: takes damage out of the logs. The tables repair themselves at the next start as far as they can.

use std::io::Write as _;

use serde_json::{Value, json};
use store::examine::repair as repair_log;

use super::super::Failure;
use super::verify::TableReport;
use super::{Stopped, report};

pub(super) fn repair(stopped: &Stopped, as_json: bool) -> Result<(), Failure> {
    let tables = TableReport::look(stopped);
    let mut out = std::io::stdout();
    let mut logs: Vec<Value> = Vec::new();
    for log in stopped.logs(&tables.names)? {
        let repaired = repair_log(&stopped.disk, &log.folder, log.kind).map_err(Failure::not_done)?;
        if as_json {
            let mut found = report::json(&log.name, &repaired.report, &tables.names);
            found["written"] = json!(repaired.written);
            found["quarantined_bytes"] = json!(repaired.quarantined_bytes);
            logs.push(found);
            continue;
        }
        out.write_all(report::text(&log.name, &repaired.report, &tables.names).as_bytes())?;
        for file in &repaired.written {
            writeln!(out, "  {file}: written anew without the damage")?;
        }
        if repaired.quarantined_bytes > 0 {
            let (bytes, folder) = (repaired.quarantined_bytes, log.folder.join("quarantine"));
            writeln!(out, "  {bytes} damaged bytes are copied to {}", folder.display())?;
        }
    }
    if as_json {
        writeln!(out, "{:#}", json!({ "logs": logs, "tables": tables.json() }))?;
    } else {
        out.write_all(tables.text().as_bytes())?;
    }
    if tables.is_whole() {
        return Ok(());
    }
    Err(Failure::not_done(
        "tables.redb is left as it is: the next start takes what is whole of it, or sets it aside and begins with empty tables; \
         restore it from a backup before if there is one",
    ))
}
