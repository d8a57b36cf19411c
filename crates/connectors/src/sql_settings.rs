//! What the SQL modules share: the database, and the parameters of a statement.

use flow::ValueTemplate;
use flow::build::{BuildContext, BuildError};
use flow::check::{Checker, Claim};
use flow::module::Failure;
use flow::modules::MessagePart;
use flow::run::Itinerary;
use flow::{Span, Template};
use indexmap::IndexMap;
use message::{Object, Text, Value};

use crate::database::{DatabaseHandle, DatabaseUrl, Parameters, URL_HINT};

/// The values of a statement's parameters, by name.
pub(crate) type ParameterSettings = IndexMap<String, ValueTemplate>;

/// Reports a database that cannot be used, and claims it.
pub(crate) fn check_database(database: &Template, writes: bool, checker: &mut Checker<'_>) {
    let url = Text::from(database.as_topic_filter());
    if let Some(literal) = database.as_literal()
        && let Err(what) = DatabaseUrl::parse(literal)
    {
        checker.problem("database", what, URL_HINT);
    }
    checker.claim(Claim::Database { url, writes });
}

/// Reports what is wrong with a statement and its parameters, as far as it shows without the database.
pub(crate) fn check_statement(setting: &str, text: &str, parameters: &ParameterSettings, checker: &mut Checker<'_>) {
    if text.trim().is_empty() {
        checker.problem(setting, "the statement is empty", "write SQL with `:name` for each parameter");
    }
    for (name, value) in parameters {
        value.check(&format!("parameters.{name}"), checker);
        if !text.contains(&format!(":{name}")) {
            let what = format!("the statement has no `:{name}`");
            checker.problem(&format!("parameters.{name}"), what, "use it in the statement, or take it out");
        }
    }
}

/// Reports a timeout that is out of range.
pub(crate) fn check_timeout(timeout: Span, checker: &mut Checker<'_>) {
    timeout.check("timeout", Span::from_millis(1), Span::from_secs(600), checker);
}

/// Opens the database, whose URL may name the node's environment.
pub(crate) fn open_database(database: Template, context: &BuildContext<'_>) -> Result<DatabaseHandle, BuildError> {
    let database = database.with_environment(&*context.services.environment).map_err(BuildError::new)?;
    let Some(url) = database.as_literal() else {
        return Err(BuildError::new("`database` takes parts from the message: name one database, or use `{env.NAME}`"));
    };
    DatabaseUrl::parse(url).and_then(DatabaseHandle::open).map_err(BuildError::new)
}

/// The parameters with the node's environment put in.
pub(crate) fn ready_parameters(
    parameters: ParameterSettings,
    context: &BuildContext<'_>,
) -> Result<Vec<(Text, ValueTemplate)>, BuildError> {
    let ready = |(name, value): (String, ValueTemplate)| {
        let value = value.with_environment(&*context.services.environment).map_err(BuildError::new)?;
        Ok((Text::from(name), value))
    };
    parameters.into_iter().map(ready).collect()
}

/// The values for one itinerary.
pub(crate) fn render_parameters(parameters: &[(Text, ValueTemplate)], itinerary: &Itinerary) -> Parameters {
    parameters.iter().map(|(name, value)| (name.clone(), value.render(itinerary))).collect()
}

/// Waits for a statement within its time.
pub(crate) async fn within<T>(timeout: Span, work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    match tokio::time::timeout(timeout.as_duration(), work).await {
        Ok(done) => done,
        Err(_) => Err(format!("the database gave no answer within {timeout}")),
    }
}

/// Tells the message how many rows it was, as `{ name: count }` in `target`.
pub(crate) fn tell_count(
    name: &'static str,
    count: u64,
    target: Option<&MessagePart>,
    itinerary: &mut Itinerary,
) -> Result<(), String> {
    let Some(target) = target else { return Ok(()) };
    let result: Object = [(name, Value::from(count))].into_iter().collect();
    target.write(&mut itinerary.message, Value::from(result)).map_err(|error| error.to_string())
}

/// Passes an itinerary on, or gives it back with why it failed.
pub(crate) fn passed_on(itinerary: Itinerary, done: Result<(), String>) -> Result<Vec<(usize, Itinerary)>, Failure> {
    match done {
        Ok(()) => Ok(vec![(0, itinerary)]),
        Err(what) => Err(Failure::new(itinerary, what)),
    }
}
