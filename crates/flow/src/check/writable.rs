//! What comes by JSON and could not stand in a flow file: flows are kept and shown as files.

use super::inspection::{Findings, Inspection};

pub(super) fn check(inspection: &Inspection<'_>, findings: &mut Findings) {
    findings.problems.append(&mut crate::file::unsayable(inspection.flow));
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use crate::check::{check, test_catalog};

    #[test]
    fn a_setting_that_no_file_can_hold_is_refused() {
        let deep = format!("{}1{}", "[".repeat(60), "]".repeat(60));
        for (value, what) in [
            ("null", "modules.in.with.x: a flow file has no null (leave it out)"),
            (
                "18446744073709551615",
                "modules.in.with.x: a flow file has no whole numbers above 9223372036854775807 (write it as a text)",
            ),
            (deep.as_str(), "this is nested too deep for a flow file (flatten it, or give it as a text of JSON)"),
        ] {
            let json =
                format!(r#"{{"id":"a","modules":{{"in":{{"type":"test-in","with":{{"topic":"a","x":{value}}}}}}}}}"#);
            let flow = crate::file::read_json(json.as_bytes()).unwrap();
            let checked = check(&flow, &test_catalog::catalog(), &BTreeMap::new());
            let last = checked.problems.last().unwrap().to_string();
            assert!(last.ends_with(what), "{last}");
        }
    }
}
