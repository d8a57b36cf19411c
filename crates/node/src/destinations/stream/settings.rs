//! How a stream is set, as people write it.

use std::time::Duration;

use message::limits;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::DestinationLimits;
use store::stream::StreamOptions;
use store::table;

use crate::destinations::settings::{AGE_MOST_S, DurabilityWord, SettingsError, check_range, filters};

/// How a stream is set. A stream keeps its messages in their order for everyone who reads it, until they are too many or
/// too old.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StreamSettings {
    /// Topic filters: what is published to a topic that one of them matches is appended to the stream.
    pub bindings: Vec<String>,
    /// What an acknowledgement of a publish promises: `fsync`, the message survives a loss of power; `os`, it survives the
    /// end of the process; `memory`, nothing: it waits for no disk, and what is there when the node ends is gone.
    pub durability: DurabilityWord,
    /// Messages that are kept at least; beyond, the oldest go, an eighth of them at a time, or 64 if that is more, so that up to
    /// two such parts more are there. As many as there is room for when absent.
    #[schemars(range(min = 1, max = 1_000_000_000_000_u64))]
    pub messages_max: Option<u64>,
    /// Bytes of its files that are kept; beyond, the oldest messages go, an eighth of them at a time, 16 KiB if that is more, or
    /// 32 MiB if that is less. While a part is filled there is up to one more.
    #[schemars(range(min = 1, max = 1_125_899_906_842_624_u64))]
    pub bytes_max: u64,
    /// Seconds for which a message is kept, and up to an eighth longer; for ever when absent.
    #[schemars(range(min = 1, max = 316_224_000))]
    pub age_max_s: Option<u64>,
}

impl Default for StreamSettings {
    fn default() -> Self {
        Self {
            bindings: Vec::new(),
            durability: DurabilityWord::Fsync,
            messages_max: None,
            bytes_max: limits::STREAM_BYTES_MAX,
            age_max_s: None,
        }
    }
}

impl StreamSettings {
    /// The settings as the tables keep them.
    pub(in crate::destinations) fn resolve(&self) -> Result<table::StreamOptions, SettingsError> {
        check_range("messages_max", self.messages_max.unwrap_or(1), 1, 1_000_000_000_000)?;
        check_range("bytes_max", self.bytes_max, 1, 1 << 50)?;
        check_range("age_max_s", self.age_max_s.unwrap_or(1), 1, AGE_MOST_S)?;
        Ok(table::StreamOptions {
            bindings: filters(&self.bindings)?,
            retention: DestinationLimits {
                messages_max: self.messages_max.unwrap_or(u64::MAX),
                bytes_max: self.bytes_max,
                age_max: self.age_max_s.map(Duration::from_secs),
            },
            durability: self.durability.into(),
        })
    }

    /// What is wrong with the settings by themselves.
    pub(crate) fn check(&self) -> Result<(), SettingsError> {
        self.resolve().map(|_| ())
    }
}

impl From<&table::StreamOptions> for StreamSettings {
    fn from(options: &table::StreamOptions) -> Self {
        let retention = &options.retention;
        Self {
            bindings: options.bindings.iter().map(ToString::to_string).collect(),
            durability: options.durability.into(),
            messages_max: (retention.messages_max < u64::MAX).then_some(retention.messages_max),
            bytes_max: retention.bytes_max,
            age_max_s: retention.age_max.map(|age| age.as_secs()),
        }
    }
}

/// How the log of a stream is kept, from what the tables keep.
pub(in crate::destinations) fn log_options(options: &table::StreamOptions) -> StreamOptions {
    let part = options.retention.bytes_max / u64::from(limits::STREAM_SEGMENTS_LEAST);
    StreamOptions {
        durability: options.durability,
        retention: options.retention,
        segment_bytes: part.clamp(limits::STREAM_SEGMENT_BYTES_LEAST, limits::LOG_SEGMENT_BYTES),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_come_back_from_the_tables_as_they_were() {
        let settings = StreamSettings {
            bindings: vec!["plant/#".to_owned()],
            durability: DurabilityWord::Os,
            messages_max: Some(10),
            bytes_max: 20,
            age_max_s: Some(30),
        };
        for settings in [settings, StreamSettings::default()] {
            assert_eq!(StreamSettings::from(&settings.resolve().unwrap()), settings);
        }
        let circle = StreamSettings { bindings: vec!["$stream/other".to_owned()], ..StreamSettings::default() };
        assert!(circle.check().is_err());
        assert!(StreamSettings { messages_max: Some(0), ..StreamSettings::default() }.check().is_err());
    }

    #[test]
    fn a_small_stream_has_small_segments() {
        for (bytes_max, segment_bytes) in [(1, 16_384), (8 * 1024 * 1024, 1024 * 1024), (1 << 50, 32 * 1024 * 1024)] {
            let settings = StreamSettings { bytes_max, ..StreamSettings::default() };
            assert_eq!(log_options(&settings.resolve().unwrap()).segment_bytes, segment_bytes);
        }
    }
}
