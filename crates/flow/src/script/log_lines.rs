//! What scripts write by `log.info(...)` and its like: gathered while they run, handed on when they end.

use std::cell::RefCell;

/// Lines of one run that are kept; later ones are counted.
const LINES_MAX: usize = 100;
/// Characters of one line that are kept.
const LINE_CHARACTERS_MAX: usize = 2_000;

/// How urgent a line of a script is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    Debug,
    Info,
    Warn,
    Error,
}

#[derive(Debug, Default)]
pub(super) struct LogLines {
    lines: RefCell<Vec<(LogLevel, String)>>,
}

impl LogLines {
    /// `level` counts from 0 for debug, as the script's `log` object does.
    pub(super) fn write(&self, level: u8, text: &str) {
        let level = match level {
            0 => LogLevel::Debug,
            1 => LogLevel::Info,
            2 => LogLevel::Warn,
            _ => LogLevel::Error,
        };
        let mut lines = self.lines.borrow_mut();
        if lines.len() < LINES_MAX {
            lines.push((level, text.chars().take(LINE_CHARACTERS_MAX).collect()));
        } else if lines.len() == LINES_MAX {
            lines.push((LogLevel::Warn, format!("only the first {LINES_MAX} lines of this run are kept")));
        }
    }

    pub(super) fn flush(&self, sink: &mut dyn FnMut(LogLevel, &str)) {
        for (level, text) in self.lines.take() {
            sink(level, &text);
        }
    }
}
