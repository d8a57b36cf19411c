//! A set of numbers that come mostly in runs: acknowledgements out of order.

use std::collections::BTreeMap;

/// Disjoint runs that do not touch, each with its first number and the one after its last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ranges(BTreeMap<u64, u64>);

impl Ranges {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn contains(&self, number: u64) -> bool {
        self.0.range(..=number).next_back().is_some_and(|(_, end)| number < *end)
    }

    /// Adds a number; whether it is new.
    pub fn insert(&mut self, number: u64) -> bool {
        if self.contains(number) {
            return false;
        }
        let (mut from, mut to) = (number, number.saturating_add(1));
        if let Some((first, end)) = self.0.range(..number).next_back().map(|(first, end)| (*first, *end))
            && end == number
        {
            from = first;
        }
        if let Some(end) = self.0.remove(&to) {
            to = end;
        }
        self.0.insert(from, to);
        true
    }

    /// Takes the run that begins at `number` out; what comes after it is the answer.
    pub fn take_run(&mut self, number: u64) -> Option<u64> {
        self.0.remove(&number)
    }

    /// The first number from `number` on that is not in the set.
    pub fn next_missing(&self, number: u64) -> u64 {
        match self.0.range(..=number).next_back() {
            Some((_, end)) if number < *end => *end,
            _ => number,
        }
    }

    /// Numbers of `from..to` that are in the set.
    pub fn count_within(&self, from: u64, to: u64) -> u64 {
        let before = self.0.range(..from).next_back().map(|(first, end)| (*first, *end));
        let inside = self.0.range(from..to.max(from)).map(|(first, end)| (*first, *end));
        before.into_iter().chain(inside).map(|(first, end)| end.min(to).saturating_sub(first.max(from))).sum()
    }

    /// The runs, in order: the first number and the one after the last.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (u64, u64)> {
        self.0.iter().map(|(first, end)| (*first, *end))
    }

    /// Adds all numbers of `first..end`.
    pub fn insert_run(&mut self, first: u64, end: u64) {
        if first >= end {
            return;
        }
        let (mut from, mut to) = (first, end);
        // From the last one on that touches, back to the first.
        while let Some((other, other_end)) = self.0.range(..=to).next_back().map(|(other, end)| (*other, *end))
            && other_end >= from
        {
            self.0.remove(&other);
            (from, to) = (from.min(other), to.max(other_end));
        }
        self.0.insert(from, to);
    }

    /// The first number from `number` on that is in the set.
    pub fn next_contained(&self, number: u64) -> Option<u64> {
        if self.contains(number) {
            return Some(number);
        }
        self.0.range(number..).next().map(|(first, _)| *first)
    }

    /// The number after the last one.
    pub fn end(&self) -> Option<u64> {
        self.0.last_key_value().map(|(_, end)| *end)
    }

    /// Adds a run that lies behind all others.
    pub(crate) fn push(&mut self, first: u64, end: u64) {
        match self.0.last_entry() {
            Some(mut last) if *last.get() >= first => {
                last.insert(end);
            }
            _ => {
                self.0.insert(first, end);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_a_set(
            numbers in prop::collection::vec(0u64..60, 0..80),
            runs in prop::collection::vec((0u64..60, 0u64..8), 0..6),
            from in 0u64..60,
            length in 0u64..30,
        ) {
            let mut ranges = Ranges::default();
            let mut model = BTreeSet::new();
            for number in numbers {
                prop_assert_eq!(ranges.insert(number), model.insert(number));
            }
            for (first, length) in runs {
                ranges.insert_run(first, first + length);
                model.extend(first..first + length);
            }
            prop_assert_eq!(ranges.end(), model.last().map(|last| last + 1));
            for number in 0..70 {
                prop_assert_eq!(ranges.next_contained(number), model.range(number..).next().copied());
                prop_assert_eq!(ranges.contains(number), model.contains(&number));
                let missing = (number..).find(|next| !model.contains(next));
                prop_assert_eq!(Some(ranges.next_missing(number)), missing);
            }
            let flat: Vec<u64> = ranges.iter().flat_map(|(first, end)| first..end).collect();
            prop_assert_eq!(flat, model.iter().copied().collect::<Vec<_>>());
            let within = model.range(from..from + length).count() as u64;
            prop_assert_eq!(ranges.count_within(from, from + length), within);
            let ends: Vec<(u64, u64)> = ranges.iter().collect();
            prop_assert!(ends.windows(2).all(|pair| pair[0].1 < pair[1].0), "runs touch");
        }
    }
}
