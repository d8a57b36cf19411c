//! `timer`: begins an itinerary at an even interval, or by a calendar.

use std::sync::Arc;
use std::task::Context;

use jiff::tz::TimeZone;
use message::{Moment, Now, Object, Value, limits};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::calendar::{Calendar, check_cron};
use super::ticks::Ticks;
use crate::build::{BuildContext, BuildError};
use crate::check::Checker;
use crate::module::{Built, Direction, Inbound, Module};
use crate::run::{FlowContext, Itinerary, Source};
use crate::span::Span;
use crate::value_template::ValueTemplate;

/// Begins an itinerary at an even interval, or at the points in time of a cron expression.
///
/// The interval does not drift. Ticks that the flow was too busy to take become one. A clock that is set does not move an
/// interval; a calendar follows it.
///
/// **Message out** `{ time, count, missed }`: the time of the tick, its number from 1 on, and how many intervals passed
/// unheeded before it. With `message` set, that value, in which texts may take these three.
///
/// **Failure** none while it runs; a calendar that never comes, as on 30 February, keeps the flow from starting.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
pub(super) struct Settings {
    /// The time from one tick to the next, `1ms` or more. Either this or `cron`.
    interval: Option<Span>,
    /// A cron expression: minute, hour, day, month, weekday, as in `0 6 * * mon-fri`; with six fields the first is the
    /// second. Either this or `interval`.
    cron: Option<String>,
    /// The time zone of `cron`.
    time_zone: TimeZoneChoice,
    /// Whether the first tick comes when the flow starts.
    at_start: bool,
    /// What begins the itinerary. Its texts may take parts, as in `"tick {count}"`.
    message: Option<ValueTemplate>,
}

/// Whose time a calendar follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum TimeZoneChoice {
    /// The time zone of the node.
    #[default]
    Local,
    /// Coordinated universal time.
    Utc,
}

/// The module type.
#[derive(Debug)]
pub(super) struct Timer;

impl Module for Timer {
    const TYPE: &'static str = "timer";
    const DIRECTION: Direction = Direction::Inbound;
    const SUMMARY: &'static str = "Begins an itinerary at an interval or by a calendar.";
    const EXAMPLE: &'static str = r#"interval = "1h"
at_start = true
message = { task = "fetch", number = "{count}" }
"#;
    type Settings = Settings;

    fn check(settings: &Settings, checker: &mut Checker<'_>) {
        match (&settings.interval, &settings.cron) {
            (Some(interval), None) => {
                let least = Span::from_millis(limits::TICK_INTERVAL_MIN.as_millis() as u64);
                interval.check("interval", least, Span::MAX, checker);
            }
            (None, Some(cron)) => {
                if let Err(what) = check_cron(cron) {
                    checker.problem("cron", what, "write minute, hour, day, month, weekday, as in `0 6 * * mon-fri`");
                }
            }
            (None, None) => checker.problem("interval", "no time is set", "set `interval` or `cron`"),
            (Some(_), Some(_)) => checker.problem("cron", "`interval` says when already", "take one of the two out"),
        }
        if let Some(message) = &settings.message {
            message.check("message", checker);
        }
    }

    fn build(settings: Settings, context: &mut BuildContext<'_>) -> Result<Built, BuildError> {
        let environment = &*context.services.environment;
        let schedule = match (&settings.interval, &settings.cron) {
            (Some(interval), None) => {
                Schedule::Even(Ticks::new(context.now.moment, interval.as_duration(), settings.at_start))
            }
            (None, Some(cron)) => {
                let zone = match settings.time_zone {
                    TimeZoneChoice::Local => environment.time_zone(),
                    TimeZoneChoice::Utc => TimeZone::UTC,
                };
                let calendar = Calendar::new(cron, zone, context.now).map_err(BuildError::new)?;
                Schedule::Calendar {
                    calendar: Box::new(calendar),
                    at_start: settings.at_start.then_some(context.now.moment),
                }
            }
            _ => return Err(BuildError::new("no time is set: set either `interval` or `cron`")),
        };
        let message = settings.message.map(|message| message.with_environment(environment));
        Ok(Built::Inbound(Box::new(Clock {
            schedule,
            flow: Arc::clone(context.flow),
            source: context.source(),
            message: message.transpose().map_err(BuildError::new)?,
            count: 0,
            closed: false,
        })))
    }
}

enum Schedule {
    Even(Ticks),
    /// `at_start` holds when the flow started, until that tick is taken.
    Calendar {
        calendar: Box<Calendar>,
        at_start: Option<Moment>,
    },
}

impl Schedule {
    /// Takes what is due, with the number of ticks before it that were missed.
    fn take_due(&mut self, now: Now) -> Option<u64> {
        match self {
            Self::Even(ticks) => ticks.take_due(now.moment),
            Self::Calendar { calendar, at_start } => {
                let due = calendar.take_due(now);
                (at_start.take().is_some() || due).then_some(0)
            }
        }
    }

    fn poll_timeout(&self) -> Option<Moment> {
        match self {
            Self::Even(ticks) => Some(ticks.next()),
            Self::Calendar { calendar, at_start } => at_start.or_else(|| calendar.poll_timeout()),
        }
    }
}

struct Clock {
    schedule: Schedule,
    flow: Arc<FlowContext>,
    source: Arc<Source>,
    message: Option<ValueTemplate>,
    count: u64,
    closed: bool,
}

impl Inbound for Clock {
    fn poll_arrivals(&mut self, _: &mut Context<'_>, now: Now, room: usize, arrivals: &mut Vec<Itinerary>) {
        if self.closed || room == 0 {
            return;
        }
        let Some(missed) = self.schedule.take_due(now) else { return };
        self.count += 1;
        let tick = [("time", now.wall.into()), ("count", self.count.into()), ("missed", Value::from(missed))];
        let tick = Value::Object(tick.into_iter().collect::<Object>());
        let mut itinerary = Itinerary::begin(now, &self.flow, Arc::clone(&self.source), 0, tick);
        if let Some(message) = &self.message {
            itinerary.message = message.render(&itinerary);
        }
        arrivals.push(itinerary);
    }

    fn poll_timeout(&self) -> Option<Moment> {
        if self.closed { None } else { self.schedule.poll_timeout() }
    }

    fn close(&mut self) {
        self.closed = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::module::{ModuleKind, Of};
    use crate::modules::harness::{self, World, arrived, now};

    const KIND: &dyn ModuleKind = &Of::<Timer>::new();

    #[test]
    fn an_interval_ticks_without_drift_and_what_is_missed_becomes_one() {
        let world = World::new();
        let mut timer =
            world.inbound(KIND, "interval = '10s'\nat_start = true\nmessage = ['{count}', '{missed}', 'n {count}']");
        for (millis, expect) in [
            (0, Some(r#"[1,0,"n 1"]"#)),
            (9_999, None),
            (10_300, Some(r#"[2,0,"n 2"]"#)),
            (20_000, Some(r#"[3,0,"n 3"]"#)),
            (55_000, Some(r#"[4,2,"n 4"]"#)),
            (60_000, Some(r#"[5,0,"n 5"]"#)),
        ] {
            assert_eq!(arrived(&mut *timer, now(millis), 9).first().map(String::as_str), expect, "at {millis}");
        }
        assert_eq!(timer.poll_timeout(), Some(now(70_000).moment));
    }

    #[test]
    fn a_full_flow_takes_the_tick_later() {
        let world = World::new();
        let mut timer = world.inbound(KIND, "interval = '1s'");
        assert!(arrived(&mut *timer, now(1_000), 0).is_empty());
        assert_eq!(arrived(&mut *timer, now(1_500), 1), [r#"{"time":"2026-01-31T08:00:01.5Z","count":1,"missed":0}"#]);
    }

    #[test]
    fn a_calendar_ticks_in_the_time_of_the_node_or_in_utc() {
        // The node is at +01:00; it is started at 09:00 there.
        for (zone, due) in [("local", 600_000), ("utc", 4_200_000)] {
            let world = World::new();
            let toml = format!("cron = '10 9 * * *'\ntime_zone = '{zone}'\nmessage = 'x'");
            let mut timer = world.inbound(KIND, &toml);
            assert!(arrived(&mut *timer, now(due - 1), 9).is_empty(), "{zone}");
            assert_eq!(arrived(&mut *timer, now(due), 9), ["\"x\""], "{zone}");
        }
        let world = World::new();
        let mut timer = world.inbound(KIND, "cron = '10 9 * * *'\nat_start = true\nmessage = 'x'");
        assert_eq!(timer.poll_timeout(), Some(now(0).moment));
        assert_eq!(arrived(&mut *timer, now(1), 9), ["\"x\""]);
        assert!(arrived(&mut *timer, now(2), 9).is_empty());
    }

    #[test]
    fn a_closed_timer_is_silent() {
        let world = World::new();
        let mut timer = world.inbound(KIND, "interval = '1s'");
        timer.close();
        assert!(arrived(&mut *timer, now(9_000), 9).is_empty());
        assert!(timer.poll_timeout().is_none() && timer.is_drained());
    }

    #[test]
    fn the_check_names_what_is_wrong() {
        for (toml, what) in [
            ("", "no time is set"),
            ("interval = '0s'", "out of range"),
            ("interval = '1s'\ncron = '* * * * *'", "says when already"),
            ("cron = 'x'", "is no cron expression"),
            ("interval = '1s'\nmessage = { a = ['{variables.nope}'] }", "message.a[0]: variable `nope`"),
        ] {
            let found = harness::check(KIND, toml).lines();
            assert!(found.len() == 1 && found[0].contains(what), "{toml}: {found:?}");
        }
        assert!(World::new().try_build(KIND, "cron = '0 0 30 2 *'").unwrap_err().contains("never comes"));
    }
}
