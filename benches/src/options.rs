//! What the command line chooses: the suite, the binary, rounds and seconds.

use std::path::PathBuf;
use std::time::Duration;

use crate::stopped::Stopped;

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    /// One suite by name, or all.
    pub(crate) suite: Option<String>,
    /// Only scenarios whose name contains this.
    pub(crate) only: String,
    pub(crate) headwater: PathBuf,
    /// How often every contender has its turn.
    pub(crate) rounds: usize,
    /// The measured part of one turn.
    pub(crate) duration: Duration,
}

const USAGE: &str =
    "[broker|idle|disk|restart|flow|neighbours] [--headwater PATH] [--only TEXT] [--rounds N] [--seconds N]";

impl Options {
    pub(crate) fn from_arguments<'a>(
        mut arguments: impl Iterator<Item = String>,
        suites: impl Iterator<Item = &'a str>,
    ) -> Result<Self, Stopped> {
        let suites: Vec<&str> = suites.collect();
        let mut options = Self {
            suite: None,
            only: String::new(),
            headwater: default_binary(),
            rounds: 3,
            duration: Duration::from_secs(2),
        };
        while let Some(argument) = arguments.next() {
            let refused = || Stopped::Usage { argument: argument.clone(), usage: USAGE };
            if suites.contains(&argument.as_str()) {
                options.suite = Some(argument);
                continue;
            }
            let value = arguments.next().ok_or_else(refused)?;
            match argument.as_str() {
                "--headwater" => options.headwater = value.into(),
                "--only" => options.only = value,
                "--rounds" => options.rounds = positive(&value).ok_or_else(refused)?,
                "--seconds" => {
                    let seconds = positive(&value).and_then(|it| u64::try_from(it).ok());
                    options.duration = Duration::from_secs(seconds.ok_or_else(refused)?);
                }
                _ => return Err(refused()),
            }
        }
        Ok(options)
    }
}

/// `HEADWATER_BIN`, or what cargo built beside this program.
fn default_binary() -> PathBuf {
    let beside = || std::env::current_exe().unwrap_or_default().with_file_name("headwater");
    std::env::var_os("HEADWATER_BIN").map_or_else(beside, PathBuf::from)
}

fn positive(text: &str) -> Option<usize> {
    text.parse().ok().filter(|number| *number > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Options, Stopped> {
        Options::from_arguments(arguments.iter().map(ToString::to_string), ["broker", "flow"].into_iter())
    }

    #[test]
    fn suite_and_settings_may_stand_in_any_order() {
        let options = parse(&["--rounds", "5", "flow", "--headwater", "/bin/x"]).expect("these are valid");
        assert_eq!((options.suite.as_deref(), options.rounds), (Some("flow"), 5));
        assert_eq!(options.headwater, PathBuf::from("/bin/x"));
    }

    #[test]
    fn what_is_not_understood_is_refused_by_name() {
        for arguments in [&["--rounds", "0"][..], &["--rounds"], &["both"], &["--speed", "1"]] {
            let refused = parse(arguments).expect_err("these are invalid").to_string();
            assert!(refused.contains(arguments.first().copied().unwrap_or_default()), "{refused}");
        }
    }
}
