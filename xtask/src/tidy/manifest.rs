//! What the rules need to know of Cargo.toml files, read as text line by line: members, names, dependencies, targets.
//! It understands the layout that this workspace uses, not all of TOML.

use super::tree::{Text, Tree};

/// One crate of the workspace.
#[derive(Debug)]
pub(super) struct Member<'a> {
    /// The folder, from the root.
    pub(super) folder: &'a str,
    /// The name of the package.
    pub(super) name: &'a str,
    pub(super) manifest: &'a Text,
}

/// Every member of the workspace that has a manifest with a name. (Cargo itself reports the others.)
pub(super) fn members(tree: &Tree) -> Vec<Member<'_>> {
    let Some(root) = tree.text("Cargo.toml") else { return Vec::new() };
    listed_members(&root.text)
        .filter_map(|folder| {
            let manifest = tree.text(&format!("{folder}/Cargo.toml"))?;
            let name =
                keys(manifest, "package").find(|entry| entry.key == "name").and_then(|entry| quoted(entry.value))?;
            Some(Member { folder, name, manifest })
        })
        .collect()
}

fn listed_members(root: &str) -> impl Iterator<Item = &str> {
    let list = root.split_once("members = [").and_then(|(_, rest)| rest.split_once(']')).map_or("", |(list, _)| list);
    list.split(',').filter_map(quoted)
}

/// A `key = value` line of a table.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    pub(super) line: usize,
    pub(super) key: &'a str,
    pub(super) value: &'a str,
}

/// The keys of every table whose header is `table`, `[table]` or `[[table]]`. `tokio.workspace = true` and the header
/// `[dependencies.tokio]` both count as the key `tokio` of `dependencies`.
pub(super) fn keys<'a>(manifest: &'a Text, table: &'a str) -> impl Iterator<Item = Entry<'a>> {
    let mut inside = false;
    manifest.lines().filter_map(move |(line, text)| {
        let text = text.trim();
        if text.starts_with('[') {
            let header = text.trim_matches(['[', ']']);
            inside = header == table;
            let key = header.strip_prefix(table)?.strip_prefix('.')?;
            return Some(Entry { line, key, value: "" });
        }
        let (key, value) = text.split_once('=').filter(|_| inside && !text.starts_with('#'))?;
        let key = key.trim();
        Some(Entry { line, key: key.split_once('.').map_or(key, |(first, _)| first), value: value.trim() })
    })
}

/// The text between the first two quotation marks.
pub(super) fn quoted(value: &str) -> Option<&str> {
    value.split('"').nth(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_listed_over_several_lines_with_their_package_names() {
        let tree = Tree::of(&[
            ("Cargo.toml", "[workspace]\nmembers = [\n  \"crates/flow\",\n  \"xtask\",\n]\n"),
            ("crates/flow/Cargo.toml", "[package]\nname = \"flow\"\n"),
            ("xtask/Cargo.toml", "[package]\nname = \"xtask\"\n"),
        ]);
        let names: Vec<_> = members(&tree).iter().map(|member| (member.folder, member.name)).collect();
        assert_eq!(names, [("crates/flow", "flow"), ("xtask", "xtask")]);
    }

    #[test]
    fn dependencies_are_found_in_every_spelling() {
        let text = "[dependencies]\nbytes = \"1\"\nserde.workspace = true\n# hyper = \"1\"\n\n[dependencies.tokio]\nversion = \"1\"\n[lints]\nworkspace = true\n";
        let manifest = Text { path: "Cargo.toml".to_owned(), text: text.to_owned() };
        let found: Vec<_> = keys(&manifest, "dependencies").map(|entry| (entry.line, entry.key)).collect();
        assert_eq!(found, [(2, "bytes"), (3, "serde"), (6, "tokio")]);
    }
}
