//! Reads what waits in a destination. Under the lock is only found out where the messages lie, and what is not yet on the
//! disk is copied; files are read without it.

use std::io;
use std::sync::Arc;

use message::{Bytes, DestinationId, Publication, Timestamp, limits};

use super::Spool;
use super::destination::Keys;
use super::options::DropReason;
use super::placement::{Ordinal, Placement, ReadOn, Spooled};
use super::record::{KIND_MESSAGE, message_head, placement_of};
use super::recover::Index;
use super::state::State;
use super::wide::Wide;
use crate::disk::DiskFile;
use crate::log::{
    CommitPoint, Decoder, HEADER_BYTES, Header, ReadError, SEGMENT_HEADER_BYTES, Segment, Window, decode_publication,
    scan_file,
};
use crate::{Durability, FullPolicy};

/// Where the next messages of a destination lie.
enum Plan {
    /// Nothing waits from this ordinal on.
    End {
        from: u64,
    },
    /// Copied from memory.
    Memory {
        seed: u32,
        records: Vec<(u64, Bytes)>,
    },
    File(FilePlan),
}

struct FilePlan {
    segment: Arc<Segment>,
    /// The ordinals that are wanted, in order.
    wanted: Vec<u64>,
    places: Places,
    /// Bytes that one record has about.
    typical_bytes: usize,
}

enum Places {
    /// For each that is wanted.
    Known(Vec<u32>),
    /// In a list in the file.
    Listed { at: u64, first: u64 },
}

/// What is asked of one read.
struct Query {
    id: DestinationId,
    durability: Durability,
    sent: u64,
    messages_max: usize,
    bytes_max: usize,
}

impl Spool {
    /// Appends messages that wait in a destination from an ordinal on, also those that are not yet on the disk; at most so many
    /// messages and, but for the first, so many bytes of topics and payloads. Payloads share a buffer of a few messages.
    /// A damaged record is counted, taken out of the destination, and passed over.
    pub fn read(
        &self,
        destination: DestinationId,
        from: Ordinal,
        messages_max: usize,
        bytes_max: usize,
        out: &mut Vec<Spooled>,
    ) -> Result<ReadOn, ReadError> {
        let start = out.len();
        let mut from = from.0;
        let mut bytes = 0;
        loop {
            let left = messages_max.saturating_sub(out.len() - start);
            let left_bytes = bytes_max.saturating_sub(bytes);
            let state = self.log.lock();
            let Some(found) = state.destinations.get(&destination) else {
                return Err(ReadError::Unknown(destination));
            };
            let query = Query {
                id: destination,
                durability: found.options.durability,
                sent: found.sent,
                messages_max: left,
                bytes_max: left_bytes,
            };
            if left == 0 || (left_bytes == 0 && bytes > 0) {
                let next = found.acknowledged.next_missing(from.max(found.low));
                return Ok(ReadOn { from: Ordinal(from), more: next < found.next });
            }
            let plan = state.plan(&query, from);
            drop(state);
            let before = out.len();
            let mut damaged = Vec::new();
            match plan {
                Plan::End { from } => return Ok(ReadOn { from: Ordinal(from), more: false }),
                Plan::Memory { seed, records } => {
                    from = take_records(&query, seed, records, from, out, &mut damaged);
                }
                Plan::File(plan) => match self.read_file(&query, &plan, out, &mut damaged) {
                    Ok(next) => from = next,
                    // The segment was removed or written anew since the plan was made.
                    Err(error) if error.kind() == io::ErrorKind::NotFound && self.is_gone(&plan.segment) => {}
                    Err(error) => {
                        let file = plan.segment.path(&self.log.folder).display().to_string();
                        return Err(ReadError::Disk { file, what: error.to_string() });
                    }
                },
            }
            bytes += out.iter().skip(before).map(size).sum::<usize>();
            self.drop_damaged(destination, damaged);
        }
    }

    fn is_gone(&self, segment: &Segment) -> bool {
        let state = self.log.lock();
        let is_same = |other: &Segment| (other.base, other.generation) == (segment.base, segment.generation);
        let sealed = state.segments.get(&segment.base).is_some_and(|sealed| is_same(&sealed.segment));
        !sealed && !state.tail.active().is_some_and(|(active, _)| is_same(active))
    }

    fn drop_damaged(&self, destination: DestinationId, mut damaged: Vec<u64>) {
        if damaged.is_empty() {
            return;
        }
        let mut state = self.log.lock();
        state.settle(destination, Some(DropReason::Damaged), &mut damaged);
        self.log.unlock(state);
    }

    /// Reads the wanted messages from their file until the limits are reached; where to go on is the answer.
    fn read_file(
        &self,
        query: &Query,
        plan: &FilePlan,
        out: &mut Vec<Spooled>,
        damaged: &mut Vec<u64>,
    ) -> io::Result<u64> {
        let file = self.log.file(&plan.segment)?;
        let places = match &plan.places {
            Places::Known(places) => places.clone(),
            Places::Listed { at, first } => match listed_places(&*file, *at, *first, &plan.wanted)? {
                // The disk cannot read the list any more. The records say themselves where they are, which takes longer.
                listed if listed.contains(&u32::MAX) => found_places(&*file, &plan.segment, query.id, &plan.wanted)?,
                listed => listed,
            },
        };
        let end = plan.segment.on_disk();
        let mut window = Window::new(&*file, end, plan.segment.seed);
        let known = self.wide.of_segment(&plan.segment);
        let mut bytes = 0;
        let mut next = plan.wanted.first().copied().unwrap_or_default();
        for (index, (ordinal, place)) in plan.wanted.iter().zip(&places).enumerate() {
            if bytes >= query.bytes_max && bytes > 0 {
                return Ok(next);
            }
            next = ordinal + 1;
            let wide = known.iter().find(|wide| wide.place == *place).cloned();
            let read = match wide {
                Some(wide) => self.own_of_wide(query, &wide, *ordinal),
                None => {
                    let rest = places.get(index..).unwrap_or_default();
                    let record = window.record(u64::from(*place), || span(rest, plan.typical_bytes))?;
                    match record.as_ref().and_then(|record| Wide::new(&plan.segment, *place, record)) {
                        Some(wide) => self.own_of_wide(query, &self.wide.keep(wide), *ordinal),
                        None => record.and_then(|record| spooled(query, &record, *ordinal)),
                    }
                }
            };
            match read {
                Some(spooled) => {
                    bytes += size(&spooled);
                    out.push(spooled);
                }
                None => damaged.push(*ordinal),
            }
        }
        Ok(next)
    }

    /// The message of a record that many destinations have.
    fn own_of_wide(&self, query: &Query, wide: &Arc<Wide>, ordinal: u64) -> Option<Spooled> {
        let own = wide.placement(query.id, ordinal)?;
        self.wide.note_read(wide);
        Some(query.spooled(ordinal, wide.seq, own, wide.publication.clone()))
    }

    /// Drops messages that are older than their destination keeps them, by when they were published. How many is the answer.
    /// A destination that cannot be read does not keep the others; the first error is told when all were looked at.
    pub fn drop_aged(&self, now: Timestamp) -> Result<u64, ReadError> {
        let with_aged = self.log.lock().with_aged(now);
        let mut dropped = Ok(0);
        for (id, oldest_kept) in with_aged {
            let of_this = self.drop_older(id, oldest_kept);
            dropped = dropped.and_then(|before| of_this.map(|new| before + new));
        }
        dropped
    }

    fn drop_older(&self, id: DestinationId, oldest_kept: Timestamp) -> Result<u64, ReadError> {
        let mut dropped = 0;
        loop {
            let mut oldest = Vec::new();
            self.read(id, Ordinal(0), limits::SPOOL_AGED_MESSAGES, limits::LOG_READ_BYTES_MAX, &mut oldest)?;
            let aged = oldest.iter().take_while(|spooled| spooled.publication.published_at < oldest_kept);
            let mut aged: Vec<u64> = aged.map(|spooled| spooled.ordinal.0).collect();
            let all = aged.len() == oldest.len();
            if aged.is_empty() {
                return Ok(dropped);
            }
            let mut state = self.log.lock();
            state.settle(id, Some(DropReason::Age), &mut aged);
            self.log.unlock(state);
            dropped += aged.len() as u64;
            if !all {
                return Ok(dropped);
            }
        }
    }

    /// The last message of each topic that waits in a destination that keeps only that.
    pub(super) fn keys_of(
        &self,
        destination: DestinationId,
        policy: FullPolicy,
    ) -> Result<Option<Box<Keys>>, ReadError> {
        if policy != FullPolicy::KeepLastPerKey {
            return Ok(None);
        }
        let mut keys = Box::<Keys>::default();
        let mut from = Ordinal(0);
        while self.state(destination).is_some() {
            let mut batch = Vec::new();
            let read = self.read(destination, from, 1024, limits::LOG_READ_BYTES_MAX, &mut batch)?;
            for spooled in batch {
                keys.set(&spooled.publication.topic, spooled.ordinal.0);
            }
            if !read.more {
                break;
            }
            from = read.from;
        }
        Ok(Some(keys))
    }
}

fn size(spooled: &Spooled) -> usize {
    spooled.publication.topic.as_str().len() + spooled.publication.payload.len()
}

impl State {
    /// Destinations that may hold messages which are too old, with the time from which on they keep them.
    fn with_aged(&self, now: Timestamp) -> Vec<(DestinationId, Timestamp)> {
        let aged = self.destinations.iter().filter_map(|(id, destination)| {
            let age_us = i64::try_from(destination.options.limits.age_max?.as_micros()).unwrap_or(i64::MAX);
            let oldest_kept = Timestamp::from_micros(now.as_micros().saturating_sub(age_us));
            let is_aged = destination.waiting_messages > 0 && destination.oldest_us() < oldest_kept.as_micros();
            is_aged.then_some((*id, oldest_kept))
        });
        aged.collect()
    }

    fn plan(&self, query: &Query, from: u64) -> Plan {
        let Some(destination) = self.destinations.get(&query.id) else { return Plan::End { from } };
        let mut from = from.max(destination.low);
        let (wanted, segment, list, typical) = loop {
            let Some(extent) = destination.extent_from(from) else {
                let wanted = destination.waiting_within(from, destination.next, query.messages_max);
                let active = self.tail.active().map(|(segment, _)| Arc::clone(segment));
                let Some(segment) = active.filter(|_| !wanted.is_empty()) else {
                    return Plan::End { from: from.max(destination.next) };
                };
                let filling = &destination.filling;
                break (wanted, segment, None, filling.bytes / u64::from(filling.live).max(1));
            };
            let wanted = destination.waiting_within(from.max(extent.first), extent.end(), query.messages_max);
            from = extent.end();
            if let Some(sealed) = self.segments.get(&extent.segment).filter(|_| !wanted.is_empty()) {
                let list = (u64::from(extent.places_at), extent.first);
                break (wanted, Arc::clone(&sealed.segment), Some(list), extent.bytes / u64::from(extent.live).max(1));
            }
        };
        let typical_bytes = usize::try_from(typical).unwrap_or(usize::MAX);
        let places = match list {
            Some((at, first)) => {
                let Some(memory) = self.tail.in_memory(&segment, at) else {
                    let places = Places::Listed { at, first };
                    return Plan::File(FilePlan { segment, wanted, places, typical_bytes });
                };
                wanted.iter().map(|ordinal| listed_place(memory, *ordinal - first)).collect()
            }
            None => {
                let filling = &destination.filling;
                let place = |ordinal: &u64| filling.places.get((*ordinal - filling.first) as usize).copied();
                wanted.iter().map(|ordinal| place(ordinal).unwrap_or_default()).collect()
            }
        };
        self.split(query, segment, wanted, places, typical_bytes)
    }

    /// Reads from the file what it has, and from memory only when that comes first.
    fn split(
        &self,
        query: &Query,
        segment: Arc<Segment>,
        mut wanted: Vec<u64>,
        mut places: Vec<u32>,
        typical_bytes: usize,
    ) -> Plan {
        let on_disk = segment.on_disk();
        let in_file = places.iter().take_while(|place| u64::from(**place) < on_disk).count();
        if in_file > 0 {
            wanted.truncate(in_file);
            places.truncate(in_file);
            return Plan::File(FilePlan { segment, wanted, places: Places::Known(places), typical_bytes });
        }
        let mut copied = Vec::new();
        let mut spans = Vec::new();
        for (ordinal, place) in wanted.iter().zip(&places) {
            if copied.len() >= query.bytes_max && !copied.is_empty() {
                break;
            }
            // The committer does not wait for readers: it may just have written this one.
            let Some(bytes) = self.tail.in_memory(&segment, u64::from(*place)) else { break };
            let length = Header::decode(bytes).map_or(0, |header| header.length as usize);
            let start = copied.len();
            copied.extend_from_slice(bytes.get(..length).unwrap_or_default());
            spans.push((*ordinal, start..copied.len()));
        }
        if spans.is_empty() {
            return Plan::File(FilePlan { segment, wanted, places: Places::Known(places), typical_bytes });
        }
        let copied = Bytes::from(copied);
        let records = spans.into_iter().map(|(ordinal, span)| (ordinal, copied.slice(span))).collect();
        Plan::Memory { seed: segment.seed, records }
    }
}

fn listed_place(list: &[u8], index: u64) -> u32 {
    let at = usize::try_from(index.saturating_mul(4)).unwrap_or(usize::MAX);
    list.get(at..).and_then(|rest| Decoder::new(rest, 0).number_u32()).unwrap_or_default()
}

/// The places of the wanted messages, by the list in the file.
fn listed_places(file: &dyn DiskFile, at: u64, first: u64, wanted: &[u64]) -> io::Result<Vec<u32>> {
    let (Some(least), Some(most)) = (wanted.first(), wanted.last()) else { return Ok(Vec::new()) };
    let length = usize::try_from((most - least + 1).saturating_mul(4)).unwrap_or(usize::MAX);
    let list = file.read_up_to(at + (least - first) * 4, length)?;
    Ok(wanted.iter().map(|ordinal| listed_place(&list, ordinal - least)).collect())
}

/// The same, by looking through the records.
fn found_places(file: &dyn DiskFile, segment: &Segment, id: DestinationId, wanted: &[u64]) -> io::Result<Vec<u32>> {
    let mut index = Index::default();
    let range = (SEGMENT_HEADER_BYTES, segment.on_disk());
    scan_file(file, range, segment.base, segment.seed, |found| index.record(found))?;
    Ok(wanted.iter().map(|ordinal| index.place_of(id, *ordinal).unwrap_or_default()).collect())
}

/// How much to read for the first of these places, and for those that lie close behind it.
fn span(wanted: &[u32], typical_bytes: usize) -> usize {
    let mut end = 0;
    for pair in wanted.windows(2) {
        let (Some(one), Some(other)) = (pair.first(), pair.last()) else { break };
        let distance = u64::from(other.saturating_sub(*one));
        let apart = distance.saturating_sub(typical_bytes as u64) > limits::LOG_READ_GAP_BYTES_MAX;
        let next = end + distance as usize;
        if apart || other <= one || next > limits::LOG_READ_BYTES_MAX {
            break;
        }
        end = next;
    }
    end + typical_bytes.saturating_mul(2).clamp(512, limits::LOG_READ_BYTES_MAX)
}

fn take_records(
    query: &Query,
    seed: u32,
    records: Vec<(u64, Bytes)>,
    mut from: u64,
    out: &mut Vec<Spooled>,
    damaged: &mut Vec<u64>,
) -> u64 {
    for (ordinal, record) in records {
        from = ordinal + 1;
        let whole = Header::check(&record, seed).map(|_| &record);
        match whole.and_then(|record| spooled(query, record, ordinal)) {
            Some(spooled) => out.push(spooled),
            None => damaged.push(ordinal),
        }
    }
    from
}

/// The message of a whole record as this destination sees it; `None` when it is not in it.
fn spooled(query: &Query, record: &Bytes, ordinal: u64) -> Option<Spooled> {
    let header = Header::decode(record).filter(|header| header.kind == KIND_MESSAGE)?;
    let mut decoder = Decoder::new(record, HEADER_BYTES);
    let head = message_head(&mut decoder)?;
    let start = decoder.at();
    let own = placement_of(&mut decoder, head.placements, query.id, ordinal)?;
    let publication = decode_publication(record, start + head.placements_bytes, header.timestamp_us)?;
    Some(query.spooled(ordinal, header.seq, own, publication))
}

impl Query {
    fn spooled(&self, ordinal: u64, seq: u64, own: Placement, publication: Publication) -> Spooled {
        Spooled {
            ordinal: Ordinal(ordinal),
            point: CommitPoint::at(seq + 1, self.durability),
            publication,
            qos: own.qos,
            retain: own.retain,
            identifiers: own.identifiers,
            was_sent: ordinal < self.sent,
        }
    }
}
