//! The open windows of an `aggregate`, group by group.

use std::time::Duration;

use indexmap::IndexMap;
use message::value::Path;
use message::{ModuleId, Moment, Now, Object, Text, Timestamp, Value};

use super::accumulator::Accumulator;
use super::function::{Function, FunctionKind};
use super::{Settings, WINDOW};
use crate::build::BuildContext;
use crate::module::{Failure, Step};
use crate::modules::random::Random;
use crate::run::{Emitter, Itinerary};
use crate::services::{LogLevel, Services};

/// The work of an `aggregate`.
pub(super) struct Windows {
    length: Option<Duration>,
    count: u64,
    group_by: Option<Path>,
    values: Vec<Aggregated>,
    groups_max: usize,
    open: Option<TimeWindow>,
    groups: IndexMap<Text, Group>,
    random: Random,
    services: Services,
    module: ModuleId,
}

/// A property and what is computed of it.
struct Aggregated {
    path: Path,
    functions: Vec<Function>,
    is_numeric: bool,
    keeps_samples: bool,
}

/// A window of time: its ends on the wall clock, and when to close it, which a clock that is set does not move.
struct TimeWindow {
    start: Timestamp,
    end: Timestamp,
    deadline: Moment,
}

struct Group {
    key: Value,
    start: Timestamp,
    count: u64,
    values: Vec<Accumulator>,
    /// The itinerary of the last message, without the message.
    last: Itinerary,
}

impl Windows {
    pub(super) fn new(settings: Settings, context: &BuildContext<'_>) -> Self {
        let values = settings.values.into_iter().map(|(path, functions)| Aggregated {
            path,
            is_numeric: functions.iter().any(|function| function.kind.is_numeric()),
            keeps_samples: functions.iter().any(|function| matches!(function.kind, FunctionKind::Percentile(_))),
            functions,
        });
        Self {
            length: settings.window.map(|window| window.as_duration().max(Duration::from_millis(1))),
            count: settings.count.unwrap_or(u64::MAX),
            group_by: settings.group_by,
            values: values.collect(),
            groups_max: settings.groups_max.max(1) as usize,
            open: None,
            groups: IndexMap::new(),
            random: Random::new(context.services.environment.seed()),
            services: context.services.clone(),
            module: context.module.clone(),
        }
    }

    fn check(&self, message: &Value) -> Result<(), String> {
        let mut found = false;
        for Aggregated { path, is_numeric, .. } in &self.values {
            match message.at(path) {
                None => {}
                Some(Value::Null) => found = true,
                Some(value) if *is_numeric && value.as_f64().is_none() => {
                    return Err(format!("`{path}` is a value of type {}, not a number", value.type_name()));
                }
                Some(_) => found = true,
            }
        }
        if found {
            return Ok(());
        }
        let names: Vec<String> = self.values.iter().map(|aggregated| format!("`{}`", aggregated.path)).collect();
        Err(format!("the message has none of {}", names.join(", ")))
    }

    fn add(&mut self, now: Now, mut itinerary: Itinerary, out: &mut Emitter) {
        let message = std::mem::take(&mut itinerary.message);
        let key = self.group_by.as_ref().and_then(|path| message.at(path)).unwrap_or(&Value::Null);
        let name = group_name(key);
        if self.groups.len() >= self.groups_max && !self.groups.contains_key(&name) {
            self.end_early(now, out);
        }
        if self.groups.is_empty()
            && let Some(length) = self.length
        {
            self.open = Some(TimeWindow::around(now, length));
        }
        let last = itinerary.without_receipt();
        let group = match self.groups.entry(name) {
            indexmap::map::Entry::Occupied(entry) => {
                let group = entry.into_mut();
                group.last = last;
                group
            }
            indexmap::map::Entry::Vacant(entry) => entry.insert(Group {
                key: key.clone(),
                start: now.wall,
                count: 0,
                values: self.values.iter().map(|value| Accumulator::new(value.keeps_samples)).collect(),
                last,
            }),
        };
        group.count += 1;
        for (aggregated, accumulator) in self.values.iter().zip(&mut group.values) {
            match message.at(&aggregated.path) {
                None | Some(Value::Null) => {}
                Some(value) => accumulator.add(value, &mut self.random),
            }
        }
        if group.count >= self.count {
            let name = group_name(key);
            if let Some(group) = self.groups.swap_remove(&name) {
                let start = group.start;
                out.emit(self.result(group, start, now.wall));
            }
        }
    }

    /// Passes every open group on.
    fn end(&mut self, now: Now, end: Option<Timestamp>, out: &mut Emitter) {
        let window = self.open.take();
        for (_, group) in std::mem::take(&mut self.groups) {
            let start = window.as_ref().map_or(group.start, |window| window.start);
            let end = end.or(window.as_ref().map(|window| window.end)).unwrap_or(now.wall);
            out.emit(self.result(group, start, end));
        }
    }

    fn end_early(&mut self, now: Now, out: &mut Emitter) {
        let what = format!(
            "a window ended early, as there are more than {} groups: raise `groups_max`, or group by another property",
            self.groups_max
        );
        self.services.debug.log(now, &self.module, LogLevel::Warn, &what);
        self.end(now, Some(now.wall), out);
    }

    fn result(&self, mut group: Group, start: Timestamp, end: Timestamp) -> Itinerary {
        let window = [("start", Value::Time(start)), ("end", Value::Time(end)), ("count", Value::from(group.count))];
        let mut message = Object::with_capacity(self.values.len() + 3);
        message.insert(WINDOW, Value::Object(window.into_iter().collect()));
        let mut message = Value::Object(message);
        let key = self.group_by.as_ref().map(|path| (path, std::mem::take(&mut group.key)));
        let results = self.values.iter().zip(&mut group.values).map(|(aggregated, accumulator)| {
            let results = aggregated.functions.iter();
            let results: Object =
                results.map(|function| (function.name.clone(), accumulator.result(function.kind))).collect();
            (&aggregated.path, Value::Object(results))
        });
        for (path, value) in key.into_iter().chain(results) {
            // That all paths can stand in one message was tried when the module was made ready.
            let placed = message.set(path, value);
            debug_assert!(placed.is_ok(), "{placed:?}");
        }
        group.last.message = message;
        group.last
    }
}

impl Step for Windows {
    fn process(&mut self, now: Now, itinerary: Itinerary, out: &mut Emitter) -> Result<(), Failure> {
        self.handle_timeout(now, out);
        match self.check(&itinerary.message) {
            Ok(()) => {
                self.add(now, itinerary, out);
                Ok(())
            }
            Err(what) => Err(Failure::new(itinerary, what)),
        }
    }

    fn poll_timeout(&self) -> Option<Moment> {
        self.open.as_ref().map(|window| window.deadline)
    }

    fn handle_timeout(&mut self, now: Now, out: &mut Emitter) {
        if self.open.as_ref().is_some_and(|window| now.moment >= window.deadline) {
            self.end(now, None, out);
        }
    }

    fn drain(&mut self, now: Now, out: &mut Emitter) {
        self.end(now, Some(now.wall), out);
    }
}

impl TimeWindow {
    /// The window of the wall clock that `now` lies in.
    fn around(now: Now, length: Duration) -> Self {
        let length_us = i64::try_from(length.as_micros()).unwrap_or(i64::MAX).max(1);
        let start = Timestamp::from_micros(now.wall.as_micros().div_euclid(length_us).saturating_mul(length_us));
        let end = start.saturating_add(length);
        Self { start, end, deadline: now.moment + (end - now.wall) }
    }
}

/// Tells groups apart: `1` and `"1"` are two.
fn group_name(key: &Value) -> Text {
    match key {
        Value::Text(text) => text.clone(),
        Value::Null => Text::new_static("\0"),
        other => Text::from(format!("\0{}", other.to_json())),
    }
}
