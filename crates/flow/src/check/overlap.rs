//! Whether two patterns of levels have an address in common: topic filters, or the paths of HTTP endpoints.

/// Whether some topic or path fits both patterns. As in MQTT 5.0 section 4.7.2, a wildcard in the first level does not
/// stand for a level that begins with `$`.
pub(crate) fn overlap(one: &str, other: &str) -> bool {
    if hides_reserved(one, other) || hides_reserved(other, one) {
        return false;
    }
    let (mut left, mut right) = (one.split('/'), other.split('/'));
    loop {
        match (left.next(), right.next()) {
            // `a/#` also means `a` itself.
            (Some("#"), _) | (_, Some("#")) | (None, None) => return true,
            (Some(a), Some(b)) if a == b || a == "+" || b == "+" => {}
            _ => return false,
        }
    }
}

fn hides_reserved(pattern: &str, other: &str) -> bool {
    pattern.starts_with(['+', '#']) && other.starts_with('$')
}

#[cfg(test)]
mod tests {
    use super::*;
    use message::{TopicFilter, TopicName};
    use proptest::prelude::*;

    #[test]
    fn patterns_overlap_when_an_address_fits_both() {
        for (one, other) in [
            ("a/b", "a/b"),
            ("a/+", "+/b"),
            ("a/#", "a"),
            ("a/#", "a/b/c"),
            ("a/#", "+/b/#"),
            ("#", "a"),
            ("+", "#"),
            ("$SYS/#", "$SYS/a"),
        ] {
            assert!(overlap(one, other) && overlap(other, one), "{one} {other}");
        }
        for (one, other) in [
            ("a", "b"),
            ("a/b", "a"),
            ("a/+", "a"),
            ("a/+", "b/+"),
            ("a/b/#", "a/c"),
            ("#", "$SYS/a"),
            ("+/a", "$SYS/a"),
        ] {
            assert!(!overlap(one, other) && !overlap(other, one), "{one} {other}");
        }
    }

    proptest! {
        #[test]
        fn whoever_shares_a_topic_overlaps(
            one in "([ab+]/){0,3}[ab+#]", other in "([ab+]/){0,3}[ab+#]", topic in "([ab]/){0,3}[ab]",
        ) {
            let topic = TopicName::parse(&topic).unwrap();
            let fits = |pattern: &str| TopicFilter::parse(pattern).unwrap().matches(&topic);
            if fits(&one) && fits(&other) {
                prop_assert!(overlap(&one, &other));
            }
        }
    }
}
