//! How one record of a table is written. It knows neither tables nor what the fields mean.
//!
//! ```text
//! version  1 byte   RECORD_VERSION, or a later one where a table's record has got more fields
//! fields            integers as LEB128 or 8 bytes little endian; texts and bytes as length (LEB128) and content
//! check    4 bytes  CRC-32 (IEEE), little endian, over the record's key, the version and the fields
//! ```
//! redb checks its pages only when a file is repaired: the check here makes every read safe against a rotten disk.

use std::time::Duration;

/// The version of most records.
pub(super) const RECORD_VERSION: u8 = 1;
/// The latest version that a record of any table has. One with a later version is refused.
const RECORD_VERSION_LATEST: u8 = 2;

const CHECK_BYTES: usize = 4;

/// Why bytes are no record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum RecordError {
    #[error("its checksum is wrong")]
    Check,
    #[error("it has version {0}, this program knows versions up to {RECORD_VERSION_LATEST}")]
    Version(u8),
    #[error("it ends too early")]
    Short,
    #[error("it holds something that cannot be: {0}")]
    Content(&'static str),
}

/// Writes the fields of one record in order.
#[derive(Debug)]
pub(super) struct RecordWriter {
    bytes: Vec<u8>,
}

impl RecordWriter {
    pub(super) fn new() -> Self {
        Self::of_version(RECORD_VERSION)
    }

    pub(super) fn of_version(version: u8) -> Self {
        Self { bytes: vec![version] }
    }

    pub(super) fn u8(&mut self, value: u8) {
        self.bytes.push(value);
    }

    /// 8 bytes, little endian: for fields that are read without reading what stands before them.
    pub(super) fn i64(&mut self, value: i64) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    /// LEB128: seven bits a byte, the lowest first.
    pub(super) fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }

    /// LEB128 in zigzag, so that small negative numbers are short.
    pub(super) fn signed(&mut self, value: i64) {
        self.varint(((value << 1) ^ (value >> 63)).cast_unsigned());
    }

    pub(super) fn bytes(&mut self, value: &[u8]) {
        self.varint(value.len() as u64);
        self.bytes.extend_from_slice(value);
    }

    pub(super) fn text(&mut self, value: &str) {
        self.bytes(value.as_bytes());
    }

    /// LEB128: none as 0, a span as its microseconds and one more.
    pub(super) fn span(&mut self, span: Option<Duration>) {
        let micros = |span: Duration| u64::try_from(span.as_micros()).unwrap_or(u64::MAX).saturating_add(1);
        self.varint(span.map_or(0, micros));
    }

    /// The record, to be stored under `key`.
    pub(super) fn finish(mut self, key: &[u8]) -> Vec<u8> {
        let check = check_of(key, &self.bytes);
        self.bytes.extend_from_slice(&check.to_le_bytes());
        self.bytes
    }
}

/// Reads the fields of one record in order.
#[derive(Debug)]
pub(super) struct RecordReader<'a> {
    rest: &'a [u8],
}

impl<'a> RecordReader<'a> {
    /// Checks what was stored under `key` and stands before its first field.
    pub(super) fn open(key: &[u8], record: &'a [u8]) -> Result<Self, RecordError> {
        match Self::open_versioned(key, record)? {
            (RECORD_VERSION, reader) => Ok(reader),
            (version, _) => Err(RecordError::Version(version)),
        }
    }

    /// The same for a record that may have a later version, which is the first part of the answer.
    pub(super) fn open_versioned(key: &[u8], record: &'a [u8]) -> Result<(u8, Self), RecordError> {
        let content = record.len().checked_sub(CHECK_BYTES).ok_or(RecordError::Short)?;
        let (content, check) = record.split_at(content);
        if check_of(key, content).to_le_bytes() != check {
            return Err(RecordError::Check);
        }
        let (version, rest) = content.split_first().ok_or(RecordError::Short)?;
        if !(RECORD_VERSION..=RECORD_VERSION_LATEST).contains(version) {
            return Err(RecordError::Version(*version));
        }
        Ok((*version, Self { rest }))
    }

    /// Bytes that are left: no list can have more elements.
    pub(super) fn left(&self) -> usize {
        self.rest.len()
    }

    pub(super) fn u8(&mut self) -> Result<u8, RecordError> {
        let (first, rest) = self.rest.split_first().ok_or(RecordError::Short)?;
        self.rest = rest;
        Ok(*first)
    }

    pub(super) fn i64(&mut self) -> Result<i64, RecordError> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or(RecordError::Short)?;
        self.rest = rest;
        Ok(i64::from_le_bytes(*bytes))
    }

    pub(super) fn varint(&mut self) -> Result<u64, RecordError> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                return Err(RecordError::Content("a number beyond 64 bits"));
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(RecordError::Content("a number beyond 64 bits"))
    }

    pub(super) fn signed(&mut self) -> Result<i64, RecordError> {
        let value = self.varint()?;
        Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    pub(super) fn bytes(&mut self) -> Result<&'a [u8], RecordError> {
        let length = usize::try_from(self.varint()?).map_err(|_| RecordError::Short)?;
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or(RecordError::Short)?;
        self.rest = rest;
        Ok(bytes)
    }

    pub(super) fn text(&mut self) -> Result<&'a str, RecordError> {
        std::str::from_utf8(self.bytes()?).map_err(|_| RecordError::Content("a text that is not UTF-8"))
    }

    pub(super) fn span(&mut self) -> Result<Option<Duration>, RecordError> {
        Ok(self.varint()?.checked_sub(1).map(Duration::from_micros))
    }

    /// Reads a byte that is 0 or 1.
    pub(super) fn flag(&mut self) -> Result<bool, RecordError> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(RecordError::Content("a flag that is neither set nor clear")),
        }
    }

    /// Says that all fields were read.
    pub(super) fn end(self) -> Result<(), RecordError> {
        if self.rest.is_empty() { Ok(()) } else { Err(RecordError::Content("more fields than this program knows")) }
    }
}

fn check_of(key: &[u8], content: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(key);
    hasher.update(content);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn fields_are_read_as_they_were_written(
            a: u64, b: i64, c: i64, d: u8, text: String, bytes: Vec<u8>, micros: Option<u32>, flag: bool,
        ) {
            let span = micros.map(|micros| Duration::from_micros(micros.into()));
            let mut writer = RecordWriter::new();
            writer.varint(a);
            writer.signed(b);
            writer.i64(c);
            writer.u8(d);
            writer.text(&text);
            writer.bytes(&bytes);
            writer.span(span);
            writer.u8(u8::from(flag));
            let record = writer.finish(b"key");
            let mut reader = RecordReader::open(b"key", &record).unwrap();
            prop_assert_eq!(reader.varint(), Ok(a));
            prop_assert_eq!(reader.signed(), Ok(b));
            prop_assert_eq!(reader.i64(), Ok(c));
            prop_assert_eq!(reader.u8(), Ok(d));
            prop_assert_eq!(reader.text(), Ok(&*text));
            prop_assert_eq!(reader.bytes(), Ok(&*bytes));
            prop_assert_eq!(reader.span(), Ok(span));
            prop_assert_eq!(reader.flag(), Ok(flag));
            prop_assert_eq!(reader.end(), Ok(()));
        }

        #[test]
        fn one_flipped_bit_is_always_found(bytes: Vec<u8>, place: prop::sample::Index, bit in 0_u8..8) {
            let mut writer = RecordWriter::new();
            writer.bytes(&bytes);
            let mut record = writer.finish(b"key");
            let place = place.index(record.len());
            record[place] ^= 1 << bit;
            prop_assert_eq!(RecordReader::open(b"key", &record).unwrap_err(), RecordError::Check);
        }
    }

    #[test]
    fn a_record_is_bound_to_its_key() {
        let record = RecordWriter::new().finish(b"a");
        assert_eq!(RecordReader::open(b"b", &record).unwrap_err(), RecordError::Check);
    }

    #[test]
    fn a_record_of_a_later_version_is_refused() {
        for version in [0, RECORD_VERSION_LATEST + 1] {
            let record = RecordWriter::of_version(version).finish(b"a");
            assert_eq!(RecordReader::open_versioned(b"a", &record).unwrap_err(), RecordError::Version(version));
        }
        let record = RecordWriter::of_version(RECORD_VERSION_LATEST).finish(b"a");
        assert_eq!(RecordReader::open(b"a", &record).unwrap_err(), RecordError::Version(RECORD_VERSION_LATEST));
        assert_eq!(RecordReader::open_versioned(b"a", &record).unwrap().0, RECORD_VERSION_LATEST);
    }
}
