//! The limits of a flow as a whole.

use message::limits;

use super::{Place, Problem};
use crate::model::Flow;

pub(super) fn check(flow: &Flow) -> Vec<Problem> {
    let counts = [
        ("modules", flow.modules.len(), limits::FLOW_MODULES_MAX, "split the flow and join the parts by topics"),
        (
            "connections",
            flow.connections.len(),
            limits::FLOW_CONNECTIONS_MAX,
            "split the flow and join the parts by topics",
        ),
        (
            "variables",
            flow.variables.len(),
            limits::FLOW_VARIABLES_MAX,
            "keep what belongs together in one of type json",
        ),
        (
            "parameters",
            flow.parameters.len(),
            limits::FLOW_PARAMETERS_MAX,
            "keep what belongs together in one of type json",
        ),
        ("layout", flow.layout.len(), 2 * limits::FLOW_MODULES_MAX, "take out what names no module"),
    ];
    counts
        .into_iter()
        .filter(|(_, count, max, _)| count > max)
        .map(|(name, count, max, hint)| {
            Problem::error(Place::flow(name), format!("the flow has {count} {name}, {max} are the limit"), hint)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use crate::check::test_catalog::expect_problems;
    use message::limits;

    #[test]
    fn too_many_modules_are_refused_before_they_are_looked_at() {
        let modules: String =
            (0..=limits::FLOW_MODULES_MAX).map(|n| format!("[modules.m{n}]\ntype = \"x\"\n")).collect();
        expect_problems(
            &modules,
            &["modules: the flow has 501 modules, 500 are the limit (split the flow and join the parts by topics)"],
        );
    }
}
