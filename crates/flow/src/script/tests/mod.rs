//! What scripts and conditions can do, what they cannot, and what they leave behind.

mod conditions;
mod limits;
mod scripts;

use std::time::Duration;

use message::value::parse_json;
use message::{Text, Value};

use super::*;
use crate::expression::Scope;

/// The variables that all tests declare.
const NAMES: [&str; 3] = ["limit", "alarms", "my-var"];

fn names() -> Vec<Text> {
    NAMES.map(Text::new).to_vec()
}

/// An engine whose time no test uses up, however busy the machine is.
fn engine() -> ScriptEngine {
    ScriptEngine::new(ScriptLimits { time: LONG, ..ScriptLimits::default() })
}

const LONG: Duration = Duration::from_secs(600);

fn json(text: &str) -> Value {
    parse_json(text.as_bytes()).unwrap()
}

/// An itinerary as conditions see it.
struct Itinerary {
    message: Value,
    variables: Vec<Value>,
}

impl Itinerary {
    fn new(message: Value) -> Self {
        Self { message, variables: vec![Value::from(30), Value::from(0), Value::from("v")] }
    }

    /// Runs a script on it as a module would.
    fn run(&mut self, script: &Script) -> Result<Outcome, String> {
        let mut lines = Vec::new();
        self.run_logging(script, &mut lines)
    }

    fn run_logging(&mut self, script: &Script, lines: &mut Vec<(LogLevel, String)>) -> Result<Outcome, String> {
        let scope = ScriptScope {
            message: &mut self.message,
            variables: &self.variables,
            context: &|| json(r#"{"flow":"press","parameters":{"line":7}}"#),
            log: &mut |level, text| lines.push((level, text.to_owned())),
        };
        let run = script.run(scope).map_err(|error| error.to_string())?;
        for (place, value) in run.changed {
            self.variables[place] = value;
        }
        Ok(run.outcome)
    }
}

impl Scope for Itinerary {
    fn message(&self) -> &Value {
        &self.message
    }

    fn variables(&self) -> &[Value] {
        &self.variables
    }

    fn context(&self) -> Value {
        json(r#"{"flow":"press","parameters":{"line":7}}"#)
    }
}
