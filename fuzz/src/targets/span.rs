//! Spans of time as people write them.

use flow::Span;

use crate::Target;

pub(super) const TARGET: Target = Target {
    name: "span",
    what: "a span is written so that it reads the same",
    run,
    seeds: &[b"10s", b"250ms", b"1h30m", b"2d", b"0s", b"1m", b"18446744073709551615d"],
};

fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(span) = text.parse::<Span>() {
        let written = span.to_string();
        assert_eq!(written.parse::<Span>().ok().map(Span::as_duration), Some(span.as_duration()), "{text:?} {written}");
    }
}
