//! The files that the rules look at, read once: texts by path, without what builds and runs leave behind.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Folders that hold no source: what git, builds, package managers and runs leave behind. A name with a `/` is a path
/// from the root.
const SKIPPED_FOLDERS: &[&str] = &[".git", "target", "node_modules", "dist", "data", "fuzz/corpus", "fuzz/artifacts"];

/// Files that some rule reads.
const READ_ENDINGS: &[&str] = &["rs", "toml", "md", "sh"];

/// Files without an ending that some rule reads.
const READ_NAMES: &[&str] = &[".ci/run"];

/// Why the workspace could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadTree {
    #[error("folder {path} cannot be listed, check its permissions: {source}")]
    List { path: PathBuf, source: io::Error },
    #[error("file {path} cannot be read as UTF-8 text, repair or remove it: {source}")]
    Read { path: PathBuf, source: io::Error },
}

/// A text of the workspace.
#[derive(Debug)]
pub(super) struct Text {
    /// From the root of the workspace, with `/`.
    pub(super) path: String,
    pub(super) text: String,
}

impl Text {
    pub(super) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// The lines with their numbers, from 1.
    pub(super) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line))
    }
}

/// The texts of the workspace, by path in order.
#[derive(Debug)]
pub(super) struct Tree {
    texts: Vec<Text>,
}

impl Tree {
    pub(super) fn read(root: &Path) -> Result<Self, ReadTree> {
        let mut texts = Vec::new();
        let mut folders = vec![String::new()];
        while let Some(folder) = folders.pop() {
            let listed = root.join(&folder);
            let failed = |source| ReadTree::List { path: listed.clone(), source };
            for entry in fs::read_dir(&listed).map_err(failed)? {
                let entry = entry.map_err(failed)?;
                let name = entry.file_name().to_string_lossy().into_owned();
                let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
                let kind = entry.file_type().map_err(failed)?;
                if kind.is_dir() {
                    if !SKIPPED_FOLDERS.contains(&name.as_str()) && !SKIPPED_FOLDERS.contains(&path.as_str()) {
                        folders.push(path);
                    }
                } else if kind.is_file() && is_read(&path) {
                    let text = fs::read_to_string(entry.path())
                        .map_err(|source| ReadTree::Read { path: entry.path(), source })?;
                    texts.push(Text { path, text });
                }
            }
        }
        texts.sort_by(|left, right| left.path.cmp(&right.path));
        Ok(Self { texts })
    }

    /// A tree that a test makes up: paths with their texts.
    #[cfg(test)]
    pub(super) fn of(texts: &[(&str, &str)]) -> Self {
        let mut texts: Vec<Text> =
            texts.iter().map(|(path, text)| Text { path: (*path).to_owned(), text: (*text).to_owned() }).collect();
        texts.sort_by(|left, right| left.path.cmp(&right.path));
        Self { texts }
    }

    pub(super) fn texts(&self) -> impl Iterator<Item = &Text> {
        self.texts.iter()
    }

    pub(super) fn rust(&self) -> impl Iterator<Item = &Text> {
        self.texts().filter(|text| text.is_rust())
    }

    /// The texts below `folder`, given without a closing `/`.
    pub(super) fn below(&self, folder: &str) -> impl Iterator<Item = &Text> {
        self.texts.iter().filter(move |text| {
            folder.is_empty() || text.path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
        })
    }

    pub(super) fn text(&self, path: &str) -> Option<&Text> {
        self.texts.binary_search_by(|text| text.path.as_str().cmp(path)).ok().and_then(|index| self.texts.get(index))
    }
}

fn is_read(path: &str) -> bool {
    READ_NAMES.contains(&path) || path.rsplit_once('.').is_some_and(|(_, ending)| READ_ENDINGS.contains(&ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_holds_what_is_below_it_and_not_its_namesakes() {
        let tree = Tree::of(&[("crates/flow/src/lib.rs", ""), ("crates/flows.rs", ""), ("crates/flow.rs", "")]);
        let below: Vec<&str> = tree.below("crates/flow").map(|text| text.path.as_str()).collect();
        assert_eq!(below, ["crates/flow/src/lib.rs"]);
    }

    #[test]
    fn scripts_and_sources_are_read_and_binaries_are_not() {
        assert!(is_read("crates/flow/src/lib.rs") && is_read(".ci/run") && is_read("Cargo.toml"));
        assert!(!is_read("docs/picture.png") && !is_read("Makefile"));
    }
}
