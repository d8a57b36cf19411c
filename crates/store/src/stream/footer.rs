//! The footer of a sealed segment of a stream:
//!
//! `messages u64 | oldest i64 | newest i64 | entries u32`, for each entry `offset u64 | newest before i64 | place u32`: the message
//! with this offset begins at this place of the file, and those before it in the segment are not newer than that.

use crate::log::Decoder;

/// One entry of the sparse index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) offset: u64,
    pub(super) newest_before_us: i64,
    pub(super) place: u32,
}

/// What is known of the messages of one segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Contents {
    pub(super) messages: u64,
    pub(super) oldest_us: i64,
    pub(super) newest_us: i64,
    pub(super) index: Vec<Entry>,
}

impl Default for Contents {
    fn default() -> Self {
        Self { messages: 0, oldest_us: i64::MAX, newest_us: i64::MIN, index: Vec::new() }
    }
}

impl Contents {
    /// Notes a message, and where it is if the last entry is far enough behind.
    pub(super) fn add(&mut self, offset: u64, place: u32, timestamp_us: i64) {
        let is_far = self.index.last().is_none_or(|last| {
            u64::from(place).saturating_sub(u64::from(last.place)) >= message::limits::STREAM_INDEX_BYTES
        });
        if is_far {
            self.index.push(Entry { offset, newest_before_us: self.newest_us, place });
        }
        self.messages += 1;
        self.oldest_us = self.oldest_us.min(timestamp_us);
        self.newest_us = self.newest_us.max(timestamp_us);
    }

    /// Where to begin to look for an offset.
    pub(super) fn place_of(&self, offset: u64) -> Option<Entry> {
        let behind = self.index.partition_point(|entry| entry.offset <= offset);
        self.index.get(behind.saturating_sub(1)).copied()
    }

    /// Where to begin to look for the first message that is not older than this.
    pub(super) fn place_at(&self, timestamp_us: i64) -> Option<Entry> {
        let behind = self.index.partition_point(|entry| entry.newest_before_us < timestamp_us);
        self.index.get(behind.saturating_sub(1)).copied()
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut footer = self.messages.to_le_bytes().to_vec();
        footer.extend_from_slice(&self.oldest_us.to_le_bytes());
        footer.extend_from_slice(&self.newest_us.to_le_bytes());
        footer.extend_from_slice(&u32::try_from(self.index.len()).unwrap_or(u32::MAX).to_le_bytes());
        for entry in &self.index {
            footer.extend_from_slice(&entry.offset.to_le_bytes());
            footer.extend_from_slice(&entry.newest_before_us.to_le_bytes());
            footer.extend_from_slice(&entry.place.to_le_bytes());
        }
        footer
    }

    pub(super) fn decode(footer: &[u8]) -> Option<Self> {
        let mut decoder = Decoder::new(footer, 0);
        let (messages, oldest_us) = (decoder.number_u64()?, decoder.number_i64()?);
        let newest_us = decoder.number_i64()?;
        let mut index = Vec::new();
        for _ in 0..decoder.number_u32()? {
            let (offset, newest_before_us) = (decoder.number_u64()?, decoder.number_i64()?);
            index.push(Entry { offset, newest_before_us, place: decoder.number_u32()? });
        }
        decoder.is_at_end().then_some(Self { messages, oldest_us, newest_us, index })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_footer_is_read_as_written_and_finds_offsets_and_times() {
        let mut contents = Contents::default();
        for (index, time) in [(0u32, 50), (1, 40), (2, 70), (3, 60)] {
            contents.add(u64::from(index) + 10, index * 65_536, time);
        }
        assert_eq!(Contents::decode(&contents.encode()), Some(contents.clone()));
        let offset = |entry: Option<Entry>| entry.unwrap().offset;
        assert_eq!((offset(contents.place_of(12)), offset(contents.place_of(99))), (12, 13));
        for (time, expected) in [(10, 10), (50, 10), (51, 12), (70, 12), (71, 13)] {
            assert_eq!(offset(contents.place_at(time)), expected, "{time}");
        }
    }
}
