//! The body of an HTTP request as a value, by its `Content-Type`.

use message::{Bytes, Object, Text, Value};

use super::payload::{PayloadError, PayloadFormat};

/// Why the body of a request cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the body is {what}")]
pub struct BodyError {
    what: PayloadError,
}

/// Reads a body; one without `Content-Type` in the format `otherwise`. An empty body is null.
pub fn read(content_type: Option<&str>, otherwise: PayloadFormat, body: &Bytes) -> Result<Value, BodyError> {
    if body.is_empty() {
        return Ok(Value::Null);
    }
    let error = |what| BodyError { what };
    let Some(content_type) = content_type else { return otherwise.decode(body).map_err(error) };
    let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let format = match media_type.as_str() {
        "application/json" | "text/json" => PayloadFormat::Json,
        "application/x-www-form-urlencoded" => {
            let text = str::from_utf8(body).map_err(|at| error(PayloadError::NotUtf8 { at: at.valid_up_to() }))?;
            return Ok(form(text));
        }
        "application/xml" | "application/x-ndjson" | "application/yaml" | "application/toml" => PayloadFormat::Text,
        other if other.ends_with("+json") => PayloadFormat::Json,
        other if other.starts_with("text/") || other.ends_with("+xml") => PayloadFormat::Text,
        _ => PayloadFormat::Raw,
    };
    format.decode(body).map_err(error)
}

/// A form as an object; of fields with the same name the last one counts.
fn form(text: &str) -> Value {
    let mut object = Object::new();
    for field in text.split('&').filter(|field| !field.is_empty()) {
        let (name, value) = field.split_once('=').unwrap_or((field, ""));
        object.insert(Text::from(decoded(name)), Value::from(decoded(value)));
    }
    Value::Object(object)
}

/// Text in which `+` is a blank and `%41` is a byte; what is no such pair stays as it is.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes().iter().copied();
    while let Some(byte) = rest.next() {
        let mut ahead = rest.clone();
        match (byte, ahead.next().and_then(hex), ahead.next().and_then(hex)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push(high << 4 | low);
                rest.nth(1);
            }
            (b'+', ..) => bytes.push(b' '),
            (other, ..) => bytes.push(other),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hex(byte: u8) -> Option<u8> {
    (byte as char).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_type_says_how_a_body_is_read() {
        for (content_type, body, json) in [
            (Some("application/json; charset=utf-8"), "[1]", "[1]"),
            (Some("application/cloudevents+json"), "{}", "{}"),
            (Some("Text/Plain"), "[1]", "\"[1]\""),
            (Some("application/x-www-form-urlencoded"), "a=1+2&b=%C3%A4&c&%4", r#"{"a":"1 2","b":"ä","c":"","%4":""}"#),
            (Some("image/png"), "hi", "\"aGk=\""),
            (Some("application/json"), "", "null"),
            (None, "hi", "\"hi\""),
        ] {
            let read = read(content_type, PayloadFormat::Text, &Bytes::from_static(body.as_bytes())).unwrap();
            assert_eq!(read.to_json(), json, "{content_type:?}");
        }
    }

    #[test]
    fn a_body_that_is_not_what_it_says_is_refused() {
        let error = read(Some("application/json"), PayloadFormat::Raw, &Bytes::from_static(b"x")).unwrap_err();
        assert_eq!(error.to_string(), "the body is not valid JSON at line 1, column 1: expected value");
        let deep = Bytes::from("[".repeat(200));
        let error = read(Some("application/json"), PayloadFormat::Raw, &deep).unwrap_err();
        let told = "the body is JSON nested too deep at line 1, column 128: at most 127 levels are allowed";
        assert_eq!(error.to_string(), told);
        assert!(read(Some("text/plain"), PayloadFormat::Raw, &Bytes::from_static(b"\xff")).is_err());
    }
}
