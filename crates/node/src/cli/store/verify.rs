//! `headwater store verify`: reads everything that is in the data directory.

use std::fmt::Write as _;
use std::io::Write as _;

use serde_json::{Value, json};
use store::examine::{LogReport, examine};
use store::table::{Condition, Scan, Tables};

use super::super::Failure;
use super::names::Names;
use super::{Stopped, report};

/// What was found in the table file.
pub(super) struct TableReport {
    pub(super) names: Names,
    /// What is wrong with the file as a whole.
    problem: Option<String>,
    tables: Vec<(&'static str, Scan)>,
}

impl TableReport {
    pub(super) fn look(stopped: &Stopped) -> Self {
        let path = stopped.tables();
        let mut report = Self { names: Names::default(), problem: None, tables: Vec::new() };
        if !path.exists() {
            return report;
        }
        let read = Tables::look_at(&path).map_err(|error| error.to_string()).and_then(|(tables, condition)| {
            if condition == Condition::Repaired {
                report.problem =
                    Some("it goes back to its last whole state: what was written after that is lost".to_owned());
            }
            report.tables = tables.verify().map_err(|error| error.to_string())?;
            report.names = Names::read(&tables).map_err(|error| error.to_string())?;
            Ok(())
        });
        if let Err(problem) = read {
            report.problem = Some(problem);
        }
        report
    }

    fn damaged(&self) -> u64 {
        u64::from(self.problem.is_some()) + self.tables.iter().map(|(_, scan)| scan.damaged).sum::<u64>()
    }

    pub(super) fn is_whole(&self) -> bool {
        self.damaged() == 0
    }

    pub(super) fn text(&self) -> String {
        let records: u64 = self.tables.iter().map(|(_, scan)| scan.records).sum();
        let mut text = format!("tables.redb: {records} records\n");
        if let Some(problem) = &self.problem {
            let _ = writeln!(text, "  {problem}");
        }
        for (name, scan) in self.tables.iter().filter(|(_, scan)| scan.damaged > 0) {
            let _ = writeln!(text, "  {name}: {} records are damaged", scan.damaged);
        }
        text
    }

    pub(super) fn json(&self) -> Value {
        let tables = self
            .tables
            .iter()
            .map(|(name, scan)| json!({ "table": name, "records": scan.records, "damaged": scan.damaged }));
        json!({ "problem": self.problem, "tables": tables.collect::<Vec<_>>(), "whole": self.is_whole() })
    }
}

pub(super) fn verify(stopped: &Stopped, as_json: bool) -> Result<(), Failure> {
    let tables = TableReport::look(stopped);
    let mut reports: Vec<(String, LogReport)> = Vec::new();
    for log in stopped.logs(&tables.names)? {
        let report = examine(&stopped.disk, &log.folder, log.kind).map_err(Failure::not_done)?;
        reports.push((log.name, report));
    }
    let damaged = tables.damaged() + reports.iter().map(|(_, report)| report.damaged_places() as u64).sum::<u64>();
    let mut out = std::io::stdout();
    if as_json {
        let logs: Vec<Value> = reports.iter().map(|(name, found)| report::json(name, found, &tables.names)).collect();
        writeln!(out, "{:#}", json!({ "logs": logs, "tables": tables.json(), "whole": damaged == 0 }))?;
    } else {
        for (name, found) in &reports {
            out.write_all(report::text(name, found, &tables.names).as_bytes())?;
        }
        out.write_all(tables.text().as_bytes())?;
    }
    match damaged {
        0 => Ok(()),
        1 => Err(Failure::not_done("one place is damaged; `headwater store repair` takes damage out of logs")),
        places => Err(Failure::not_done(format!(
            "{places} places are damaged; `headwater store repair` takes damage out of logs"
        ))),
    }
}
