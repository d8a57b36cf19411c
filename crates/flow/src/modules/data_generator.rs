//! `data-generator`: simulated signals, and tables played back.

use std::sync::Arc;
use std::task::Context;
use std::time::Duration;

use indexmap::IndexMap;
use message::{Moment, Now, Object, Text, Value, limits};
use schemars::JsonSchema;
use serde::Deserialize;

use super::csv_rows;
use super::message_part::MessagePart;
use super::random::Random;
use super::signal::{Signal, SignalSettings};
use super::ticks::Ticks;
use crate::build::{BuildContext, BuildError};
use crate::check::Checker;
use crate::module::{Built, Direction, Inbound, Module};
use crate::run::{FlowContext, Itinerary, Source};
use crate::span::Span;

/// Begins itineraries with simulated signals, as a machine would bring them, or plays a table back, row by row.
///
/// **Message out** `{ data, time }`: the signals by name, then the columns of the row, and the time. In a simulation the
/// same seed gives the same signals.
///
/// **Failure** none.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Settings {
    /// The time from one message to the next, `1ms` or more.
    interval: Span,
    /// The signals by name, each with a `shape` and its numbers.
    #[schemars(with = "std::collections::BTreeMap<String, SignalSettings>")]
    signals: IndexMap<Text, SignalSettings>,
    /// A table as CSV text whose first row names the columns; each message has one row.
    csv: Option<String>,
    /// Whether the table begins again after its last row; otherwise the generator falls silent.
    repeat: bool,
    /// After how many messages the generator falls silent; never when not set.
    count: Option<u64>,
    /// The property that takes signals and columns, or `message` to have them be the whole message.
    target: MessagePart,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            interval: Span::from_secs(1),
            signals: IndexMap::new(),
            csv: None,
            repeat: true,
            count: None,
            target: MessagePart::data(),
        }
    }
}

/// The module type.
#[derive(Debug)]
pub(super) struct DataGenerator;

impl Module for DataGenerator {
    const TYPE: &'static str = "data-generator";
    const DIRECTION: Direction = Direction::Inbound;
    const SUMMARY: &'static str = "Brings simulated signals, or plays a table back.";
    const EXAMPLE: &'static str = r#"interval = "1s"

[signals]
temperature = { shape = "sine", offset = 20, amplitude = 5, period = "1m", noise = 0.2, decimals = 2 }
pieces = { shape = "counter" }
line = { shape = "constant", value = "line1" }
"#;
    type Settings = Settings;

    fn check(settings: &Settings, checker: &mut Checker<'_>) {
        let least = Span::from_millis(limits::TICK_INTERVAL_MIN.as_millis() as u64);
        settings.interval.check("interval", least, Span::MAX, checker);
        if settings.signals.is_empty() && settings.csv.is_none() {
            checker.problem("signals", "nothing is to be generated", "add a signal, or a table as `csv`");
        }
        if settings.signals.len() > limits::MODULE_ENTRIES_MAX {
            let most = limits::MODULE_ENTRIES_MAX;
            checker.problem("signals", "too many signals", format!("at most {most} are allowed"));
        }
        for (name, signal) in &settings.signals {
            signal.check(&format!("signals.{name}"), checker);
        }
        if let Some(Err(error)) = settings.csv.as_deref().map(csv_rows::read) {
            checker.problem("csv", error, "write a row of names, then rows of as many cells");
        }
        if let Err(what) = settings.target.check_beside(&[TIME]) {
            checker.problem("target", what, "choose another property");
        }
    }

    fn build(settings: Settings, context: &mut BuildContext<'_>) -> Result<Built, BuildError> {
        settings.target.check_beside(&[TIME]).map_err(BuildError::new)?;
        let rows = settings.csv.as_deref().map(csv_rows::read).transpose().map_err(BuildError::new)?;
        let start = context.now.moment;
        Ok(Built::Inbound(Box::new(Generator {
            flow: Arc::clone(context.flow),
            source: context.source(),
            start,
            ticks: Ticks::new(start, settings.interval.as_duration(), true),
            signals: settings.signals.into_iter().map(|(name, signal)| (name, Signal::new(signal))).collect(),
            rows: rows.unwrap_or_default(),
            next_row: 0,
            repeat: settings.repeat,
            left: settings.count.unwrap_or(u64::MAX),
            target: settings.target,
            random: Random::new(context.services.environment.seed()),
            closed: false,
        })))
    }
}

const TIME: Text = Text::new_static("time");

struct Generator {
    flow: Arc<FlowContext>,
    source: Arc<Source>,
    start: Moment,
    ticks: Ticks,
    signals: Vec<(Text, Signal)>,
    rows: Vec<Object>,
    next_row: usize,
    repeat: bool,
    left: u64,
    target: MessagePart,
    random: Random,
    closed: bool,
}

impl Inbound for Generator {
    fn poll_arrivals(&mut self, _: &mut Context<'_>, now: Now, room: usize, arrivals: &mut Vec<Itinerary>) {
        if room == 0 || self.is_silent() || self.ticks.take_due(now.moment).is_none() {
            return;
        }
        self.left -= 1;
        let data = Value::Object(self.next(now.moment.since(self.start)));
        let message = match &self.target {
            MessagePart::Whole => data,
            MessagePart::Property(path) => {
                let mut message = Value::Null;
                // Into an empty message any path that begins with a name can be written; the others were refused.
                match message.set(path, data.clone()) {
                    Ok(()) => {}
                    Err(_) => message = Value::Object(Object::from_iter([("data", data)])),
                }
                if let Value::Object(object) = &mut message {
                    object.insert(TIME, Value::Time(now.wall));
                }
                message
            }
        };
        arrivals.push(Itinerary::begin(now, &self.flow, Arc::clone(&self.source), 0, message));
    }

    fn poll_timeout(&self) -> Option<Moment> {
        (!self.is_silent()).then(|| self.ticks.next())
    }

    fn close(&mut self) {
        self.closed = true;
    }
}

impl Generator {
    fn is_silent(&self) -> bool {
        let played = !self.rows.is_empty() && !self.repeat && self.next_row >= self.rows.len();
        self.closed || self.left == 0 || played
    }

    fn next(&mut self, since_start: Duration) -> Object {
        let mut data = Object::with_capacity(self.signals.len());
        for (name, signal) in &mut self.signals {
            data.insert(name.clone(), signal.at(since_start.as_secs_f64(), &mut self.random));
        }
        if self.next_row >= self.rows.len() {
            self.next_row = 0;
        }
        if let Some(row) = self.rows.get(self.next_row) {
            for (name, cell) in row {
                data.insert(name.clone(), cell.clone());
            }
            self.next_row += 1;
        }
        data
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::module::{ModuleKind, Of};
    use crate::modules::harness::{self, World, arrived, now};

    const KIND: &dyn ModuleKind = &Of::<DataGenerator>::new();

    #[test]
    fn several_signals_come_in_one_message_at_each_interval() {
        let world = World::new();
        let toml = "interval = '2s'\n[signals]\nn = { shape = 'counter' }\nc = { shape = 'constant', value = 'x' }";
        let mut generator = world.inbound(KIND, toml);
        assert_eq!(arrived(&mut *generator, now(0), 9), [r#"{"data":{"n":0,"c":"x"},"time":"2026-01-31T08:00:00Z"}"#]);
        assert!(arrived(&mut *generator, now(1_999), 9).is_empty());
        assert_eq!(arrived(&mut *generator, now(2_000), 9).len(), 1);
        assert_eq!(generator.poll_timeout(), Some(now(4_000).moment));
    }

    #[test]
    fn a_table_is_played_row_by_row_and_ends_or_begins_again() {
        let world = World::new();
        let toml = |more: &str| format!("target = 'message'\ncsv = \"t,s\\n1,a\\n2,b\"\n{more}");
        let play = |toml: &str| {
            let mut generator = world.inbound(KIND, toml);
            let played: Vec<String> =
                (0..4).flat_map(|second| arrived(&mut *generator, now(second * 1_000), 9)).collect();
            (played, generator.poll_timeout().is_some())
        };
        let (one, two) = (r#"{"t":1,"s":"a"}"#.to_owned(), r#"{"t":2,"s":"b"}"#.to_owned());
        let again = vec![one.clone(), two.clone(), one.clone(), two.clone()];
        assert_eq!(play(&toml("")), (again, true));
        assert_eq!(play(&toml("repeat = false")), (vec![one.clone(), two], false));
        assert_eq!(play(&toml("count = 1")), (vec![one], false));
    }

    #[test]
    fn the_same_seed_gives_the_same_signals() {
        let play = || {
            let world = World::new();
            let mut generator = world.inbound(KIND, "signals = { w = { shape = 'random-walk' } }");
            (0..5).flat_map(|second| arrived(&mut *generator, now(second * 1_000), 9)).collect::<Vec<_>>()
        };
        assert_eq!(play(), play());
    }

    #[test]
    fn the_check_names_what_is_wrong() {
        for (toml, what) in [
            ("", "nothing is to be generated"),
            ("interval = '0s'\nsignals = { a = { shape = 'sine' } }", "out of range"),
            ("signals = { a = { shape = 'sine', period = '0s' } }", "signals.a.period"),
            ("signals = { a = { shape = 'sine', min = 2, max = 1 } }", "is above `max`"),
            ("csv = 'a'", "no row"),
            ("csv = \"a\\n1\"\ntarget = 'time'", "`time` is taken"),
        ] {
            let found = harness::check(KIND, toml).lines();
            assert!(found.len() == 1 && found[0].contains(what), "{toml}: {found:?}");
        }
    }
}
