//! docs/decisions/README.md lists every decision note, and the numbers of the notes are their own.

use super::Problem;
use super::tree::Tree;

const FOLDER: &str = "docs/decisions";
const LIST: &str = "docs/decisions/README.md";

pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    let list = tree.text(LIST).map_or("", |file| file.text.as_str());
    let mut problems = Vec::new();
    let mut last_number = "";
    for note in tree.below(FOLDER).filter(|file| file.path != LIST) {
        let name = note.path.rsplit('/').next().unwrap_or_default();
        let number = name.split('-').next().unwrap_or_default();
        if number.len() != 4 || !number.bytes().all(|byte| byte.is_ascii_digit()) {
            let what = format!("`{name}` does not begin with a number of four digits");
            problems.push(Problem::new(&note.path, 1, what, "name the note NNNN-title.md"));
        } else if number == last_number {
            let what = format!("the number {number} is taken by the note before it");
            problems.push(Problem::new(&note.path, 1, what, "take the next free number"));
        }
        if !list.contains(&format!("({name})")) {
            let what = format!("`{name}` is not in the list");
            problems.push(Problem::new(LIST, 1, what, "add a line with a link to it"));
        }
        last_number = number;
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unlisted_misnamed_and_doubly_numbered_notes_are_reported() {
        let tree = Tree::of(&[
            (LIST, "- [One](0001-one.md)\n- [Other](0001-other.md)\n- [Three](three.md)\n"),
            ("docs/decisions/0001-one.md", ""),
            ("docs/decisions/0001-other.md", ""),
            ("docs/decisions/0002-two.md", ""),
            ("docs/decisions/three.md", ""),
        ]);
        let whats: Vec<_> = check(&tree).into_iter().map(|problem| problem.what).collect();
        assert_eq!(
            whats,
            [
                "the number 0001 is taken by the note before it",
                "`0002-two.md` is not in the list",
                "`three.md` does not begin with a number of four digits",
            ]
        );
    }
}
