//! ARCHITECTURE.md names every crate of the workspace: the map stays true when the land changes.

use super::Problem;
use super::manifest::members;
use super::tree::Tree;

const MAP: &str = "ARCHITECTURE.md";

pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    let map = tree.text(MAP).map_or("", |file| file.text.as_str());
    members(tree)
        .iter()
        .filter(|member| !map.contains(&format!("`{}`", member.name)))
        .map(|member| {
            let what = format!("crate `{}` ({}) is not on the map", member.name, member.folder);
            Problem::new(MAP, 1, what, "name it there in backticks and say what it holds and what it must not know")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_that_the_map_does_not_name_is_reported() {
        let tree = Tree::of(&[
            ("ARCHITECTURE.md", "`flow` runs flows; b is mentioned without backticks.\n"),
            ("Cargo.toml", "[workspace]\nmembers = [\"crates/flow\", \"b\"]\n"),
            ("crates/flow/Cargo.toml", "[package]\nname = \"flow\"\n"),
            ("b/Cargo.toml", "[package]\nname = \"b\"\n"),
        ]);
        let problems = check(&tree);
        assert_eq!(problems.len(), 1);
        assert!(problems.iter().all(|problem| problem.what.contains("`b`")));
    }
}
