//! `batch`: collects messages into one.

use message::{Moment, Now, Object, Text, Value, limits};
use schemars::JsonSchema;
use serde::Deserialize;

use super::message_part::{MessagePart, outgoing};
use crate::build::{BuildContext, BuildError};
use crate::check::Checker;
use crate::module::{Built, Direction, Failure, Module, Step};
use crate::run::{Emitter, Itinerary, Outcome, Receipt};
use crate::span::Span;

/// Collects messages into one that has them all in an array, until there are enough, they are large enough, or the first
/// has waited long enough: whichever comes first.
///
/// **Message in** anything. What is collected is the property `source`; when `source` is not set, it is the property `data` if
/// the message has one, else the whole message, without the node's own `headwater`.
///
/// **Message out** `{ data: [ … ], count }`. It goes on as the itinerary of the last message, with that one's variables. The
/// sources of all of them (an HTTP caller, a queue) are answered when the batch has come to its end. When the flow stops, the
/// batch goes on as it is.
///
/// **Failure** the message has no property `source`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Settings {
    /// Messages that make a full batch, 1 to 100,000.
    #[schemars(range(min = 1, max = 100_000))]
    count: u32,
    /// Bytes that make a full batch, as the values lie in memory, up to 67,108,864.
    #[schemars(range(min = 1, max = 67_108_864))]
    bytes: u64,
    /// How long the first message of a batch waits at most, `1ms` to `1d`.
    max_wait: Span,
    /// The property to collect, or `message` for the whole message. When not set: `data` if the message has it, else the whole
    /// message.
    source: Option<MessagePart>,
    /// The property that takes the array, or `message` to have the array be the message.
    target: MessagePart,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            count: 100,
            bytes: limits::BATCH_BYTES_MAX as u64,
            max_wait: Span::from_secs(10),
            source: None,
            target: MessagePart::data(),
        }
    }
}

/// The module type.
#[derive(Debug)]
pub(super) struct Batch;

const COUNT: Text = Text::new_static("count");

impl Module for Batch {
    const TYPE: &'static str = "batch";
    const DIRECTION: Direction = Direction::Internal;
    const SUMMARY: &'static str = "Collects messages into one.";
    const EXAMPLE: &'static str = r#"count = 500
max_wait = "5s"
"#;
    type Settings = Settings;

    fn check(settings: &Settings, checker: &mut Checker<'_>) {
        checker.brakes();
        let bounds = [
            ("count", u64::from(settings.count), limits::BATCH_ELEMENTS_MAX as u64),
            ("bytes", settings.bytes, limits::BATCH_BYTES_MAX as u64),
        ];
        for (path, number, most) in bounds {
            if !(1..=most).contains(&number) {
                checker.problem(path, "out of range", format!("write a number from 1 to {most}"));
            }
        }
        settings.max_wait.check("max_wait", Span::from_millis(1), Span::from_secs(86_400), checker);
        if let Err(what) = settings.target.check_beside(&[COUNT]) {
            checker.problem("target", what, "choose another property");
        }
    }

    fn build(settings: Settings, _: &mut BuildContext<'_>) -> Result<Built, BuildError> {
        settings.target.check_beside(&[COUNT]).map_err(BuildError::new)?;
        let bytes_max = usize::try_from(settings.bytes).unwrap_or(usize::MAX).min(limits::BATCH_BYTES_MAX);
        Ok(Built::Step(Box::new(Collector { settings, bytes_max, open: None })))
    }
}

struct Collector {
    settings: Settings,
    bytes_max: usize,
    open: Option<OpenBatch>,
}

struct OpenBatch {
    elements: Vec<Value>,
    bytes: usize,
    deadline: Moment,
    receipts: Vec<Receipt>,
    last: Itinerary,
}

impl Step for Collector {
    fn process(&mut self, now: Now, itinerary: Itinerary, out: &mut Emitter) -> Result<(), Failure> {
        self.handle_timeout(now, out);
        let Some(element) =
            outgoing(&itinerary.message, self.settings.source.as_ref()).map(std::borrow::Cow::into_owned)
        else {
            let source = self.settings.source.as_ref().map_or_else(|| "data".to_owned(), ToString::to_string);
            return Err(Failure::new(itinerary, format!("the message has no `{source}` to collect")));
        };
        let bytes = element.weight_bytes();
        if self.open.as_ref().is_some_and(|open| open.bytes.saturating_add(bytes) > self.bytes_max) {
            self.end(out);
        }
        let receipt = itinerary.receipt().cloned();
        let mut last = itinerary.without_receipt();
        last.message = Value::Null;
        let open = match &mut self.open {
            Some(open) => {
                open.last = last;
                open
            }
            none => none.insert(OpenBatch {
                elements: Vec::new(),
                bytes: 0,
                deadline: now.moment + self.settings.max_wait.as_duration(),
                receipts: Vec::new(),
                last,
            }),
        };
        open.elements.push(element);
        open.bytes = open.bytes.saturating_add(bytes);
        open.receipts.extend(receipt);
        if open.elements.len() >= self.settings.count as usize || open.bytes >= self.bytes_max {
            self.end(out);
        }
        Ok(())
    }

    fn poll_timeout(&self) -> Option<Moment> {
        self.open.as_ref().map(|open| open.deadline)
    }

    fn handle_timeout(&mut self, now: Now, out: &mut Emitter) {
        if self.open.as_ref().is_some_and(|open| now.moment >= open.deadline) {
            self.end(out);
        }
    }

    fn drain(&mut self, _: Now, out: &mut Emitter) {
        self.end(out);
    }
}

impl Collector {
    /// Passes the open batch on, if there is one.
    fn end(&mut self, out: &mut Emitter) {
        let Some(OpenBatch { elements, receipts, last: mut itinerary, .. }) = self.open.take() else { return };
        let count = Value::from(elements.len());
        let elements = Value::from(elements);
        itinerary.message = match &self.settings.target {
            MessagePart::Whole => elements,
            MessagePart::Property(path) => {
                let mut message = Value::Null;
                match message.set(path, elements.clone()) {
                    Ok(()) => {}
                    // Only a path through a list place; the elements are not lost by it.
                    Err(_) => message = Value::Object(Object::from_iter([("data", elements)])),
                }
                if let Value::Object(object) = &mut message {
                    object.insert(COUNT, count);
                }
                message
            }
        };
        if !receipts.is_empty() {
            itinerary = itinerary.with_receipt(joined(receipts));
        }
        out.emit(itinerary);
    }
}

/// One receipt that resolves many.
fn joined(receipts: Vec<Receipt>) -> Receipt {
    Receipt::new(move |outcome| {
        if outcome == Outcome::Failed {
            receipts.iter().for_each(Receipt::fail);
        }
        drop(receipts);
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::module::{ModuleKind, Of};
    use crate::modules::harness::{self, World, itinerary, itinerary_with_receipt, now, passed, process};

    const KIND: &dyn ModuleKind = &Of::<Batch>::new();

    /// Feeds messages at their milliseconds and tells what was passed on after each.
    fn feed(toml: &str, messages: &[(u64, &str)]) -> Vec<Vec<String>> {
        let mut step = World::new().step(KIND, toml);
        messages
            .iter()
            .map(|(millis, message)| process(&mut *step, now(*millis), itinerary(message)).unwrap())
            .collect()
    }

    #[test]
    fn a_batch_is_full_by_count() {
        let passed = feed("count = 2", &[(0, r#"{"data":1}"#), (0, "[2]"), (0, "3")]);
        assert_eq!(passed, [vec![], vec![r#"0: {"data":[1,[2]],"count":2}"#.to_owned()], vec![]]);
    }

    #[test]
    fn a_batch_is_full_by_bytes_and_what_does_not_fit_begins_the_next() {
        let text = format!("\"{}\"", "x".repeat(100));
        let passed = feed("bytes = 300\ntarget = 'message'", &[(0, &text), (0, &text), (0, &text)]);
        assert_eq!(passed, [vec![], vec![], vec![format!("0: [{text},{text}]")]]);
    }

    #[test]
    fn a_batch_ends_by_time_from_its_first_message() {
        let mut step = World::new().step(KIND, "max_wait = '5s'");
        let mut out = Emitter::default();
        process(&mut *step, now(1_000), itinerary("1")).unwrap();
        process(&mut *step, now(3_000), itinerary("2")).unwrap();
        assert_eq!(step.poll_timeout(), Some(now(6_000).moment));
        step.handle_timeout(now(5_999), &mut out);
        assert!(out.is_empty());
        step.handle_timeout(now(6_000), &mut out);
        assert_eq!(passed(&mut out), [r#"0: {"data":[1,2],"count":2}"#]);
        assert_eq!(step.poll_timeout(), None);
    }

    #[test]
    fn what_is_held_goes_on_when_the_flow_is_drained() {
        let mut step = World::new().step(KIND, "target = 'rows'");
        let mut out = Emitter::default();
        step.drain(now(0), &mut out);
        assert!(out.is_empty());
        process(&mut *step, now(0), itinerary("1")).unwrap();
        step.drain(now(0), &mut out);
        assert_eq!(passed(&mut out), [r#"0: {"rows":[1],"count":1}"#]);
    }

    #[test]
    fn the_sources_are_told_when_the_batch_has_ended() {
        for (fail, outcome) in [(false, Outcome::Done), (true, Outcome::Failed)] {
            let mut step = World::new().step(KIND, "count = 2");
            let mut out = Emitter::default();
            let (first, first_ended) = itinerary_with_receipt("1");
            let (second, second_ended) = itinerary_with_receipt("2");
            step.process(now(0), first, &mut out).unwrap();
            step.process(now(0), second, &mut out).unwrap();
            assert!(first_ended.lock().unwrap().is_empty());
            for (_, batch) in out.drain() {
                if fail {
                    batch.receipt().unwrap().fail();
                }
            }
            assert_eq!(*first_ended.lock().unwrap(), [outcome]);
            assert_eq!(*second_ended.lock().unwrap(), [outcome]);
        }
    }

    #[test]
    fn the_check_names_what_is_out_of_range() {
        for toml in ["count = 0", "bytes = 0", "max_wait = '0s'", "count = 100001", "target = 'count'"] {
            assert_eq!(harness::check(KIND, toml).lines().len(), 1, "{toml}");
        }
        let mut step = World::new().step(KIND, "source = 'x'");
        assert!(process(&mut *step, now(0), itinerary("{}")).unwrap_err().contains("no `x` to collect"));
    }
}
