//! What a destination promises and allows, as fields of a record.
//!
//! Limits: messages and bytes (LEB128), age (span, see `record.rs`; none for no limit).
//! Durability, 1 byte: 0 memory, 1 operating system, 2 disk.
//! Policy, 1 byte: 0 refuse, 1 drop oldest, 2 drop newest, 3 keep the last of each key.
//! Topic filters: count (LEB128), then each as text.

use message::TopicFilter;

use super::record::{RecordError, RecordReader, RecordWriter};
use crate::{DestinationLimits, Durability, FullPolicy};

impl Durability {
    pub(super) fn number(self) -> u8 {
        match self {
            Self::Memory => 0,
            Self::Os => 1,
            Self::Fsync => 2,
        }
    }

    pub(super) fn from_number(number: u8) -> Result<Self, RecordError> {
        match number {
            0 => Ok(Self::Memory),
            1 => Ok(Self::Os),
            2 => Ok(Self::Fsync),
            _ => Err(RecordError::Content("a durability that is none")),
        }
    }
}

impl FullPolicy {
    pub(super) fn number(self) -> u8 {
        match self {
            Self::Refuse => 0,
            Self::DropOldest => 1,
            Self::DropNewest => 2,
            Self::KeepLastPerKey => 3,
        }
    }

    pub(super) fn from_number(number: u8) -> Result<Self, RecordError> {
        match number {
            0 => Ok(Self::Refuse),
            1 => Ok(Self::DropOldest),
            2 => Ok(Self::DropNewest),
            3 => Ok(Self::KeepLastPerKey),
            _ => Err(RecordError::Content("a policy that is none")),
        }
    }
}

pub(super) fn write_limits(writer: &mut RecordWriter, limits: &DestinationLimits) {
    writer.varint(limits.messages_max);
    writer.varint(limits.bytes_max);
    writer.span(limits.age_max);
}

pub(super) fn read_limits(reader: &mut RecordReader<'_>) -> Result<DestinationLimits, RecordError> {
    let (messages_max, bytes_max) = (reader.varint()?, reader.varint()?);
    Ok(DestinationLimits { messages_max, bytes_max, age_max: reader.span()? })
}

pub(super) fn write_filters(writer: &mut RecordWriter, filters: &[TopicFilter]) {
    writer.varint(filters.len() as u64);
    filters.iter().for_each(|filter| writer.text(filter.as_str()));
}

pub(super) fn read_filters(reader: &mut RecordReader<'_>) -> Result<Vec<TopicFilter>, RecordError> {
    let count = reader.varint()?;
    (0..count).map(|_| read_filter(reader.text()?)).collect()
}

pub(super) fn read_filter(text: &str) -> Result<TopicFilter, RecordError> {
    TopicFilter::parse(text).map_err(|_| RecordError::Content("a topic filter that is none"))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    pub(in super::super) fn any_durability() -> impl Strategy<Value = Durability> {
        prop::sample::select(vec![Durability::Memory, Durability::Os, Durability::Fsync])
    }

    pub(in super::super) fn any_policy() -> impl Strategy<Value = FullPolicy> {
        let all = [FullPolicy::Refuse, FullPolicy::DropOldest, FullPolicy::DropNewest, FullPolicy::KeepLastPerKey];
        prop::sample::select(all.to_vec())
    }

    pub(in super::super) fn any_filters() -> impl Strategy<Value = Vec<TopicFilter>> {
        let filter = "([a-zü]{1,4}|\\+)(/([a-zü]{1,4}|\\+)){0,2}(/#)?";
        prop::collection::vec(filter.prop_map(|text| TopicFilter::parse(&text).unwrap()), 0..4)
    }

    pub(in super::super) fn any_span() -> impl Strategy<Value = Duration> {
        any::<u32>().prop_map(|seconds| Duration::from_secs(seconds.into()))
    }

    pub(in super::super) fn any_limits() -> impl Strategy<Value = DestinationLimits> {
        (any::<u64>(), any::<u64>(), prop::option::of(any_span()))
            .prop_map(|(messages_max, bytes_max, age_max)| DestinationLimits { messages_max, bytes_max, age_max })
    }

    #[test]
    fn every_number_stands_for_what_it_was_written_for() {
        for number in 0..=u8::MAX {
            if let Ok(durability) = Durability::from_number(number) {
                assert_eq!(durability.number(), number);
            }
            if let Ok(policy) = FullPolicy::from_number(number) {
                assert_eq!(policy.number(), number);
            }
        }
    }
}
