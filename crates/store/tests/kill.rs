//! A process that is killed while it writes: every write that was acknowledged is there afterwards.

#![expect(clippy::unwrap_used, reason = "a test shall fail where it stands")]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use message::{StoreName, Timestamp, Value};
use store::table::{Condition, Tables};

const FOLDER: &str = "STORE_TEST_FOLDER";
const ROUNDS: i64 = 20;
/// Acknowledgements that are read before the writer is killed: another number in each round.
const ACKNOWLEDGED: i64 = 15;

fn numbers() -> StoreName {
    StoreName::parse("numbers").unwrap()
}

#[test]
fn acknowledged_writes_survive_a_kill() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return write_until_killed(Path::new(&folder));
    }
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged = Vec::new();
    for round in 0..ROUNDS {
        acknowledged.extend(acknowledged_before_kill(folder.path(), ACKNOWLEDGED + round));
        let (tables, condition) = Tables::open(&folder.path().join("tables.redb")).unwrap();
        assert_eq!(condition, Condition::Recovered, "round {round}");
        for key in &acknowledged {
            let value = tables.key_values().get(&numbers(), key, Timestamp::default()).unwrap();
            assert_eq!(value, Some(Value::from(key.as_str())), "round {round}");
        }
    }
}

/// Starts a writer, reads so many acknowledgements, kills it, and gives all that it acknowledged.
fn acknowledged_before_kill(folder: &Path, count: i64) -> Vec<String> {
    let mut writer = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "acknowledged_writes_survive_a_kill", "--nocapture"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(writer.stdout.take().unwrap()).lines();
    let mut keys = Vec::new();
    for line in lines {
        // A line that the kill has cut is no acknowledgement.
        let Some(key) = line.unwrap().strip_prefix("written ").and_then(|key| key.strip_suffix('.')).map(str::to_owned)
        else {
            continue;
        };
        keys.push(key);
        if keys.len() as i64 == count {
            writer.kill().unwrap();
        }
    }
    writer.wait().unwrap();
    assert!(keys.len() as i64 >= count, "the writer ended by itself");
    keys
}

/// Several threads write keys of their own and print each once it is written.
fn write_until_killed(folder: &Path) {
    let (tables, _) = Tables::open(&folder.join("tables.redb")).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..3 {
            let tables = tables.clone();
            scope.spawn(move || {
                for number in 0..1_000_000 {
                    let key = format!("{}/{thread}/{number}", std::process::id());
                    let value = Value::from(key.as_str());
                    let was = tables.key_values().set(&numbers(), &key, &value, None, Timestamp::default()).wait();
                    was.unwrap();
                    println!("written {key}.");
                }
            });
        }
    });
}
