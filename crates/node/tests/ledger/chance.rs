//! Random numbers for moments. They differ from run to run, as the moments do anyway.

use std::hash::{BuildHasher, RandomState};

#[derive(Debug)]
pub(crate) struct Chance {
    keys: RandomState,
    count: u64,
}

impl Chance {
    pub(crate) fn new() -> Self {
        Self { keys: RandomState::new(), count: 0 }
    }

    /// The next number below `limit`.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.count += 1;
        self.keys.hash_one(self.count) % limit
    }
}
