//! Every crate takes the workspace's lints: a crate that forgets to is checked by no one, and nothing says so.

use super::Problem;
use super::manifest::{keys, members};
use super::tree::Tree;

pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    members(tree)
        .iter()
        .filter(|member| !keys(member.manifest, "lints").any(|entry| entry.key == "workspace" && entry.value == "true"))
        .map(|member| {
            let what = format!("crate `{}` does not take the workspace's lints", member.name);
            Problem::new(&member.manifest.path, 1, what, "add `[lints]` with `workspace = true`")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_with_lints_of_its_own_is_named() {
        let tree = Tree::of(&[
            ("Cargo.toml", "[workspace]\nmembers = [\"a\", \"b\"]\n"),
            ("a/Cargo.toml", "[package]\nname = \"a\"\n\n[lints]\nworkspace = true\n"),
            ("b/Cargo.toml", "[package]\nname = \"b\"\n"),
        ]);
        let paths: Vec<_> = check(&tree).into_iter().map(|problem| problem.path).collect();
        assert_eq!(paths, ["b/Cargo.toml"]);
    }
}
