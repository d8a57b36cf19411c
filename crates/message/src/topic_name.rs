//! The address of one message, MQTT 5.0 section 4.7.

use std::fmt;

use bytes::Bytes;
use bytestring::ByteString;

use crate::limits;

/// A topic without wildcards, valid by construction: one to 65,535 bytes of UTF-8, no `+`, `#` or NUL,
/// at most [`limits::TOPIC_LEVELS_MAX`] levels. Cloning shares the bytes.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicName(ByteString);

impl TopicName {
    /// Checks and copies a text.
    pub fn parse(text: &str) -> Result<Self, TopicNameError> {
        check(text)?;
        Ok(Self(ByteString::from(text)))
    }

    /// Checks bytes from the wire and shares them.
    pub fn from_bytes(bytes: Bytes) -> Result<Self, TopicNameError> {
        let text = ByteString::try_from(bytes).map_err(|_| TopicNameError::NotUtf8)?;
        check(&text)?;
        Ok(Self(text))
    }

    /// Whether this names a queue or a stream, as in `$queue/orders`.
    pub fn is_of_destination(&self) -> bool {
        let text = self.as_str();
        text.starts_with("$queue/") || text.starts_with("$stream/")
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The bytes behind the text, shared.
    pub fn as_bytes(&self) -> &Bytes {
        self.0.as_bytes()
    }

    /// A copy that shares nothing: for what is kept long, so that a topic of ten bytes
    /// does not keep a read buffer of 64 KiB alive.
    pub fn detach(&self) -> Self {
        Self(ByteString::from(self.as_str()))
    }

    /// The levels between the slashes; a topic always has at least one.
    pub fn levels(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }

    /// Topics that begin with `$` belong to the node and are not matched by a leading wildcard.
    pub fn is_reserved(&self) -> bool {
        self.0.starts_with('$')
    }
}

fn check(text: &str) -> Result<(), TopicNameError> {
    if text.is_empty() {
        return Err(TopicNameError::Empty);
    }
    if text.len() > limits::TOPIC_BYTES_MAX {
        return Err(TopicNameError::TooLong { bytes: text.len() });
    }
    let mut levels = 1;
    for byte in text.bytes() {
        match byte {
            b'+' | b'#' => return Err(TopicNameError::Wildcard),
            0 => return Err(TopicNameError::Nul),
            b'/' => levels += 1,
            _ => {}
        }
    }
    if levels > limits::TOPIC_LEVELS_MAX {
        return Err(TopicNameError::TooDeep { levels });
    }
    Ok(())
}

impl fmt::Display for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

/// Why a text is no topic name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TopicNameError {
    #[error("the topic is empty")]
    Empty,
    #[error("the topic is not valid UTF-8")]
    NotUtf8,
    #[error("the topic has {bytes} bytes: at most {} are allowed", limits::TOPIC_BYTES_MAX)]
    TooLong { bytes: usize },
    #[error("the topic has {levels} levels: at most {} are allowed", limits::TOPIC_LEVELS_MAX)]
    TooDeep { levels: usize },
    #[error("the topic holds a wildcard: `+` and `#` are allowed only in a topic filter")]
    Wildcard,
    #[error("the topic holds a NUL character")]
    Nul,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_any_text_without_wildcard_or_nul() {
        for good in ["a", "/", "a//b", "plc/line1/temperature", "ä/ü", "$SYS/x", " "] {
            assert_eq!(TopicName::parse(good).unwrap().as_str(), good);
        }
        assert_eq!(TopicName::parse(""), Err(TopicNameError::Empty));
        assert_eq!(TopicName::parse("a/+"), Err(TopicNameError::Wildcard));
        assert_eq!(TopicName::parse("a#"), Err(TopicNameError::Wildcard));
        assert_eq!(TopicName::parse("a\0"), Err(TopicNameError::Nul));
        assert_eq!(TopicName::parse(&"a".repeat(65_536)), Err(TopicNameError::TooLong { bytes: 65_536 }));
        assert!(matches!(TopicName::parse(&"/".repeat(5000)), Err(TopicNameError::TooDeep { .. })));
        assert_eq!(TopicName::from_bytes(Bytes::from_static(&[0xff])), Err(TopicNameError::NotUtf8));
    }

    #[test]
    fn detaching_keeps_the_text_and_shares_nothing() {
        let buffer = Bytes::from_static(b"a/b");
        let topic = TopicName::from_bytes(buffer.clone()).unwrap();
        let detached = topic.detach();
        assert_eq!(topic, detached);
        assert_eq!(topic.as_bytes().as_ptr(), buffer.as_ptr());
        assert_ne!(detached.as_bytes().as_ptr(), buffer.as_ptr());
    }
}
