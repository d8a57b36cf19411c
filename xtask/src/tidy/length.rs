//! No source file grows beyond what one can read in one sitting. (Functions are clippy's: `too_many_lines`.)

use super::Problem;
use super::tree::Tree;

/// The aim is 100 to 250 lines; beyond this a file holds more than one concept.
const LINES_MAX: usize = 600;

/// Files and folders that may be longer, each with the reason.
const EXCEPTED: &[(&str, &str)] = &[("tests/", "a black-box story reads best in one piece")];

pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    tree.rust()
        .filter(|file| !EXCEPTED.iter().any(|(start, _reason)| file.path.starts_with(start)))
        .filter_map(|file| {
            let lines = file.text.lines().count();
            (lines > LINES_MAX).then(|| {
                Problem::new(
                    &file.path,
                    LINES_MAX + 1,
                    format!("the file has {lines} lines, {LINES_MAX} are the limit"),
                    "split it by concept or sub-state, or except it in xtask/src/tidy/length.rs with the reason",
                )
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_file_beyond_the_limit_is_named() {
        let (longest, too_long) = ("x\n".repeat(LINES_MAX), "x\n".repeat(LINES_MAX + 1));
        let tree = Tree::of(&[("a.rs", &longest), ("b.rs", &too_long), ("tests/c.rs", &too_long), ("d.md", &too_long)]);
        let paths: Vec<_> = check(&tree).into_iter().map(|problem| problem.path).collect();
        assert_eq!(paths, ["b.rs"]);
    }
}
