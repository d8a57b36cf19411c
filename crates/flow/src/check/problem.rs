//! One thing that is wrong with a flow.

use std::fmt;

use message::ModuleId;

/// One thing that is wrong, where it is, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Problem {
    pub at: Place,
    pub what: String,
    pub hint: String,
}

/// A place in a flow.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
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
        write!(f, "{}: {}", self.at, self.what)?;
        if !self.hint.is_empty() {
            write!(f, " ({})", self.hint)?;
        }
        Ok(())
    }
}
