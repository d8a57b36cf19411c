//! Messages whose delay is not over, or whose turn has not come since: however many they are, the memory for them is
//! bounded. Those that come first are kept by their place; of the rest is known where in the log they lie and which of
//! them comes first, and the log is read again before it is its turn.

use std::collections::BTreeMap;

use super::backlog::Ordinal;
use super::turn::{Instant, Turn};

/// What is kept of a delayed message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) priority: u8,
    pub(super) deliveries: u32,
}

#[derive(Debug)]
pub(super) struct Delayed {
    messages_max: usize,
    /// None of them comes after one that is beyond.
    soonest: BTreeMap<Turn, Kept>,
    /// Those that had no place there.
    beyond: Option<Beyond>,
    /// Those that had none before, while they are read again.
    search: Option<Search>,
    /// Messages of which only is known that they are there.
    uncounted: u64,
    /// When it was last looked at the time.
    looked: Instant,
}

/// Messages somewhere in a part of the log, where others are as well.
#[derive(Debug, Clone, Copy)]
struct Beyond {
    from: Ordinal,
    to: Ordinal,
    first: Turn,
}

#[derive(Debug, Clone, Copy)]
struct Search {
    among: Beyond,
    /// Where it goes on.
    at: Ordinal,
    /// The last message that it met arrived then.
    arrived: Instant,
}

impl Beyond {
    fn join(self, other: Self) -> Self {
        Self { from: self.from.min(other.from), to: self.to.max(other.to), first: self.first.min(other.first) }
    }
}

impl Delayed {
    pub(super) fn new(messages_max: usize) -> Self {
        Self {
            messages_max: messages_max.max(1),
            soonest: BTreeMap::new(),
            beyond: None,
            search: None,
            uncounted: 0,
            looked: Instant::EARLIEST,
        }
    }

    #[cfg(test)]
    pub(super) fn kept_len(&self) -> usize {
        self.soonest.len()
    }

    pub(super) fn insert(&mut self, turn: Turn, kept: Kept) {
        if self.beyond.is_some_and(|beyond| beyond.first < turn) {
            self.put_beyond(turn);
            return;
        }
        self.soonest.insert(turn, kept);
        if self.soonest.len() > self.messages_max
            && let Some((last, _)) = self.soonest.pop_last()
        {
            self.put_beyond(last);
        }
    }

    fn put_beyond(&mut self, turn: Turn) {
        let this = Beyond { from: turn.ordinal, to: turn.ordinal.next(), first: turn };
        self.beyond = Some(self.beyond.map_or(this, |beyond| beyond.join(this)));
        self.uncounted += 1;
    }

    /// Those that are due at `now` are over.
    pub(super) fn look(&mut self, now: Instant) {
        self.looked = now;
    }

    /// The first one whose delay is over, unless one may come before it that has to be found first.
    pub(super) fn first_due(&self) -> Option<Turn> {
        let (first, _) = self.soonest.first_key_value()?;
        let is_first = self.search.is_none_or(|search| *first < search.among.first);
        (is_first && first.since <= self.looked).then_some(*first)
    }

    /// The first one that is due and has to be found: all that are kept come after it.
    pub(super) fn first_to_find(&self) -> Option<Turn> {
        let first = match self.search {
            Some(search) => search.among.first,
            None => self.beyond.filter(|_| self.soonest.is_empty())?.first,
        };
        (first.since <= self.looked && self.first_due().is_none()).then_some(first)
    }

    pub(super) fn take_first(&mut self) -> Option<(Turn, Kept)> {
        self.soonest.pop_first()
    }

    /// When the next delay is over that was not when it was last looked.
    pub(super) fn next(&self) -> Option<Instant> {
        let after = Turn { since: self.looked, ordinal: Ordinal(u64::MAX) };
        self.soonest.range(after..).next().map(|(turn, _)| turn.since)
    }

    /// Messages whose delay is not over.
    pub(super) fn len(&self) -> u64 {
        let until = Turn { since: self.looked, ordinal: Ordinal(u64::MAX) };
        let due = self.soonest.range(..until).count();
        (self.soonest.len() - due) as u64 + self.uncounted
    }

    /// Where to read the log again for those that are beyond, if there is room for them; and the end of that part.
    pub(super) fn search(&mut self) -> Option<(Ordinal, Ordinal)> {
        if self.search.is_none() && self.soonest.is_empty() {
            let begin = |among: Beyond| Search { among, at: among.from, arrived: Instant::EARLIEST };
            self.search = self.beyond.take().map(begin);
        }
        self.search.map(|search| (search.at, search.among.to))
    }

    /// When the message arrived that the search met before.
    pub(super) fn search_arrived(&self) -> Instant {
        self.search.map_or(Instant::EARLIEST, |search| search.arrived)
    }

    /// The search met a message that was beyond.
    pub(super) fn found(&mut self, arrived: Instant, turn: Turn, kept: Kept) {
        self.uncounted = self.uncounted.saturating_sub(1);
        if let Some(search) = &mut self.search {
            search.arrived = arrived;
        }
        self.insert(turn, kept);
    }

    /// The search has come so far, and there may be more from there on.
    pub(super) fn searched(&mut self, at: Ordinal, more: bool) {
        let Some(search) = &mut self.search else { return };
        search.at = at;
        if !more || at >= search.among.to {
            self.search = None;
            // What was dropped by the log was never met.
            self.uncounted = if self.beyond.is_some() { self.uncounted } else { 0 };
        }
    }

    /// Forgets a message that leaves the log before its time.
    pub(super) fn forget(&mut self, ordinal: Ordinal) {
        let before = self.soonest.len();
        self.soonest.retain(|turn, _| turn.ordinal != ordinal);
        if self.soonest.len() == before {
            self.uncounted = self.uncounted.saturating_sub(1);
        }
    }

    /// Takes out what is kept and lies before `until`.
    pub(super) fn take_before(&mut self, until: Ordinal) -> Vec<Ordinal> {
        self.soonest.extract_if(.., |turn, _| turn.ordinal < until).map(|(turn, _)| turn.ordinal).collect()
    }

    /// Where the first of those lies that are beyond, and the end of that part.
    pub(super) fn beyond(&self) -> Option<(Ordinal, Ordinal)> {
        let searched = self.search.map(|search| Beyond { from: search.at, ..search.among });
        let both = match (self.beyond, searched) {
            (Some(one), Some(other)) => Some(one.join(other)),
            (one, other) => one.or(other),
        };
        both.map(|beyond| (beyond.from, beyond.to))
    }

    /// So many of those that are beyond are gone, all that lay before `from` and as many as there were up to there.
    pub(super) fn gone_beyond(&mut self, from: Ordinal, messages: u64) {
        self.uncounted = self.uncounted.saturating_sub(messages);
        self.beyond = self
            .beyond
            .filter(|beyond| beyond.to > from)
            .map(|beyond| Beyond { from: from.max(beyond.from), ..beyond });
        self.search = self
            .search
            .filter(|search| search.among.to > from)
            .map(|search| Search { at: from.max(search.at), ..search });
        if self.beyond.is_none() && self.search.is_none() {
            self.uncounted = 0;
        }
    }
}
