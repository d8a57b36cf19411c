//! `sql-insert`: inserts a message, or an array of them in one transaction, into a table.

use std::rc::Rc;

use flow::build::{BuildContext, BuildError};
use flow::check::Checker;
use flow::module::{Built, Direction, Failure, Module, Waiting, WaitingStep};
use flow::modules::{MessagePart, outgoing};
use flow::run::Itinerary;
use flow::{Span, Template};
use indexmap::IndexMap;
use message::value::Path;
use message::{Now, Text, Value, limits};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::database::{DatabaseHandle, Insert, OnConflict};
use crate::sql_settings::{check_database, check_timeout, open_database, passed_on, tell_count, within};

/// Inserts a row, or an array of rows in one transaction, into a table of a database.
///
/// **Message in** The rows are the property `source`; without it, `data` if the message has one, else the whole message:
/// an object for one row, an array of objects for many. Arrays and objects in a column are written as JSON, times as
/// RFC 3339, booleans as 0 and 1.
///
/// **Message out** the message; with `target`, that property is `{ inserted }`, the number of rows inserted.
///
/// **Failure** the database cannot be opened or written, a row is no object or breaks a constraint. Then no row of the
/// message is inserted.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// The database, as in `sqlite:/var/lib/line.db`; may take parts from `{env.NAME}`.
    database: Template,
    /// The name of the table.
    table: String,
    /// What each column takes: a property of the row, as in `{ celsius = "values.temperature" }`, or of the whole message,
    /// as in `{ line = "message.line" }`. Without it, each property of the first row is a column.
    #[serde(default)]
    #[schemars(with = "std::collections::BTreeMap<String, String>")]
    columns: IndexMap<String, String>,
    /// The property that holds the rows, or `message` for the whole message.
    #[serde(default)]
    source: Option<MessagePart>,
    /// Makes the table if it is missing. A column gets the type of its first value.
    #[serde(default)]
    create_table: bool,
    /// What happens to a row that breaks a constraint of the table.
    #[serde(default)]
    on_conflict: OnConflict,
    /// The property that takes the number of inserted rows; none when absent.
    #[serde(default)]
    target: Option<MessagePart>,
    /// How long the transaction may wait and run; at most `10m`.
    #[serde(default = "thirty_seconds")]
    timeout: Span,
}

fn thirty_seconds() -> Span {
    Span::from_secs(30)
}

/// The module type.
#[derive(Debug)]
pub(crate) struct SqlInsert;

impl Module for SqlInsert {
    const TYPE: &'static str = "sql-insert";
    const DIRECTION: Direction = Direction::Outbound;
    const SUMMARY: &'static str = "Inserts a message, or many at once, into a table of a database.";
    const EXAMPLE: &'static str = r#"database = "sqlite:line.db"
table = "readings"
columns = { at = "time", celsius = "values.temperature", line = "message.line" }
source = "batch"
create_table = true
on_conflict = "ignore"
"#;
    type Settings = Settings;

    fn check(settings: &Settings, checker: &mut Checker<'_>) {
        check_database(&settings.database, true, checker);
        check_timeout(settings.timeout, checker);
        if let Err(what) = check_name(&settings.table) {
            checker.problem("table", what, "write the name of a table");
        }
        for (column, source) in &settings.columns {
            if let Err(what) = check_name(column).and_then(|()| ColumnSource::parse(source).map(drop)) {
                checker.problem(&format!("columns.{column}"), what, "write the property that the column takes");
            }
        }
        if settings.columns.len() > limits::DATABASE_COLUMNS_MAX {
            let most = limits::DATABASE_COLUMNS_MAX;
            checker.problem("columns", "there are too many columns", format!("name at most {most}"));
        }
    }

    fn build(settings: Settings, context: &mut BuildContext<'_>) -> Result<Built, BuildError> {
        check_name(&settings.table).map_err(BuildError::new)?;
        let columns = settings.columns.into_iter().map(|(column, source)| {
            check_name(&column)?;
            Ok((Text::from(column), ColumnSource::parse(&source)?))
        });
        Ok(Built::Waiting(Box::new(Inserter {
            columns: columns.collect::<Result<_, String>>().map_err(BuildError::new)?,
            database: open_database(settings.database, context)?,
            table: settings.table,
            source: settings.source,
            create_table: settings.create_table,
            on_conflict: settings.on_conflict,
            target: Rc::new(settings.target),
            timeout: settings.timeout,
        })))
    }
}

/// Names are quoted in statements, so that they may be anything but empty or endless.
fn check_name(name: &str) -> Result<(), String> {
    if name.trim().is_empty() || name.contains('\0') || name.len() > limits::DATABASE_NAME_BYTES_MAX {
        let most = limits::DATABASE_NAME_BYTES_MAX;
        return Err(format!(
            "`{}` is no name: it is empty or has more than {most} bytes",
            crate::database::short(name)
        ));
    }
    Ok(())
}

/// Where the value of a column comes from.
#[derive(Debug)]
enum ColumnSource {
    Row(Path),
    Message(Path),
}

impl ColumnSource {
    fn parse(text: &str) -> Result<Self, String> {
        let path = |text: &str| text.parse::<Path>().map_err(|error| error.to_string());
        match text.strip_prefix("message.") {
            Some(rest) => path(rest).map(Self::Message),
            None => path(text).map(Self::Row),
        }
    }
}

struct Inserter {
    database: DatabaseHandle,
    table: String,
    columns: Vec<(Text, ColumnSource)>,
    source: Option<MessagePart>,
    create_table: bool,
    on_conflict: OnConflict,
    target: Rc<Option<MessagePart>>,
    timeout: Span,
}

impl WaitingStep for Inserter {
    fn begin(&mut self, _: Now, mut itinerary: Itinerary) -> Waiting {
        let insert = match self.insert(&itinerary.message) {
            Ok(insert) => insert,
            Err(what) => return Box::pin(async move { Err(Failure::new(itinerary, what)) }),
        };
        // An empty array asks for nothing.
        let work = (!insert.rows.is_empty())
            .then(|| self.database.run(format!("table `{}`", self.table), move |database| database.insert(&insert)));
        let (target, timeout) = (Rc::clone(&self.target), self.timeout);
        Box::pin(async move {
            let inserted = match work {
                Some(work) => within(timeout, work).await,
                None => Ok(0),
            };
            let done = inserted
                .and_then(|inserted| tell_count("inserted", inserted, target.as_ref().as_ref(), &mut itinerary));
            passed_on(itinerary, done)
        })
    }
}

impl Inserter {
    fn insert(&self, message: &Value) -> Result<Insert, String> {
        let source = outgoing(message, self.source.as_ref()).ok_or_else(|| {
            let source = self.source.as_ref().map(ToString::to_string).unwrap_or_default();
            format!("the message has no `{source}` to insert")
        })?;
        let rows: &[Value] = match source.as_ref() {
            Value::Array(rows) => rows.as_slice(),
            row => std::slice::from_ref(row),
        };
        let object = |(place, row): (usize, &Value)| match row {
            Value::Object(_) => Ok(()),
            other => Err(format!("row {} is of type {}, not an object", place + 1, other.type_name())),
        };
        rows.iter().enumerate().try_for_each(object)?;
        let (columns, rows) = if self.columns.is_empty() {
            let first = rows.first().and_then(Value::as_object);
            let columns: Vec<Text> = first.map(|row| row.keys().cloned().collect()).unwrap_or_default();
            let value = |row: &Value, column: &Text| row.get(column).cloned().unwrap_or_default();
            let rows = rows.iter().map(|row| columns.iter().map(|column| value(row, column)).collect());
            (columns.clone(), rows.collect())
        } else {
            let value = |row: &Value, source: &ColumnSource| match source {
                ColumnSource::Row(path) => row.at(path).cloned().unwrap_or_default(),
                ColumnSource::Message(path) => message.at(path).cloned().unwrap_or_default(),
            };
            let rows = rows.iter().map(|row| self.columns.iter().map(|(_, source)| value(row, source)).collect());
            (self.columns.iter().map(|(column, _)| column.clone()).collect(), rows.collect())
        };
        let rows: Vec<Vec<Value>> = rows;
        if !rows.is_empty() && !(1..=limits::DATABASE_COLUMNS_MAX).contains(&columns.len()) {
            let most = limits::DATABASE_COLUMNS_MAX;
            return Err(format!("the first row has {} properties: a row has 1 to {most} columns", columns.len()));
        }
        columns.iter().try_for_each(|column| check_name(column))?;
        let (table, create_table, on_conflict) = (self.table.clone(), self.create_table, self.on_conflict);
        Ok(Insert { table, columns, rows, create_table, on_conflict })
    }
}
