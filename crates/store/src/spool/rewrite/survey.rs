//! What still waits in segments that may be written anew, and whether that is little enough.

use std::collections::BTreeMap;
use std::io;

use message::{DestinationId, limits};

use super::choose::Source;
use crate::log::{Decoder, HEADER_BYTES, Log, SEGMENT_HEADER_BYTES, Window, read_end};
use crate::spool::destination::Extent;
use crate::spool::footer;
use crate::spool::state::State;

/// What waits in some segments.
#[derive(Debug)]
pub(super) struct Survey {
    /// For each source, in their order.
    pub(super) parts: Vec<Part>,
    /// All destinations that had messages in the sources, also those that have none left.
    pub(super) destinations: Vec<DestinationId>,
    /// Messages whose records cannot be read.
    pub(super) damaged: Vec<(DestinationId, u64)>,
    /// About so many bytes will the new file have.
    pub(super) bytes: u64,
    /// The number after the last that was given in the sources.
    pub(super) next: u64,
}

/// What waits in one of them.
#[derive(Debug)]
pub(super) struct Part {
    /// Where the records lie that have to be kept, in order.
    pub(super) places: Vec<u32>,
    /// What the destinations have there.
    pub(super) kept: BTreeMap<DestinationId, Kept>,
}

/// The messages of one destination that wait in one segment.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) extent: Extent,
    /// How far behind the first of the extent each is, and where its record lies.
    pub(super) messages: Vec<(u32, u32)>,
}

/// What waits in the sources; `None` when they are not worth being written anew.
pub(super) fn survey(log: &Log<State>, sources: &[Source]) -> io::Result<Option<Survey>> {
    let mut survey = Survey { parts: Vec::new(), destinations: Vec::new(), damaged: Vec::new(), bytes: 0, next: 0 };
    // A single segment is to become much smaller, several just fit together.
    let alone = sources.len() == 1;
    let all: u64 = sources.iter().map(|source| source.bytes).sum();
    let bytes_max = if alone { all / limits::SPOOL_REWRITE_PART } else { all };
    for source in sources {
        let file = log.file(&source.segment)?;
        let Some((footer, trailer)) = read_end(&*file, source.bytes)? else {
            return Err(io::Error::other("its footer is damaged"));
        };
        let extents =
            footer::decode(&footer, source.segment.base).ok_or_else(|| io::Error::other("its footer says nothing"))?;
        survey.next = trailer.next;
        survey.destinations.extend(extents.iter().map(|(id, _)| *id));
        let kept = waiting(log, &footer, trailer.footer_at, extents);
        let mut places: Vec<u32> = kept.values().flat_map(|kept| &kept.messages).map(|(_, place)| *place).collect();
        places.sort_unstable();
        places.dedup();
        let mut window = Window::new(&*file, trailer.footer_at, source.segment.seed);
        let mut damaged = Vec::new();
        for (index, place) in places.iter().enumerate() {
            let rest = places.get(index..).unwrap_or_default();
            match window.record(u64::from(*place), || span(rest))? {
                Some(record) => survey.bytes += record.len() as u64,
                None => damaged.push(*place),
            }
            if survey.bytes > bytes_max {
                return Ok(None);
            }
        }
        survey.take_in(Part { places, kept }, &damaged);
    }
    survey.destinations.sort_unstable();
    survey.destinations.dedup();
    survey.bytes += survey.footer_bytes() + SEGMENT_HEADER_BYTES as u64;
    Ok((survey.bytes <= bytes_max).then_some(survey))
}

/// How much to read from the first of these places on: as far as they lie near to each other.
pub(super) fn span(places: &[u32]) -> usize {
    let mut end = 0;
    for pair in places.windows(2) {
        let [one, other] = pair else { break };
        let distance = (other - one) as usize;
        if distance > limits::LOG_READ_GAP_BYTES_MAX as usize || end + distance > limits::LOG_READ_BYTES_MAX {
            break;
        }
        end += distance;
    }
    end + 2 * HEADER_BYTES + 256
}

/// What waits of these extents. The lock is taken for a few at a time.
fn waiting(
    log: &Log<State>,
    footer: &[u8],
    footer_at: u64,
    extents: Vec<(DestinationId, Extent)>,
) -> BTreeMap<DestinationId, Kept> {
    let mut kept = BTreeMap::new();
    let mut extents = extents.into_iter().map(|(id, extent)| (id, extent, extent.first)).peekable();
    while extents.peek().is_some() {
        let state = log.lock();
        let mut left = limits::SPOOL_SURVEY_MESSAGES;
        while left > 0
            && let Some((id, extent, from)) = extents.peek_mut()
        {
            let ordinals = match state.destinations.get(id) {
                Some(destination) => destination.waiting_within(*from, extent.end(), left),
                None => Vec::new(),
            };
            let list = usize::try_from(u64::from(extent.places_at).saturating_sub(footer_at)).unwrap_or(usize::MAX);
            let place = |ordinal: &u64| {
                let behind = u32::try_from(ordinal - extent.first).ok()?;
                let at = list.checked_add(behind as usize * 4)?;
                let place = Decoder::new(footer.get(at..)?, 0).number_u32()?;
                (place > 0).then_some((behind, place))
            };
            if let Some(last) = ordinals.last() {
                let entry = kept.entry(*id).or_insert_with(|| Kept { extent: *extent, messages: Vec::new() });
                entry.messages.extend(ordinals.iter().filter_map(place));
                *from = last + 1;
            }
            let is_whole = ordinals.len() < left;
            left -= ordinals.len().max(1).min(left);
            if is_whole {
                extents.next();
            }
        }
    }
    kept
}

impl Survey {
    /// Adds a part without the records that are damaged.
    fn take_in(&mut self, mut part: Part, damaged: &[u32]) {
        if !damaged.is_empty() {
            let is_damaged = |place: &u32| damaged.binary_search(place).is_ok();
            part.places.retain(|place| !is_damaged(place));
            for (id, kept) in &mut part.kept {
                let first = kept.extent.first;
                let lost = kept.messages.extract_if(.., |(_, place)| is_damaged(place));
                self.damaged.extend(lost.map(|(behind, _)| (*id, first + u64::from(behind))));
            }
        }
        part.kept.retain(|_, kept| !kept.messages.is_empty());
        self.parts.push(part);
    }

    /// What the footer will have.
    fn footer_bytes(&self) -> u64 {
        let mut ends: BTreeMap<DestinationId, (u64, u64)> = BTreeMap::new();
        for (id, kept) in self.parts.iter().flat_map(|part| &part.kept) {
            let (Some((first, _)), Some((last, _))) = (kept.messages.first(), kept.messages.last()) else { continue };
            let (first, end) = (kept.extent.first + u64::from(*first), kept.extent.first + u64::from(*last) + 1);
            ends.entry(*id).and_modify(|(_, known)| *known = end).or_insert((first, end));
        }
        ends.values().map(|(first, end)| footer::ENTRY_BYTES + 4 * (end - first)).sum()
    }
}
