//! The list of statements is complete and agrees with the scenarios.

use std::collections::BTreeSet;

use crate::SECTIONS;
use crate::harness::Version;
use crate::harness::list::{List, Side};

/// The statements of MQTT 5.0 (its appendix B), by section: the numbers that exist. `MQTT-4.2.0-1` stands in the text
/// as `MQTT-4.2-1`.
const STATEMENTS_5: &[(&str, u32, u32)] = &[
    ("1.5.4", 1, 3),
    ("1.5.5", 1, 1),
    ("1.5.7", 1, 1),
    ("2.1.3", 1, 1),
    ("2.2.1", 2, 6),
    ("2.2.2", 1, 1),
    ("3.1.0", 1, 2),
    ("3.1.2", 1, 30),
    ("3.1.3", 1, 12),
    ("3.1.4", 1, 6),
    ("3.2.0", 1, 2),
    ("3.2.2", 1, 22),
    ("3.3.1", 1, 13),
    ("3.3.2", 1, 20),
    ("3.3.4", 1, 10),
    ("3.4.2", 1, 3),
    ("3.5.2", 1, 3),
    ("3.6.1", 1, 1),
    ("3.6.2", 1, 3),
    ("3.7.2", 1, 3),
    ("3.8.1", 1, 1),
    ("3.8.3", 1, 5),
    ("3.8.4", 1, 8),
    ("3.9.2", 1, 2),
    ("3.9.3", 1, 2),
    ("3.10.1", 1, 1),
    ("3.10.3", 1, 2),
    ("3.10.4", 1, 6),
    ("3.11.2", 1, 2),
    ("3.11.3", 1, 2),
    ("3.12.4", 1, 1),
    ("3.14.0", 1, 1),
    ("3.14.1", 1, 1),
    ("3.14.2", 1, 4),
    ("3.14.4", 1, 3),
    ("3.15.1", 1, 1),
    ("3.15.2", 1, 3),
    ("4.1.0", 1, 2),
    ("4.2.0", 1, 1),
    ("4.3.1", 1, 1),
    ("4.3.2", 1, 5),
    ("4.3.3", 1, 13),
    ("4.4.0", 1, 2),
    ("4.5.0", 1, 2),
    ("4.6.0", 1, 6),
    ("4.7.0", 1, 1),
    ("4.7.1", 1, 2),
    ("4.7.2", 1, 1),
    ("4.7.3", 1, 4),
    ("4.8.2", 1, 6),
    ("4.9.0", 1, 3),
    ("4.12.0", 1, 7),
    ("4.12.1", 1, 2),
    ("4.13.1", 1, 1),
    ("4.13.2", 1, 1),
    ("6.0.0", 1, 4),
];

/// The statements of MQTT 3.1.1 (its appendix B). Two stand in the text with slips of the pen: `MQTT-3.1.2.7` and
/// `MQTT-3-8.3-4`.
const STATEMENTS_3: &[(&str, u32, u32)] = &[
    ("1.5.3", 1, 3),
    ("2.2.2", 1, 2),
    ("2.3.1", 1, 7),
    ("3.1.0", 1, 2),
    ("3.1.2", 1, 24),
    ("3.1.3", 1, 11),
    ("3.1.4", 1, 5),
    ("3.2.0", 1, 1),
    ("3.2.2", 1, 6),
    ("3.3.1", 1, 12),
    ("3.3.2", 1, 3),
    ("3.3.4", 1, 1),
    ("3.3.5", 1, 2),
    ("3.6.1", 1, 1),
    ("3.8.1", 1, 1),
    ("3.8.3", 1, 4),
    ("3.8.4", 1, 6),
    ("3.9.3", 1, 2),
    ("3.10.1", 1, 1),
    ("3.10.3", 1, 2),
    ("3.10.4", 1, 6),
    ("3.12.4", 1, 1),
    ("3.14.1", 1, 1),
    ("3.14.4", 1, 3),
    ("4.1.0", 1, 2),
    ("4.3.1", 1, 1),
    ("4.3.2", 1, 2),
    ("4.3.3", 1, 2),
    ("4.4.0", 1, 1),
    ("4.5.0", 1, 2),
    ("4.6.0", 1, 6),
    ("4.7.1", 1, 3),
    ("4.7.2", 1, 1),
    ("4.7.3", 1, 4),
    ("4.8.0", 1, 2),
    ("6.0.0", 1, 4),
    ("7.0.0", 1, 2),
    ("7.1.1", 1, 1),
    ("7.1.2", 1, 1),
];

/// How the reason begins where a statement is none of the server's business.
const CLIENT_ALONE: &str = "It binds the client alone";

#[test]
fn the_list_holds_every_statement_of_both_specifications_and_no_other() {
    let list = List::read();
    for (version, sections, count) in [(Version::V5, STATEMENTS_5, 251), (Version::V3, STATEMENTS_3, 141)] {
        let numbers = sections.iter().flat_map(|(section, first, last)| (*first..=*last).map(move |n| (section, n)));
        let expected: BTreeSet<String> = numbers.map(|(section, n)| format!("MQTT-{section}-{n}")).collect();
        let listed: BTreeSet<String> = list.of(version).keys().cloned().collect();
        assert_eq!(expected.len(), count, "{}", version.name());
        let missing: Vec<_> = expected.difference(&listed).collect();
        let unknown: Vec<_> = listed.difference(&expected).collect();
        assert!(missing.is_empty() && unknown.is_empty(), "missing: {missing:?}; unknown: {unknown:?}");
    }
}

#[test]
fn every_statement_has_a_test_or_a_reason() {
    let list = List::read();
    let statements = [Version::V5, Version::V3].into_iter().flat_map(|version| list.of(version));
    for (id, statement) in statements {
        assert!(statement.says.len() > 20, "{id} says too little");
        let has_reason = statement.not_applicable.as_ref().is_some_and(|reason| reason.len() > 20);
        assert!(has_reason == statement.tests.is_empty(), "{id} needs either tests or a reason why there are none");
        // What binds the server as well is not excused by the client.
        let is_excused = statement.not_applicable.as_ref().is_some_and(|reason| reason.starts_with(CLIENT_ALONE));
        assert!(!is_excused || statement.binds == Side::Client, "{id} binds not the client alone");
        for (test, does) in &statement.mosquitto {
            assert!(statement.tests.contains(test), "{id} does not name `{test}`, which mosquitto is said to fail");
            assert!(does.len() > 10, "{id} does not say what mosquitto does instead");
        }
    }
}

#[test]
fn every_test_that_is_named_exists_and_every_scenario_is_named() {
    let list = List::read();
    for version in [Version::V5, Version::V3] {
        let exists = |named: &str| {
            SECTIONS.iter().any(|section| {
                let here =
                    |name| section.scenarios.iter().any(|one| one.name == name && one.versions.contains(&version));
                named.split_once("::").is_some_and(|(module, name)| module == section.name && here(name))
            })
        };
        for (id, statement) in list.of(version) {
            for named in &statement.tests {
                assert!(exists(named), "{id} of {} names `{named}`, which is no test of that version", version.name());
            }
        }
    }
    let statements = [Version::V5, Version::V3].into_iter().flat_map(|version| list.of(version).values());
    let named: BTreeSet<String> = statements.flat_map(|statement| statement.tests.iter().cloned()).collect();
    let scenarios =
        SECTIONS.iter().flat_map(|section| section.scenarios.iter().map(move |one| (section.name, one.name)));
    for (section, name) in scenarios {
        assert!(named.contains(&format!("{section}::{name}")), "no statement names `{section}::{name}`");
    }
}
