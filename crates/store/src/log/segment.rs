//! One file of a log. It begins with a header and, once it is sealed, ends with a footer and a trailer; records stand
//! between. Numbers are little-endian. Until it is sealed, zeros may follow the last record: see `ahead`.
//!
//! Header: `magic 8 | format u32 | kind u32 | base u64 | generation u32 | crc u32`.
//! Trailer: `footer at u64 | records u64 | next u64 | checksum u32 | crc u32 | magic 8`; `checksum` runs over the checksums
//! of all records, `crc` over the footer and the trailer before it. What the footer says is the log's own.
//!
//! The name is `{base}.{generation}.log`: a segment that is written anew, or takes the place of one without records, keeps its
//! base and gets the next generation. Until one that is written anew is whole it is called `{base}.{generation}.tmp`. A segment
//! whose base is below the `next` of the one before it is in that one.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::bytes_in::Decoder;

pub(crate) const SEGMENT_HEADER_BYTES: usize = 32;
pub(crate) const TRAILER_BYTES: usize = 40;
pub(crate) const FORMAT: u32 = 1;
const MAGIC: [u8; 8] = *b"HWLOG\r\n\x1a";
/// How the name of a file ends that is not whole.
const UNFINISHED: &str = "tmp";
const TRAILER_MAGIC: [u8; 8] = *b"HWSEALED";

/// One file of a log: its name, and how much of it the file has.
#[derive(Debug)]
pub(crate) struct Segment {
    /// What kind of log it belongs to.
    pub(crate) kind: u32,
    /// The first number that a record in it may have.
    pub(crate) base: u64,
    pub(crate) generation: u32,
    /// Begins the checksum of its records.
    pub(crate) seed: u32,
    /// Bytes that can be read from the file; what comes after them is in memory.
    on_disk: AtomicU64,
    /// Bytes that its file had before the first record was written, all of them zeros.
    laid_out: AtomicU64,
}

impl Segment {
    pub(crate) fn new(kind: u32, base: u64, generation: u32, on_disk: u64) -> Self {
        let seed = crc32c::crc32c_append(crc32c::crc32c(&kind.to_le_bytes()), &base.to_le_bytes());
        let on_disk = AtomicU64::new(on_disk);
        Self { kind, base, generation, seed, on_disk, laid_out: AtomicU64::new(0) }
    }

    pub(crate) fn file_name(&self) -> String {
        format!("{:020}.{}.log", self.base, self.generation)
    }

    /// What its file is called as long as it is not whole.
    pub(crate) fn unfinished_name(&self) -> String {
        format!("{:020}.{}.{UNFINISHED}", self.base, self.generation)
    }

    /// Whether a file of this name was being written when the process ended.
    pub(crate) fn is_unfinished(name: &str) -> bool {
        name.strip_suffix(UNFINISHED).is_some_and(|start| Self::parse_name(&format!("{start}log")).is_some())
    }

    pub(crate) fn path(&self, folder: &Path) -> PathBuf {
        folder.join(self.file_name())
    }

    /// Base and generation of a file with this name; `None` when it is no segment.
    pub(crate) fn parse_name(name: &str) -> Option<(u64, u32)> {
        let (base, generation) = name.strip_suffix(".log")?.split_once('.')?;
        (base.len() == 20).then_some(())?;
        Some((base.parse().ok()?, generation.parse().ok()?))
    }

    pub(crate) fn on_disk(&self) -> u64 {
        self.on_disk.load(Ordering::Acquire)
    }

    pub(crate) fn set_on_disk(&self, bytes: u64) {
        self.on_disk.fetch_max(bytes, Ordering::Release);
    }

    /// What is behind this place in the file counts for nothing.
    pub(crate) fn cut_to(&self, bytes: u64) {
        self.on_disk.store(bytes, Ordering::Release);
    }

    /// Bytes that its file had, all of them zeros, before the first record was written.
    pub(crate) fn laid_out(&self) -> u64 {
        self.laid_out.load(Ordering::Relaxed)
    }

    pub(crate) fn set_laid_out(&self, bytes: u64) {
        self.laid_out.store(bytes, Ordering::Relaxed);
    }

    /// The header of its file.
    pub(crate) fn header(&self) -> [u8; SEGMENT_HEADER_BYTES] {
        let mut bytes = Vec::with_capacity(SEGMENT_HEADER_BYTES);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&FORMAT.to_le_bytes());
        bytes.extend_from_slice(&self.kind.to_le_bytes());
        bytes.extend_from_slice(&self.base.to_le_bytes());
        bytes.extend_from_slice(&self.generation.to_le_bytes());
        let crc = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        let mut header = [0; SEGMENT_HEADER_BYTES];
        header.copy_from_slice(&bytes);
        header
    }
}

/// What the header of a file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileHeader {
    /// A format that this program knows.
    Known {
        kind: u32,
    },
    /// Written by a later version of the program.
    Newer {
        format: u32,
    },
    Damaged,
}

impl FileHeader {
    pub(crate) fn decode(bytes: &[u8]) -> Self {
        Self::parse(bytes).unwrap_or(Self::Damaged)
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.get(..SEGMENT_HEADER_BYTES)?;
        let (content, crc) = bytes.split_at(SEGMENT_HEADER_BYTES - 4);
        if !content.starts_with(&MAGIC) || crc32c::crc32c(content).to_le_bytes() != *crc {
            return None;
        }
        let mut decoder = Decoder::new(content, MAGIC.len());
        let format = decoder.number_u32()?;
        if format > FORMAT {
            return Some(Self::Newer { format });
        }
        Some(Self::Known { kind: decoder.number_u32()? })
    }
}

/// The end of a sealed file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Trailer {
    /// Where the records end and the footer begins.
    pub(crate) footer_at: u64,
    pub(crate) records: u64,
    /// The first number after those that were given before it was sealed.
    pub(crate) next: u64,
    pub(crate) checksum: u32,
}

impl Trailer {
    /// Appends footer and trailer.
    pub(crate) fn encode(&self, footer: &[u8], buffer: &mut Vec<u8>) {
        let start = buffer.len();
        buffer.extend_from_slice(footer);
        buffer.extend_from_slice(&self.footer_at.to_le_bytes());
        buffer.extend_from_slice(&self.records.to_le_bytes());
        buffer.extend_from_slice(&self.next.to_le_bytes());
        buffer.extend_from_slice(&self.checksum.to_le_bytes());
        let crc = crc32c::crc32c(buffer.get(start..).unwrap_or_default());
        buffer.extend_from_slice(&crc.to_le_bytes());
        buffer.extend_from_slice(&TRAILER_MAGIC);
    }

    /// Where the footer of a file of this length begins, if its last bytes are those of a trailer.
    pub(crate) fn footer_start(last: &[u8], length: u64) -> Option<u64> {
        let trailer = last.get(last.len().checked_sub(TRAILER_BYTES)?..)?;
        let at = Decoder::new(trailer, 0).number_u64()?;
        let fits = at >= SEGMENT_HEADER_BYTES as u64 && at.checked_add(TRAILER_BYTES as u64)? <= length;
        (trailer.ends_with(&TRAILER_MAGIC) && fits).then_some(at)
    }

    /// Splits the end of a file, from the footer on, into both; `None` when it is damaged.
    pub(crate) fn decode(bytes: &[u8]) -> Option<(&[u8], Self)> {
        let (footer, trailer) = bytes.split_at_checked(bytes.len().checked_sub(TRAILER_BYTES)?)?;
        let mut decoder = Decoder::new(trailer, 0);
        let found = Self {
            footer_at: decoder.number_u64()?,
            records: decoder.number_u64()?,
            next: decoder.number_u64()?,
            checksum: decoder.number_u32()?,
        };
        let crc = crc32c::crc32c(bytes.get(..footer.len() + decoder.at())?);
        (decoder.number_u32()? == crc && trailer.ends_with(&TRAILER_MAGIC)).then_some((footer, found))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_gives_base_and_generation_back() {
        let segment = Segment::new(1, 12, 3, 0);
        assert_eq!(Segment::parse_name(&segment.file_name()), Some((12, 3)));
        assert!(Segment::is_unfinished(&segment.unfinished_name()) && !Segment::is_unfinished(&segment.file_name()));
        for other in ["12.3.log", "00000000000000000012.3.tmp", "00000000000000000012.log", "", "tables.redb"] {
            assert_eq!(Segment::parse_name(other), None, "{other}");
        }
    }

    #[test]
    fn every_flipped_bit_of_header_and_trailer_is_seen() {
        let header = Segment::new(2, 9, 0, 0).header();
        assert_eq!(FileHeader::decode(&header), FileHeader::Known { kind: 2 });
        for bit in 0..header.len() * 8 {
            let mut damaged = header;
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(FileHeader::decode(&damaged), FileHeader::Damaged, "bit {bit}");
        }
        let trailer = Trailer { footer_at: 40, records: 1, next: 3, checksum: 4 };
        let mut end = Vec::new();
        trailer.encode(b"footer", &mut end);
        assert_eq!(Trailer::footer_start(&end, 40 + end.len() as u64), Some(40));
        assert_eq!(Trailer::decode(&end), Some((&b"footer"[..], trailer)));
        for bit in 0..end.len() * 8 {
            let mut damaged = end.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Trailer::decode(&damaged), None, "bit {bit}");
        }
    }

    #[test]
    fn a_later_format_is_told_from_damage() {
        let mut header = Segment::new(2, 9, 0, 0).header();
        header[8..12].copy_from_slice(&(FORMAT + 1).to_le_bytes());
        let crc = crc32c::crc32c(&header[..28]).to_le_bytes();
        header[28..].copy_from_slice(&crc);
        assert_eq!(FileHeader::decode(&header), FileHeader::Newer { format: FORMAT + 1 });
    }
}
