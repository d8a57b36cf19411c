//! What the node says about itself: lines on standard error, for people or for machines.

use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{Log, LogFormat};

/// Sends log lines to standard error. A level that cannot be read (the configuration refuses it) counts as `info`.
pub fn start(log: &Log) {
    let levels = levels(&log.level).unwrap_or_else(|| Targets::new().with_default(LevelFilter::INFO));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let registry = tracing_subscriber::registry();
    // Started twice (by a test that runs two nodes in one process) the first one stays.
    let _ = match log.format {
        LogFormat::Text => {
            let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
            registry.with(lines.with_ansi(colours).with_filter(levels)).try_init()
        }
        LogFormat::Json => registry.with(lines.json().flatten_event(true).with_filter(levels)).try_init(),
    };
}

/// Reads levels as in `info,node::mqtt=debug`; `None` when a part of it is neither a level nor `target=level`.
pub(crate) fn levels(text: &str) -> Option<Targets> {
    text.split(',').map(str::trim).try_fold(Targets::new(), |levels, part| {
        // The parser takes numbers and the empty text, too; they would only puzzle.
        let is_word = |word: &str| !word.is_empty() && word.chars().all(char::is_alphabetic);
        let level = |word: &str| is_word(word).then(|| word.parse::<LevelFilter>().ok())?;
        match part.split_once('=') {
            Some((target, word)) => Some(levels.with_target(target.trim(), level(word.trim())?)),
            None => Some(levels.with_default(level(part)?)),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_words_for_all_or_for_a_part() {
        for (text, good) in [
            ("info", true),
            ("WARN", true),
            ("off", true),
            ("info,node::mqtt=debug", true),
            ("node::mqtt=debug, error", true),
            ("loud", false),
            ("info,node::mqtt", false),
            ("3", false),
            ("", false),
        ] {
            assert_eq!(levels(text).is_some(), good, "{text}");
        }
    }
}
