//! Puts the state of a spool together from what its files say.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use message::{Bytes, DestinationId, Publication};

use crate::Revision;
use crate::log::{
    Chunk, Decoder, Found, OpenRead, RECORD_BYTES_LEAST, SEGMENT_HEADER_BYTES, Scanned, Segment, Trailer,
    decode_publication,
};
use crate::spool::destination::{Destination, Extent};
use crate::spool::footer;
use crate::spool::options::{DropReason, SpoolOptions};
use crate::spool::record::{
    KIND_DELIVERED, KIND_DROPPED, KIND_INBOUND, KIND_LABELS, KIND_MESSAGE, KIND_RECEIVED, KIND_RELEASED, KIND_REMOVED,
    KIND_RETAINED, KIND_SETTLED, KIND_SNAPSHOT, Origin, delivered, dropped, label, message_head, packet, placement,
    received, settled,
};
use crate::spool::retained::Untold;
use crate::spool::snapshot::snapshot;
use crate::spool::state::{Sealed, State};

/// Where the messages of a segment are that has no footer.
#[derive(Debug, Default)]
pub(in crate::spool) struct Index(BTreeMap<DestinationId, Listed>);

#[derive(Debug, Default)]
struct Listed {
    first: u64,
    /// Zero for one that is missing.
    places: Vec<u32>,
    bytes: u64,
    oldest_us: i64,
    newest_us: i64,
}

/// A segment without a footer, read record by record.
#[derive(Debug)]
struct Open {
    segment: Arc<Segment>,
    scanned: Scanned,
    lost_at_end: u64,
    index: Index,
}

/// The state as far as it is known.
#[derive(Debug)]
pub(super) struct Replay {
    options: SpoolOptions,
    /// The last segment begins with a whole snapshot: a message that is in no segment, and is not acknowledged, is lost.
    pub(super) state_is_whole: bool,
    destinations: HashMap<DestinationId, Destination, foldhash::fast::RandomState>,
    extents: HashMap<DestinationId, Vec<Extent>, foldhash::fast::RandomState>,
    /// Each with the bytes of its file and the messages that waited when it was sealed.
    sealed: Vec<(Arc<Segment>, u64, u64)>,
    /// The segment with the snapshot that the state begins with.
    pub(super) from: Option<u64>,
    open: Vec<Open>,
    headers: Vec<Arc<Segment>>,
    /// Nothing is damaged in the last segment. What is missing of it was promised to nobody if it was being written, and was
    /// told when it got its footer if it has one.
    pub(super) last_is_whole: bool,
    /// What each destination was to get next when the last segment was begun: all below is in segments that were sealed.
    safe: HashMap<DestinationId, u64, foldhash::fast::RandomState>,
    pub(super) next: u64,
    /// As many numbers may have been given to records that were cut.
    cut_records: u64,
    /// The largest number of a destination, there still or removed.
    highest: Option<DestinationId>,
    retained: Untold,
}

impl Index {
    /// Notes the placements of a message.
    pub(in crate::spool) fn record(&mut self, found: Found<'_>) {
        if found.header.kind == KIND_MESSAGE {
            // What is whole can be read; otherwise it was written by something else.
            let _ = self.message(found);
        }
    }

    fn message(&mut self, found: Found<'_>) -> Option<()> {
        let mut body = found.body();
        let head = message_head(&mut body)?;
        for _ in 0..head.placements {
            let placed = placement(&mut body)?;
            self.add(placed.placement.destination, placed.ordinal, found);
        }
        Some(())
    }

    fn add(&mut self, id: DestinationId, ordinal: u64, found: Found<'_>) {
        let listed = self.0.entry(id).or_default();
        if listed.places.is_empty() {
            listed.first = ordinal;
            listed.oldest_us = found.header.timestamp_us;
        }
        let index = usize::try_from(ordinal.saturating_sub(listed.first)).unwrap_or(usize::MAX);
        // A segment gives far fewer ordinals than this to one destination.
        if index >= listed.places.len() && index <= found.at + listed.places.len() {
            listed.places.resize(index, 0);
            listed.places.push(u32::try_from(found.at).unwrap_or(u32::MAX));
            listed.bytes += u64::from(found.header.length);
            listed.newest_us = found.header.timestamp_us;
        }
    }
}

impl Index {
    /// Where a message lies.
    pub(in crate::spool) fn place_of(&self, id: DestinationId, ordinal: u64) -> Option<u32> {
        let listed = self.0.get(&id)?;
        listed.places.get(usize::try_from(ordinal.checked_sub(listed.first)?).ok()?).copied()
    }

    /// What the footer of the segment says.
    pub(in crate::spool) fn entries(self, base: u64) -> Vec<footer::Entry> {
        let entry = |(id, listed): (DestinationId, Listed)| {
            let count = u32::try_from(listed.places.len()).unwrap_or(u32::MAX);
            let live = listed.places.iter().filter(|place| **place != 0).count();
            let extent = Extent {
                segment: base,
                first: listed.first,
                count,
                live: u32::try_from(live).unwrap_or(u32::MAX),
                bytes: listed.bytes,
                places_at: 0,
                oldest_us: listed.oldest_us,
                newest_us: listed.newest_us,
            };
            (id, extent, listed.places)
        };
        self.0.into_iter().map(entry).collect()
    }
}

impl Replay {
    pub(super) fn new(options: SpoolOptions) -> Self {
        Self {
            options,
            state_is_whole: false,
            destinations: HashMap::default(),
            extents: HashMap::default(),
            sealed: Vec::new(),
            from: None,
            open: Vec::new(),
            headers: Vec::new(),
            last_is_whole: false,
            safe: HashMap::default(),
            next: 0,
            cut_records: 0,
            highest: None,
            retained: Untold::default(),
        }
    }

    /// The destination with this number, which is known from now on.
    fn destination(&mut self, id: DestinationId) -> &mut Destination {
        self.highest = self.highest.max(Some(id));
        self.destinations.entry(id).or_default()
    }

    /// What a record says about the state, and where its messages are.
    pub(super) fn record(&mut self, found: Found<'_>, index: Option<&mut Index>) {
        // What is whole can be read; otherwise it was written by something else.
        let _ = self.apply(found);
        if let Some(index) = index {
            index.record(found);
        }
    }

    fn apply(&mut self, found: Found<'_>) -> Option<()> {
        let mut body = found.body();
        match found.header.kind {
            KIND_MESSAGE => self.message(body, found)?,
            KIND_INBOUND => {
                let (session, packet) = packet(&mut body)?;
                self.inbound(session, packet);
            }
            KIND_RETAINED => {
                let revision = Revision(body.varint()?);
                self.retained.note(revision, publication(&body, found)?);
            }
            KIND_SETTLED => {
                let left = settled(&mut body)?;
                let destination = self.destination(left.destination);
                for (first, end) in left.runs {
                    destination.next = destination.next.max(end);
                    let passed = (first..end).filter(|ordinal| destination.pass(*ordinal)).count() as u64;
                    if let Some(count) = left.reason.and_then(|reason| destination.dropped.get_mut(reason.index())) {
                        *count += passed;
                    }
                }
                destination.sent = destination.sent.max(left.sent);
            }
            KIND_RECEIVED => {
                let (id, ordinal) = received(&mut body)?;
                self.destination(id).received.insert(ordinal);
            }
            KIND_DELIVERED => {
                let (id, ordinal, deliveries) = delivered(&mut body)?;
                self.destination(id).deliveries.insert(ordinal, deliveries);
            }
            KIND_DROPPED => {
                let (id, count) = dropped(&mut body)?;
                let destination = self.destination(id);
                if let Some(known) = destination.dropped.get_mut(DropReason::Newest.index()) {
                    *known = count.max(*known);
                }
            }
            KIND_RELEASED => {
                let (id, packet) = packet(&mut body)?;
                self.destination(id).inbound.remove(&packet);
            }
            KIND_LABELS => {
                while !body.is_at_end() {
                    let (id, text) = label(&mut body)?;
                    self.destination(id).label = Some(text.into());
                }
            }
            KIND_REMOVED => {
                let id = DestinationId::new(body.varint()?);
                self.highest = self.highest.max(Some(id));
                self.destinations.remove(&id);
            }
            KIND_SNAPSHOT => {
                let destinations = snapshot(&mut body)?;
                self.retained = Untold::read(&mut body, found.header.timestamp_us)?;
                self.destinations = destinations.into_iter().collect();
                self.highest = self.highest.max(self.destinations.keys().max().copied());
                self.safe = self.destinations.iter().map(|(id, destination)| (*id, destination.next)).collect();
            }
            _ => {}
        }
        Some(())
    }

    fn message(&mut self, mut body: Decoder<'_>, found: Found<'_>) -> Option<()> {
        let head = message_head(&mut body)?;
        for _ in 0..head.placements {
            let placed = placement(&mut body)?;
            let destination = self.destination(placed.placement.destination);
            destination.next = destination.next.max(placed.ordinal + 1);
        }
        if let Some(Origin { session, packet, revision }) = head.origin {
            self.inbound(session, packet);
            if let Some(revision) = revision {
                self.retained.note(revision, publication(&body, found)?);
            }
        }
        Some(())
    }

    fn inbound(&mut self, publisher: DestinationId, packet: u16) {
        self.destination(publisher).inbound.insert(packet);
    }

    pub(super) fn sealed(
        &mut self,
        segment: &Arc<Segment>,
        length: u64,
        trailer: Trailer,
        extents: &[(DestinationId, Extent)],
    ) {
        for (id, extent) in extents {
            self.highest = self.highest.max(Some(*id));
            self.extents.entry(*id).or_default().push(*extent);
        }
        self.next_after(segment, trailer.next);
        let live = extents.iter().map(|(_, extent)| u64::from(extent.live)).sum();
        self.sealed.push((Arc::clone(segment), length, live));
    }

    /// A segment without a footer.
    pub(super) fn open(&mut self, segment: &Arc<Segment>, read: OpenRead, index: Index) {
        let OpenRead { scanned, rest, damaged, lost_at_end } = read;
        self.next_after(segment, scanned.next.saturating_add(lost_at_end));
        self.last_is_whole = !damaged;
        if rest > 0 && !damaged {
            self.cut_records = rest / RECORD_BYTES_LEAST + 1;
        }
        self.cut_records += lost_at_end;
        self.open.push(Open { segment: Arc::clone(segment), scanned, lost_at_end, index });
    }

    /// The log goes on behind this segment. The next one must not bear its name, even if there is nothing in it.
    fn next_after(&mut self, segment: &Segment, next: u64) {
        self.next = self.next.max(next).max(segment.base + 1);
    }

    /// The log goes on with this number at least. All between may have been given.
    pub(super) fn missing_end(&mut self, next: u64) {
        self.cut_records += next.saturating_sub(self.next);
    }

    pub(super) fn repair_header(&mut self, segment: &Arc<Segment>) {
        self.headers.push(Arc::clone(segment));
    }

    /// The state, with what the committer has to repair, how many messages are lost, and the largest number of a destination.
    pub(super) fn finish(mut self, leftovers: Vec<Arc<Segment>>) -> (State, u64, Option<DestinationId>) {
        let mut lost_messages = 0;
        let mut footers = Vec::new();
        for open in std::mem::take(&mut self.open) {
            footers.push(self.take_in(open));
        }
        let mut live: HashMap<u64, (u64, u64)> = HashMap::new();
        let extents = std::mem::take(&mut self.extents);
        self.take_unknown(&extents);
        let mut extents = extents;
        for (id, destination) in &mut self.destinations {
            let found = extents.remove(id).unwrap_or_default();
            let holes = footers.iter().filter_map(|footer| footer.holes.get(id)).flatten().copied();
            let safe = match (self.state_is_whole, self.last_is_whole) {
                // Where the messages of segments that are gone were acknowledged is not known.
                (false, _) => 0,
                (true, false) => u64::MAX,
                (true, true) => self.safe.get(id).copied().unwrap_or_default(),
            };
            lost_messages += account(destination, found, holes.collect(), safe);
            skip(destination, self.cut_records);
            for extent in &destination.extents {
                let (messages, bytes) = live.entry(extent.segment).or_default();
                *messages += u64::from(extent.live);
                *bytes += extent.bytes;
            }
        }
        let mut state = super::empty(self.options, self.next.saturating_add(self.cut_records));
        state.destinations = self.destinations;
        state.retained = self.retained;
        for (segment, bytes, live_when_sealed) in self.sealed {
            let (live, live_bytes) = live.get(&segment.base).copied().unwrap_or_default();
            if live == 0 {
                state.emptied.push(segment.base);
            }
            state.segments_bytes += bytes;
            let (looked, has_state) = ((live_when_sealed, bytes), self.from == Some(segment.base));
            let sealed = Sealed { segment, bytes, live, live_bytes, looked, stays_alone: false, has_state };
            state.segments.insert(sealed.segment.base, sealed);
        }
        for segment in self.headers {
            let bytes = segment.header().to_vec();
            state.tail.put_chunk(Chunk { segment, at: 0, bytes, creates: false, cuts: false, seals: true });
        }
        for footer in footers {
            state.tail.put_chunk(footer.chunk);
        }
        for segment in leftovers {
            state.tail.remove(segment);
        }
        (state, lost_messages, self.highest)
    }

    /// Without a snapshot, a destination is known by its messages alone.
    fn take_unknown(&mut self, extents: &HashMap<DestinationId, Vec<Extent>, foldhash::fast::RandomState>) {
        if self.state_is_whole {
            return;
        }
        for (id, found) in extents {
            let first = found.iter().map(|extent| extent.first).min().unwrap_or_default();
            let destination = self.destinations.entry(*id).or_default();
            if destination.low == 0 {
                destination.raise_low(first);
            }
        }
    }

    /// Gives a segment a footer.
    fn take_in(&mut self, open: Open) -> NewFooter {
        let Open { segment, scanned, lost_at_end, index } = open;
        let mut entries = index.entries(segment.base);
        let missing = |(id, extent, places): &footer::Entry| {
            let missing = places.iter().zip(extent.first..).filter(|(place, _)| **place == 0);
            (*id, missing.map(|(_, ordinal)| ordinal).collect())
        };
        let holes = entries.iter().map(missing).collect();
        let footer_at = scanned.end.max(SEGMENT_HEADER_BYTES) as u64;
        let footer = footer::encode(&mut entries, footer_at);
        let live = entries.iter().map(|(_, extent, _)| u64::from(extent.live)).sum();
        for (id, extent, _) in entries {
            self.highest = self.highest.max(Some(id));
            self.extents.entry(id).or_default().push(extent);
        }
        let mut bytes = Vec::new();
        let Scanned { records, checksum, .. } = scanned;
        let next = scanned.next.saturating_add(lost_at_end);
        Trailer { footer_at, records, next, checksum }.encode(&footer, &mut bytes);
        segment.cut_to(footer_at);
        self.sealed.push((Arc::clone(&segment), footer_at + bytes.len() as u64, live));
        NewFooter { chunk: Chunk { segment, at: footer_at, bytes, creates: false, cuts: true, seals: true }, holes }
    }
}

/// The message at the end of a record, with a copy of its own of the record's bytes.
fn publication(body: &Decoder<'_>, found: Found<'_>) -> Option<Publication> {
    let rest = Bytes::copy_from_slice(found.record.get(body.at()..)?);
    decode_publication(&rest, 0, found.header.timestamp_us)
}

/// What a segment gets that had no footer.
struct NewFooter {
    chunk: Chunk,
    /// Ordinals that should be in the segment and are not.
    holes: HashMap<DestinationId, Vec<u64>>,
}

/// Gives a destination its extents; what should be in one and is not is taken out. Of those, how many were lost that had
/// been safe is the answer: those below `safe`.
fn account(destination: &mut Destination, mut found: Vec<Extent>, holes: Vec<u64>, safe: u64) -> u64 {
    found.sort_unstable_by_key(|extent| extent.first);
    let mut lost = 0;
    let mut lose = |destination: &mut Destination, from: u64, to: u64| {
        lost += destination.lose(from, to.min(safe));
        destination.lose(from.max(safe), to);
    };
    let mut expected = destination.low;
    for extent in &found {
        destination.next = destination.next.max(extent.end());
        lose(destination, expected, extent.first);
        expected = expected.max(extent.end());
    }
    let next = destination.next;
    lose(destination, expected, next);
    for ordinal in holes {
        lose(destination, ordinal, ordinal + 1);
    }
    if let Some(count) = destination.dropped.get_mut(DropReason::Damaged.index()) {
        *count += lost;
    }
    for mut extent in found {
        let live = u64::from(extent.count).saturating_sub(destination.out_within(extent.first, extent.end()));
        if live == 0 {
            continue;
        }
        extent.bytes = extent.bytes.saturating_mul(live) / u64::from(extent.live).max(1);
        extent.live = u32::try_from(live).unwrap_or(u32::MAX);
        destination.waiting_messages += live;
        destination.waiting_bytes += extent.bytes;
        destination.extents.push_back(extent);
    }
    let received = std::mem::take(&mut destination.received);
    let deliveries = std::mem::take(&mut destination.deliveries);
    destination.deliveries = deliveries.into_iter().filter(|(ordinal, _)| destination.waits(*ordinal)).collect();
    destination.received = received.into_iter().filter(|ordinal| destination.waits(*ordinal)).collect();
    lost
}

/// Leaves ordinals out that may have been given to messages that were cut.
fn skip(destination: &mut Destination, count: u64) {
    if count == 0 {
        return;
    }
    let end = destination.next.saturating_add(count);
    if destination.low == destination.next {
        destination.low = end;
    } else {
        destination.acknowledged.push(destination.next, end);
    }
    destination.next = end;
}
