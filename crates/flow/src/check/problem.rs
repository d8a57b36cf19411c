//! One thing that is wrong with a flow.

use std::fmt;

use message::ModuleId;

use crate::model::Connection;

/// One thing that is wrong, where it is, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Problem {
    pub severity: Severity,
    pub at: Place,
    pub what: String,
    pub hint: String,
}

/// Whether a flow with the problem can run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The flow is refused.
    Error,
    /// The flow runs, but hardly as meant.
    Warning,
}

impl Problem {
    /// What keeps the flow from running. `what` and `hint` are lowercase fragments; the hint says what to do.
    pub fn error(at: Place, what: impl ToString, hint: impl ToString) -> Self {
        Self { severity: Severity::Error, at, what: what.to_string(), hint: hint.to_string() }
    }

    /// What is hardly meant, but does not keep the flow from running.
    pub fn warning(at: Place, what: impl ToString, hint: impl ToString) -> Self {
        Self { severity: Severity::Warning, ..Self::error(at, what, hint) }
    }

    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// A place in a flow.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "in", rename_all = "kebab-case")]
pub enum Place {
    /// The flow as a whole, or a key of it, as in `variables.limit`.
    Flow { path: String },
    /// The text of the flow file, at a line and column counted from 1.
    File { line: u32, column: u32 },
    /// A module as such.
    Module { module: ModuleId },
    /// A setting of a module; for code also the line and column in it, counted from 1.
    Setting { module: ModuleId, path: String, position: Option<(u32, u32)> },
    /// A connection, counted from 0 in the order of the file.
    Connection { index: usize, from: ModuleId, to: ModuleId, position: Option<(u32, u32)> },
}

impl Place {
    /// A key of the flow, as in `variables.limit`; empty for the flow as a whole.
    pub fn flow(path: impl Into<String>) -> Self {
        Self::Flow { path: path.into() }
    }

    pub fn module(module: &ModuleId) -> Self {
        Self::Module { module: module.clone() }
    }

    /// A setting of a module, as in `values.temperature`.
    pub fn setting(module: &ModuleId, path: impl Into<String>) -> Self {
        Self::Setting { module: module.clone(), path: path.into(), position: None }
    }

    /// The connection at `index` in the order of the file.
    pub fn connection(index: usize, connection: &Connection) -> Self {
        Self::Connection { index, from: connection.from.clone(), to: connection.to.clone(), position: None }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let position = match self {
            Self::Flow { path } if path.is_empty() => return f.write_str("flow"),
            Self::Flow { path } => return f.write_str(path),
            Self::File { line, column } => return write!(f, "line {line}, column {column}"),
            Self::Module { module } => return write!(f, "modules.{module}"),
            Self::Setting { module, path, position } => {
                write!(f, "modules.{module}.with")?;
                if !path.is_empty() {
                    write!(f, ".{path}")?;
                }
                position
            }
            Self::Connection { index, from, to, position } => {
                write!(f, "connections[{index}] ({from} -> {to})")?;
                position
            }
        };
        match position {
            Some((line, column)) => write!(f, ", line {line}, column {column}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.severity == Severity::Warning {
            f.write_str("warning: ")?;
        }
        write!(f, "{}: {}", self.at, self.what)?;
        if !self.hint.is_empty() {
            write!(f, " ({})", self.hint)?;
        }
        Ok(())
    }
}
