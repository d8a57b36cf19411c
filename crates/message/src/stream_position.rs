//! Where someone begins to read a stream, as people write it.

use std::fmt;
use std::str::FromStr;

use crate::Timestamp;

/// A place in a stream that is found when it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StreamPosition {
    /// The oldest message that is kept.
    Earliest,
    /// Behind all that is there: the next message.
    #[default]
    Latest,
    /// This message, or the first one behind it that is kept.
    Offset(u64),
    /// The first message that was appended at this time or later.
    Time(Timestamp),
}

/// A text that says no place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is no place in a stream: write `earliest`, `latest`, an offset as in 42, or a time as in \
     `time:2026-01-31T12:00:00Z`"
)]
pub struct StreamPositionError {
    text: String,
}

const TIME: &str = "time:";

impl FromStr for StreamPosition {
    type Err = StreamPositionError;

    fn from_str(text: &str) -> Result<Self, StreamPositionError> {
        let error = || StreamPositionError { text: text.chars().take(80).collect() };
        match text {
            "earliest" => Ok(Self::Earliest),
            "latest" => Ok(Self::Latest),
            _ => match text.strip_prefix(TIME) {
                Some(time) => time.parse().map(Self::Time).map_err(|_| error()),
                None if text.bytes().all(|byte| byte.is_ascii_digit()) => {
                    text.parse().map(Self::Offset).map_err(|_| error())
                }
                None => Err(error()),
            },
        }
    }
}

impl fmt::Display for StreamPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Earliest => f.write_str("earliest"),
            Self::Latest => f.write_str("latest"),
            Self::Offset(offset) => write!(f, "{offset}"),
            Self::Time(time) => write!(f, "{TIME}{time}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_is_written() {
        let time = Timestamp::from_millis(1_769_860_800_000);
        for (text, position) in [
            ("earliest", StreamPosition::Earliest),
            ("latest", StreamPosition::Latest),
            ("0", StreamPosition::Offset(0)),
            ("18446744073709551615", StreamPosition::Offset(u64::MAX)),
            ("time:2026-01-31T12:00:00Z", StreamPosition::Time(time)),
        ] {
            assert_eq!(text.parse(), Ok(position));
            assert_eq!(position.to_string(), text);
        }
        assert_eq!("time:2026-01-31T13:00:00+01:00".parse(), Ok(StreamPosition::Time(time)));
        for bad in
            ["", "Earliest", "-1", "+1", "1.5", "18446744073709551616", "time:", "time:noon", "2026-01-31T12:00:00Z"]
        {
            assert!(bad.parse::<StreamPosition>().is_err(), "{bad}");
        }
    }
}
