//! Numbers to text and back by the rules of ECMAScript (Number::toString and StringToNumber).

/// Writes a number as JavaScript prints it.
pub(super) fn number_to_text(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    if number == 0.0 {
        return "0".to_owned();
    }
    // Rust writes the shortest digits that read back as the same number, as ECMAScript asks: `-1.2345e-7`.
    let written = format!("{:e}", number.abs());
    let (mantissa, exponent) = written.split_once('e').unwrap_or((&written, "0"));
    let digits = mantissa.replace('.', "");
    let count = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    // The decimal point stands behind so many digits.
    let point = exponent.parse::<i32>().unwrap_or(0) + 1;
    let sign = if number < 0.0 { "-" } else { "" };
    let zeros = |number: i32| "0".repeat(usize::try_from(number).unwrap_or(0));
    let split = |at: i32| digits.split_at(usize::try_from(at).unwrap_or(0).min(digits.len()));
    if (count..=21).contains(&point) {
        format!("{sign}{digits}{}", zeros(point - count))
    } else if (1..=21).contains(&point) {
        let (whole, fraction) = split(point);
        format!("{sign}{whole}.{fraction}")
    } else if (-5..=0).contains(&point) {
        format!("{sign}0.{}{digits}", zeros(-point))
    } else {
        let (first, others) = split(1);
        let dot = if others.is_empty() { "" } else { "." };
        format!("{sign}{first}{dot}{others}e{:+}", point - 1)
    }
}

/// Reads a number as JavaScript coerces a text; `None` where that is left to the engine.
pub(super) fn text_to_number(text: &str) -> Option<f64> {
    if !text.is_ascii() {
        return None;
    }
    let text = text.trim_matches([' ', '\t', '\n', '\r', '\u{b}', '\u{c}']);
    if text.is_empty() {
        return Some(0.0);
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if unsigned == "Infinity" {
        return Some(if text.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY });
    }
    if let Some(marked) = text.strip_prefix('0')
        && marked.starts_with(['x', 'X', 'o', 'O', 'b', 'B'])
    {
        return None;
    }
    // Rust also reads `inf`, `nan` and `infinity`: only digits may begin a number here.
    let plain = unsigned.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-'))
        && unsigned.starts_with(|sign: char| sign.is_ascii_digit() || sign == '.');
    Some(if plain { text.parse().unwrap_or(f64::NAN) } else { f64::NAN })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_javascript_writes_them() {
        for (number, text) in [
            (0.0, "0"),
            (-0.0, "0"),
            (1.0, "1"),
            (-1.5, "-1.5"),
            (0.1 + 0.2, "0.30000000000000004"),
            (1e21, "1e+21"),
            (123_456_789_012_345_680_000.0, "123456789012345680000"),
            (1.5e300, "1.5e+300"),
            (0.000_001, "0.000001"),
            (1e-7, "1e-7"),
            (-1.25e-7, "-1.25e-7"),
            (5e-324, "5e-324"),
            (100.0, "100"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(number_to_text(number), text);
        }
    }

    #[test]
    fn texts_are_read_as_javascript_coerces_them() {
        for (text, number) in [
            ("", 0.0),
            (" \t12 ", 12.0),
            ("-1.5e3", -1500.0),
            (".5", 0.5),
            ("5.", 5.0),
            ("+7", 7.0),
            ("Infinity", f64::INFINITY),
            ("-Infinity", f64::NEG_INFINITY),
        ] {
            assert_eq!(text_to_number(text), Some(number), "{text}");
        }
        for text in ["inf", "nan", "infinity", "1_000", "12px", "--1", "1e", ".", "e5", "1 2"] {
            assert!(text_to_number(text).unwrap().is_nan(), "{text}");
        }
        assert_eq!(text_to_number("0x10"), None);
        assert_eq!(text_to_number("\u{a0}1"), None);
    }
}
