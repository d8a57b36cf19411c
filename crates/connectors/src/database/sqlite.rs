//! SQLite: a file, in this process.
//!
//! Values become: null NULL; booleans INTEGER 0 and 1; whole numbers INTEGER, above 2^63 TEXT; other numbers REAL; times
//! TEXT in RFC 3339; texts TEXT; bytes BLOB; arrays and objects TEXT as JSON. Back again: INTEGER a whole number, REAL a
//! number, TEXT a text, BLOB bytes.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use message::{Bytes, Text, Value, limits};
use rusqlite::types::{ToSqlOutput, Value as SqlValue, ValueRef};
use rusqlite::{CachedStatement, Connection, ErrorCode, OpenFlags, Transaction};

use super::worker::Cancelled;
use super::{Database, Insert, OnConflict, Parameters, row_object};

/// Steps of SQLite's machine between two looks at whether the job is still wanted.
const STEPS_BETWEEN_LOOKS: i32 = 10_000;

/// Characters of SQLite's own words that are passed on.
const WORDS_MAX: usize = 200;

/// An open file.
#[derive(Debug)]
pub(super) struct Sqlite {
    connection: Connection,
}

impl Sqlite {
    pub(super) fn open(path: &Path, cancelled: Cancelled) -> Result<Self, String> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let open = || -> rusqlite::Result<Connection> {
            let mut connection = Connection::open_with_flags(path, flags)?;
            connection.busy_timeout(limits::DATABASE_BUSY_MAX)?;
            connection.progress_handler(STEPS_BETWEEN_LOOKS, Some(move || cancelled.lock().load(Ordering::Relaxed)))?;
            Ok(connection)
        };
        let connection = open().map_err(|error| {
            format!("the file cannot be opened: {}; check that its folder exists and is writable", told(&error))
        })?;
        Ok(Self { connection })
    }
}

impl Database for Sqlite {
    fn select(&mut self, statement: &str, parameters: &Parameters, rows_max: usize) -> Result<Vec<Value>, String> {
        let mut statement = self.connection.prepare_cached(statement).map_err(|error| told(&error))?;
        if !statement.readonly() {
            return Err("the statement writes: use `sql-execute` or `sql-insert`".to_owned());
        }
        bind(&mut statement, parameters)?;
        let columns: Vec<Text> = statement.column_names().map(Text::new).collect();
        let mut rows = statement.raw_query();
        let mut found = Vec::new();
        while found.len() < rows_max {
            let Some(row) = rows.next().map_err(|error| told(&error))? else { break };
            let values = (0..columns.len()).map(|place| row.get_ref(place).map(from_sql));
            let values = values.collect::<rusqlite::Result<Vec<Value>>>().map_err(|error| told(&error))?;
            found.push(row_object(&columns, values));
        }
        Ok(found)
    }

    fn execute(&mut self, statement: &str, parameters: &Parameters) -> Result<u64, String> {
        let mut statement = self.connection.prepare_cached(statement).map_err(|error| told(&error))?;
        bind(&mut statement, parameters)?;
        if statement.column_count() > 0 {
            return Err("the statement gives rows: use `sql-select`".to_owned());
        }
        statement.raw_execute().map(|changed| changed as u64).map_err(|error| told(&error))
    }

    fn insert(&mut self, insert: &Insert) -> Result<u64, String> {
        let transaction = self.connection.transaction().map_err(|error| told(&error))?;
        let inserted = insert_rows(&transaction, insert).map_err(|error| told(&error))?;
        transaction.commit().map_err(|error| told(&error))?;
        Ok(inserted)
    }
}

fn insert_rows(transaction: &Transaction<'_>, insert: &Insert) -> rusqlite::Result<u64> {
    if insert.create_table {
        transaction.execute(&create_statement(insert), ())?;
    }
    let mut statement = transaction.prepare_cached(&insert_statement(insert))?;
    let mut inserted = 0;
    for row in &insert.rows {
        for (place, value) in row.iter().enumerate() {
            statement.raw_bind_parameter(place + 1, to_sql(value))?;
        }
        inserted += statement.raw_execute()? as u64;
    }
    Ok(inserted)
}

fn insert_statement(insert: &Insert) -> String {
    let verb = match insert.on_conflict {
        OnConflict::Fail => "INSERT",
        OnConflict::Ignore => "INSERT OR IGNORE",
        OnConflict::Replace => "INSERT OR REPLACE",
    };
    let columns: Vec<String> = insert.columns.iter().map(|column| quoted(column)).collect();
    let places = vec!["?"; columns.len()].join(", ");
    format!("{verb} INTO {} ({}) VALUES ({places})", quoted_table(&insert.table), columns.join(", "))
}

/// A column has the type of its first value that is not null.
fn create_statement(insert: &Insert) -> String {
    let column = |(place, name): (usize, &Text)| {
        let first = insert.rows.iter().filter_map(|row| row.get(place)).find(|value| !value.is_null());
        let kind = match first {
            Some(Value::Bool(_) | Value::Int(_)) => " INTEGER",
            Some(Value::Float(_)) => " REAL",
            Some(Value::Bytes(_)) => " BLOB",
            Some(_) => " TEXT",
            None => "",
        };
        format!("{}{kind}", quoted(name))
    };
    let columns: Vec<String> = insert.columns.iter().enumerate().map(column).collect();
    format!("CREATE TABLE IF NOT EXISTS {} ({})", quoted_table(&insert.table), columns.join(", "))
}

/// An identifier that stands for nothing but itself.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A table, which may be named with its schema.
fn quoted_table(name: &str) -> String {
    name.split('.').map(quoted).collect::<Vec<_>>().join(".")
}

/// Binds every parameter of the statement by its name.
fn bind(statement: &mut CachedStatement<'_>, parameters: &Parameters) -> Result<(), String> {
    for place in 1..=statement.parameter_count() {
        let name = statement.parameter_name(place).map(str::to_owned);
        let name = name.as_deref().and_then(|name| name.strip_prefix([':', '@', '$']));
        let Some(name) = name else {
            return Err("the statement has a parameter without a name: write `:name` instead of `?`".to_owned());
        };
        let value = parameters.iter().find(|(given, _)| given == name).map(|(_, value)| value);
        let value = value.ok_or_else(|| format!("the parameter `:{name}` is not given: add it to `parameters`"))?;
        statement.raw_bind_parameter(place, to_sql(value)).map_err(|error| told(&error))?;
    }
    Ok(())
}

fn to_sql(value: &Value) -> ToSqlOutput<'_> {
    match value {
        Value::Null => ToSqlOutput::Owned(SqlValue::Null),
        Value::Bool(value) => ToSqlOutput::Owned(SqlValue::Integer(i64::from(*value))),
        Value::Int(value) => ToSqlOutput::Owned(SqlValue::Integer(*value)),
        Value::Float(value) => ToSqlOutput::Owned(SqlValue::Real(*value)),
        Value::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
        Value::Bytes(bytes) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
        Value::UInt(_) | Value::Time(_) | Value::Array(_) | Value::Object(_) => {
            ToSqlOutput::Owned(SqlValue::Text(value.to_text().into()))
        }
    }
}

fn from_sql(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(value) => Value::Int(value),
        ValueRef::Real(value) => Value::Float(value),
        ValueRef::Text(text) => Value::from(&*String::from_utf8_lossy(text)),
        ValueRef::Blob(bytes) => Value::Bytes(Arc::new(Bytes::copy_from_slice(bytes))),
    }
}

/// An error in SQLite's words, with what to do where that is known.
fn told(error: &rusqlite::Error) -> String {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => format!(
            "another program has locked the file for more than {} s; try again later",
            limits::DATABASE_BUSY_MAX.as_secs()
        ),
        Some(ErrorCode::OperationInterrupted) => "the statement took too long and was broken off".to_owned(),
        _ => match error {
            // In full it repeats the statement, however long that is.
            rusqlite::Error::SqlInputError { msg, .. } => msg.chars().take(WORDS_MAX).collect(),
            other => other.to_string().chars().take(WORDS_MAX).collect(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_so_that_they_stand_for_nothing_but_themselves() {
        let insert = Insert {
            table: "main.a\"; DROP TABLE b; --".to_owned(),
            columns: vec![Text::new("x\"y"), Text::new("order")],
            rows: vec![vec![Value::Null, Value::from(1.5)], vec![Value::from("t"), Value::Null]],
            create_table: true,
            on_conflict: OnConflict::Replace,
        };
        assert_eq!(
            insert_statement(&insert),
            r#"INSERT OR REPLACE INTO "main"."a""; DROP TABLE b; --" ("x""y", "order") VALUES (?, ?)"#
        );
        assert_eq!(
            create_statement(&insert),
            r#"CREATE TABLE IF NOT EXISTS "main"."a""; DROP TABLE b; --" ("x""y" TEXT, "order" REAL)"#
        );
    }
}
