//! `headwater flow`: flows of a running node.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use ureq::http::Method;

use super::api_client::{ApiClient, segment};
use super::connect_options::ConnectOptions;
use super::flow_problem::{told, told_by_api};
use super::{Failure, table};
use crate::run::catalog;

#[derive(Debug, Subcommand)]
pub(super) enum FlowCommand {
    /// Find what is wrong with flow files, by themselves and beside the node's flows.
    Check(Check),
    /// Save flow files as drafts and deploy them.
    Deploy(Deploy),
    /// List the flows with their state.
    List(List),
    /// Show one flow: state, figures, and its file with --toml.
    Show(Show),
    /// Start the deployed version of flows.
    Start(Named),
    /// Stop flows; they end what they have begun.
    Stop(Named),
    /// Stop flows and forget their drafts and versions.
    Remove(Named),
}

#[derive(Debug, Args)]
pub(super) struct Check {
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Look at the files alone, without a node
    #[arg(long)]
    offline: bool,
    #[command(flatten)]
    connect: ConnectOptions,
}

#[derive(Debug, Args)]
pub(super) struct Deploy {
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// What people shall read about the new version
    #[arg(long, default_value = "")]
    note: String,
    #[command(flatten)]
    connect: ConnectOptions,
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// Write JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connect: ConnectOptions,
}

#[derive(Debug, Args)]
pub(super) struct Show {
    #[arg(value_name = "FLOW")]
    id: String,
    /// Write JSON
    #[arg(long, conflicts_with = "toml")]
    json: bool,
    /// Write the flow file
    #[arg(long)]
    toml: bool,
    #[command(flatten)]
    connect: ConnectOptions,
}

#[derive(Debug, Args)]
pub(super) struct Named {
    #[arg(required = true, value_name = "FLOW")]
    ids: Vec<String>,
    #[command(flatten)]
    connect: ConnectOptions,
}

impl FlowCommand {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self {
            Self::Check(command) => command.run(),
            Self::Deploy(command) => command.run(),
            Self::List(command) => command.run(),
            Self::Show(command) => command.run(),
            Self::Start(command) => command.run("start", "started"),
            Self::Stop(command) => command.run("stop", "stopped"),
            Self::Remove(command) => command.run("", "removed"),
        }
    }
}

/// A flow file that was read.
struct FlowFile<'a> {
    path: &'a Path,
    id: String,
    text: String,
}

impl<'a> FlowFile<'a> {
    fn read(path: &'a Path) -> Result<Self, Failure> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| Failure::not_done(format!("cannot read {}: {error}", path.display())))?;
        match flow::file::read(&text) {
            Ok(flow) => Ok(Self { path, id: flow.id.as_str().to_owned(), text }),
            Err(problems) => Err(Failure::NotDone(problems.iter().map(|problem| told(path, &text, problem)).collect())),
        }
    }

    fn told_by_api(&self, problems: &[Value]) -> Vec<String> {
        problems.iter().map(|problem| told_by_api(self.path, &self.text, problem)).collect()
    }

    fn content(&self) -> Option<(&'static str, Vec<u8>)> {
        Some(("application/toml", self.text.clone().into_bytes()))
    }
}

impl Check {
    fn run(self) -> Result<(), Failure> {
        let mut wrong = Vec::new();
        let api = if self.offline { None } else { Some(self.connect.api()?) };
        for path in &self.files {
            let file = match FlowFile::read(path) {
                Ok(file) => file,
                Err(Failure::NotDone(problems)) => {
                    wrong.extend(problems);
                    continue;
                }
                Err(failure) => return Err(failure),
            };
            let (runnable, problems) = match &api {
                Some(api) => ask_check(api, &file)?,
                None => check_alone(&file),
            };
            if runnable {
                println!("{}: flow `{}` can run", path.display(), file.id);
                problems.iter().for_each(|line| eprintln!("{line}"));
            } else {
                wrong.extend(problems);
            }
        }
        if wrong.is_empty() { Ok(()) } else { Err(Failure::NotDone(wrong)) }
    }
}

fn ask_check(api: &ApiClient, file: &FlowFile<'_>) -> Result<(bool, Vec<String>), Failure> {
    let answer = api.ask(Method::POST, &format!("/flows/{}/check", segment(&file.id)), file.content())?;
    let runnable = answer.get("runnable").and_then(Value::as_bool).unwrap_or(false);
    Ok((runnable, file.told_by_api(list(&answer, "problems"))))
}

fn check_alone(file: &FlowFile<'_>) -> (bool, Vec<String>) {
    let problems = match flow::file::read(&file.text) {
        Ok(flow) => flow::check::check(&flow, &catalog(), &std::collections::BTreeMap::new()).problems,
        Err(problems) => problems,
    };
    let runnable = !problems.iter().any(flow::check::Problem::is_error);
    (runnable, problems.iter().map(|problem| told(file.path, &file.text, problem)).collect())
}

impl Deploy {
    fn run(self) -> Result<(), Failure> {
        let api = self.connect.api()?;
        for path in &self.files {
            let file = FlowFile::read(path)?;
            // A file that cannot run shall not take the place of a draft that can.
            let (runnable, problems) = ask_check(&api, &file)?;
            if !runnable {
                return Err(Failure::NotDone(problems));
            }
            let address = format!("/flows/{}", segment(&file.id));
            let deployed = api.ask(Method::PUT, &address, file.content()).and_then(|_| {
                let body = json!({ "note": self.note }).to_string().into_bytes();
                api.ask(Method::POST, &format!("{address}/deploy"), Some(("application/json", body)))
            });
            let answer = deployed.map_err(|failure| match failure {
                Failure::NotDone(lines) => {
                    Failure::NotDone(lines.iter().map(|line| format!("{}: {line}", path.display())).collect())
                }
                failure => failure,
            })?;
            println!("flow `{}` runs as version {}", file.id, answer.get("version").unwrap_or(&Value::Null));
            file.told_by_api(list(&answer, "problems")).iter().for_each(|line| eprintln!("{line}"));
        }
        Ok(())
    }
}

impl List {
    fn run(self) -> Result<(), Failure> {
        let answer = self.connect.api()?.ask(Method::GET, "/flows", None)?;
        if self.json {
            return Ok(writeln!(std::io::stdout(), "{answer:#}")?);
        }
        let mut rows = vec![["FLOW", "STATUS", "VERSION", "MESSAGES", "FAILED", "WAITING", ""].map(str::to_owned)];
        rows.extend(list(&answer, "flows").iter().map(|flow| {
            let figure = |name: &str| cell(flow.get("figures").and_then(|figures| figures.get(name)));
            let of = |name: &str| cell(flow.get(name));
            [of("id"), of("status"), of("version"), figure("begun"), figure("failed"), figure("waiting"), of("text")]
        }));
        Ok(std::io::stdout().write_all(table::columns(&rows).as_bytes())?)
    }
}

impl Show {
    fn run(self) -> Result<(), Failure> {
        let api = self.connect.api()?;
        let path = format!("/flows/{}", segment(&self.id));
        let text = if self.toml {
            api.ask_text(Method::GET, &path, "application/toml", None)?
        } else {
            let answer = api.ask(Method::GET, &path, None)?;
            if self.json { format!("{answer:#}\n") } else { describe(&answer) }
        };
        Ok(std::io::stdout().write_all(text.as_bytes())?)
    }
}

/// The state and figures of a flow, for people.
fn describe(answer: &Value) -> String {
    let flow = answer.get("flow").unwrap_or(&Value::Null);
    let of = |name: &str| cell(flow.get(name));
    let mut text = format!("{} ({}): {}", of("id"), of("name"), of("status"));
    // Writing to a `String` does not fail, here and below.
    let _ = match (of("text").as_str(), of("version").as_str()) {
        (why, version) if !why.is_empty() => writeln!(text, ", version {version}: {why}"),
        (_, "") => writeln!(text),
        (_, version) => writeln!(text, ", version {version} since {}", of("since")),
    };
    let differs = answer.get("draft").and_then(|draft| draft.get("differs")).and_then(Value::as_bool);
    if differs == Some(true) {
        text.push_str("the draft differs from what is deployed\n");
    }
    let figures = flow.get("figures").unwrap_or(&Value::Null);
    let mut rows = vec![["MODULE", "TYPE", "IN", "OUT", "ERRORS", "WAITING", ""].map(str::to_owned)];
    rows.extend(list(figures, "modules").iter().map(|module| {
        ["id", "type", "messages_in", "messages_out", "errors", "waiting", "last_error"]
            .map(|name| cell(module.get(name)))
    }));
    if rows.len() > 1 {
        text.push_str(&table::columns(&rows));
    }
    text
}

impl Named {
    fn run(self, verb: &str, done: &str) -> Result<(), Failure> {
        let api = self.connect.api()?;
        for id in &self.ids {
            let path = format!("/flows/{}", segment(id));
            if verb.is_empty() {
                api.ask(Method::DELETE, &path, None)?;
            } else {
                api.ask(Method::POST, &format!("{path}/{verb}"), None)?;
            }
            println!("flow `{id}` is {done}");
        }
        Ok(())
    }
}

fn list<'a>(answer: &'a Value, name: &str) -> &'a [Value] {
    answer.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
    }
}
