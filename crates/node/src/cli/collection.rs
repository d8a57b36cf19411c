//! What the commands for queues and for streams have in common: a collection of the API whose members hold messages.

use std::io::Write as _;

use serde_json::{Map, Value};
use ureq::http::Method;

use super::Failure;
use super::api_client::segment;
use super::connect_options::ConnectOptions;
use super::table::columns;

/// A collection of the API, by its path: `/queues`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Collection(pub(super) &'static str);

impl Collection {
    pub(super) fn path(self, name: &str) -> String {
        format!("{}/{}", self.0, segment(name))
    }

    /// Makes a member, or changes it; settings without a value have their defaults.
    pub(super) fn put<const N: usize>(
        self,
        name: &str,
        settings: [(&str, Option<Value>); N],
        connect: &ConnectOptions,
    ) -> Result<(), Failure> {
        let said = settings.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        let body = Value::Object(said.collect::<Map<_, _>>()).to_string().into_bytes();
        connect.api()?.ask(Method::PUT, &self.path(name), Some(("application/json", body))).map(|_| ())
    }

    /// Writes a table of all members, a row each.
    pub(super) fn list<const N: usize>(
        self,
        table: impl Fn(&Value) -> Vec<[String; N]>,
        connect: &ConnectOptions,
    ) -> Result<(), Failure> {
        let answer = connect.api()?.ask(Method::GET, self.0, None)?;
        Ok(std::io::stdout().write_all(columns(&table(&answer)).as_bytes())?)
    }

    pub(super) fn show(self, name: &str, connect: &ConnectOptions) -> Result<(), Failure> {
        let answer = connect.api()?.ask(Method::GET, &self.path(name), None)?;
        Ok(writeln!(std::io::stdout(), "{answer:#}")?)
    }

    /// Writes messages without taking them, a line each.
    pub(super) fn peek(self, name: &str, query: &str, connect: &ConnectOptions) -> Result<(), Failure> {
        let answer = connect.api()?.ask(Method::GET, &format!("{}/messages?{query}", self.path(name)), None)?;
        let mut output = std::io::stdout().lock();
        for message in items(&answer, "messages") {
            writeln!(output, "{message}")?;
        }
        Ok(())
    }

    pub(super) fn purge(self, name: &str, connect: &ConnectOptions) -> Result<(), Failure> {
        let answer = connect.api()?.ask(Method::DELETE, &format!("{}/messages", self.path(name)), None)?;
        Ok(writeln!(std::io::stdout(), "purged {}", number(&answer, "purged"))?)
    }

    pub(super) fn delete(self, name: &str, connect: &ConnectOptions) -> Result<(), Failure> {
        connect.api()?.ask(Method::DELETE, &self.path(name), None).map(|_| ())
    }
}

/// The members of a list in an answer.
pub(super) fn items<'a>(answer: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    answer.get(name).and_then(Value::as_array).into_iter().flatten()
}

pub(super) fn number(answer: &Value, name: &str) -> u64 {
    answer.get(name).and_then(Value::as_u64).unwrap_or(0)
}
