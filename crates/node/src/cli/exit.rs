//! How the command line ends when it could not do what was asked.

use std::process::ExitCode;

use crate::config::ConfigProblem;

/// The exit codes, for `--help`.
pub(super) const HELP: &str = "\
Exit codes: 0 done; 1 not done, as said on standard error; 2 the command line is wrong; 3 the configuration is wrong;
4 no node answers; 5 the token is missing or wrong.";

/// Why it could not be done.
#[derive(Debug)]
pub(super) enum Failure {
    /// As said, one line each.
    NotDone(Vec<String>),
    Config(Vec<ConfigProblem>),
    NoAnswer(String),
    NoToken(String),
}

impl Failure {
    pub(super) fn not_done(what: impl ToString) -> Self {
        Self::NotDone(vec![what.to_string()])
    }

    /// Says it on standard error.
    pub(super) fn report(&self) -> ExitCode {
        let (code, lines) = match self {
            Self::NotDone(lines) => (1, lines.clone()),
            Self::Config(problems) => (3, problems.iter().map(ToString::to_string).collect()),
            Self::NoAnswer(line) => (4, vec![line.clone()]),
            Self::NoToken(line) => (5, vec![line.clone()]),
        };
        for line in lines {
            eprintln!("error: {line}");
        }
        ExitCode::from(code)
    }
}

impl From<std::io::Error> for Failure {
    /// Of standard output: someone who reads no further (`| head`) is no failure to speak of, but ends the command.
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::BrokenPipe => Self::NotDone(Vec::new()),
            _ => Self::not_done(format!("cannot write to standard output: {error}")),
        }
    }
}
