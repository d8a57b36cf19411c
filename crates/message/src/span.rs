//! Spans of time as a person writes them: `250ms`, `10s`, `1h30m`.

use std::fmt;
use std::time::Duration;

use crate::limits;

/// The units and their milliseconds, the largest first.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Why a text is no span of time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpanError {
    #[error("`{text}` is no span of time: write whole numbers with units, as in `250ms`, `10s`, `5m`, `1h30m` or `1d`")]
    Unreadable { text: String },
    #[error("`{}` is too long: at most {} are allowed", SpanText(*span), SpanText(limits::SETTING_SPAN_MAX))]
    TooLong { span: Duration },
}

/// Reads whole numbers, each with one of the units `ms`, `s`, `m`, `h`, `d`; several add up. At most
/// [`limits::SETTING_SPAN_MAX`].
pub fn parse_span(text: &str) -> Result<Duration, SpanError> {
    let unreadable = || SpanError::Unreadable { text: text.chars().take(40).collect() };
    let mut millis: u64 = 0;
    let mut rest = text.trim();
    loop {
        let digits = rest.find(|sign: char| !sign.is_ascii_digit()).ok_or_else(unreadable)?;
        let (number, from_unit) = rest.split_at(digits);
        let letters = from_unit.find(|sign: char| !sign.is_ascii_alphabetic()).unwrap_or(from_unit.len());
        let (unit, after) = from_unit.split_at(letters);
        let number: u64 = number.parse().map_err(|_| unreadable())?;
        let (_, unit) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(unreadable)?;
        millis = millis.saturating_add(number.saturating_mul(*unit));
        rest = after.trim_start();
        if rest.is_empty() {
            break;
        }
    }
    let span = Duration::from_millis(millis);
    if span > limits::SETTING_SPAN_MAX { Err(SpanError::TooLong { span }) } else { Ok(span) }
}

/// Writes a span so that [`parse_span`] reads it back, but for parts of a millisecond.
#[derive(Debug, Clone, Copy)]
pub struct SpanText(pub Duration);

impl fmt::Display for SpanText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        if rest == 0 {
            return f.write_str("0s");
        }
        for (unit, millis) in UNITS {
            if rest >= millis {
                write!(f, "{}{unit}", rest / millis)?;
                rest %= millis;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn spans_are_read_as_people_write_them() {
        for (text, millis) in
            [("250ms", 250), ("10s", 10_000), ("5m", 300_000), ("1h 30m", 5_400_000), ("1d", 86_400_000), ("0s", 0)]
        {
            assert_eq!(parse_span(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn what_is_no_span_is_refused_by_name() {
        for text in ["", "10", "s", "10x", "1.5s", "-1s", "10s5", "99999999999999999999s", "1 0 s"] {
            let error = parse_span(text).unwrap_err().to_string();
            assert!(error.contains("is no span of time"), "{text}: {error}");
        }
        let error = parse_span("999999d").unwrap_err().to_string();
        assert_eq!(error, "`999999d` is too long: at most 3660d are allowed");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(millis in 0_u64..300_000_000_000) {
            let span = Duration::from_millis(millis);
            prop_assert_eq!(parse_span(&SpanText(span).to_string()), Ok(span));
        }
    }
}
