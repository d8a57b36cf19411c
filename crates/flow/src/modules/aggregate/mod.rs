//! `aggregate`: figures over tumbling windows, by group.

mod accumulator;
mod function;
mod windows;

use indexmap::IndexMap;
use message::value::Path;
use message::{Text, Value, limits};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::build::{BuildContext, BuildError};
use crate::check::Checker;
use crate::module::{Built, Direction, Module};
use crate::span::Span;
use function::Function;
use windows::Windows;

/// Computes figures over windows that follow one another: by time, by count, or by whichever comes first.
///
/// A window of time begins at a multiple of its length by the wall clock in UTC, as in 08:00:10 for `10s`. A window by count
/// is each group's own.
///
/// **Message in** with the properties that `values` names. One that is missing or null is left out; one must be there.
///
/// **Message out** for each group, at the end of its window:
/// `{ window: { start, end, count }, line: "l1", temperature: { mean: 21.5, max: 23.0 } }`: the times of the window and the
/// number of its messages; the group, where it stood in the message; the results by function, where each value stood. `stddev`
/// is that of a sample, null below two numbers; `sum` of whole numbers is exact; percentiles lie between neighbours in
/// proportion, and above 4,096 numbers are drawn from an even sample.
///
/// A result goes on as the itinerary of the last message of its group, with that one's variables; the others end here. When
/// more groups come than `groups_max`, the window ends early, and the log tells. When the flow stops, open windows go on as
/// they are.
///
/// **Failure** none of the properties is in the message; one that is to be computed with is no number.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    /// The length of a window in time, `1ms` to `1d`.
    #[serde(default)]
    window: Option<Span>,
    /// The messages of one group that make a window.
    #[serde(default)]
    #[schemars(range(min = 1))]
    count: Option<u64>,
    /// The property whose values make the groups; one group when not set.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    group_by: Option<Path>,
    /// What is computed, by property: `{ temperature = ["mean", "max"] }`.
    #[schemars(with = "std::collections::BTreeMap<String, Vec<Function>>")]
    values: IndexMap<Path, Vec<Function>>,
    /// Groups that a window may have, 1 to 100,000.
    #[serde(default = "groups_max")]
    #[schemars(range(min = 1, max = 100_000))]
    groups_max: u32,
}

fn groups_max() -> u32 {
    10_000
}

/// The module type.
#[derive(Debug)]
pub(super) struct Aggregate;

const WINDOW: Text = Text::new_static("window");

impl Module for Aggregate {
    const TYPE: &'static str = "aggregate";
    const DIRECTION: Direction = Direction::Internal;
    const SUMMARY: &'static str = "Computes figures over windows of time or count, by group.";
    const EXAMPLE: &'static str = r#"window = "10s"
group_by = "line"
values = { temperature = ["mean", "max", "p95"] }
"#;
    type Settings = Settings;

    fn check(settings: &Settings, checker: &mut Checker<'_>) {
        checker.brakes();
        if settings.window.is_none() && settings.count.is_none() {
            checker.problem("window", "no end of a window is set", "set `window`, `count`, or both");
        }
        if let Some(window) = settings.window {
            window.check("window", Span::from_millis(1), Span::from_secs(86_400), checker);
        }
        if settings.count == Some(0) {
            checker.problem("count", "out of range", "write 1 or more");
        }
        let most = limits::AGGREGATE_GROUPS_MAX as u64;
        if !(1..=most).contains(&u64::from(settings.groups_max)) {
            checker.problem("groups_max", "out of range", format!("write a number from 1 to {most}"));
        }
        if let Err(what) = check_values(settings) {
            checker.problem("values", what, "name properties with functions, as in `{ temperature = [\"mean\"] }`");
        }
    }

    fn build(settings: Settings, context: &mut BuildContext<'_>) -> Result<Built, BuildError> {
        check_values(&settings).map_err(BuildError::new)?;
        Ok(Built::Step(Box::new(Windows::new(settings, context))))
    }
}

/// Refuses values whose results could not all stand in one message.
fn check_values(settings: &Settings) -> Result<(), String> {
    if settings.values.is_empty() {
        return Err("nothing is to be computed".to_owned());
    }
    if settings.values.len() > limits::MODULE_ENTRIES_MAX {
        return Err(format!(
            "{} properties are too many: at most {}",
            settings.values.len(),
            limits::MODULE_ENTRIES_MAX
        ));
    }
    let mut message = Value::Null;
    let taken = |path: &Path| format!("`{path}` is taken already in the message that goes out");
    for path in [&Path::member(WINDOW)].into_iter().chain(&settings.group_by).chain(settings.values.keys()) {
        if message.at(path).is_some() {
            return Err(taken(path));
        }
        message.set(path, Value::from(true)).map_err(|_| taken(path))?;
    }
    match settings.values.iter().find(|(_, functions)| functions.is_empty()) {
        Some((path, _)) => Err(format!("`{path}` has no function")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::module::{ModuleKind, Of};
    use crate::modules::harness::{self, World, itinerary, itinerary_with_receipt, now, passed, process};
    use crate::run::Emitter;

    const KIND: &dyn ModuleKind = &Of::<Aggregate>::new();

    #[test]
    fn a_window_of_time_ends_on_the_clock_with_a_message_for_each_group() {
        let mut step = World::new().step(KIND, "window = '10s'\ngroup_by = 'line'\nvalues = { t = ['mean', 'max'] }");
        for (millis, message) in
            [(13_000, r#"{"line":"a","t":1}"#), (15_000, r#"{"line":"b","t":5}"#), (19_999, r#"{"line":"a","t":2}"#)]
        {
            assert!(process(&mut *step, now(millis), itinerary(message)).unwrap().is_empty());
        }
        assert_eq!(step.poll_timeout(), Some(now(20_000).moment));
        let mut out = Emitter::default();
        step.handle_timeout(now(20_004), &mut out);
        let window = |count: u32| {
            format!(r#""window":{{"start":"2026-01-31T08:00:10Z","end":"2026-01-31T08:00:20Z","count":{count}}}"#)
        };
        assert_eq!(
            passed(&mut out),
            [
                format!(r#"0: {{{},"line":"a","t":{{"mean":1.5,"max":2}}}}"#, window(2)),
                format!(r#"0: {{{},"line":"b","t":{{"mean":5.0,"max":5}}}}"#, window(1)),
            ]
        );
        assert_eq!(step.poll_timeout(), None);
    }

    #[test]
    fn a_message_behind_the_end_of_a_window_is_not_in_it() {
        let mut step = World::new().step(KIND, "window = '10s'\nvalues = { 'd.t' = ['sum'] }");
        process(&mut *step, now(9_000), itinerary(r#"{"d":{"t":1}}"#)).unwrap();
        let passed = process(&mut *step, now(10_000), itinerary(r#"{"d":{"t":7}}"#)).unwrap();
        assert_eq!(passed.len(), 1);
        assert!(passed[0].ends_with(r#""count":1},"d":{"t":{"sum":1}}}"#), "{passed:?}");
    }

    #[test]
    fn a_window_by_count_is_each_groups_own() {
        let mut step = World::new().step(KIND, "count = 2\ngroup_by = 'g'\nvalues = { v = ['first', 'last'] }");
        let mut feed = |millis, message| process(&mut *step, now(millis), itinerary(message)).unwrap();
        assert!(feed(0, r#"{"g":1,"v":"a"}"#).is_empty());
        assert!(feed(1_000, r#"{"g":"1","v":"b"}"#).is_empty());
        assert_eq!(
            feed(2_000, r#"{"g":1,"v":"c"}"#),
            [concat!(
                r#"0: {"window":{"start":"2026-01-31T08:00:00Z","end":"2026-01-31T08:00:02Z","count":2},"#,
                r#""g":1,"v":{"first":"a","last":"c"}}"#
            )]
        );
        assert!(feed(3_000, r#"{"g":1,"v":"d"}"#).is_empty());
    }

    #[test]
    fn too_many_groups_end_the_window_early_and_the_log_tells() {
        let world = World::new();
        let mut step = world.step(KIND, "window = '1h'\ngroup_by = 'g'\ngroups_max = 2\nvalues = { v = ['count'] }");
        let mut feed = |group: u32| {
            process(&mut *step, now(1_000), itinerary(&format!(r#"{{"g":{group},"v":0}}"#))).unwrap().len()
        };
        assert_eq!([feed(1), feed(2), feed(1), feed(3), feed(4)], [0, 0, 0, 2, 0]);
        let logged = world.debug.logged.lock().unwrap();
        assert!(logged.len() == 1 && logged[0].contains("more than 2 groups"), "{logged:?}");
    }

    #[test]
    fn open_windows_go_on_when_the_flow_is_drained_and_sources_do_not_wait_for_them() {
        let mut step = World::new().step(KIND, "window = '1h'\nvalues = { v = ['count'] }");
        let mut out = Emitter::default();
        let (message, ended) = itinerary_with_receipt(r#"{"v":1}"#);
        step.process(now(0), message, &mut out).unwrap();
        assert_eq!(ended.lock().unwrap().len(), 1);
        step.drain(now(0), &mut out);
        assert_eq!(out.drain().count(), 1);
        step.drain(now(0), &mut out);
        assert!(out.is_empty());
    }

    #[test]
    fn what_cannot_be_computed_fails_and_leaves_the_window_as_it_was() {
        let mut step = World::new().step(KIND, "count = 1\nvalues = { a = ['sum'], b = ['count'] }");
        for (message, what) in [
            ("{}", "the message has none of `a`, `b`"),
            (r#"{"b":1,"a":"x"}"#, "`a` is a value of type string, not a number"),
            ("7", "the message has none of"),
        ] {
            let error = process(&mut *step, now(0), itinerary(message)).unwrap_err();
            assert!(error.contains(what), "{error}");
        }
        let passed = process(&mut *step, now(0), itinerary(r#"{"a":null,"b":"x"}"#)).unwrap();
        assert!(passed[0].ends_with(r#""a":{"sum":0},"b":{"count":1}}"#), "{passed:?}");
    }

    #[test]
    fn the_check_names_what_is_wrong() {
        for (toml, what) in [
            ("values = { a = ['sum'] }", "no end of a window"),
            ("count = 1\nvalues = {}", "nothing is to be computed"),
            ("count = 1\nvalues = { a = [] }", "`a` has no function"),
            ("count = 1\ngroup_by = 'a'\nvalues = { a = ['sum'] }", "`a` is taken"),
            ("count = 1\nvalues = { window = ['sum'] }", "`window` is taken"),
            ("count = 0\nvalues = { a = ['sum'] }", "out of range"),
            ("window = '2d'\nvalues = { a = ['sum'] }", "out of range"),
            ("count = 1\ngroups_max = 0\nvalues = { a = ['sum'] }", "out of range"),
        ] {
            let found = harness::check(KIND, toml).lines();
            assert!(found.len() == 1 && found[0].contains(what), "{toml}: {found:?}");
        }
    }
}
