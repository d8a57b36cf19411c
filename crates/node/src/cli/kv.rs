//! `headwater kv`: the persistent key/value stores of a running node.

use std::io::Write as _;

use clap::{Args, Subcommand};
use serde_json::Value;
use ureq::http::Method;

use super::Failure;
use super::api_client::{ApiClient, segment};
use super::connect_options::ConnectOptions;

#[derive(Debug, Subcommand)]
pub(super) enum KvCommand {
    /// Write the value of a key, as JSON.
    Get(Key),
    /// Set a key; the value is on disk when the command ends.
    Set(Set),
    /// List the stores, or the keys of one.
    List(List),
    /// Remove a key.
    Delete(Key),
}

#[derive(Debug, Args)]
pub(super) struct Key {
    store: String,
    key: String,
    #[command(flatten)]
    connect: ConnectOptions,
}

#[derive(Debug, Args)]
pub(super) struct Set {
    store: String,
    key: String,
    /// JSON; what is no JSON is taken as text
    value: String,
    /// Let the key expire after so many seconds
    #[arg(long, value_name = "SECONDS")]
    ttl: Option<u64>,
    #[command(flatten)]
    connect: ConnectOptions,
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// All stores when absent
    store: Option<String>,
    /// Only keys that begin so
    #[arg(long, default_value = "", requires = "store")]
    prefix: String,
    #[command(flatten)]
    connect: ConnectOptions,
}

impl KvCommand {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self {
            Self::Get(Key { store, key, connect }) => {
                let value = connect.api()?.ask_text(Method::GET, &path(&store, &key), "application/json", None)?;
                Ok(writeln!(std::io::stdout(), "{value}")?)
            }
            Self::Set(set) => set.run(),
            Self::List(list) => list.run(),
            Self::Delete(Key { store, key, connect }) => {
                connect.api()?.ask(Method::DELETE, &path(&store, &key), None).map(|_| ())
            }
        }
    }
}

impl Set {
    fn run(self) -> Result<(), Failure> {
        let json = match serde_json::from_str::<Value>(&self.value) {
            Ok(_) => self.value,
            Err(_) => Value::from(self.value).to_string(),
        };
        let query = self.ttl.map(|ttl| format!("?ttl_s={ttl}")).unwrap_or_default();
        let path = format!("{}{query}", path(&self.store, &self.key));
        self.connect.api()?.ask(Method::PUT, &path, Some(("application/json", json.into_bytes()))).map(|_| ())
    }
}

impl List {
    fn run(self) -> Result<(), Failure> {
        let api = self.connect.api()?;
        match &self.store {
            Some(store) => list_keys(&api, store, &self.prefix),
            None => {
                let answer = api.ask(Method::GET, "/kv", None)?;
                write_lines(texts(&answer, "stores", |store| store.get("name")))
            }
        }
    }
}

/// Page by page, so that a store may have any number of keys.
fn list_keys(api: &ApiClient, store: &str, prefix: &str) -> Result<(), Failure> {
    let mut from = String::new();
    loop {
        let from_query = if from.is_empty() { String::new() } else { format!("&from={}", segment(&from)) };
        let path = format!("/kv/{}?prefix={}{from_query}", segment(store), segment(prefix));
        let page = api.ask(Method::GET, &path, None)?;
        write_lines(texts(&page, "keys", Some))?;
        match page.get("next").and_then(Value::as_str) {
            Some(next) => from = next.to_owned(),
            None => return Ok(()),
        }
    }
}

fn texts<'a>(
    answer: &'a Value,
    name: &str,
    text: impl Fn(&'a Value) -> Option<&'a Value> + 'a,
) -> impl Iterator<Item = &'a str> {
    let list = answer.get(name).and_then(Value::as_array).into_iter().flatten();
    list.filter_map(move |value| text(value)?.as_str())
}

fn write_lines<'a>(lines: impl Iterator<Item = &'a str>) -> Result<(), Failure> {
    let mut output = std::io::stdout().lock();
    for line in lines {
        writeln!(output, "{line}")?;
    }
    Ok(())
}

fn path(store: &str, key: &str) -> String {
    format!("/kv/{}/{}", segment(store), segment(key))
}
