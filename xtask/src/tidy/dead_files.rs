//! Every source file is compiled: it is reached by `mod` declarations from a root of its crate. A file that is not
//! looks alive, is read and changed, and does nothing.

use std::collections::BTreeSet;

use super::Problem;
use super::manifest::{keys, members, quoted};
use super::tree::{Text, Tree};

/// Folders whose direct children cargo compiles by itself.
const ROOT_FOLDERS: &[&str] = &["src/bin", "tests", "examples", "benches"];

/// Tests that belong to no crate's folder: a crate names them in its manifest.
const SHARED_TESTS: &str = "tests";

pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut shared: Vec<&Text> = tree.below(SHARED_TESTS).filter(|file| file.is_rust()).collect();
    for member in members(tree) {
        let reached = reached(tree, member.folder, member.manifest);
        shared.retain(|file| !reached.contains(file.path.as_str()));
        let below = tree.below(member.folder).filter(|file| file.is_rust());
        problems.extend(below.filter(|file| !reached.contains(file.path.as_str())).map(|file| {
            let what = format!("no `mod` declaration of crate `{}` leads to this file", member.name);
            Problem::new(&file.path, 1, what, "declare it in its parent module, or remove it")
        }));
    }
    problems.extend(shared.iter().map(|file| {
        let what = "no crate comes by this file";
        Problem::new(&file.path, 1, what, "declare it in its parent module, or name it under `[[test]]` of a crate")
    }));
    problems
}

/// The files that the compiler comes by from the roots of the crate in `folder`.
fn reached<'a>(tree: &'a Tree, folder: &str, manifest: &Text) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut open: Vec<&Text> = tree.rust().filter(|file| is_root(folder, &file.path, manifest)).collect();
    while let Some(file) = open.pop() {
        if reached.insert(file.path.as_str()) {
            let is_root = is_root(folder, &file.path, manifest);
            open.extend(declared(file, is_root).iter().filter_map(|path| tree.text(path)));
        }
    }
    reached
}

fn is_root(folder: &str, path: &str, manifest: &Text) -> bool {
    let inner = path.strip_prefix(folder).and_then(|rest| rest.strip_prefix('/')).unwrap_or_default();
    let by_custom = matches!(inner, "src/lib.rs" | "src/main.rs" | "build.rs")
        || ROOT_FOLDERS.iter().any(|root| {
            let rest = inner.strip_prefix(root).and_then(|rest| rest.strip_prefix('/'));
            rest.is_some_and(|rest| !rest.contains('/') || rest.ends_with("/main.rs") && rest.matches('/').count() == 1)
        });
    let by_name = || {
        ["lib", "bin", "test", "example", "bench"]
            .iter()
            .flat_map(|table| keys(manifest, table))
            .any(|entry| entry.key == "path" && quoted(entry.value).is_some_and(|named| resolve(folder, named) == path))
    };
    by_custom || by_name()
}

/// The paths that the `mod` declarations of a file may mean. Those that do not exist are harmless.
fn declared(file: &Text, is_root: bool) -> Vec<String> {
    let (folder, name) = file.path.rsplit_once('/').unwrap_or(("", &file.path));
    let own = if is_root || name == "mod.rs" {
        folder.to_owned()
    } else {
        format!("{folder}/{}", name.strip_suffix(".rs").unwrap_or(name))
    };
    let mut paths = Vec::new();
    let mut given = None;
    for (_, line) in file.lines() {
        let line = line.trim();
        if line.starts_with("#[path") {
            given = quoted(line);
        } else if line.starts_with("include!(") {
            paths.extend(quoted(line).map(|path| resolve(folder, path)));
        } else if let Some(module) = declared_module(line) {
            match given.take() {
                Some(path) => paths.push(resolve(folder, path)),
                None => paths.extend([format!("{own}/{module}.rs"), format!("{own}/{module}/mod.rs")]),
            }
        }
    }
    paths
}

/// The name in `mod name;`, whatever its attributes and visibility.
fn declared_module(line: &str) -> Option<&str> {
    let line = line.rsplit_once("] ").map_or(line, |(_, rest)| rest).split("//").next()?.trim_end();
    let (before, name) = line.strip_suffix(';')?.rsplit_once(' ')?;
    (before == "mod" || before.starts_with("pub") && before.ends_with(" mod")).then_some(name)
}

/// `path` as seen from `folder`, without `..`.
fn resolve(folder: &str, path: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').collect();
    for part in path.split('/') {
        match part {
            ".." => drop(parts.pop()),
            "." => {}
            _ => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: (&str, &str) = ("Cargo.toml", "[workspace]\nmembers = [\"a\"]\n");
    const MANIFEST: (&str, &str) = ("a/Cargo.toml", "[package]\nname = \"a\"\n\n[[bin]]\npath = \"src/broker.rs\"\n");

    fn dead(files: &[(&str, &str)]) -> Vec<String> {
        let all: Vec<_> = [ROOT, MANIFEST].iter().chain(files).copied().collect();
        check(&Tree::of(&all)).into_iter().map(|problem| problem.path).collect()
    }

    #[test]
    fn a_file_that_nothing_declares_is_named() {
        let files = [("a/src/lib.rs", "mod b;\n"), ("a/src/b.rs", ""), ("a/src/c.rs", ""), ("a/src/b/d.rs", "")];
        assert_eq!(dead(&files), ["a/src/b/d.rs", "a/src/c.rs"]);
    }

    #[test]
    fn modules_are_followed_into_folders_and_through_visibility_attributes_and_paths() {
        let files = [
            ("a/src/lib.rs", "pub mod b;\n#[cfg(test)] mod tests;\n#[path = \"../shared/e.rs\"]\nmod e;\n"),
            ("a/src/b.rs", "pub(crate) mod c;\nmod d; // Why.\n"),
            ("a/src/b/c.rs", ""),
            ("a/src/b/d/mod.rs", "mod f;\n"),
            ("a/src/b/d/f.rs", ""),
            ("a/src/tests.rs", ""),
            ("a/shared/e.rs", ""),
        ];
        assert!(dead(&files).is_empty(), "{:?}", dead(&files));
    }

    #[test]
    fn tests_beside_the_crates_are_alive_if_a_crate_names_them() {
        let root = ("Cargo.toml", "[workspace]\nmembers = [\"crates/a\"]\n");
        let manifest = "[package]\nname = \"a\"\n\n[[test]]\nname = \"wire\"\npath = \"../../tests/wire/main.rs\"\n";
        let files = [
            root,
            ("crates/a/Cargo.toml", manifest),
            ("tests/wire/main.rs", "mod step;\n"),
            ("tests/wire/step.rs", ""),
            ("tests/wire/other.rs", ""),
        ];
        let dead: Vec<_> = check(&Tree::of(&files)).into_iter().map(|problem| problem.path).collect();
        assert_eq!(dead, ["tests/wire/other.rs"]);
    }

    #[test]
    fn what_cargo_compiles_by_itself_is_alive() {
        let files = [
            ("a/src/broker.rs", "mod load;\n"),
            ("a/src/load.rs", ""),
            ("a/src/bin/tool.rs", ""),
            ("a/tests/story/main.rs", "mod step;\n"),
            ("a/tests/story/step.rs", ""),
            ("a/build.rs", ""),
        ];
        assert!(dead(&files).is_empty(), "{:?}", dead(&files));
    }
}
