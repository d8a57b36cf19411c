//! `sql-execute`: runs a statement that changes a database.

use std::rc::Rc;

use flow::build::{BuildContext, BuildError};
use flow::check::Checker;
use flow::module::{Built, Direction, Module, Waiting, WaitingStep};
use flow::modules::MessagePart;
use flow::run::Itinerary;
use flow::{Span, Template, ValueTemplate};
use message::{Now, Text};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::database::{DatabaseHandle, short};
use crate::sql_settings::{
    ParameterSettings, check_database, check_statement, check_timeout, open_database, passed_on, ready_parameters,
    render_parameters, tell_count, within,
};

/// Runs a statement that changes a database: UPDATE, DELETE, CREATE TABLE and the like.
///
/// **Message out** the message; with `target`, that property is `{ changed }`, the number of rows changed.
///
/// **Failure** the database cannot be opened or written; the statement is wrong, gives rows, or takes too long; a
/// parameter is not given. Then nothing was changed.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// The database, as in `sqlite:/var/lib/line.db`; may take parts from `{env.NAME}`.
    database: Template,
    /// The statement, with `:name` for each parameter. Nothing of the message is ever put into its text.
    statement: String,
    /// The values of the parameters, by name, as in `{ line = "{data.line}" }`.
    #[serde(default)]
    #[schemars(with = "std::collections::BTreeMap<String, ValueTemplate>")]
    parameters: ParameterSettings,
    /// The property that takes the number of changed rows; none when absent.
    #[serde(default)]
    target: Option<MessagePart>,
    /// How long the statement may wait and run; at most `10m`.
    #[serde(default = "thirty_seconds")]
    timeout: Span,
}

fn thirty_seconds() -> Span {
    Span::from_secs(30)
}

/// The module type.
#[derive(Debug)]
pub(crate) struct SqlExecute;

impl Module for SqlExecute {
    const TYPE: &'static str = "sql-execute";
    const DIRECTION: Direction = Direction::Outbound;
    const SUMMARY: &'static str = "Runs a statement that changes a database.";
    const EXAMPLE: &'static str = r#"database = "sqlite:line.db"
statement = "DELETE FROM readings WHERE line = :line"
parameters = { line = "{data.line}" }
target = "deleted"
"#;
    type Settings = Settings;

    fn check(settings: &Settings, checker: &mut Checker<'_>) {
        check_database(&settings.database, true, checker);
        check_statement("statement", &settings.statement, &settings.parameters, checker);
        check_timeout(settings.timeout, checker);
    }

    fn build(settings: Settings, context: &mut BuildContext<'_>) -> Result<Built, BuildError> {
        Ok(Built::Waiting(Box::new(Executor {
            database: open_database(settings.database, context)?,
            statement: settings.statement.into(),
            parameters: ready_parameters(settings.parameters, context)?,
            target: Rc::new(settings.target),
            timeout: settings.timeout,
        })))
    }
}

struct Executor {
    database: DatabaseHandle,
    statement: Text,
    parameters: Vec<(Text, ValueTemplate)>,
    target: Rc<Option<MessagePart>>,
    timeout: Span,
}

impl WaitingStep for Executor {
    fn begin(&mut self, _: Now, mut itinerary: Itinerary) -> Waiting {
        let parameters = render_parameters(&self.parameters, &itinerary);
        let statement = self.statement.clone();
        let work = self
            .database
            .run(format!("`{}`", short(&self.statement)), move |database| database.execute(&statement, &parameters));
        let (target, timeout) = (Rc::clone(&self.target), self.timeout);
        Box::pin(async move {
            let done = match within(timeout, work).await {
                Ok(changed) => tell_count("changed", changed, target.as_ref().as_ref(), &mut itinerary),
                Err(what) => Err(what),
            };
            passed_on(itinerary, done)
        })
    }
}
