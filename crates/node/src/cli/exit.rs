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
    /// As said.
    NotDone(String),
    Config(Vec<ConfigProblem>),
}

impl Failure {
    pub(super) fn not_done(what: impl ToString) -> Self {
        Self::NotDone(what.to_string())
    }

    /// Says it on standard error.
    pub(super) fn report(&self) -> ExitCode {
        match self {
            Self::NotDone(what) => {
                eprintln!("error: {what}");
                ExitCode::from(1)
            }
            Self::Config(problems) => {
                for problem in problems {
                    eprintln!("error: {problem}");
                }
                ExitCode::from(3)
            }
        }
    }
}
