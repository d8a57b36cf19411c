//! Files that a disk has damaged: never a panic, never a wrong value, never a deleted file, never a start that is refused.

use super::*;
use crate::table::OpenError;
use crate::tests::places;
use std::fs;
use std::path::{Path, PathBuf};

const KEYS: i64 = 40;

/// A closed file with some keys.
fn sound_file(folder: &Path) -> PathBuf {
    let path = folder.join("tables.redb");
    let (tables, _) = Tables::open(&path).unwrap();
    for key in 0..KEYS {
        set(&tables, "s", &format!("k{key}"), key);
    }
    path
}

/// Opens a damaged file, which always works, and reads and writes what it can. Whatever is read must be what was written, and
/// what is missing must be told. Whether damage was found is the answer.
fn check_damaged(path: &Path) -> bool {
    let length = fs::metadata(path).unwrap().len();
    let (tables, condition) = Tables::open_always(path, at(0)).unwrap();
    for key in 0..KEYS {
        let read = tables.key_values().get(&store("s"), &format!("k{key}"), at(0));
        match (&condition, read) {
            (_, Ok(Some(value))) => assert_eq!(value, Value::from(key)),
            (Condition::Closed | Condition::New, other) => panic!("key k{key} was lost in silence: {other:?}"),
            _ => {}
        }
    }
    assert_eq!(tables.figures().set_aside, u64::from(matches!(condition, Condition::Begun { .. })));
    let written = tables.key_values().set(&store("s"), "new", &Value::from(1), None, at(0)).wait();
    if let Condition::Begun { aside, .. } = &condition {
        assert_eq!(written, Ok(false), "new tables take everything");
        assert_eq!(fs::metadata(aside).unwrap().len(), length, "a file that is set aside is kept whole");
        fs::remove_file(aside).unwrap();
    }
    condition != Condition::Closed
}

#[test]
fn a_flipped_bit_or_a_cut_anywhere_is_no_reason_not_to_open() {
    let folder = tempfile::tempdir().unwrap();
    let sound = fs::read(sound_file(folder.path())).unwrap();
    let path = folder.path().join("tables.redb");
    let used: Vec<usize> = (0..sound.len()).filter(|at| sound[*at] != 0).collect();
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = |below: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random % below as u64) as usize
    };
    let mut found = 0;
    let rounds = places(100);
    for round in 0..rounds {
        let mut damaged = sound.clone();
        match round % 4 {
            0 => damaged.truncate(next(sound.len())),
            _ => damaged[used[next(used.len())]] ^= 1 << next(8),
        }
        fs::write(&path, &damaged).unwrap();
        found += u32::from(check_damaged(&path));
    }
    assert!(found > rounds / 4, "only {found} of {rounds} were found");
}

#[test]
fn a_flipped_byte_is_harmless_or_found_and_told() {
    let folder = tempfile::tempdir().unwrap();
    let sound = fs::read(sound_file(folder.path())).unwrap();
    let path = folder.path().join("tables.redb");
    // Every part of the header, then every page that is in use, at places that move along.
    let places = (0..320).step_by(3).chain((4096..sound.len()).step_by(2039).filter(|place| {
        let page = place / 4096 * 4096;
        sound[page..(page + 4096).min(sound.len())].iter().any(|byte| *byte != 0)
    }));
    let mut found = 0;
    for place in places {
        let mut damaged = sound.clone();
        damaged[place] ^= 0xff;
        fs::write(&path, &damaged).unwrap();
        found += u32::from(check_damaged(&path));
    }
    assert!(found > 0, "no flipped byte was found");
}

#[test]
fn a_file_cut_short_is_set_aside_or_repaired() {
    let folder = tempfile::tempdir().unwrap();
    let sound = fs::read(sound_file(folder.path())).unwrap();
    let path = folder.path().join("tables.redb");
    for length in [1, 9, 100, 4095, 4096, 8192, sound.len() / 2, sound.len() - 1] {
        fs::write(&path, &sound[..length]).unwrap();
        assert!(check_damaged(&path), "a file cut to {length} bytes was taken as sound");
    }
}

#[test]
fn a_file_that_is_damaged_beyond_repair_is_set_aside_as_it_is_and_an_earlier_one_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tables.redb");
    let mut files = Vec::new();
    for round in 0..3 {
        let text = format!("not a table file at all {round}\n").repeat(1000);
        fs::write(&path, &text).unwrap();
        // Twice in the same moment.
        let (tables, condition) = Tables::open_always(&path, at(i64::from(round > 1))).unwrap();
        let Condition::Begun { aside, .. } = condition else { panic!("{condition:?}") };
        assert_eq!(tables.figures().set_aside, 1);
        set(&tables, "s", "k", round);
        files.push((aside, text));
    }
    for (aside, text) in &files {
        assert_eq!(fs::read_to_string(aside).unwrap(), *text);
        let name = aside.file_name().unwrap().to_str().unwrap();
        assert!(name.starts_with("tables.redb.1970-01-01T00-00-0"), "{name}");
    }
    let (tables, condition) = Tables::open_always(&path, at(2)).unwrap();
    assert_eq!((condition, tables.figures().set_aside), (Condition::Closed, 0));
    assert_eq!(get(&tables, "s", "k"), Some(Value::from(2)));
}

#[test]
fn a_file_of_another_kind_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tables.redb");
    let text = "not a table file at all\n".repeat(1000);
    fs::write(&path, &text).unwrap();
    let error = Tables::open(&path).unwrap_err().to_string();
    assert!(error.contains("tables.redb` is damaged") && error.contains("left in place"), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn a_file_is_looked_at_without_being_changed() {
    let folder = tempfile::tempdir().unwrap();
    let path = sound_file(folder.path());
    let before = fs::read(&path).unwrap();
    let (tables, condition) = Tables::look_at(&path).unwrap();
    assert_eq!(condition, Condition::Closed);
    let found = tables.verify().unwrap();
    let records = |name: &str| found.iter().find(|(table, _)| *table == name).map(|(_, scan)| scan.records);
    assert_eq!((records("keys"), records("stores"), records("sessions")), (Some(KEYS as u64), Some(1), Some(0)));
    set(&tables, "s", "lost", 1);
    drop(tables);
    assert_eq!(fs::read(&path).unwrap(), before);
    assert!(matches!(Tables::look_at(&folder.path().join("none")), Err(OpenError::Io { .. })));
}
