//! What a person may have meant by a name that does not exist.

/// Longer names are compared no further: the comparison takes time by the square.
const COMPARED_CHARS_MAX: usize = 64;

/// A hint that offers the nearest of the names, or else lists them.
pub(super) fn hint<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>, none: &str) -> String {
    let candidates: Vec<&str> = candidates.into_iter().collect();
    if let Some(meant) = nearest(name, candidates.iter().copied()) {
        return format!("did you mean `{meant}`?");
    }
    if candidates.is_empty() || candidates.len() > 40 {
        return none.to_owned();
    }
    format!("known: {}", candidates.iter().map(|candidate| format!("`{candidate}`")).collect::<Vec<_>>().join(", "))
}

/// The candidate that differs least from `name`, if a slip of the fingers explains the difference.
fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let slips_max = (name.chars().count() / 3).clamp(1, 4);
    candidates
        .into_iter()
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(slips, _)| *slips <= slips_max)
        .min_by_key(|(slips, _)| *slips)
        .map(|(_, candidate)| candidate)
}

/// Letters put in, left out, changed, or swapped with their neighbour (optimal string alignment).
fn distance(one: &str, other: &str) -> usize {
    let letters = |text: &str| text.chars().take(COMPARED_CHARS_MAX).flat_map(char::to_lowercase).collect::<Vec<_>>();
    let (one, other) = (letters(one), letters(other));
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=other.len()).collect();
    for (row, letter) in one.iter().enumerate() {
        let mut current = vec![row + 1];
        for (column, against) in other.iter().enumerate() {
            let at = |line: &[usize], place: usize| line.get(place).copied().unwrap_or(usize::MAX - 1);
            let mut least = (at(&last, column) + usize::from(letter != against))
                .min(at(&last, column + 1) + 1)
                .min(at(&current, column) + 1);
            let swapped =
                row > 0 && column > 0 && one.get(row - 1) == Some(against) && other.get(column - 1) == Some(letter);
            if swapped {
                least = least.min(at(&before_last, column - 1) + 1);
            }
            current.push(least);
        }
        before_last = std::mem::replace(&mut last, current);
    }
    last.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_counted() {
        for (one, other, slips) in [
            ("", "", 0),
            ("abc", "abc", 0),
            ("abc", "ABC", 0),
            ("abc", "acb", 1),
            ("abc", "ab", 1),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(one, other), slips, "{one} {other}");
            assert_eq!(distance(other, one), slips, "{other} {one}");
        }
    }

    #[test]
    fn the_nearest_name_is_offered_and_else_all_are_listed() {
        let known = ["mqtt-sub-broker", "mqtt-pub-broker", "kv-get"];
        assert_eq!(hint("mqtt-sub-borker", known, ""), "did you mean `mqtt-sub-broker`?");
        assert_eq!(hint("kv_get", known, ""), "did you mean `kv-get`?");
        assert_eq!(hint("x", known, ""), "known: `mqtt-sub-broker`, `mqtt-pub-broker`, `kv-get`");
        assert_eq!(hint("x", [], "there is none"), "there is none");
    }
}
