//! Files, folders and modules bear the name of what they hold. The names refused here say nothing, so that anything
//! ends up in them.

use super::Problem;
use super::tree::{Text, Tree};

const BANNED: &[&str] = &["utils", "util", "common", "helpers", "helper", "core", "imp", "manager", "misc"];

pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    tree.rust().flat_map(|file| banned_in_path(file).into_iter().chain(banned_modules(file))).collect()
}

fn banned_in_path(file: &Text) -> Option<Problem> {
    let named = file.path.split('/').map(|part| part.strip_suffix(".rs").unwrap_or(part));
    named.into_iter().find(|name| BANNED.contains(name)).map(|name| problem(&file.path, 1, name))
}

/// Modules that are written in the file itself: `mod helpers { … }`. Those in files are found by their path.
fn banned_modules(file: &Text) -> impl Iterator<Item = Problem> {
    file.lines().filter_map(|(line, text)| {
        let name = text.trim_start().trim_start_matches("pub ").strip_prefix("mod ")?.strip_suffix('{')?.trim_end();
        BANNED.contains(&name).then(|| problem(&file.path, line, name))
    })
}

fn problem(path: &str, line: usize, name: &str) -> Problem {
    let what = format!("`{name}` names nothing");
    Problem::new(path, line, what, "name the file, folder or module after the one thing that it holds")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_folders_and_inline_modules_with_empty_names_are_named() {
        let tree = Tree::of(&[
            ("crates/flow/src/core/plan.rs", ""),
            ("crates/flow/src/utils.rs", ""),
            ("crates/flow/src/plan.rs", "\npub mod helpers {\n"),
            ("crates/flow/src/core_temperature.rs", "mod score {\n"),
        ]);
        let found: Vec<_> = check(&tree).into_iter().map(|problem| (problem.path, problem.line)).collect();
        let expected =
            [("crates/flow/src/core/plan.rs", 1), ("crates/flow/src/plan.rs", 2), ("crates/flow/src/utils.rs", 1)];
        assert_eq!(found, expected.map(|(path, line)| (path.to_owned(), line)));
    }
}
