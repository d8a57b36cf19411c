//! `decompress`: unpacks a part of the message, no further than a limit.

use std::io::Read;

use message::{Bytes, Value, limits};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::conversion::Conversion;
use super::message_part::MessagePart;
use super::payload::PayloadFormat;
use crate::build::{BuildContext, BuildError};
use crate::check::Checker;
use crate::module::{Built, Direction, Module};

/// Unpacks gzip or zstd.
///
/// **Message in** with packed bytes at `source`. **Message out** the same with what was in them at `target`, read in the
/// format `output`.
///
/// **Failure** the message has no `source`, or it is no bytes, damaged or packed in another way; it unpacks to more than
/// `bytes_max`; what was in it is not in the format `output`; `target` cannot be set.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Settings {
    /// How the bytes are packed.
    format: Format,
    /// The property that holds the packed bytes.
    source: MessagePart,
    /// The property that takes what was in them; `source` when not set.
    target: Option<MessagePart>,
    /// How what was in them is read.
    output: PayloadFormat,
    /// The most bytes that one message may unpack to, up to 268,435,456.
    #[schemars(range(min = 1, max = 268_435_456))]
    bytes_max: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            format: Format::Auto,
            source: MessagePart::data(),
            target: None,
            output: PayloadFormat::Raw,
            bytes_max: 16 * 1024 * 1024,
        }
    }
}

/// How bytes are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Format {
    /// Gzip or zstd, as the first bytes tell.
    Auto,
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
}

/// The first bytes of every zstd frame.
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

impl Format {
    fn unpack(self, packed: &[u8], bytes_max: u64) -> Result<Vec<u8>, String> {
        let damaged = |error: std::io::Error| format!("cannot be unpacked: {error}");
        let mut plain = Vec::new();
        // One byte more than is allowed tells a full house from an overflow.
        let room = bytes_max.saturating_add(1);
        let unpacked = match self {
            Self::Zstd => {
                zstd::stream::read::Decoder::new(packed).and_then(|all| all.take(room).read_to_end(&mut plain))
            }
            Self::Auto if packed.starts_with(&ZSTD_MAGIC) => return Self::Zstd.unpack(packed, bytes_max),
            Self::Auto | Self::Gzip => flate2::read::MultiGzDecoder::new(packed).take(room).read_to_end(&mut plain),
        };
        if unpacked.map_err(damaged)? as u64 > bytes_max {
            return Err(format!("unpacks to more than {bytes_max} bytes: raise `bytes_max` if that is meant"));
        }
        Ok(plain)
    }
}

/// The module type.
#[derive(Debug)]
pub(super) struct Decompress;

impl Module for Decompress {
    const TYPE: &'static str = "decompress";
    const DIRECTION: Direction = Direction::Internal;
    const SUMMARY: &'static str = "Unpacks gzip or zstd, up to a limit.";
    const EXAMPLE: &'static str = r#"source = "data"
output = "json"
bytes_max = 1048576
"#;
    type Settings = Settings;

    fn check(settings: &Settings, checker: &mut Checker<'_>) {
        let most = limits::DECOMPRESSED_BYTES_MAX as u64;
        if !(1..=most).contains(&settings.bytes_max) {
            checker.problem("bytes_max", "out of range", format!("write a number from 1 to {most}"));
        }
    }

    fn build(settings: Settings, _: &mut BuildContext<'_>) -> Result<Built, BuildError> {
        let Settings { format, source, target, output, bytes_max } = settings;
        let bytes_max = bytes_max.min(limits::DECOMPRESSED_BYTES_MAX as u64);
        let target = target.unwrap_or_else(|| source.clone());
        let convert = move |value: &Value| match value {
            Value::Bytes(packed) => {
                let plain = Bytes::from(format.unpack(packed, bytes_max)?);
                output.decode(&plain).map_err(|error| format!("unpacks to what is {error}"))
            }
            other => {
                Err(format!("is a value of type {}, not bytes: receive it with `format = \"raw\"`", other.type_name()))
            }
        };
        Ok(Built::Step(Box::new(Conversion { source, target, convert })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::module::{ModuleKind, Of};
    use crate::modules::compress::Compress;
    use crate::modules::harness::{World, itinerary, itinerary_of, now, process};
    use crate::run::Emitter;

    const KIND: &dyn ModuleKind = &Of::<Decompress>::new();

    /// The JSON text `message` packed as a whole.
    fn packed(format: &str, message: &str) -> Value {
        let toml = format!("format = '{format}'\nsource = 'message'");
        let mut step = World::new().step(&Of::<Compress>::new(), &toml);
        let mut out = Emitter::default();
        step.process(now(0), itinerary(message), &mut out).unwrap();
        out.drain().next().unwrap().1.message
    }

    fn unpacked(toml: &str, message: Value) -> Result<Vec<String>, String> {
        let mut step = World::new().step(KIND, &format!("source = 'message'\n{toml}"));
        process(&mut *step, now(0), itinerary_of(message))
    }

    #[test]
    fn what_was_packed_is_unpacked_whatever_the_format() {
        for format in ["gzip", "zstd"] {
            assert_eq!(unpacked("output = 'json'", packed(format, r#"{"a":[1]}"#)).unwrap(), [r#"0: {"a":[1]}"#]);
            assert_eq!(unpacked("output = 'text'", packed(format, r#""hi""#)).unwrap(), [r#"0: "hi""#]);
        }
    }

    #[test]
    fn a_bomb_is_stopped_at_the_limit() {
        let zeros = format!("\"{}\"", "0".repeat(1_000_000));
        for format in ["gzip", "zstd"] {
            let bomb = packed(format, &zeros);
            assert!(bomb.as_bytes().unwrap().len() < 2_000);
            let error = unpacked("bytes_max = 999999", bomb.clone()).unwrap_err();
            assert!(error.contains("more than 999999 bytes"), "{error}");
            assert!(unpacked("bytes_max = 1000000", bomb).is_ok());
        }
    }

    #[test]
    fn damaged_or_other_bytes_fail() {
        let cut = packed("gzip", r#""hello""#).as_bytes().unwrap().slice(..12);
        for (toml, message, what) in [
            ("", Value::from(cut), "cannot be unpacked"),
            ("", Value::from(Bytes::from_static(b"plain")), "cannot be unpacked"),
            ("format = 'zstd'", packed("gzip", "1"), "cannot be unpacked"),
            ("output = 'json'", packed("gzip", "\"x\""), "unpacks to what is not valid JSON"),
            ("", Value::from("text"), "not bytes"),
        ] {
            let error = unpacked(toml, message).unwrap_err();
            assert!(error.contains(what), "{error}");
        }
    }
}
