//! What could be seen of a story: every line goes into one hash, and is kept as text for those who want to read it.

use std::fmt::Write as _;

use message::Now;

/// The record of one story. Two runs of one seed have equal records, or the node is not deterministic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    hash: u64,
    lines: u64,
    text: Option<String>,
    line: String,
}

impl Trace {
    /// A record that keeps its lines as text, or only their hash.
    pub fn new(keep_text: bool) -> Self {
        Self { hash: 0xCBF2_9CE4_8422_2325, lines: 0, text: keep_text.then(String::new), line: String::new() }
    }

    /// The hash of all lines so far: FNV-1a with 64 bits.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// How many lines there are.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// All lines, if they were to be kept; the first column is the time in seconds.
    pub fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }

    pub(crate) fn note(&mut self, now: Now, what: std::fmt::Arguments<'_>) {
        let mut line = std::mem::take(&mut self.line);
        line.clear();
        let seconds = now.moment.as_nanos() / 1_000_000_000;
        let micros = now.moment.as_nanos() / 1_000 % 1_000_000;
        // Writing to a `String` does not fail.
        let _ = writeln!(line, "{seconds:>6}.{micros:06} {what}");
        self.hash = line.bytes().fold(self.hash, fnv);
        self.lines += 1;
        if let Some(text) = &mut self.text {
            text.push_str(&line);
        }
        self.line = line;
    }
}

fn fnv(hash: u64, byte: u8) -> u64 {
    (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
}

/// A short name for bytes that went over the network.
pub(crate) fn fingerprint(bytes: &[u8]) -> u32 {
    let hash = bytes.iter().copied().fold(0xCBF2_9CE4_8422_2325, fnv);
    (hash ^ hash >> 32) as u32
}
