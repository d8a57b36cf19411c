//! One thing that is wrong with the configuration.

use std::fmt;

use super::Origin;

/// One thing that is wrong: where it was said, which key, what, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigProblem {
    pub origin: Origin,
    /// The key with dots; empty when no key could be read.
    pub key: String,
    pub what: String,
    pub hint: String,
}

impl ConfigProblem {
    pub(super) fn new(origin: Origin, key: impl Into<String>, what: impl ToString, hint: impl ToString) -> Self {
        Self { origin, key: key.into(), what: what.to_string(), hint: hint.to_string() }
    }
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.origin)?;
        if !self.key.is_empty() {
            write!(f, "`{}`: ", self.key)?;
        }
        f.write_str(&self.what)?;
        if !self.hint.is_empty() {
            write!(f, " ({})", self.hint)?;
        }
        Ok(())
    }
}
