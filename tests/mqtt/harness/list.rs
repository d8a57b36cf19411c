//! `conformance.toml`: every normative statement of both specifications, with the scenarios that show it or the reason
//! why none can.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::write::Version;

/// The whole list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct List {
    /// By the identifiers that the specification gives them.
    #[serde(rename = "mqtt-5")]
    pub(crate) mqtt_5: BTreeMap<String, Statement>,
    #[serde(rename = "mqtt-3-1-1")]
    pub(crate) mqtt_3: BTreeMap<String, Statement>,
}

/// One normative statement.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Statement {
    /// In our own words.
    pub(crate) says: String,
    pub(crate) binds: Side,
    /// The scenarios that show it, as `module::name`.
    #[serde(default)]
    pub(crate) tests: Vec<String>,
    /// Why no scenario can show it.
    pub(crate) not_applicable: Option<String>,
    /// What mosquitto 2.0.11 does instead, by the scenario that has to fail there.
    #[serde(default)]
    pub(crate) mosquitto: BTreeMap<String, String>,
}

/// Whom a statement binds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Side {
    Server,
    Client,
    Both,
}

impl List {
    pub(crate) fn read() -> Self {
        toml_edit::de::from_str(include_str!("../conformance.toml")).expect("conformance.toml is well-formed")
    }

    pub(crate) fn of(&self, version: Version) -> &BTreeMap<String, Statement> {
        if version.is_5() { &self.mqtt_5 } else { &self.mqtt_3 }
    }

    /// Whether mosquitto is known to do something else than the scenario shows.
    pub(crate) fn mosquitto_deviates(&self, version: Version, test: &str) -> bool {
        let mut statements = self.of(version).values();
        statements.any(|statement| statement.mosquitto.contains_key(test))
    }
}
