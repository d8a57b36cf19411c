//! One record of a log as it lies on the disk, numbers little-endian:
//!
//! `crc u32 | length u32 | seq u64 | timestamp i64, µs | kind u8 | body`
//!
//! `length` counts the whole record. `crc` is CRC-32C over all that follows it, begun with the log's and the segment's
//! numbers, so that a record that lies anywhere else is none.

use message::limits;

use super::bytes_in::Decoder;

pub(crate) const HEADER_BYTES: usize = 25;
/// No record is smaller: what is cut or damaged holds at most so many.
pub(crate) const RECORD_BYTES_LEAST: u64 = HEADER_BYTES as u64;

/// What stands before the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) crc: u32,
    pub(crate) length: u32,
    pub(crate) seq: u64,
    pub(crate) timestamp_us: i64,
    pub(crate) kind: u8,
}

impl Header {
    /// Begins a record at the end of the buffer; where it begins is the answer.
    pub(crate) fn begin(buffer: &mut Vec<u8>, seq: u64, timestamp_us: i64, kind: u8) -> usize {
        let start = buffer.len();
        let mut header = [0; HEADER_BYTES];
        for (to, byte) in header.iter_mut().skip(8).zip(seq.to_le_bytes().into_iter().chain(timestamp_us.to_le_bytes()))
        {
            *to = byte;
        }
        header[HEADER_BYTES - 1] = kind;
        buffer.extend_from_slice(&header);
        start
    }

    /// Ends the record that begins at `start` and goes to the end of the buffer. Its checksum is the answer.
    pub(crate) fn finish(buffer: &mut [u8], start: usize, seed: u32) -> u32 {
        let Some(record) = buffer.get_mut(start..).filter(|record| record.len() >= HEADER_BYTES) else { return 0 };
        let length = u32::try_from(record.len()).unwrap_or(u32::MAX);
        let (head, rest) = record.split_at_mut(8);
        head[4..].copy_from_slice(&length.to_le_bytes());
        let crc = checksum(seed, length, rest);
        head[..4].copy_from_slice(&crc.to_le_bytes());
        crc
    }

    /// The header at the beginning of `bytes`, whatever it says.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut decoder = Decoder::new(bytes.get(..HEADER_BYTES)?, 0);
        Some(Self {
            crc: decoder.number_u32()?,
            length: decoder.number_u32()?,
            seq: decoder.number_u64()?,
            timestamp_us: decoder.number_i64()?,
            kind: decoder.byte()?,
        })
    }

    /// The record at the beginning of `bytes`, if it is whole and its checksum is right.
    pub(crate) fn check(bytes: &[u8], seed: u32) -> Option<(Self, &[u8])> {
        let header = Self::decode(bytes)?;
        if !header.is_plausible() {
            return None;
        }
        let record = bytes.get(..header.length as usize)?;
        (checksum(seed, header.length, record.get(8..)?) == header.crc).then_some((header, record))
    }

    pub(crate) fn is_plausible(&self) -> bool {
        let length = self.length as usize;
        (HEADER_BYTES..=limits::LOG_RECORD_BYTES_MAX).contains(&length)
    }
}

fn checksum(seed: u32, length: u32, rest: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c_append(seed, &length.to_le_bytes()), rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_written_and_every_flipped_bit_is_seen() {
        let mut buffer = b"before".to_vec();
        let start = Header::begin(&mut buffer, 7, -5, 3);
        buffer.extend_from_slice(b"body");
        let crc = Header::finish(&mut buffer, start, 99);
        let record = &buffer[start..];
        let (header, whole) = Header::check(record, 99).unwrap();
        assert_eq!(header, Header { crc, length: 29, seq: 7, timestamp_us: -5, kind: 3 });
        assert_eq!(whole, record);
        assert_eq!(Header::check(record, 98), None, "another log");
        assert_eq!(Header::check(&record[..28], 99), None, "cut");
        for bit in 0..record.len() * 8 {
            let mut damaged = record.to_vec();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Header::check(&damaged, 99), None, "bit {bit}");
        }
    }
}
