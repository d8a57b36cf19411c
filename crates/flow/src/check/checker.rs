//! What a module says about its settings when a flow is checked: problems, and what it touches.

use message::{ModuleId, StoreName, Text, TopicFilter};

use super::{Place, Problem};

/// Something outside the flow that a module touches. Flows are joined by these, and conflicts are found by them.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Claim {
    /// Reads the topics that match the filter; where it is durable, what comes while the flow does not run waits for it.
    Subscribe { filter: Text, durable: bool },
    /// Writes topics; parts that come from the message are shown as `+`.
    Publish { filter: Text },
    /// Opens an HTTP path for a verb (`ALL` for every one).
    Endpoint { path: Text, verb: Text },
    /// Calls a URL; parts that come from the message are shown as `+`.
    Request { url: Text, verb: Text },
    /// Reads or writes a key/value store.
    Store { store: StoreName, persistent: bool, writes: bool },
    /// Reads or writes a database.
    Database { url: Text, writes: bool },
}

/// Collects what a module has to say about its settings.
#[derive(Debug)]
pub struct Checker<'a> {
    module: &'a ModuleId,
    variables: &'a [Text],
    problems: &'a mut Vec<Problem>,
    claims: &'a mut Vec<(ModuleId, Claim)>,
    brakes: bool,
}

impl<'a> Checker<'a> {
    pub fn new(
        module: &'a ModuleId,
        variables: &'a [Text],
        problems: &'a mut Vec<Problem>,
        claims: &'a mut Vec<(ModuleId, Claim)>,
    ) -> Self {
        Self { module, variables, problems, claims, brakes: false }
    }

    /// The names of the flow's declared variables.
    pub fn variables(&self) -> &'a [Text] {
        self.variables
    }

    /// Reports a problem with the setting at `path`, as in `values.temperature`.
    pub fn problem(&mut self, path: &str, what: impl ToString, hint: impl ToString) {
        self.problem_at(path, None, what, hint);
    }

    /// Reports a problem inside a text, at a line and column counted from 1.
    pub fn problem_at(&mut self, path: &str, position: Option<(u32, u32)>, what: impl ToString, hint: impl ToString) {
        let at = Place::Setting { module: self.module.clone(), path: path.to_owned(), position };
        self.problems.push(Problem::error(at, what, hint));
    }

    /// Reports a setting that works but is hardly meant.
    pub fn warning(&mut self, path: &str, what: impl ToString, hint: impl ToString) {
        self.problems.push(Problem::warning(Place::setting(self.module, path), what, hint));
    }

    /// Says that the module passes on later or less than it takes in (a window, a batch, a delay, a filter),
    /// so that a cycle through it does not run away.
    pub fn brakes(&mut self) {
        self.brakes = true;
    }

    pub(super) fn is_brake(&self) -> bool {
        self.brakes
    }

    /// Says what the module touches.
    pub fn claim(&mut self, claim: Claim) {
        self.claims.push((self.module.clone(), claim));
    }

    /// Reports a text that must be a topic filter and is not.
    pub fn topic_filter(&mut self, path: &str, text: &str) {
        if let Err(error) = TopicFilter::parse(text) {
            self.problem(
                path,
                format!("`{text}` is no topic filter: {error}"),
                "write a topic, `+` for one level, `#` for the rest",
            );
        }
    }
}
