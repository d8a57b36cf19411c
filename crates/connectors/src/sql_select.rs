//! `sql-select`: reads rows from a database into the message.

use std::rc::Rc;

use flow::build::{BuildContext, BuildError};
use flow::check::Checker;
use flow::module::{Built, Direction, Module, Waiting, WaitingStep};
use flow::modules::MessagePart;
use flow::run::Itinerary;
use flow::{Span, Template, ValueTemplate};
use message::{Now, Text, Value};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::database::{DatabaseHandle, short};
use crate::sql_settings::{
    ParameterSettings, check_database, check_statement, check_timeout, open_database, passed_on, ready_parameters,
    render_parameters, within,
};

/// Reads rows from a database into the message.
///
/// **Message out** the message with the rows in `target`: an array of objects by column name, empty when no row was found.
///
/// **Failure** the database cannot be opened or read; the statement is wrong, writes, or takes too long; a parameter is
/// not given.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// The database, as in `sqlite:/var/lib/line.db`; may take parts from `{env.NAME}`.
    database: Template,
    /// The statement, with `:name` for each parameter. Nothing of the message is ever put into its text.
    query: String,
    /// The values of the parameters, by name, as in `{ line = "{data.line}" }`.
    #[serde(default)]
    #[schemars(with = "std::collections::BTreeMap<String, ValueTemplate>")]
    parameters: ParameterSettings,
    /// The property that takes the rows.
    #[serde(default = "rows")]
    target: MessagePart,
    /// Rows that are taken at most, 1 to 100,000; what the statement finds beyond is left.
    #[serde(default = "thousand")]
    #[schemars(range(min = 1, max = 100_000))]
    rows_max: u32,
    /// How long the statement may wait and run; at most `10m`.
    #[serde(default = "thirty_seconds")]
    timeout: Span,
}

fn rows() -> MessagePart {
    MessagePart::member("rows")
}

fn thousand() -> u32 {
    1_000
}

fn thirty_seconds() -> Span {
    Span::from_secs(30)
}

/// The module type.
#[derive(Debug)]
pub(crate) struct SqlSelect;

impl Module for SqlSelect {
    const TYPE: &'static str = "sql-select";
    const DIRECTION: Direction = Direction::Internal;
    const SUMMARY: &'static str = "Reads rows from a database.";
    const EXAMPLE: &'static str = r#"database = "sqlite:line.db"
query = "SELECT name, target FROM orders WHERE line = :line ORDER BY name"
parameters = { line = "{data.line}" }
target = "orders"
"#;
    type Settings = Settings;

    fn check(settings: &Settings, checker: &mut Checker<'_>) {
        check_database(&settings.database, false, checker);
        check_statement("query", &settings.query, &settings.parameters, checker);
        check_timeout(settings.timeout, checker);
        if !(1..=100_000).contains(&settings.rows_max) {
            checker.problem("rows_max", "out of range", "write a number from 1 to 100000");
        }
    }

    fn build(settings: Settings, context: &mut BuildContext<'_>) -> Result<Built, BuildError> {
        Ok(Built::Waiting(Box::new(Selector {
            database: open_database(settings.database, context)?,
            query: settings.query.into(),
            parameters: ready_parameters(settings.parameters, context)?,
            target: Rc::new(settings.target),
            rows_max: settings.rows_max as usize,
            timeout: settings.timeout,
        })))
    }
}

struct Selector {
    database: DatabaseHandle,
    query: Text,
    parameters: Vec<(Text, ValueTemplate)>,
    target: Rc<MessagePart>,
    rows_max: usize,
    timeout: Span,
}

impl WaitingStep for Selector {
    fn begin(&mut self, _: Now, mut itinerary: Itinerary) -> Waiting {
        let parameters = render_parameters(&self.parameters, &itinerary);
        let (query, rows_max) = (self.query.clone(), self.rows_max);
        let work = self
            .database
            .run(format!("`{}`", short(&self.query)), move |database| database.select(&query, &parameters, rows_max));
        let (target, timeout) = (Rc::clone(&self.target), self.timeout);
        Box::pin(async move {
            let done = match within(timeout, work).await {
                Ok(rows) => target.write(&mut itinerary.message, Value::from(rows)).map_err(|error| error.to_string()),
                Err(what) => Err(what),
            };
            passed_on(itinerary, done)
        })
    }
}
