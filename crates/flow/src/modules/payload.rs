//! Bytes on the way in and out: read as JSON, as text, or left as they are.

use bytes::BytesMut;
use message::value::{JsonError, parse_json};
use message::{Bytes, Value};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Memory that many small messages share, so that it is asked for once for some eighty of them.
const SHARED_BUFFER_BYTES: usize = 8 * 1024;

/// How bytes become a value, and a value bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PayloadFormat {
    /// JSON text.
    #[default]
    Json,
    /// The bytes as they are. On the way out a text is its UTF-8, anything else but bytes is JSON.
    Raw,
    /// UTF-8 text. On the way out anything but a text is JSON, and null is nothing.
    Text,
}

impl PayloadFormat {
    pub fn decode(self, bytes: &Bytes) -> Result<Value, PayloadError> {
        match self {
            Self::Json => Ok(parse_json(bytes)?),
            Self::Raw => Ok(Value::from(bytes.clone())),
            Self::Text => match str::from_utf8(bytes) {
                Ok(text) => Ok(Value::from(text)),
                Err(error) => Err(PayloadError::NotUtf8 { at: error.valid_up_to() }),
            },
        }
    }

    pub fn encode(self, value: &Value) -> Result<Bytes, PayloadError> {
        match (self, value) {
            (Self::Json, value) => Ok(value.to_json_bytes().into()),
            (Self::Raw, Value::Bytes(bytes)) => Ok(Bytes::clone(bytes)),
            (Self::Text, Value::Bytes(bytes)) => match str::from_utf8(bytes) {
                Ok(_) => Ok(Bytes::clone(bytes)),
                Err(error) => Err(PayloadError::NotUtf8 { at: error.valid_up_to() }),
            },
            (Self::Raw | Self::Text, value) => Ok(Bytes::copy_from_slice(value.to_text().as_bytes())),
        }
    }

    /// As `encode`, with what has to be written put into `buffer`, which many messages share.
    pub fn encode_into(self, value: &Value, buffer: &mut BytesMut) -> Result<Bytes, PayloadError> {
        if self != Self::Json {
            return self.encode(value);
        }
        if buffer.capacity() > SHARED_BUFFER_BYTES || buffer.capacity() == 0 {
            // The rest of a large one would keep all of it alive for a small message.
            *buffer = BytesMut::with_capacity(SHARED_BUFFER_BYTES);
        }
        value.write_json(buffer);
        Ok(buffer.split().freeze())
    }

    /// The media type of what `encode` makes.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Raw => "application/octet-stream",
            Self::Text => "text/plain; charset=utf-8",
        }
    }
}

/// Bytes that nobody could read, kept as a person can look at them: as text where they are text.
pub fn as_found(bytes: &Bytes) -> Value {
    match str::from_utf8(bytes) {
        Ok(text) => Value::from(text),
        Err(_) => Value::from(bytes.clone()),
    }
}

/// Why bytes cannot be read or written in a format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    #[error(transparent)]
    Json(#[from] JsonError),
    #[error("not valid UTF-8 text: byte {at} is wrong")]
    NotUtf8 { at: usize },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_format_reads_what_it_writes() {
        let bytes = Bytes::from_static(b"\xff\x00");
        let mut buffer = BytesMut::new();
        for (format, value, written) in [
            (PayloadFormat::Json, Value::from(vec![Value::from(1)]), &b"[1]"[..]),
            (PayloadFormat::Text, Value::from("\u{e4}"), "\u{e4}".as_bytes()),
            (PayloadFormat::Raw, Value::from(bytes.clone()), &bytes),
        ] {
            let encoded = format.encode(&value).unwrap();
            assert_eq!(&encoded[..], written);
            assert_eq!(format.encode_into(&value, &mut buffer).unwrap(), encoded);
            assert_eq!(format.decode(&encoded), Ok(value));
        }
    }

    #[test]
    fn messages_that_share_a_buffer_are_as_they_would_be_alone() {
        let mut buffer = BytesMut::new();
        let sizes = [10, 3_000, 3_000, 3_000, 100_000, 10, 8_190, 1];
        let values: Vec<Value> = sizes.iter().map(|size| Value::from("x".repeat(*size).as_str())).collect();
        let shared: Vec<Bytes> =
            values.iter().map(|value| PayloadFormat::Json.encode_into(value, &mut buffer).unwrap()).collect();
        for (value, bytes) in values.iter().zip(shared) {
            assert_eq!(bytes, value.to_json_bytes());
        }
        assert!(buffer.capacity() <= SHARED_BUFFER_BYTES);
    }

    #[test]
    fn what_does_not_fit_a_format_is_refused_and_kept_as_found() {
        let broken = Bytes::from_static(b"a\xff");
        let text = PayloadFormat::Text.decode(&broken).unwrap_err().to_string();
        assert_eq!(text, "not valid UTF-8 text: byte 1 is wrong");
        assert!(PayloadFormat::Text.encode(&Value::from(broken.clone())).is_err());
        assert!(PayloadFormat::Json.decode(&Bytes::from_static(b"{")).is_err());
        assert_eq!(as_found(&Bytes::from_static(b"{")), Value::from("{"));
        assert_eq!(as_found(&broken), Value::from(broken));
    }
}
