//! What scripts write by `log.info(...)` and its like: gathered while they run, handed on when they end.

use std::cell::RefCell;

use message::limits;

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
        if lines.len() < limits::SCRIPT_LOG_LINES_MAX {
            lines.push((level, text.chars().take(limits::SCRIPT_LOG_LINE_CHARACTERS_MAX).collect()));
        } else if lines.len() == limits::SCRIPT_LOG_LINES_MAX {
            lines.push((
                LogLevel::Warn,
                format!("only the first {} lines of this run are kept", limits::SCRIPT_LOG_LINES_MAX),
            ));
        }
    }

    pub(super) fn flush(&self, sink: &mut dyn FnMut(LogLevel, &str)) {
        for (level, text) in self.lines.take() {
            sink(level, &text);
        }
    }
}
