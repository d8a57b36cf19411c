//! The SQL modules with real files.

use std::time::Duration;

use flow::check::Claim;
use flow::module::{ModuleKind, Of, WaitingStep};
use message::value::parse_json;
use message::{Text, Value};

use super::DatabaseUrl;
use crate::harness::{self, World, itinerary, itinerary_of, now};
use crate::sql_execute::SqlExecute;
use crate::sql_insert::SqlInsert;
use crate::sql_select::SqlSelect;

const SELECT: &dyn ModuleKind = &Of::<SqlSelect>::new();
const INSERT: &dyn ModuleKind = &Of::<SqlInsert>::new();
const EXECUTE: &dyn ModuleKind = &Of::<SqlExecute>::new();

struct Fixture {
    folder: tempfile::TempDir,
}

impl Fixture {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn step(&self, kind: &dyn ModuleKind, toml: &str) -> Box<dyn WaitingStep> {
        let file = self.folder.path().join("line.db");
        World::new().waiting(kind, &format!("database = 'sqlite:{}'\n{toml}", file.display()))
    }

    /// Runs statements beside the modules.
    fn prepare(&self, statements: &str) {
        rusqlite::Connection::open(self.folder.path().join("line.db")).unwrap().execute_batch(statements).unwrap();
    }

    /// What a query finds, as JSON.
    async fn find(&self, query: &str) -> String {
        let passed = run(&mut *self.step(SELECT, &format!("query = '''{query}'''")), "{}").await.unwrap();
        passed.get("rows").unwrap().to_json()
    }
}

async fn run(step: &mut dyn WaitingStep, message: &str) -> Result<Value, String> {
    run_with(step, parse_json(message.as_bytes()).unwrap()).await
}

async fn run_with(step: &mut dyn WaitingStep, message: Value) -> Result<Value, String> {
    match step.begin(now(0), itinerary_of(message)).await {
        Ok(passed) => Ok(passed[0].1.message.clone()),
        Err(failure) => Err(failure.what().to_owned()),
    }
}

#[tokio::test]
async fn rows_are_found_by_parameters_that_keep_their_types() {
    let it = Fixture::new();
    it.prepare("CREATE TABLE t (n INTEGER, x REAL, s TEXT, b BLOB); INSERT INTO t VALUES (1, 1.5, 'a''b', x'00ff'), (2, NULL, ':n', NULL);");
    let mut step = it.step(
        SELECT,
        "query = 'SELECT n, x, s, b FROM t WHERE n = :n OR s = :s ORDER BY n'\nparameters = { n = '{data.n}', s = '{data.s}' }\ntarget = 'found'",
    );
    for (data, found) in [
        (r#"{"n":1}"#, r#"[{"n":1,"x":1.5,"s":"a'b","b":"AP8="}]"#),
        (r#"{"n":"1","s":":n"}"#, r#"[{"n":1,"x":1.5,"s":"a'b","b":"AP8="},{"n":2,"x":null,"s":":n","b":null}]"#),
        (r#"{"n":9,"s":"' OR 1=1 --"}"#, "[]"),
    ] {
        let message = run(&mut *step, &format!(r#"{{"data":{data}}}"#)).await.unwrap();
        assert_eq!(message.get("found").unwrap().to_json(), found, "{data}");
    }
    let mut limited = it.step(SELECT, "query = 'SELECT n FROM t'\nrows_max = 1");
    assert_eq!(
        run(&mut *limited, "7").await.unwrap_err(),
        "cannot set `rows`: on the way stands a value of type number, not an object"
    );
    assert_eq!(run(&mut *limited, "{}").await.unwrap().to_json(), r#"{"rows":[{"n":1}]}"#);
}

#[tokio::test]
async fn an_array_is_inserted_as_rows_of_a_table_that_is_made_when_missing() {
    let it = Fixture::new();
    let mut step = it.step(
        INSERT,
        "table = 'my \"readings'\ncolumns = { n = 'n', 'temp (C)' = 'v.t', line = 'message.line' }\nsource = 'batch'\ncreate_table = true\ntarget = 'done'",
    );
    let message = run(&mut *step, r#"{"line":"l1","batch":[{"n":1,"v":{"t":20.5}},{"n":2},{"n":3,"v":{"t":[1]}}]}"#);
    assert_eq!(message.await.unwrap().get("done").unwrap().to_json(), r#"{"inserted":3}"#);
    assert_eq!(
        it.find(r#"SELECT *, typeof("temp (C)") AS kind FROM "my ""readings" ORDER BY n"#).await,
        r#"[{"n":1,"temp (C)":20.5,"line":"l1","kind":"real"},{"n":2,"temp (C)":null,"line":"l1","kind":"null"},{"n":3,"temp (C)":"[1]","line":"l1","kind":"text"}]"#
    );
    let empty = run(&mut *step, r#"{"batch":[]}"#).await.unwrap();
    assert_eq!(empty.get("done").unwrap().to_json(), r#"{"inserted":0}"#);
}

#[tokio::test]
async fn one_object_is_one_row_with_a_column_for_each_property() {
    let it = Fixture::new();
    let mut step = it.step(INSERT, "table = 'kinds'\ncreate_table = true");
    let mut row = parse_json(br#"{"text":"x","whole":-3,"part":0.5,"yes":true,"none":null,"list":[1]}"#).unwrap();
    let object = row.as_object_mut().unwrap();
    object.insert("at", Value::Time("2026-01-31T08:00:00Z".parse().unwrap()));
    object.insert("raw", Value::from(message::Bytes::from_static(b"\x01")));
    object.insert("big", Value::from(u64::MAX));
    run_with(&mut *step, row).await.unwrap();
    assert_eq!(
        it.find("SELECT * FROM kinds").await,
        r#"[{"text":"x","whole":-3,"part":0.5,"yes":1,"none":null,"list":"[1]","at":"2026-01-31T08:00:00Z","raw":"AQ==","big":"18446744073709551615"}]"#
    );
}

#[tokio::test]
async fn a_row_that_breaks_a_constraint_fails_is_ignored_or_replaces() {
    for (on_conflict, result, rows) in [
        ("fail", Err("UNIQUE constraint failed: t.n"), r#"[{"n":1,"s":"old"}]"#),
        ("ignore", Ok(r#"{"inserted":1}"#), r#"[{"n":1,"s":"old"},{"n":2,"s":"b"}]"#),
        ("replace", Ok(r#"{"inserted":2}"#), r#"[{"n":1,"s":"a"},{"n":2,"s":"b"}]"#),
    ] {
        let it = Fixture::new();
        it.prepare("CREATE TABLE t (n INTEGER PRIMARY KEY, s TEXT); INSERT INTO t VALUES (1, 'old');");
        let mut step = it.step(INSERT, &format!("table = 't'\non_conflict = '{on_conflict}'\ntarget = 'done'"));
        // The first row is fine: it must not stay when the second one fails.
        let inserted = run(&mut *step, r#"{"data":[{"n":2,"s":"b"},{"n":1,"s":"a"}]}"#).await;
        match (inserted, result) {
            (Ok(message), Ok(done)) => assert_eq!(message.get("done").unwrap().to_json(), done),
            (Err(what), Err(part)) => assert!(what.contains(part) && what.contains("table `t`"), "{what}"),
            (found, _) => panic!("{on_conflict}: {found:?}"),
        }
        assert_eq!(it.find("SELECT * FROM t ORDER BY n").await, rows, "{on_conflict}");
    }
}

#[tokio::test]
async fn a_statement_that_changes_rows_says_how_many() {
    let it = Fixture::new();
    it.prepare("CREATE TABLE t (n INTEGER); INSERT INTO t VALUES (1), (2), (3);");
    let mut step = it.step(
        EXECUTE,
        "statement = 'DELETE FROM t WHERE n >= :least'\nparameters = { least = '{least}' }\ntarget = 'done'",
    );
    assert_eq!(run(&mut *step, r#"{"least":2}"#).await.unwrap().to_json(), r#"{"least":2,"done":{"changed":2}}"#);
    assert_eq!(it.find("SELECT * FROM t").await, r#"[{"n":1}]"#);
}

#[tokio::test]
async fn what_goes_wrong_names_the_database_and_the_statement() {
    let it = Fixture::new();
    it.prepare("CREATE TABLE t (n INTEGER);");
    for (kind, toml, expected) in [
        (SELECT, "query = 'SELECT x FROM nowhere'", "`SELECT x FROM nowhere`: no such table: nowhere"),
        (SELECT, "query = 'DELETE FROM t'", "the statement writes"),
        (SELECT, "query = 'SELECT :n'", "the parameter `:n` is not given"),
        (SELECT, "query = 'SELECT ?'", "a parameter without a name"),
        (EXECUTE, "statement = 'SELECT 1'", "the statement gives rows"),
        (EXECUTE, "statement = 'DELETE FROM t; DELETE FROM t'", "`DELETE FROM t; DELETE FROM t`: "),
        (INSERT, "table = 'nowhere'", "table `nowhere`: no such table"),
        (INSERT, "table = 't'\nsource = 'x'", "the message has no `x` to insert"),
        (INSERT, "table = 't'\nsource = 'list'", "row 2 is of type number"),
    ] {
        let what = run(&mut *it.step(kind, toml), r#"{"a":1,"list":[{"n":1},7]}"#).await.unwrap_err();
        assert!(what.contains(expected), "{toml}: {what}");
    }
    let nowhere = World::new().waiting(SELECT, "database = 'sqlite:/nowhere/a.db'\nquery = 'SELECT 1'");
    let what = run(&mut *{ nowhere }, "{}").await.unwrap_err();
    assert!(what.starts_with("sqlite:/nowhere/a.db: ") && what.contains("check that its folder exists"), "{what}");
}

#[tokio::test]
async fn an_endless_statement_is_broken_off_and_the_next_one_runs() {
    let it = Fixture::new();
    let endless = "query = 'WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT max(n) FROM c'\ntimeout = '50ms'";
    let what = run(&mut *it.step(SELECT, endless), "{}").await.unwrap_err();
    assert_eq!(what, "the database gave no answer within 50ms");
    let next = tokio::time::timeout(Duration::from_secs(60), it.find("SELECT 1 AS one")).await.unwrap();
    assert_eq!(next, r#"[{"one":1}]"#);
}

#[tokio::test]
async fn jobs_keep_the_order_in_which_they_were_begun() {
    let it = Fixture::new();
    let mut step = it.step(INSERT, "table = 't'\ncreate_table = true");
    let begun: Vec<_> = (0..50).map(|n| step.begin(now(0), itinerary(&format!(r#"{{"n":{n}}}"#)))).collect();
    for work in begun.into_iter().rev() {
        assert!(work.await.is_ok());
    }
    let expected: Vec<String> = (0..50).map(|n| format!(r#"{{"n":{n}}}"#)).collect();
    assert_eq!(it.find("SELECT n FROM t ORDER BY rowid").await, format!("[{}]", expected.join(",")));
}

#[test]
fn the_check_names_what_is_wrong_and_claims_the_database() {
    for (kind, toml, what) in [
        (SELECT, "database = 'mysql:x'\nquery = 'SELECT 1'", "supported is sqlite"),
        (SELECT, "database = 'sqlite:a'\nquery = ' '", "the statement is empty"),
        (SELECT, "database = 'sqlite:a'\nquery = 'SELECT 1'\nrows_max = 0", "out of range"),
        (
            SELECT,
            "database = 'sqlite:a'\nquery = 'SELECT :a'\nparameters = { a = 1, b = 2 }",
            "the statement has no `:b`",
        ),
        (EXECUTE, "database = 'sqlite:a'\nstatement = 'DELETE'\ntimeout = '0s'", "out of range"),
        (INSERT, "database = 'sqlite:a'\ntable = ' '", "is no name"),
        (INSERT, "database = 'sqlite:a'\ntable = 't'\ncolumns = { a = 'b..c' }", "is no path"),
    ] {
        let found = harness::check(kind, toml).lines();
        assert!(found.len() == 1 && found[0].contains(what), "{toml}: {found:?}");
    }
    for (kind, toml, writes) in
        [(SELECT, "query = 'SELECT 1'", false), (EXECUTE, "statement = 'X'", true), (INSERT, "table = 't'", true)]
    {
        let found = harness::check(kind, &format!("database = 'sqlite:a'\n{toml}"));
        assert_eq!(found.claims(), [&Claim::Database { url: Text::new("sqlite:a"), writes }]);
    }
}

#[test]
fn a_url_names_a_database_or_says_what_is_supported() {
    assert_eq!(DatabaseUrl::parse("sqlite:a/b.db"), Ok(DatabaseUrl::Sqlite("a/b.db".into())));
    assert_eq!(DatabaseUrl::parse("sqlite:///a/b.db"), Ok(DatabaseUrl::Sqlite("/a/b.db".into())));
    for (url, what) in [
        ("postgres://host/db", "kind `postgres` are not supported: supported is sqlite"),
        ("line.db", "no URL of a database"),
        ("sqlite:", "names no file"),
        ("sqlite::memory:", "names no file"),
    ] {
        let error = DatabaseUrl::parse(url).unwrap_err();
        assert!(error.contains(what), "{error}");
    }
}
