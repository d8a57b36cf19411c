//! Time as the pure crates see it: a value that comes in. `Moment` measures spans within one run of the process,
//! `Timestamp` names a point of the calendar; neither reads a clock.

use std::fmt;
use std::ops::{Add, Sub};
use std::str::FromStr;
use std::time::Duration;

/// The two clocks, read together once at the edge and handed to every machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// For timeouts and spans: never goes back.
    pub moment: Moment,
    /// For people, files and expiry that outlives the process: may be set back by an administrator.
    pub wall: Timestamp,
}

/// Nanoseconds since the process began; monotonic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Moment(u64);

impl Moment {
    /// The moment that lies `span` after the start of the process.
    pub fn since_start(span: Duration) -> Self {
        Self(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX))
    }

    /// Nanoseconds since the process began.
    pub fn as_nanos(self) -> u64 {
        self.0
    }

    /// The span from `earlier` to this moment; zero when `earlier` is the later one.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Moment {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)))
    }
}

/// Microseconds since 1970-01-01T00:00:00Z, within the years -9999 to 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The latest timestamp that can be written as RFC 3339.
    pub const MAX: Self = Self(253_402_128_000_000_000);
    /// The earliest timestamp that can be written as RFC 3339.
    pub const MIN: Self = Self(-377_705_000_000_000_000);

    /// From microseconds since the epoch, held within the range that can be written.
    pub fn from_micros(micros: i64) -> Self {
        Self(micros.clamp(Self::MIN.0, Self::MAX.0))
    }

    /// From milliseconds since the epoch, as JavaScript's `Date` counts.
    pub fn from_millis(millis: i64) -> Self {
        Self::from_micros(millis.saturating_mul(1000))
    }

    /// Microseconds since the epoch.
    pub fn as_micros(self) -> i64 {
        self.0
    }

    /// Milliseconds since the epoch, rounded down.
    pub fn as_millis(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// This timestamp moved by `span`, held within the range that can be written.
    pub fn saturating_add(self, span: Duration) -> Self {
        Self::from_micros(self.0.saturating_add(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)))
    }
}

impl Sub for Timestamp {
    type Output = Duration;

    /// The span since `earlier`; zero when `earlier` is the later one.
    fn sub(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC, with as many digits of the second as are needed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(timestamp) => write!(f, "{timestamp}"),
            Err(_) => write!(f, "{}us", self.0),
        }
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, TimestampError> {
        jiff::Timestamp::from_str(text)
            .map(|timestamp| Self::from_micros(timestamp.as_microsecond()))
            .map_err(|_| TimestampError { text: text.chars().take(64).collect() })
    }
}

impl serde::Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A text that names no point in time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a timestamp: write RFC 3339 with an offset, as in 2026-01-31T08:00:00Z")]
pub struct TimestampError {
    text: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_written_and_read_as_rfc_3339() {
        let text = "2026-01-31T08:00:00.25Z";
        let timestamp: Timestamp = text.parse().unwrap();
        assert_eq!(timestamp.to_string(), text);
        assert_eq!(timestamp.as_millis() % 1000, 250);
        assert_eq!("2026-01-31T09:00:00.25+01:00".parse::<Timestamp>().unwrap(), timestamp);
    }

    #[test]
    fn the_range_can_always_be_written() {
        for edge in [Timestamp::MIN, Timestamp::MAX, Timestamp::from_micros(i64::MAX), Timestamp::from_micros(i64::MIN)]
        {
            assert_eq!(edge.to_string().parse::<Timestamp>().unwrap(), edge);
        }
    }

    #[test]
    fn a_moment_never_goes_below_zero() {
        let early = Moment::since_start(Duration::from_secs(1));
        let late = early + Duration::from_millis(5);
        assert_eq!(late.since(early), Duration::from_millis(5));
        assert_eq!(early.since(late), Duration::ZERO);
    }
}
