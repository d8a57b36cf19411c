//! The levels of a topic, and those of filters that lead from one node of the tree to the next.

use std::hash::BuildHasher;

use foldhash::quality::FixedState;
use message::TopicName;
use smol_str::SmolStr;

/// Space to begin with for the levels of a topic; more is taken when needed.
const LEVELS_USUAL: usize = 12;

/// A topic taken apart.
#[derive(Debug)]
pub(super) struct Levels<'t> {
    text: &'t str,
    /// Where each level begins, and its hash.
    levels: Vec<(usize, u64)>,
    /// Wildcards at the first level do not match it.
    pub(super) is_reserved: bool,
}

impl<'t> Levels<'t> {
    pub(super) fn of(topic: &'t TopicName, hasher: &FixedState) -> Self {
        let mut levels = Vec::with_capacity(LEVELS_USUAL);
        let mut start = 0;
        for level in topic.levels() {
            levels.push((start, hasher.hash_one(level)));
            start += level.len() + 1;
        }
        Self { text: topic.as_str(), levels, is_reserved: topic.is_reserved() }
    }

    pub(super) fn len(&self) -> usize {
        self.levels.len()
    }

    /// The hash of one level; none behind the last.
    pub(super) fn hash(&self, at: usize) -> Option<u64> {
        self.levels.get(at).map(|(_, hash)| *hash)
    }

    fn rest(&self, at: usize) -> Option<&'t str> {
        self.text.get(self.levels.get(at)?.0..)
    }
}

/// One or more levels of a filter, `+` among them but never `#`; only that of the root has none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Path {
    /// Joined by `/`.
    text: SmolStr,
    levels: u16,
}

impl Path {
    pub(super) fn of(levels: &[&str]) -> Self {
        // No filter has more: a topic has far fewer levels.
        Self { text: SmolStr::from(levels.join("/")), levels: u16::try_from(levels.len()).unwrap_or(u16::MAX) }
    }

    pub(super) fn first(&self) -> &str {
        self.text.split('/').next().unwrap_or_default()
    }

    pub(super) fn len(&self) -> usize {
        usize::from(self.levels)
    }

    pub(super) fn levels(&self) -> impl Iterator<Item = &str> {
        self.text.split('/').take(self.len())
    }

    /// Whether these are its levels.
    pub(super) fn is(&self, levels: &[&str]) -> bool {
        levels.len() == self.len() && self.common(levels) == levels.len()
    }

    /// How many levels at its beginning are those of a filter.
    pub(super) fn common(&self, filter: &[&str]) -> usize {
        self.levels().zip(filter).take_while(|(own, level)| own == *level).count()
    }

    pub(super) fn split_at(&self, levels: usize) -> (Self, Self) {
        let all: Vec<&str> = self.levels().collect();
        let (upper, lower) = all.split_at(levels.min(all.len()));
        (Self::of(upper), Self::of(lower))
    }

    pub(super) fn joined(&self, below: &Self) -> Self {
        let levels: Vec<&str> = self.levels().chain(below.levels()).collect();
        Self::of(&levels)
    }

    /// Follows a topic from its level `at`. Returns the level behind this path if the topic goes along it.
    pub(super) fn follow(&self, topic: &Levels<'_>, at: usize) -> Option<usize> {
        if self.levels == 0 {
            return Some(at);
        }
        let (rest, mut read) = (topic.rest(at)?.as_bytes(), 0);
        for byte in self.text.bytes() {
            // `+` is always a whole level.
            if byte == b'+' {
                read += rest.iter().skip(read).take_while(|byte| **byte != b'/').count();
            } else if rest.get(read) == Some(&byte) {
                read += 1;
            } else {
                return None;
            }
        }
        matches!(rest.get(read), None | Some(b'/')).then_some(at + self.len())
    }
}
