//! Every shell script stops at the first failure, also within a pipe and at a variable that is not set.

use super::Problem;
use super::tree::Tree;

pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    tree.texts()
        .filter(|file| file.path.ends_with(".sh") || file.path == ".ci/run")
        .filter(|file| !file.lines().any(|(_, line)| line == "set -euo pipefail"))
        .map(|file| {
            Problem::new(
                &file.path,
                1,
                "the script goes on after a failure",
                "write `set -euo pipefail` on a line of its own below the opening comment",
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_that_goes_on_after_a_failure_is_named() {
        let tree = Tree::of(&[
            ("scripts/a.sh", "#!/usr/bin/env bash\nset -euo pipefail\n"),
            ("scripts/b.sh", "#!/usr/bin/env bash\nset -e\n"),
            (".ci/run", "make test\n"),
        ]);
        let paths: Vec<_> = check(&tree).into_iter().map(|problem| problem.path).collect();
        assert_eq!(paths, [".ci/run", "scripts/b.sh"]);
    }
}
