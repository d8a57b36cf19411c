//! Where a value of the configuration comes from.

use std::fmt;
use std::path::PathBuf;

/// Where a value comes from, in the words of messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// No one set it.
    Default,
    /// A file, at a line counted from 1; 0 for the file as a whole.
    File { path: PathBuf, line: usize },
    /// An environment variable, by name.
    Variable(String),
    /// An argument of the command line, as in `--set log.level`.
    Argument(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line: 0 } => write!(f, "{}", path.display()),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Variable(name) => write!(f, "environment {name}"),
            Self::Argument(argument) => f.write_str(argument),
        }
    }
}
