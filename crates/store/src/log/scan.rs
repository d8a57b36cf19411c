//! Reads a segment record by record, past damage: where a record is damaged, the next whole one is looked for.

use message::limits;

use super::bytes_in::Decoder;
use super::record::{HEADER_BYTES, Header, RECORD_BYTES_LEAST};
use super::tail::KIND_MARK;

/// A whole record and where it lies.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found<'a> {
    pub(crate) header: Header,
    pub(crate) at: usize,
    pub(crate) record: &'a [u8],
}

impl<'a> Found<'a> {
    /// Reads the body.
    pub(crate) fn body(&self) -> Decoder<'a> {
        Decoder::new(self.record, HEADER_BYTES)
    }
}

/// Bytes between two records that are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hole {
    pub(crate) at: usize,
    pub(crate) bytes: usize,
    /// The numbers that are missing.
    pub(crate) first: u64,
    pub(crate) next: u64,
}

impl Hole {
    /// Records that are missing, as far as that can be known: numbers may have been left out on purpose.
    pub(crate) fn records(&self) -> u64 {
        (self.next - self.first).min(self.bytes as u64 / RECORD_BYTES_LEAST + 1)
    }
}

/// What a segment holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Scanned {
    /// Where the last whole record ends.
    pub(crate) end: usize,
    /// The number after the last whole record's.
    pub(crate) next: u64,
    pub(crate) records: u64,
    pub(crate) checksum: u32,
    /// Records below this were synced when the last ones were written.
    pub(crate) synced: u64,
    pub(crate) holes: Vec<Hole>,
}

/// Reads the records in `bytes` from `start` on. `next` is the least number that the first may have.
pub(crate) fn scan<'a>(
    bytes: &'a [u8],
    start: usize,
    next: u64,
    seed: u32,
    mut visit: impl FnMut(Found<'a>),
) -> Scanned {
    let mut scanned = Scanned { end: start, next, ..Scanned::default() };
    let mut at = start;
    let mut budget = limits::LOG_RESYNC_BYTES_MAX;
    while let Some(found) = find(bytes, at, scanned.next, seed, &mut budget) {
        let header = found.header;
        if found.at > scanned.end {
            let (first, next) = (scanned.next, header.seq);
            scanned.holes.push(Hole { at: scanned.end, bytes: found.at - scanned.end, first, next });
        }
        scanned.records += 1;
        scanned.checksum = crc32c::crc32c_append(scanned.checksum, &header.crc.to_le_bytes());
        if header.kind == KIND_MARK {
            scanned.next = header.seq;
            scanned.synced = found.body().number_u64().unwrap_or_default().max(scanned.synced);
        } else {
            scanned.next = header.seq.saturating_add(1);
            visit(found);
        }
        at = found.at + header.length as usize;
        scanned.end = at;
    }
    scanned
}

/// Where the first whole record from `at` on begins.
pub(crate) fn next_whole(bytes: &[u8], at: usize, next: u64, seed: u32) -> Option<usize> {
    let mut budget = limits::LOG_RESYNC_BYTES_MAX;
    find(bytes, at, next, seed, &mut budget).map(|found| found.at)
}

/// The first whole record from `at` on.
fn find<'a>(bytes: &'a [u8], at: usize, next: u64, seed: u32, budget: &mut u64) -> Option<Found<'a>> {
    let mut next_at = at;
    loop {
        let mut at = next_at;
        let mut rest = bytes.get(at..)?;
        // A header does not begin with eight zeros; a file that was laid out before it was written may end with millions.
        if rest.starts_with(&[0; 8]) {
            at += rest.iter().position(|byte| *byte != 0)? - 7;
            rest = bytes.get(at..)?;
        }
        next_at = at + 1;
        let header = Header::decode(rest)?;
        let is_near = header.seq.checked_sub(next).is_some_and(|ahead| ahead <= u64::from(u32::MAX));
        if !header.is_plausible() || !is_near || header.length as usize > rest.len() {
            continue;
        }
        if let Some((header, record)) = Header::check(rest, seed) {
            return Some(Found { header, at, record });
        }
        // Someone who knows the format could write payloads that take for ever to look through.
        *budget = budget.checked_sub(u64::from(header.length))?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(count: u64) -> (Vec<u8>, Vec<usize>) {
        let mut bytes = vec![0xee; 40];
        let mut places = Vec::new();
        for seq in 0..count {
            places.push(bytes.len());
            let start = Header::begin(&mut bytes, 10 + seq, 0, 1);
            bytes.extend_from_slice(&vec![seq as u8; seq as usize * 3]);
            Header::finish(&mut bytes, start, 5);
        }
        (bytes, places)
    }

    fn seqs(bytes: &[u8]) -> (Vec<u64>, Scanned) {
        let mut seqs = Vec::new();
        let scanned = scan(bytes, 40, 10, 5, |found| seqs.push(found.header.seq));
        (seqs, scanned)
    }

    #[test]
    fn a_damaged_record_is_passed_over_and_what_is_missing_is_known() {
        let (whole, places) = log(8);
        let (all, scanned) = seqs(&whole);
        assert_eq!(all, (10..18).collect::<Vec<_>>());
        assert_eq!((scanned.end, scanned.next, scanned.records, scanned.holes.len()), (whole.len(), 18, 8, 0));
        for bit in places[3] * 8..places[4] * 8 {
            let mut damaged = whole.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let (rest, scanned) = seqs(&damaged);
            assert_eq!(rest, [10, 11, 12, 14, 15, 16, 17], "bit {bit}");
            let hole = Hole { at: places[3], bytes: places[4] - places[3], first: 13, next: 14 };
            assert_eq!(scanned.holes, [hole]);
        }
    }

    #[test]
    fn a_cut_leaves_the_records_before_it() {
        let (whole, places) = log(8);
        for cut in 40..whole.len() {
            let (rest, scanned) = seqs(&whole[..cut]);
            let left = places.iter().skip(1).filter(|place| **place <= cut).count() as u64;
            assert_eq!(rest.len() as u64, left);
            assert_eq!((scanned.next, scanned.holes.len()), (10 + left, 0));
        }
    }
}
