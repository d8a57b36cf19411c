//! Reads a segment record by record, past damage: where a record is damaged, the next whole one is looked for.

use std::io;

use message::limits;

use super::bytes_in::Decoder;
use super::record::{HEADER_BYTES, Header, RECORD_BYTES_LEAST};
use super::tail::KIND_MARK;
use crate::disk::DiskFile;

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

impl Scanned {
    fn begin(start: usize, next: u64) -> Self {
        Self { end: start, next, ..Self::default() }
    }

    /// Takes the next whole record in.
    fn take<'a>(&mut self, found: Found<'a>, visit: &mut impl FnMut(Found<'a>)) {
        let header = found.header;
        if found.at > self.end {
            let (first, next) = (self.next, header.seq);
            self.holes.push(Hole { at: self.end, bytes: found.at - self.end, first, next });
        }
        self.records += 1;
        self.checksum = crc32c::crc32c_append(self.checksum, &header.crc.to_le_bytes());
        self.end = found.at + header.length as usize;
        if header.kind == KIND_MARK {
            self.next = header.seq;
            self.synced = found.body().number_u64().unwrap_or_default().max(self.synced);
        } else {
            self.next = header.seq.saturating_add(1);
            visit(found);
        }
    }

    /// Takes in what is whole in `bytes`, which begin where the last whole record ends.
    fn go_on<'a>(&mut self, bytes: &'a [u8], seed: u32, visit: &mut impl FnMut(Found<'a>)) {
        let (start, mut at) = (self.end, 0);
        let mut budget = limits::LOG_RESYNC_BYTES_MAX;
        while let Some(found) = find(bytes, at, self.next, seed, &mut budget) {
            at = found.at + found.header.length as usize;
            self.take(Found { at: start + found.at, ..found }, visit);
        }
    }
}

/// Reads the records in `bytes` from `start` on. `next` is the least number that the first may have.
pub(crate) fn scan<'a>(
    bytes: &'a [u8],
    start: usize,
    next: u64,
    seed: u32,
    mut visit: impl FnMut(Found<'a>),
) -> Scanned {
    let mut scanned = Scanned::begin(start, next);
    scanned.go_on(bytes.get(start..).unwrap_or_default(), seed, &mut visit);
    scanned
}

/// The same with the first `length` bytes of a file, of which little is in memory at a time as long as nothing is damaged.
pub(crate) fn scan_file(
    file: &dyn DiskFile,
    (start, length): (usize, u64),
    next: u64,
    seed: u32,
    visit: impl FnMut(Found<'_>),
) -> io::Result<Scanned> {
    scan_file_by(limits::LOG_READ_BYTES_MAX, file, (start, length), next, seed, visit)
}

fn scan_file_by(
    window_bytes: usize,
    file: &dyn DiskFile,
    (start, length): (usize, u64),
    next: u64,
    seed: u32,
    mut visit: impl FnMut(Found<'_>),
) -> io::Result<Scanned> {
    let left = |end: usize| usize::try_from(length.saturating_sub(end as u64)).unwrap_or(usize::MAX);
    let mut scanned = Scanned::begin(start, next);
    let mut wanted = window_bytes;
    while left(scanned.end) > 0 {
        wanted = wanted.min(left(scanned.end));
        let bytes = file.read_up_to(scanned.end as u64, wanted)?;
        let (from, mut at) = (scanned.end, 0);
        while let Some(found) = whole_at(&bytes, at, scanned.next, seed) {
            at += found.header.length as usize;
            scanned.take(Found { at: from + found.at, ..found }, &mut visit);
        }
        // The first record is longer than what was read, or there is none.
        let longer = || Header::decode(&bytes).filter(Header::is_plausible).map(|header| header.length as usize);
        wanted = match longer().filter(|bytes| *bytes > wanted && *bytes <= left(from)) {
            _ if at > 0 => window_bytes,
            Some(record_bytes) if bytes.len() == wanted => record_bytes,
            _ => break,
        };
    }
    let rest = file.read_up_to(scanned.end as u64, left(scanned.end))?;
    scanned.go_on(&rest, seed, &mut visit);
    Ok(scanned)
}

/// Where the first whole record from `at` on begins.
pub(crate) fn next_whole(bytes: &[u8], at: usize, next: u64, seed: u32) -> Option<usize> {
    let mut budget = limits::LOG_RESYNC_BYTES_MAX;
    find(bytes, at, next, seed, &mut budget).map(|found| found.at)
}

/// The record that begins at `at`, if it is whole and what is expected there.
fn whole_at(bytes: &[u8], at: usize, next: u64, seed: u32) -> Option<Found<'_>> {
    let (header, record) = Header::check(bytes.get(at..)?, seed)?;
    is_near(header.seq, next).then_some(Found { header, at, record })
}

/// Whether this may be the number of the next record, or of one a little later.
fn is_near(seq: u64, next: u64) -> bool {
    seq.checked_sub(next).is_some_and(|ahead| ahead <= u64::from(u32::MAX))
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
        if !header.is_plausible() || !is_near(header.seq, next) || header.length as usize > rest.len() {
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
    use std::path::Path;

    use super::*;
    use crate::disk::{Disk as _, SimulatedDisk};

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

    /// Windows of every kind of size: some hold many records, some none.
    #[test]
    fn a_file_is_read_piece_by_piece_as_it_is_at_once() {
        let (whole, places) = log(40);
        let disk = SimulatedDisk::new(1);
        disk.create_folder(Path::new("log")).unwrap();
        for damage in [None, Some(places[3] + 1), Some(places[39] + 30), Some(places[20] + 5), Some(places[0])] {
            for (zeros, cut) in [(0, 0), (300, 0), (0, 17), (0, 200)] {
                let mut bytes = whole.clone();
                bytes.truncate(whole.len() - cut);
                if let Some(byte) = damage.and_then(|at| bytes.get_mut(at)) {
                    *byte ^= 0x10;
                }
                bytes.resize(bytes.len() + zeros, 0);
                let expected = seqs(&bytes);
                let file = disk.create(Path::new("log/file")).unwrap();
                file.write_all_at(0, &bytes).unwrap();
                for window_bytes in [26, 64, 100, 1_000, 100_000] {
                    let mut seqs = Vec::new();
                    // A file that has become shorter is no different from one that was cut.
                    for length in [bytes.len(), bytes.len() + 1_000] {
                        seqs.clear();
                        let scanned = scan_file_by(window_bytes, &*file, (40, length as u64), 10, 5, |found| {
                            assert_eq!(found.record, &bytes[found.at..][..found.header.length as usize]);
                            seqs.push(found.header.seq);
                        });
                        assert_eq!((&seqs, scanned.unwrap()), (&expected.0, expected.1.clone()), "{window_bytes}");
                    }
                }
            }
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
