//! README.md names every folder of examples/: an example that nobody finds teaches nobody.

use std::collections::BTreeSet;

use super::Problem;
use super::tree::Tree;

pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    let readme = tree.text("README.md").map_or("", |file| file.text.as_str());
    let folders: BTreeSet<&str> = tree
        .below("examples")
        .filter_map(|file| file.path.strip_prefix("examples/")?.split_once('/').map(|(folder, _)| folder))
        .collect();
    folders
        .into_iter()
        .filter(|folder| !readme.contains(&format!("examples/{folder}")))
        .map(|folder| {
            let what = format!("examples/{folder} is not mentioned");
            Problem::new("README.md", 1, what, "add it to the list of examples with one line on what it shows")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_example_that_the_readme_leaves_out_is_reported() {
        let tree = Tree::of(&[
            ("README.md", "See [routing](examples/routing).\n"),
            ("examples/routing/route.toml", ""),
            ("examples/upload/flows/upload.toml", ""),
            ("examples/README.md", ""),
        ]);
        let whats: Vec<_> = check(&tree).into_iter().map(|problem| problem.what).collect();
        assert_eq!(whats, ["examples/upload is not mentioned"]);
    }
}
