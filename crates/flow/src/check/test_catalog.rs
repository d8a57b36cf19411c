//! Module types for the tests of the rules, and the two expectations that all of them share.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Checker, Claim, check};
use crate::build::{BuildContext, BuildError};
use crate::module::{Built, Direction, Module, ModuleKind, Of};
use crate::{Catalog, Template};
use message::StoreName;

/// Expects exactly these problems, as a person reads them, in a flow file without its id.
#[track_caller]
pub(crate) fn expect_problems(flow: &str, expected: &[&str]) {
    let flow = crate::file::read(&format!("id = \"test\"\n{flow}")).expect("the flow file can be read");
    let checked = check(&flow, &catalog(), &BTreeMap::new());
    let found: Vec<String> = checked.problems.iter().map(ToString::to_string).collect();
    assert_eq!(found, expected);
}

#[track_caller]
pub(crate) fn expect_clean(flow: &str) {
    expect_problems(flow, &[]);
}

pub(crate) fn catalog() -> Catalog {
    Catalog::new(&[KINDS])
}

const KINDS: &[&dyn ModuleKind] =
    &[&Of::<In>::new(), &Of::<EndpointIn>::new(), &Of::<Plain>::new(), &Of::<Window>::new(), &Of::<StoreStep>::new()];

fn no_build() -> Result<Built, BuildError> {
    Err(BuildError::new("this module type is only checked"))
}

struct In;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct InSettings {
    /// Which topics start the flow.
    topic: String,
}

impl Module for In {
    const TYPE: &'static str = "test-in";
    const DIRECTION: Direction = Direction::Inbound;
    const SUMMARY: &'static str = "Starts.";
    const EXAMPLE: &'static str = "topic = \"a\"";
    type Settings = InSettings;

    fn check(settings: &InSettings, checker: &mut Checker<'_>) {
        checker.topic_filter("topic", &settings.topic);
        checker.claim(Claim::Subscribe { filter: settings.topic.as_str().into(), durable: false });
    }

    fn build(_: InSettings, _: &mut BuildContext<'_>) -> Result<Built, BuildError> {
        no_build()
    }
}

struct EndpointIn;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct EndpointSettings {
    path: String,
    verb: String,
}

impl Module for EndpointIn {
    const TYPE: &'static str = "test-endpoint";
    const DIRECTION: Direction = Direction::Inbound;
    const SUMMARY: &'static str = "Listens.";
    const EXAMPLE: &'static str = "path = \"a\"\nverb = \"GET\"";
    type Settings = EndpointSettings;

    fn check(settings: &EndpointSettings, checker: &mut Checker<'_>) {
        checker.claim(Claim::Endpoint { path: settings.path.as_str().into(), verb: settings.verb.as_str().into() });
    }

    fn build(_: EndpointSettings, _: &mut BuildContext<'_>) -> Result<Built, BuildError> {
        no_build()
    }
}

struct Plain;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "the tests look at how the settings are read, not at what is done with them")]
struct PlainSettings {
    name: Template,
    #[serde(default)]
    count: u32,
    #[serde(default)]
    nested: Nested,
    #[serde(default)]
    labels: BTreeMap<String, Template>,
    #[serde(default)]
    list: Vec<Template>,
}

#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "the tests look at how the settings are read, not at what is done with them")]
struct Nested {
    deep: Vec<u32>,
}

impl Module for Plain {
    const TYPE: &'static str = "test-step";
    const DIRECTION: Direction = Direction::Internal;
    const SUMMARY: &'static str = "Works.";
    const EXAMPLE: &'static str = "name = \"a\"";
    type Settings = PlainSettings;

    fn build(_: PlainSettings, _: &mut BuildContext<'_>) -> Result<Built, BuildError> {
        no_build()
    }
}

struct Window;

impl Module for Window {
    const TYPE: &'static str = "test-window";
    const DIRECTION: Direction = Direction::Internal;
    const SUMMARY: &'static str = "Collects.";
    const EXAMPLE: &'static str = "name = \"a\"";
    type Settings = PlainSettings;

    fn check(_: &PlainSettings, checker: &mut Checker<'_>) {
        checker.brakes();
    }

    fn build(_: PlainSettings, _: &mut BuildContext<'_>) -> Result<Built, BuildError> {
        no_build()
    }
}

struct StoreStep;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct StoreSettings {
    #[schemars(with = "String")]
    store: StoreName,
    persistent: bool,
    #[serde(default)]
    only_reads: bool,
}

impl Module for StoreStep {
    const TYPE: &'static str = "test-store";
    const DIRECTION: Direction = Direction::Internal;
    const SUMMARY: &'static str = "Keeps.";
    const EXAMPLE: &'static str = "store = \"a\"\npersistent = false";
    type Settings = StoreSettings;

    fn check(settings: &StoreSettings, checker: &mut Checker<'_>) {
        checker.claim(Claim::Store {
            store: settings.store.clone(),
            persistent: settings.persistent,
            writes: !settings.only_reads,
        });
    }

    fn build(_: StoreSettings, _: &mut BuildContext<'_>) -> Result<Built, BuildError> {
        no_build()
    }
}
