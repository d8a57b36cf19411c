//! Which segments are worth being written anew.

use std::sync::Arc;

use message::limits;

use crate::log::Segment;
use crate::spool::state::{Sealed, State};

/// A segment as it is before it is written anew.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) segment: Arc<Segment>,
    pub(super) bytes: u64,
}

impl Source {
    fn of(sealed: &Sealed) -> Self {
        Self { segment: Arc::clone(&sealed.segment), bytes: sealed.bytes }
    }
}

impl Sealed {
    /// It has so little left, compared to when it was last looked at, that it may be worth it.
    fn is_due(&self) -> bool {
        let (live, bytes) = self.looked;
        let part = limits::SPOOL_REWRITE_PART;
        self.live > 0 && (self.live.saturating_mul(part) <= live || self.live_bytes.saturating_mul(part) <= bytes)
    }
}

impl State {
    /// The segments that become one next: one that is mostly dead, or else neighbours that are small. They stay until they
    /// are released. Whatever is needed to find the state again after the newest segment is damaged is left alone.
    pub(super) fn choose(&mut self) -> Option<Vec<Source>> {
        if !self.rewriting.is_empty() {
            return None;
        }
        let is_safe = |sealed: &&Sealed| sealed.has_state && sealed.is_on_disk();
        let state_from = self.segments.values().rev().find(is_safe).map(|sealed| sealed.segment.base)?;
        let older = || self.segments.range(..state_from).map(|(_, sealed)| sealed).filter(|sealed| sealed.is_on_disk());
        let due = older().filter(|sealed| sealed.is_due());
        let most_dead = due.max_by_key(|sealed| sealed.bytes.saturating_sub(sealed.live_bytes));
        let chosen = match most_dead {
            Some(sealed) => vec![Source::of(sealed)],
            None => small_neighbours(older(), self.options.segment_bytes)?,
        };
        self.rewriting = chosen.iter().map(|source| source.segment.base).collect();
        Some(chosen)
    }

    /// Segments may be removed again.
    pub(super) fn release(&mut self, sources: &[Source]) {
        self.rewriting.retain(|base| sources.iter().all(|source| source.segment.base != *base));
        self.remove_emptied();
    }

    /// Releases segments that are not worth it until they have much less left.
    pub(super) fn leave_for_now(&mut self, sources: &[Source]) {
        for source in sources {
            if let Some(sealed) = self.segments.get_mut(&source.segment.base) {
                sealed.looked = (sealed.live, sealed.live_bytes);
                sealed.stays_alone |= sources.len() > 1;
            }
        }
        self.release(sources);
    }

    /// Releases segments that cannot be written anew.
    pub(super) fn leave_for_good(&mut self, sources: &[Source]) {
        for source in sources {
            if let Some(sealed) = self.segments.get_mut(&source.segment.base) {
                sealed.looked = (0, 0);
                sealed.stays_alone = true;
            }
        }
        self.release(sources);
    }
}

/// Enough neighbours, each a small part of a segment, that are one segment together. As many have to come together that
/// no message is copied for this more than a few times, however long it waits.
fn small_neighbours<'a>(older: impl Iterator<Item = &'a Sealed>, segment_bytes: u64) -> Option<Vec<Source>> {
    let count = limits::SPOOL_MERGE_SEGMENTS;
    let mut run: Vec<Source> = Vec::new();
    let mut bytes = 0;
    for sealed in older {
        let is_small = sealed.bytes.saturating_mul(count as u64) <= segment_bytes && !sealed.stays_alone;
        if is_small && sealed.live > 0 && bytes + sealed.bytes <= segment_bytes {
            bytes += sealed.bytes;
            run.push(Source::of(sealed));
            continue;
        }
        if run.len() >= count {
            break;
        }
        run.clear();
        bytes = 0;
    }
    (run.len() >= count).then_some(run)
}
