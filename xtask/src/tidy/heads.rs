//! Every source file opens with `//!`: a newcomer learns from the first line what the file is.

use super::Problem;
use super::tree::Tree;

pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    tree.rust()
        .filter(|file| !file.text.trim_start().starts_with("//!"))
        .map(|file| {
            Problem::new(
                &file.path,
                1,
                "the file does not open with `//!`",
                "say in one to five lines what the file is and what it is not",
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_head_is_named() {
        let tree =
            Tree::of(&[("a.rs", "//! Does this.\nmod b;\n"), ("b.rs", "// A comment.\nfn f() {}\n"), ("c.rs", "")]);
        let paths: Vec<_> = check(&tree).into_iter().map(|problem| problem.path).collect();
        assert_eq!(paths, ["b.rs", "c.rs"]);
    }
}
