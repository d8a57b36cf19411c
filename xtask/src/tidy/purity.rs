//! Pure crates decide and never act: neither their manifests nor their sources name sockets, files, threads or a
//! runtime. Clocks and randomness are refused by clippy (`disallowed-methods` in clippy.toml).

use super::Problem;
use super::manifest::keys;
use super::tree::{Text, Tree};

/// The crates that take `(now, input)` and yield outputs.
const PURE: &[&str] = &["crates/message", "crates/mqtt", "crates/broker", "crates/flow"];

/// Crates that would bring in sockets, a runtime or chance. Tests may use what they like.
const BANNED_CRATES: &[&str] =
    &["tokio", "tokio-util", "mio", "socket2", "hyper", "hyper-util", "axum", "reqwest", "rustls", "rand", "getrandom"];

/// Modules of the standard library that act on the world.
const BANNED_MODULES: &[&str] = &["net", "fs", "thread", "env", "process"];

/// Functions of those modules that only look at the own thread.
const HARMLESS: &[&str] = &["std::thread::panicking"];

/// What a pure crate may use all the same: a folder, a module, the reason.
const EXCEPTED: &[(&str, &str, &str)] = &[(
    "crates/flow/src/script/",
    "thread",
    "QuickJS blocks: it runs on threads of its own with a watchdog beside them",
)];

const HINT: &str = "let the caller in `node` or `connectors` do it and pass the result in";

pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    let mut problems = Vec::new();
    for folder in PURE {
        if let Some(manifest) = tree.text(&format!("{folder}/Cargo.toml")) {
            problems.extend(named_in_manifest(manifest));
        }
        for file in tree.below(&format!("{folder}/src")).filter(|file| file.is_rust()) {
            problems.extend(named_in_source(file));
        }
    }
    problems
}

fn named_in_manifest(manifest: &Text) -> impl Iterator<Item = Problem> {
    keys(manifest, "dependencies")
        .filter(|entry| BANNED_CRATES.contains(&entry.key))
        .map(|entry| Problem::new(&manifest.path, entry.line, format!("a pure crate depends on `{}`", entry.key), HINT))
}

fn named_in_source(file: &Text) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut group_of_std = false;
    for (line, text) in file.lines() {
        let code = text.split("//").next().unwrap_or_default();
        let code = &HARMLESS.iter().fold(code.to_owned(), |code, harmless| code.replace(harmless, ""));
        group_of_std |= code.contains("std::{");
        for module in BANNED_MODULES {
            let excepted = EXCEPTED.iter().any(|(folder, name, _)| file.path.starts_with(folder) && name == module);
            let named = has_path(code, &format!("std::{module}")) || (group_of_std && has_path(code, module));
            if named && !excepted {
                problems.push(Problem::new(&file.path, line, format!("a pure crate names `std::{module}`"), HINT));
            }
        }
        for name in BANNED_CRATES {
            if has_path(code, &format!("{}::", name.replace('-', "_"))) {
                problems.push(Problem::new(&file.path, line, format!("a pure crate names `{name}`"), HINT));
            }
        }
        group_of_std &= !code.contains(';');
    }
    problems
}

/// Whether `path` stands in the code and is not a part of a longer name.
fn has_path(code: &str, path: &str) -> bool {
    let is_word = |character: Option<char>| character.is_some_and(|it| it.is_alphanumeric() || it == '_');
    code.match_indices(path).any(|(start, _)| {
        let (before, from) = code.split_at(start);
        let after = from.strip_prefix(path).unwrap_or_default();
        !is_word(before.chars().next_back()) && (path.ends_with(':') || !is_word(after.chars().next()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(files: &[(&str, &str)]) -> Vec<usize> {
        check(&Tree::of(files)).into_iter().map(|problem| problem.line).collect()
    }

    #[test]
    fn a_dependency_that_acts_is_refused_in_a_pure_crate_only() {
        let manifest =
            "[dependencies]\nbytes.workspace = true\ntokio.workspace = true\n\n[dev-dependencies]\nrand = \"1\"\n";
        assert_eq!(lines(&[("crates/broker/Cargo.toml", manifest)]), [3]);
        assert!(lines(&[("crates/node/Cargo.toml", manifest)]).is_empty());
    }

    #[test]
    fn sources_that_act_are_refused_however_they_spell_it() {
        for code in [
            "use std::fs;",
            "use std::net::TcpStream;",
            "use std::{fmt, fs};",
            "use std::{\n    fmt,\n    fs,\n};",
            "let it = std::thread::current();",
            "let _ = tokio::spawn(it);",
        ] {
            assert_eq!(lines(&[("crates/flow/src/a.rs", code)]).len(), 1, "{code}");
        }
    }

    #[test]
    fn what_only_sounds_alike_is_allowed() {
        for code in [
            "// Not std::fs.",
            "use std::fmt;",
            "let fs = 1; let envelope = std::environment;",
            "my_tokio::f();",
            "let it = std::thread::panicking();",
        ] {
            assert!(lines(&[("crates/flow/src/a.rs", code)]).is_empty(), "{code}");
        }
    }

    #[test]
    fn the_script_folder_may_use_threads_but_no_sockets() {
        assert!(lines(&[("crates/flow/src/script/pool.rs", "use std::thread;")]).is_empty());
        assert_eq!(lines(&[("crates/flow/src/script/pool.rs", "use std::net;")]).len(), 1);
    }
}
