//! Writes figures in the text format of OpenMetrics 1.0.

use std::fmt::{self, Write as _};

pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What kind of figure a family holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Only grows; its samples bear the suffix `_total`.
    Counter,
    Gauge,
    /// Spans in seconds, by buckets.
    Histogram,
    /// Facts as labels; always 1.
    Info,
}

/// A text under construction: families one after another, each with all its samples.
#[derive(Debug, Default)]
pub(super) struct OpenMetrics {
    text: String,
    family: &'static str,
    suffix: &'static str,
}

/// The labels of a sample: names and values.
pub(super) type Labels<'a> = &'a [(&'a str, &'a str)];

impl OpenMetrics {
    /// Begins a family. `unit` is the one that the name ends with, or empty.
    pub(super) fn family(&mut self, name: &'static str, kind: Kind, unit: &str, help: &str) {
        let word = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
            Kind::Info => "info",
        };
        self.line(format_args!("# TYPE {name} {word}"));
        if !unit.is_empty() {
            self.line(format_args!("# UNIT {name} {unit}"));
        }
        self.line(format_args!("# HELP {name} {}", Escaped(help)));
        self.family = name;
        self.suffix = match kind {
            Kind::Counter => "_total",
            Kind::Info => "_info",
            Kind::Gauge | Kind::Histogram => "",
        };
    }

    /// A sample of the family that was begun last.
    pub(super) fn sample(&mut self, labels: Labels<'_>, value: impl fmt::Display) {
        self.write(self.suffix, labels, None, value);
    }

    /// A histogram of the family that was begun last: bounds in seconds with counts, not cumulated; one more count for
    /// what lies above all bounds; the sum in seconds.
    pub(super) fn histogram(&mut self, labels: Labels<'_>, bounds_s: &[f64], counts: &[u64], sum_s: f64) {
        let mut count = 0_u64;
        for (place, here) in counts.iter().enumerate() {
            count = count.saturating_add(*here);
            let bound = bounds_s.get(place).map_or_else(|| "+Inf".to_owned(), |bound| canonical(*bound));
            self.write("_bucket", labels, Some(&bound), count);
        }
        self.write("_sum", labels, None, sum_s);
        self.write("_count", labels, None, count);
    }

    /// The whole text.
    pub(super) fn finish(mut self) -> String {
        self.text.push_str("# EOF\n");
        self.text
    }

    fn write(&mut self, suffix: &str, labels: Labels<'_>, bound: Option<&str>, value: impl fmt::Display) {
        self.text.push_str(self.family);
        self.text.push_str(suffix);
        let all = labels.iter().copied().chain(bound.map(|bound| ("le", bound)));
        let mut separator = '{';
        for (name, label) in all {
            // Writing to a `String` does not fail, here and below.
            let _ = write!(self.text, "{separator}{name}=\"{}\"", Escaped(label));
            separator = ',';
        }
        if separator == ',' {
            self.text.push('}');
        }
        self.line(format_args!(" {value}"));
    }

    fn line(&mut self, line: fmt::Arguments<'_>) {
        let _ = writeln!(self.text, "{line}");
    }
}

/// A bound as a number with a dot, as the format asks for.
fn canonical(bound: f64) -> String {
    let text = bound.to_string();
    if text.contains('.') { text } else { format!("{text}.0") }
}

/// A text with quotes, backslashes and line ends escaped.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for sign in self.0.chars() {
            match sign {
                '"' => f.write_str("\\\"")?,
                '\\' => f.write_str("\\\\")?,
                '\n' => f.write_str("\\n")?,
                sign => f.write_char(sign)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_samples_and_histograms_are_written_as_the_format_says() {
        let mut metrics = OpenMetrics::default();
        metrics.family("a", Kind::Counter, "", "Counts \"a\".");
        metrics.sample(&[("flow", "x\"y\\z\n"), ("module", "m")], 3);
        metrics.family("b_seconds", Kind::Histogram, "seconds", "Spans.");
        metrics.histogram(&[("flow", "f")], &[0.000_001, 1.0], &[2, 1, 4], 0.5);
        metrics.family("c", Kind::Gauge, "", "Now.");
        metrics.sample(&[], 1.5);
        let expected = r#"# TYPE a counter
# HELP a Counts \"a\".
a_total{flow="x\"y\\z\n",module="m"} 3
# TYPE b_seconds histogram
# UNIT b_seconds seconds
# HELP b_seconds Spans.
b_seconds_bucket{flow="f",le="0.000001"} 2
b_seconds_bucket{flow="f",le="1.0"} 3
b_seconds_bucket{flow="f",le="+Inf"} 7
b_seconds_sum{flow="f"} 0.5
b_seconds_count{flow="f"} 7
# TYPE c gauge
# HELP c Now.
c 1.5
# EOF
"#;
        assert_eq!(metrics.finish(), expected);
    }
}
