//! `compress`: packs a part of the message.

use std::io::Write;

use message::{Bytes, Value};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::conversion::Conversion;
use super::message_part::MessagePart;
use super::payload::PayloadFormat;
use crate::build::{BuildContext, BuildError};
use crate::check::Checker;
use crate::module::{Built, Direction, Module};

/// Packs a part of the message with gzip or zstd.
///
/// **Message in** with anything at `source`: bytes are packed as they are, text as UTF-8, anything else as JSON.
/// **Message out** the same with the packed bytes at `target`. Publish them with `format = "raw"`.
///
/// **Failure** the message has no `source`; `target` cannot be set.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Settings {
    /// How to pack.
    format: Format,
    /// The property that is packed, or `message` for the whole message.
    source: MessagePart,
    /// The property that takes the bytes; `source` when not set.
    target: Option<MessagePart>,
    /// How hard to try: 1 to 9 for gzip (6), 1 to 19 for zstd (3). More takes more time.
    #[schemars(range(min = 1, max = 19))]
    level: Option<u8>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { format: Format::Gzip, source: MessagePart::data(), target: None, level: None }
    }
}

/// How to pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Format {
    /// RFC 1952; what every receiver can read.
    Gzip,
    /// RFC 8878; smaller and faster.
    Zstd,
}

impl Format {
    /// The default and the highest level.
    fn levels(self) -> (u8, u8) {
        match self {
            Self::Gzip => (6, 9),
            Self::Zstd => (3, 19),
        }
    }

    fn pack(self, bytes: &[u8], level: u8) -> std::io::Result<Vec<u8>> {
        match self {
            Self::Gzip => {
                let level = flate2::Compression::new(u32::from(level));
                let mut encoder = flate2::write::GzEncoder::new(Vec::with_capacity(bytes.len() / 4), level);
                encoder.write_all(bytes)?;
                encoder.finish()
            }
            Self::Zstd => zstd::bulk::compress(bytes, i32::from(level)),
        }
    }
}

/// The module type.
#[derive(Debug)]
pub(super) struct Compress;

impl Module for Compress {
    const TYPE: &'static str = "compress";
    const DIRECTION: Direction = Direction::Internal;
    const SUMMARY: &'static str = "Packs a part of the message with gzip or zstd.";
    const EXAMPLE: &'static str = r#"format = "zstd"
source = "data"
"#;
    type Settings = Settings;

    fn check(settings: &Settings, checker: &mut Checker<'_>) {
        let (_, most) = settings.format.levels();
        if settings.level.is_some_and(|level| !(1..=most).contains(&level)) {
            checker.problem("level", "out of range", format!("write a number from 1 to {most}"));
        }
    }

    fn build(settings: Settings, _: &mut BuildContext<'_>) -> Result<Built, BuildError> {
        let Settings { format, source, target, level } = settings;
        let (default, most) = format.levels();
        let level = level.unwrap_or(default).clamp(1, most);
        let target = target.unwrap_or_else(|| source.clone());
        let convert = move |value: &Value| {
            let plain = match value {
                Value::Bytes(_) | Value::Text(_) => PayloadFormat::Raw.encode(value),
                other => PayloadFormat::Json.encode(other),
            };
            let plain = plain.map_err(|error| format!("is {error}"))?;
            let packed = format.pack(&plain, level).map_err(|error| format!("cannot be packed: {error}"))?;
            Ok(Value::from(Bytes::from(packed)))
        };
        Ok(Built::Step(Box::new(Conversion { source, target, convert })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::module::{ModuleKind, Of};
    use crate::modules::harness;

    const KIND: &dyn ModuleKind = &Of::<Compress>::new();

    #[test]
    fn the_check_knows_the_levels_of_each_format() {
        for (toml, problems) in
            [("level = 9", 0), ("level = 10", 1), ("format = 'zstd'\nlevel = 19", 0), ("level = 0", 1)]
        {
            assert_eq!(harness::check(KIND, toml).lines().len(), problems, "{toml}");
        }
    }
}
