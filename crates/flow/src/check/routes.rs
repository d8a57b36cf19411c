//! Route conditions: that they are JavaScript, and name only what is there.

use message::limits;

use super::inspection::{Findings, Inspection};
use super::{Place, Problem};
use crate::expression::check_condition;

pub(super) fn check(inspection: &Inspection<'_>, findings: &mut Findings) {
    for (index, connection) in inspection.flow.connections.iter().enumerate() {
        let Some(route) = &connection.route else { continue };
        let at =
            |position| Place::Connection { index, from: connection.from.clone(), to: connection.to.clone(), position };
        if route.len() > limits::SCRIPT_SOURCE_BYTES_MAX {
            let (bytes, max) = (route.len(), limits::SCRIPT_SOURCE_BYTES_MAX);
            let what = format!("the condition has {bytes} bytes, {max} are the limit");
            findings.push(Problem::error(at(None), what, "move the work into a `script` module before the connection"));
            continue;
        }
        for problem in check_condition(route, &inspection.variables) {
            let position = Some((problem.place.line, problem.place.column));
            findings.push(Problem::error(at(position), problem.what, problem.hint.unwrap_or_default()));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::check::test_catalog::{expect_clean, expect_problems};

    fn with_route(route: &str) -> String {
        format!(
            "[variables]\nlimit = {{ type = \"number\", value = 30 }}\n\
             [modules.in]\ntype = \"test-in\"\nwith = {{ topic = \"a\" }}\n\
             [modules.step]\ntype = \"test-step\"\nwith = {{ name = \"x\" }}\n\
             [[connections]]\nfrom = \"in\"\nto = \"step\"\nroute = '''{route}'''\n"
        )
    }

    #[test]
    fn conditions_over_the_message_and_declared_variables_are_taken() {
        for route in ["var route = message.temperature > limit;", "message.ok", "true", "context.attempt < 3"] {
            expect_clean(&with_route(route));
        }
    }

    #[test]
    fn a_mistake_in_a_condition_has_line_and_column() {
        expect_problems(
            &with_route("// When hot.\nvar route = message.x > limt;"),
            &[
                "connections[0] (in -> step), line 2, column 25: undeclared variable `limt` (declare `limt` under [variables], or correct the name)",
            ],
        );
    }

    #[test]
    fn a_condition_that_is_no_javascript_is_refused_where_it_breaks() {
        let flow = crate::file::read(&format!("id = \"a\"\n{}", with_route("message.x >> > 3"))).unwrap();
        let checked = crate::check::check(&flow, &crate::check::test_catalog::catalog(), &Default::default());
        let found: Vec<String> = checked.problems.iter().map(ToString::to_string).collect();
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("connections[0] (in -> step), line 1, column 1"), "{found:?}");
    }
}
