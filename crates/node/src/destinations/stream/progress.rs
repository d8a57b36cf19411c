//! How far the readers of one cursor are in their stream: which offsets they have read, and which of these are acknowledged,
//! in whatever order. It knows no messages.

use std::collections::BTreeMap;

use store::log::Ranges;

/// Every offset before `unread` is acknowledged, outstanding, or missing.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// All before it is acknowledged, or missing, of which readers were told.
    cursor: u64,
    /// Acknowledged offsets behind the cursor, those among them that were acknowledged in an earlier life and not yet passed.
    acknowledged: Ranges,
    /// The first offset that was not read.
    unread: u64,
    /// What comes after the last message that was read: all between that and the next one is missing.
    expected: u64,
    /// What is missing before messages that are outstanding, by the offsets of these.
    gaps: BTreeMap<u64, Gap>,
    /// Messages that were gone when they were read again, of which readers are not told yet.
    gone: u64,
    /// Counts what has to be saved.
    changes: u64,
}

/// What is missing before a message: from an offset on, and messages that were gone when they were read again.
#[derive(Debug, Clone, Copy)]
struct Gap {
    from: u64,
    gone: u64,
}

impl Progress {
    /// Begins at a cursor, with what is acknowledged behind it.
    pub(super) fn new(cursor: u64, acknowledged: Ranges) -> Self {
        Self { cursor, acknowledged, unread: cursor, expected: cursor, ..Self::default() }
    }

    /// Begins anew elsewhere. What was acknowledged counts no more.
    pub(super) fn seek(&mut self, cursor: u64) {
        *self = Self { changes: self.changes + 1, ..Self::new(cursor, Ranges::default()) };
    }

    /// The first offset that is not acknowledged, or the first that is missing before it.
    pub(super) fn cursor(&self) -> u64 {
        self.cursor
    }

    pub(super) fn unread(&self) -> u64 {
        self.unread
    }

    /// Another number than before says that there is something to save.
    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    /// Where to read next, and how many offsets there are before the next one that is acknowledged.
    pub(super) fn next_read(&mut self) -> (u64, u64) {
        // What was acknowledged in an earlier life may have become a part of what lies before the cursor.
        self.unread = self.acknowledged.next_missing(self.unread.max(self.cursor));
        self.expected = self.acknowledged.next_missing(self.expected.max(self.cursor));
        let end = self.acknowledged.next_contained(self.unread);
        (self.unread, end.map_or(u64::MAX, |end| end - self.unread))
    }

    /// A message was read that was not read before. Says whether it is outstanding now: otherwise it is acknowledged.
    pub(super) fn take(&mut self, offset: u64) -> bool {
        if self.acknowledged.contains(offset) {
            return false;
        }
        if offset > self.expected || self.gone > 0 {
            let gone = std::mem::take(&mut self.gone);
            self.gaps.insert(offset, Gap { from: self.expected, gone });
        }
        self.expected = offset + 1;
        true
    }

    /// All before this offset was read.
    pub(super) fn read_until(&mut self, unread: u64) {
        self.unread = self.unread.max(unread);
    }

    /// How many messages are missing before one that is outstanding.
    pub(super) fn missing_before(&self, offset: u64) -> u64 {
        self.gaps.get(&offset).map_or(0, |gap| self.not_acknowledged(gap.from, offset) + gap.gone)
    }

    /// Readers have worked a message off, or do not want it.
    pub(super) fn acknowledge(&mut self, offset: u64) {
        if !(self.cursor..self.unread).contains(&offset) || self.acknowledged.contains(offset) {
            return;
        }
        self.changes += 1;
        // With its message a gap is past.
        let gap = if self.gaps.is_empty() { None } else { self.gaps.remove(&offset) };
        let from = gap.map_or(offset, |gap| gap.from.max(self.cursor));
        if from == offset && offset == self.cursor {
            self.cursor = offset + 1;
        } else {
            self.acknowledged.insert_run(from, offset + 1);
        }
        if let Some(end) = self.acknowledged.take_run(self.cursor) {
            self.cursor = end;
        }
    }

    /// An outstanding message is not there any more. The next one that is read tells of it.
    pub(super) fn lose(&mut self, offset: u64) {
        self.gone += self.missing_before(offset) + 1;
        self.acknowledge(offset);
    }

    /// Messages that are not acknowledged, of a stream that has those from `earliest` to `next`. What is known to be missing
    /// does not count.
    pub(super) fn lag(&self, earliest: u64, next: u64) -> u64 {
        let from = self.cursor.max(earliest);
        let within = |first: u64, end: u64| self.not_acknowledged(first.max(from), end.min(next));
        let gaps = self.gaps.iter().map(|(offset, gap)| within(gap.from, *offset));
        let missing: u64 = gaps.sum::<u64>() + within(self.expected, self.unread);
        within(from, next).saturating_sub(missing)
    }

    fn not_acknowledged(&self, first: u64, end: u64) -> u64 {
        end.saturating_sub(first) - self.acknowledged.count_within(first, end.max(first))
    }

    /// The acknowledged offsets behind the cursor in so many runs: the first ones and, so that the furthest offset that a
    /// reader has seen is known, the last one.
    pub(super) fn acknowledged(&self, runs_max: usize) -> Ranges {
        let runs = self.acknowledged.iter();
        if runs.len() <= runs_max {
            return self.acknowledged.clone();
        }
        let mut some = Ranges::default();
        let kept = runs.take(runs_max.saturating_sub(1)).chain(self.acknowledged.iter().last());
        kept.for_each(|(first, end)| some.insert_run(first, end));
        some
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// What happens to readers of a stream.
    #[derive(Debug, Clone)]
    enum Step {
        Read(u64),
        /// The outstanding message at this place of all that are.
        Acknowledge(prop::sample::Index),
        /// Read again, it is gone.
        Lose(prop::sample::Index),
        /// The node ends, with so many runs saved at most.
        Restart(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (1u64..8).prop_map(Step::Read),
            8 => any::<prop::sample::Index>().prop_map(Step::Acknowledge),
            1 => any::<prop::sample::Index>().prop_map(Step::Lose),
            1 => (2usize..6).prop_map(Step::Restart),
        ]
    }

    const END: u64 = 60;

    /// Says of each offset what has become of it.
    #[derive(Debug, Default)]
    struct Model {
        there: BTreeSet<u64>,
        outstanding: BTreeSet<u64>,
        acknowledged: BTreeSet<u64>,
    }

    impl Model {
        /// Reads as a stream does: the first messages from an offset on, and where the next read goes on.
        fn read(&self, from: u64, messages_max: u64) -> (Vec<u64>, u64) {
            let found: Vec<u64> = self.there.range(from..).take(messages_max as usize).copied().collect();
            let full = found.len() as u64 == messages_max;
            let next = found.last().filter(|_| full).map_or(END, |last| last + 1);
            (found, next.max(from))
        }

        fn outstanding(&self, index: prop::sample::Index) -> Option<u64> {
            let count = self.outstanding.len();
            if count == 0 { None } else { self.outstanding.iter().nth(index.index(count)).copied() }
        }
    }

    fn restarted(progress: &Progress, runs_max: usize, model: &mut Model) -> Progress {
        let saved = progress.acknowledged(runs_max);
        let cursor = progress.cursor();
        assert!(saved.iter().len() <= runs_max);
        assert!(saved.iter().all(|(first, end)| first > cursor && first < end), "{saved:?} at {cursor}");
        assert_eq!(saved.end(), progress.acknowledged.end());
        let is_all = saved == progress.acknowledged;
        model.outstanding.clear();
        let kept: BTreeSet<u64> =
            model.acknowledged.iter().copied().filter(|offset| *offset < cursor || saved.contains(*offset)).collect();
        assert!(!is_all || kept == model.acknowledged, "{kept:?} of {:?}", model.acknowledged);
        model.acknowledged = kept;
        Progress::new(cursor, saved)
    }

    proptest! {
        #[test]
        fn each_message_comes_until_it_is_acknowledged_and_not_again(
            holes in prop::collection::btree_set(0u64..END, 0..20),
            steps in prop::collection::vec(step(), 0..120),
        ) {
            let mut model = Model { there: (0..END).filter(|offset| !holes.contains(offset)).collect(), ..Model::default() };
            let mut progress = Progress::new(0, Ranges::default());
            for step in steps {
                match step {
                    Step::Read(messages_max) => {
                        let (from, room) = progress.next_read();
                        let (found, next) = model.read(from, messages_max.min(room));
                        for offset in found {
                            let is_new = progress.take(offset);
                            prop_assert_eq!(is_new, !model.acknowledged.contains(&offset), "{}", offset);
                            if is_new {
                                prop_assert!(model.outstanding.insert(offset), "{} is handed out twice", offset);
                            }
                        }
                        progress.read_until(next);
                    }
                    Step::Acknowledge(index) => {
                        if let Some(offset) = model.outstanding(index) {
                            progress.acknowledge(offset);
                            // Once more does no harm.
                            progress.acknowledge(offset);
                            model.outstanding.remove(&offset);
                            model.acknowledged.insert(offset);
                        }
                    }
                    Step::Lose(index) => {
                        if let Some(offset) = model.outstanding(index) {
                            progress.lose(offset);
                            model.outstanding.remove(&offset);
                            model.there.remove(&offset);
                        }
                    }
                    Step::Restart(runs_max) => progress = restarted(&progress, runs_max, &mut model),
                }
                let open = model.there.iter().filter(|offset| !model.acknowledged.contains(*offset));
                let open: Vec<u64> = open.copied().collect();
                // The cursor never passes what is open, and what is read is outstanding or acknowledged.
                prop_assert!(open.first().is_none_or(|first| progress.cursor() <= *first));
                prop_assert!(open.iter().all(|offset| !progress.acknowledged.contains(*offset)));
                let read: Vec<u64> = open.iter().copied().filter(|offset| *offset < progress.unread()).collect();
                prop_assert_eq!(read, model.outstanding.iter().copied().collect::<Vec<_>>());
                // Offsets that are not read may be missing: nobody knows yet.
                let unread = progress.unread().max(progress.cursor());
                for earliest in [0, END / 2] {
                    let unread = (unread.max(earliest)..END).filter(|at| !progress.acknowledged.contains(*at)).count();
                    let open = model.outstanding.range(earliest..).count() + unread;
                    prop_assert_eq!(progress.lag(earliest, END), open as u64);
                }
            }
        }
    }

    #[test]
    fn a_message_tells_how_many_are_missing_before_it_without_those_that_were_acknowledged() {
        let mut progress = Progress::new(
            3,
            [(10, 20)].into_iter().fold(Ranges::default(), |mut ranges, (first, end)| {
                ranges.insert_run(first, end);
                ranges
            }),
        );
        // Retention took all up to 25 in the meantime.
        assert_eq!(progress.next_read(), (3, 7));
        assert!(progress.take(25));
        progress.read_until(26);
        assert_eq!(progress.missing_before(25), 12);
        assert_eq!((progress.cursor(), progress.lag(25, 30)), (3, 5));
        // Until it is acknowledged, the next life tells of them, too.
        assert_eq!(progress.acknowledged(10).iter().collect::<Vec<_>>(), [(10, 20)]);
        progress.acknowledge(25);
        assert_eq!((progress.cursor(), progress.acknowledged(10)), (26, Ranges::default()));
    }

    #[test]
    fn a_message_that_is_gone_when_it_is_read_again_is_told_with_the_next() {
        let mut progress = Progress::new(0, Ranges::default());
        assert!(progress.take(4));
        progress.read_until(5);
        progress.lose(4);
        assert_eq!(progress.cursor(), 5);
        assert!(progress.take(5));
        assert_eq!(progress.missing_before(5), 5);
        assert!(progress.take(6));
        assert_eq!(progress.missing_before(6), 0);
    }
}
