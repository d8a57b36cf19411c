//! What is wrong with a text of JavaScript, and where.

use std::fmt;

/// A place in a text as a person counts it: line and column begin at 1, a column is one character.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub line: u32,
    pub column: u32,
}

impl Place {
    /// Where the byte `at` of `source` stands.
    pub(crate) fn of(source: &str, at: usize) -> Self {
        let before = source.get(..at).unwrap_or(source);
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Self {
            line: count(before.matches('\n').count() + 1),
            column: count(before.get(line_start..).unwrap_or_default().chars().count() + 1),
        }
    }

    /// Holds the place within `source`: an error at the end of the text is often found just behind it.
    pub(crate) fn within(self, source: &str) -> Self {
        self.min(Self::of(source, source.len()))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// One thing that is wrong with a condition, an expression or a script, found before it runs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} at {place}")]
pub struct SourceProblem {
    /// In the author's own text.
    pub place: Place,
    /// A lowercase fragment.
    pub what: String,
    /// What to do about it, where that is known.
    pub hint: Option<String>,
}

impl SourceProblem {
    pub(crate) fn new(place: Place, what: impl Into<String>) -> Self {
        Self { place, what: what.into(), hint: None }
    }

    /// A name that is neither declared nor known to JavaScript.
    pub(crate) fn undeclared(place: Place, name: &str) -> Self {
        Self {
            place,
            what: format!("undeclared variable `{name}`"),
            hint: Some(format!("declare `{name}` under [variables], or correct the name")),
        }
    }
}
