//! The arrows between the crates: who may depend on whom. This list is the map of ARCHITECTURE.md in words that a
//! machine checks; a new arrow is a decision, not an import.

use super::Problem;
use super::manifest::{keys, members};
use super::tree::Tree;

/// A crate and the crates of this workspace that it may name. Those that are not listed here may name none.
const ALLOWED: &[(&str, &[&str])] = &[
    ("mqtt", &["message"]),
    ("broker", &["message", "store"]),
    ("store", &["message"]),
    ("flow", &["message"]),
    ("connectors", &["flow", "message"]),
    ("node", &["broker", "connectors", "flow", "message", "mqtt", "store"]),
    ("sim", &["broker", "flow", "message", "mqtt", "node", "store"]),
    ("fuzz", &["broker", "flow", "message", "mqtt", "sim"]),
];

pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    let members = members(tree);
    let mut problems = Vec::new();
    for member in &members {
        let allowed = ALLOWED.iter().find(|(name, _)| *name == member.name).map_or(&[][..], |(_, allowed)| allowed);
        for entry in keys(member.manifest, "dependencies") {
            if members.iter().any(|other| other.name == entry.key) && !allowed.contains(&entry.key) {
                problems.push(Problem::new(
                    &member.manifest.path,
                    entry.line,
                    format!("`{}` may not depend on `{}`", member.name, entry.key),
                    "speak to it through a trait, or draw the arrow in ARCHITECTURE.md and in xtask/src/tidy/arrows.rs",
                ));
            }
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arrow_that_is_not_on_the_map_is_refused() {
        let tree = Tree::of(&[
            ("Cargo.toml", "[workspace]\nmembers = [\"message\", \"mqtt\", \"broker\"]\n"),
            ("message/Cargo.toml", "[package]\nname = \"message\"\n"),
            (
                "mqtt/Cargo.toml",
                "[package]\nname = \"mqtt\"\n\n[dependencies]\nmessage.workspace = true\nbytes = \"1\"\n",
            ),
            (
                "broker/Cargo.toml",
                "[package]\nname = \"broker\"\n\n[dependencies]\nmessage.workspace = true\nmqtt.workspace = true\n\n[dev-dependencies]\nmqtt.workspace = true\n",
            ),
        ]);
        let found: Vec<_> = check(&tree).into_iter().map(|problem| (problem.path, problem.line)).collect();
        assert_eq!(found, [("broker/Cargo.toml".to_owned(), 6)]);
    }
}
