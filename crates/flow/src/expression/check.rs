//! Finds what is wrong with a text before it runs, without an engine: for the checker of flows and the designer.

use message::Text;

use super::free_names::undeclared_names;
use super::parse::{Parsed, parse_condition, parse_expression};
use super::problem::SourceProblem;
use crate::script::{Syntax, check_syntax};

/// What is wrong with a route condition over the variables `names`.
pub fn check_condition(source: &str, names: &[Text]) -> Vec<SourceProblem> {
    check(parse_condition(source, names), Syntax::Condition, source, names)
}

/// What is wrong with a bare expression over the variables `names`.
pub fn check_expression(source: &str, names: &[Text]) -> Vec<SourceProblem> {
    check(parse_expression(source, names), Syntax::Expression, source, names)
}

/// What is wrong with the text of a script module over the variables `names`.
pub fn check_script(source: &str, names: &[Text]) -> Vec<SourceProblem> {
    check(Parsed::Outside, Syntax::Script, source, names)
}

fn check(parsed: Parsed, syntax: Syntax, source: &str, names: &[Text]) -> Vec<SourceProblem> {
    match parsed {
        Parsed::Tree(_) => Vec::new(),
        Parsed::Undeclared(first, others) => {
            let names = std::iter::once(first).chain(others);
            names.map(|(name, place)| SourceProblem::undeclared(place, &name)).collect()
        }
        Parsed::Outside => match check_syntax(syntax, source, names) {
            Ok(()) => undeclared_names(source, names),
            Err(problem) => vec![problem],
        },
    }
}
