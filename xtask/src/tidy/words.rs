//! Nothing half-done is committed: no marks for later, no stubs, no forgotten debug output, no test that is switched
//! off.

use super::Problem;
use super::tree::Tree;

/// A mark and what to do instead. The marks are written in two parts, so that this list is no offence itself.
const BANNED: &[(&str, &str)] = &[
    (concat!("TO", "DO"), "do it now, or leave it out and say so in the README's state of things"),
    (concat!("FIX", "ME"), "fix it now, or describe the limit in a sentence"),
    (concat!("X", "XX"), "say what is meant in a sentence"),
    (concat!("todo", "!("), "write the code, or leave the function out"),
    (concat!("unimplemented", "!("), "write the code, or leave the function out"),
    (concat!("dbg", "!("), "remove it, or log a field with `tracing`"),
    (concat!("#[ig", "nore"), "make the test reliable and quick, or remove it"),
];

pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    let mut problems = Vec::new();
    for file in tree.texts().filter(|text| !text.path.ends_with(".md")) {
        for (line, text) in file.lines() {
            for (mark, hint) in BANNED {
                if holds(text, mark) {
                    problems.push(Problem::new(&file.path, line, format!("`{mark}` is left in the text"), *hint));
                }
            }
        }
    }
    problems
}

/// Whether the mark stands in the text as a word of its own.
fn holds(text: &str, mark: &str) -> bool {
    let is_word = |character: Option<char>| character.is_some_and(|it| it.is_alphanumeric() || it == '_');
    let ends_in_word = is_word(mark.chars().next_back());
    text.match_indices(mark).any(|(start, _)| {
        let (before, from) = text.split_at(start);
        let after = from.strip_prefix(mark).unwrap_or_default();
        let is_part = is_word(before.chars().next_back()) || ends_in_word && is_word(after.chars().next());
        !is_part
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mark_is_found_where_it_stands() {
        for (mark, _) in BANNED {
            let text = format!("fn f() {{\n    {mark}\n}}\n");
            let found = check(&Tree::of(&[("a.rs", &text)]));
            assert_eq!(found.len(), 1, "{mark}");
            assert_eq!(found.first().map(|problem| problem.line), Some(2), "{mark}");
        }
    }

    #[test]
    fn parts_of_other_words_are_no_marks() {
        assert!(!holds(concat!("MASTO", "TO", "DON"), concat!("TO", "DO")));
        assert!(!holds(concat!("let todo_list = [\"X", "XXL\"];"), concat!("X", "XX")));
    }
}
