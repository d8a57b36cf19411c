//! Databases, behind one trait: what the SQL modules ask of them, and which one a URL names. Each database has a thread of
//! its own, as its drivers block; all modules of the node that name the same one share it.

mod sqlite;
mod worker;

#[cfg(test)]
mod tests;

use std::path::PathBuf;

use message::{Object, Text, Value};

pub(crate) use worker::DatabaseHandle;

/// A connection to a database, used by one thread.
pub(crate) trait Database {
    /// Runs a statement that reads, and gives up to `rows_max` rows, each as an object by column name.
    fn select(&mut self, statement: &str, parameters: &Parameters, rows_max: usize) -> Result<Vec<Value>, String>;
    /// Runs a statement that writes, and gives the number of rows that it changed.
    fn execute(&mut self, statement: &str, parameters: &Parameters) -> Result<u64, String>;
    /// Inserts rows, all or none, and gives the number of those that were inserted.
    fn insert(&mut self, insert: &Insert) -> Result<u64, String>;
}

/// Values by the names that a statement calls them, without the colon.
pub(crate) type Parameters = Vec<(Text, Value)>;

/// Rows to insert.
#[derive(Debug)]
pub(crate) struct Insert {
    pub(crate) table: String,
    pub(crate) columns: Vec<Text>,
    /// Each with a value for each column.
    pub(crate) rows: Vec<Vec<Value>>,
    /// Makes the table if it is missing, with column types after the first row.
    pub(crate) create_table: bool,
    pub(crate) on_conflict: OnConflict,
}

/// What happens to a row that breaks a constraint of its table, as that of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OnConflict {
    /// No row is inserted, and the message fails.
    #[default]
    Fail,
    /// The row is left out.
    Ignore,
    /// The row takes the place of the one that was there.
    Replace,
}

/// Which database a URL names.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum DatabaseUrl {
    /// `sqlite:PATH`: a file, made when it is missing.
    Sqlite(PathBuf),
}

impl DatabaseUrl {
    pub(crate) fn parse(url: &str) -> Result<Self, String> {
        let (scheme, rest) = url.split_once(':').unwrap_or(("", url));
        match scheme {
            "sqlite" => {
                let path = rest.strip_prefix("//").unwrap_or(rest);
                if path.is_empty() || path.contains(['?', '\0']) || path == ":memory:" {
                    return Err(format!("`{}` names no file", short(url)));
                }
                Ok(Self::Sqlite(PathBuf::from(path)))
            }
            "" => Err(format!("`{}` is no URL of a database", short(url))),
            other => Err(format!("databases of the kind `{}` are not supported: supported is sqlite", short(other))),
        }
    }

    /// The URL for people; it holds no secret.
    fn shown(&self) -> String {
        match self {
            Self::Sqlite(path) => format!("sqlite:{}", path.display()),
        }
    }

    /// Connects; called on the database's thread. `cancelled` is asked while a statement runs.
    fn connect(&self, cancelled: worker::Cancelled) -> Result<Box<dyn Database>, String> {
        match self {
            Self::Sqlite(path) => Ok(Box::new(sqlite::Sqlite::open(path, cancelled)?)),
        }
    }
}

/// How a URL is written, for hints.
pub(crate) const URL_HINT: &str = "write `sqlite:` and the path of a file, as in `sqlite:/var/lib/line.db`";

/// The row's values as the object that modules put into the message.
fn row_object(columns: &[Text], values: Vec<Value>) -> Value {
    columns.iter().cloned().zip(values).collect::<Object>().into()
}

/// The beginning of a text, for messages.
pub(crate) fn short(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if words.chars().count() <= 120 { words } else { words.chars().take(120).chain("...".chars()).collect() }
}
