//! What is noted outside of the node: what was acknowledged, and what arrived.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

/// The acknowledgements to one publisher, in a file. One counts when it is in there.
#[derive(Debug)]
pub(crate) struct Book {
    topic: &'static str,
    path: PathBuf,
    file: File,
}

impl Book {
    pub(crate) fn create(path: &Path, topic: &'static str) -> Self {
        Self { topic, path: path.to_owned(), file: File::create_new(path).unwrap() }
    }

    pub(crate) fn topic(&self) -> &'static str {
        self.topic
    }

    /// Notes what was acknowledged at once, safely.
    pub(crate) fn note(&mut self, numbers: &[u64]) {
        if numbers.is_empty() {
            return;
        }
        let lines: String = numbers.iter().map(|number| format!("{number}\n")).collect();
        self.file.write_all(lines.as_bytes()).unwrap();
        self.file.sync_data().unwrap();
    }

    /// What the file says.
    pub(crate) fn acknowledged(&self) -> Vec<u64> {
        let text = std::fs::read_to_string(&self.path).unwrap();
        text.lines().map(|line| line.parse().unwrap()).collect()
    }
}

/// What arrived, in its order.
#[derive(Debug, Default)]
pub(crate) struct Delivered {
    messages: Vec<(String, u64)>,
}

impl Delivered {
    /// Notes a message; returns whether it was the last of its publisher and came for the first time.
    pub(crate) fn note(&mut self, topic: String, number: u64) -> bool {
        let is_new_end =
            number == crate::END && !self.messages.iter().rev().any(|(of, at)| *of == topic && *at == number);
        self.messages.push((topic, number));
        is_new_end
    }

    pub(crate) fn of<'a>(&'a self, topic: &'a str) -> impl Iterator<Item = &'a u64> {
        self.messages.iter().filter(move |(of, _)| of == topic).map(|(_, number)| number)
    }
}
