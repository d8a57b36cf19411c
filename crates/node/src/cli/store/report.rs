//! What was found in a log, as text and as JSON.

use std::fmt::Write as _;

use serde_json::{Value, json};
use store::examine::{DamagedRange, FileReport, LogReport};

use super::names::Names;

/// One line for the log, and one for each damaged place.
pub(super) fn text(name: &str, report: &LogReport, names: &Names) -> String {
    let bytes: u64 = report.files.iter().map(|file| file.bytes).sum();
    let messages: u64 = report.files.iter().map(|file| file.messages).sum();
    let mut text = format!("{name}: {} files, {bytes} bytes, {messages} messages\n", report.files.len());
    for file in &report.files {
        for range in &file.damage {
            let DamagedRange { at, bytes, records, what, .. } = range;
            let _ = writeln!(text, "  {}: {bytes} bytes at {at} are damaged: {what}, {records} records", file.name);
            for (destination, first, end) in &range.lost {
                let (whose, last) = (names.destination(*destination), end - 1);
                let which = if *first == last { first.to_string() } else { format!("{first} to {last}") };
                let _ = writeln!(text, "    lost for {whose}: message {which}");
            }
        }
        if file.unfinished_bytes > 0 {
            let bytes = file.unfinished_bytes;
            let _ = writeln!(
                text,
                "  {}: {bytes} bytes at the end were being written; nobody was promised them",
                file.name
            );
        }
    }
    if report.missing_end_records > 0 {
        let records = report.missing_end_records;
        let _ = writeln!(text, "  the last file is missing: {records} records that were on the disk once");
    }
    if report.lost_messages > 0 {
        let _ = writeln!(text, "  {} messages that should wait are in no file", report.lost_messages);
    }
    text
}

/// The same for programs.
pub(super) fn json(name: &str, report: &LogReport, names: &Names) -> Value {
    json!({
        "log": name,
        "folder": report.folder.display().to_string(),
        "files": report.files.iter().map(|file| file_json(file, names)).collect::<Vec<_>>(),
        "missing_end_records": report.missing_end_records,
        "lost_messages": report.lost_messages,
        "whole": report.is_whole(),
    })
}

fn file_json(file: &FileReport, names: &Names) -> Value {
    let damage = file.damage.iter().map(|range| {
        let lost = range.lost.iter().map(|(destination, first, end)| {
            json!({
                "destination": destination.get(),
                "name": names.destination(*destination),
                "first": first,
                "count": end - first,
            })
        });
        json!({
            "at": range.at,
            "bytes": range.bytes,
            "records": range.records,
            "what": range.what,
            "lost": lost.collect::<Vec<_>>(),
        })
    });
    json!({
        "file": file.name,
        "bytes": file.bytes,
        "sealed": file.is_sealed,
        "records": file.records,
        "messages": file.messages,
        "first": file.first,
        "next": file.next,
        "gap_before": file.gap_before,
        "unfinished_bytes": file.unfinished_bytes,
        "damage": damage.collect::<Vec<_>>(),
    })
}
