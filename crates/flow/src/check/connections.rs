//! The arrows: that both ends exist, that none leads into an inbound module, that the output exists, that none is
//! drawn twice.

use message::ModuleId;

use super::inspection::{Findings, InspectedModule, Inspection};
use super::{Place, Problem, nearest};
use crate::model::{Connection, PortName};

pub(super) fn check(inspection: &Inspection<'_>, findings: &mut Findings) {
    let connections = &inspection.flow.connections;
    for (index, connection) in connections.iter().enumerate() {
        let at = || Place::connection(index, connection);
        for end in [&connection.from, &connection.to] {
            if !inspection.modules.contains_key(end) {
                let hint = nearest::hint(
                    end.as_str(),
                    inspection.modules.keys().copied().map(ModuleId::as_str),
                    "add the module",
                );
                findings.push(Problem::error(at(), format!("there is no module `{end}`"), hint));
            }
        }
        if inspection.modules.get(&connection.to).is_some_and(InspectedModule::is_inbound) {
            let what = format!("`{}` is an inbound module: no connection may lead into it", connection.to);
            findings.push(Problem::error(
                at(),
                what,
                "inbound modules start itineraries by themselves; take the connection out",
            ));
        }
        check_port(inspection, &connection.from, connection.port(), &at, findings);
        if connections.iter().take(index).any(|earlier| same_arrow(earlier, connection)) {
            let hint = "take one out: every message would go this way twice";
            findings.push(Problem::error(at(), "this connection is there twice", hint));
        }
    }
}

fn check_port(
    inspection: &Inspection<'_>,
    from: &ModuleId,
    port: &str,
    at: &dyn Fn() -> Place,
    findings: &mut Findings,
) {
    // Without good settings the outputs are unknown, and the settings are what is reported.
    let Some(ports) = inspection.modules.get(from).and_then(InspectedModule::ports) else { return };
    if port != Connection::ERROR && !ports.iter().any(|known| known == port) {
        let known = ports.iter().map(PortName::as_str).chain([Connection::ERROR]);
        let hint = nearest::hint(port, known, "leave `port` out");
        findings.push(Problem::error(at(), format!("module `{from}` has no output `{port}`"), hint));
    }
}

fn same_arrow(one: &Connection, other: &Connection) -> bool {
    one.from == other.from && one.to == other.to && one.port() == other.port() && one.route == other.route
}

#[cfg(test)]
mod tests {
    use crate::check::test_catalog::{expect_clean, expect_problems};

    const MODULES: &str = r#"
        [modules.in]
        type = "test-in"
        with = { topic = "a" }
        [modules.step]
        type = "test-step"
        with = { name = "x" }
    "#;

    fn with(connections: &str) -> String {
        format!("{MODULES}{connections}")
    }

    const TO_STEP: &str = "[[connections]]\nfrom = \"in\"\nto = \"step\"\n";

    #[test]
    fn ends_that_do_not_exist_are_named_with_the_nearest() {
        expect_problems(
            &with(&format!("{TO_STEP}[[connections]]\nfrom = \"stp\"\nto = \"nowhere\"\n")),
            &[
                "connections[1] (stp -> nowhere): there is no module `stp` (did you mean `step`?)",
                "connections[1] (stp -> nowhere): there is no module `nowhere` (known: `in`, `step`)",
            ],
        );
    }

    #[test]
    fn no_arrow_leads_into_an_inbound_module() {
        expect_problems(
            &with(&format!("{TO_STEP}[[connections]]\nfrom = \"step\"\nto = \"in\"\nroute = \"message.x > 1\"\n")),
            &[
                "connections[1] (step -> in): `in` is an inbound module: no connection may lead into it (inbound modules start itineraries by themselves; take the connection out)",
            ],
        );
    }

    #[test]
    fn an_output_must_exist_and_error_always_does() {
        expect_problems(
            &with("[[connections]]\nfrom = \"in\"\nto = \"step\"\nport = \"otu\"\n"),
            &["connections[0] (in -> step): module `in` has no output `otu` (did you mean `out`?)"],
        );
        expect_clean(&with("[[connections]]\nfrom = \"in\"\nto = \"step\"\nport = \"error\"\n"));
    }

    #[test]
    fn an_arrow_is_drawn_once_but_may_have_two_conditions() {
        expect_problems(
            &with(&format!("{TO_STEP}[[connections]]\nfrom = \"in\"\nport = \"out\"\nto = \"step\"\n")),
            &[
                "connections[1] (in -> step): this connection is there twice (take one out: every message would go this way twice)",
            ],
        );
        expect_clean(&with(&format!(
            "{TO_STEP}[[connections]]\nfrom = \"in\"\nto = \"step\"\nroute = \"message.x > 1\"\n"
        )));
    }
}
