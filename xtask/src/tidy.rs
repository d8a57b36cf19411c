//! The rules of the house that neither the compiler nor clippy knows, over plain text and therefore fast.
//! A rule is one file below `tidy/` and one line in [`RULES`].

mod architecture;
mod arrows;
mod dead_files;
mod decisions;
mod examples;
mod heads;
mod length;
mod lints;
mod manifest;
mod names;
mod purity;
mod scripts;
mod tree;
mod words;

use std::fmt::Write as _;
use std::path::Path;

use self::tree::{ReadTree, Tree};

/// One rule: what it asks for and how it looks for offences.
struct Rule {
    /// Names the rule in a report: the name of its file.
    name: &'static str,
    check: fn(&Tree) -> Vec<Problem>,
}

/// Every rule, in the order of the report.
const RULES: &[Rule] = &[
    Rule { name: "heads", check: heads::check },
    Rule { name: "length", check: length::check },
    Rule { name: "names", check: names::check },
    Rule { name: "words", check: words::check },
    Rule { name: "purity", check: purity::check },
    Rule { name: "arrows", check: arrows::check },
    Rule { name: "dead_files", check: dead_files::check },
    Rule { name: "lints", check: lints::check },
    Rule { name: "architecture", check: architecture::check },
    Rule { name: "examples", check: examples::check },
    Rule { name: "decisions", check: decisions::check },
    Rule { name: "scripts", check: scripts::check },
];

/// An offence against one rule: where it is, what is wrong and what to do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Problem {
    /// The file, from the root of the workspace, with `/`.
    path: String,
    /// The line, from 1.
    line: usize,
    what: String,
    hint: String,
}

impl Problem {
    fn new(path: &str, line: usize, what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, what: what.into(), hint: hint.into() }
    }
}

/// Checks the workspace at `root`. The report has one paragraph per problem and is empty when all is tidy.
pub(crate) fn report(root: &Path) -> Result<String, ReadTree> {
    let tree = Tree::read(root)?;
    let mut report = String::new();
    let mut count = 0;
    for rule in RULES {
        let mut problems = (rule.check)(&tree);
        problems.sort();
        count += problems.len();
        for Problem { path, line, what, hint } in problems {
            // Writing to a `String` does not fail.
            let _ = write!(report, "{path}:{line}: {what}\n    {hint} [{}]\n", rule.name);
        }
    }
    if count > 0 {
        let _ = writeln!(report, "{count} offences against xtask/src/tidy/");
    }
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workspace_is_tidy() {
        let report = report(&crate::workspace_root()).expect("the workspace is readable");
        assert!(report.is_empty(), "\n{report}");
    }

    #[test]
    fn every_rule_has_a_file_of_its_name() {
        for rule in RULES {
            let file = crate::workspace_root().join(format!("xtask/src/tidy/{}.rs", rule.name));
            assert!(file.is_file(), "{} is missing", file.display());
        }
    }
}
