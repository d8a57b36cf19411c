//! The paths that an endpoint takes: segments, `+` for one, `#` for the rest.

use std::cmp::Ordering;

use message::Text;

/// A path as an endpoint claims it, without the leading slash. `a/#` takes `a` too, as in topic filters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct PathPattern {
    segments: Vec<Segment>,
}

/// In the order of preference: what is said in full comes before what is left open.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Segment {
    Literal(Text),
    One,
    Rest,
}

impl PathPattern {
    pub(super) fn new(path: &str) -> Self {
        let segment = |text| match text {
            "+" => Segment::One,
            "#" => Segment::Rest,
            literal => Segment::Literal(Text::new(literal)),
        };
        Self { segments: path.split('/').map(segment).collect() }
    }

    /// Whether it takes a path, given without the leading slash.
    pub(super) fn matches(&self, path: &str) -> bool {
        let mut rest = Some(path);
        for segment in &self.segments {
            if *segment == Segment::Rest {
                return true;
            }
            let Some(text) = rest else { return false };
            let (first, after) = text.split_once('/').map_or((text, None), |(first, after)| (first, Some(after)));
            if let Segment::Literal(literal) = segment
                && literal != first
            {
                return false;
            }
            rest = after;
        }
        rest.is_none()
    }

    /// Which of two patterns is asked first: the one that says more, segment by segment from the left.
    pub(super) fn preference(&self, other: &Self) -> Ordering {
        self.segments.cmp(&other.segments)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plus_takes_one_segment_and_hash_the_rest() {
        for (pattern, path, takes) in [
            ("a/b", "a/b", true),
            ("a/b", "a", false),
            ("a/b", "a/b/c", false),
            ("a/b", "a/b/", false),
            ("a/+", "a/b", true),
            ("a/+", "a/", true),
            ("a/+", "a", false),
            ("a/+/c", "a/x/c", true),
            ("a/#", "a", true),
            ("a/#", "a/b/c", true),
            ("a/#", "ab", false),
            ("#", "", true),
            ("#", "a/b", true),
            ("", "", true),
            ("", "a", false),
            ("a", "A", false),
        ] {
            assert_eq!(PathPattern::new(pattern).matches(path), takes, "{pattern} {path}");
        }
    }

    #[test]
    fn what_is_said_in_full_is_asked_before_what_is_left_open() {
        let mut patterns = ["#", "+/b", "a/#", "a/+", "a/b", "a/+/c"].map(PathPattern::new);
        patterns.sort_by(PathPattern::preference);
        assert_eq!(patterns, ["a/b", "a/+", "a/+/c", "a/#", "+/b", "#"].map(PathPattern::new));
    }
}
