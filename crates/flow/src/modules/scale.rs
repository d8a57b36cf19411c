//! `scale`: turns raw numbers into units.

use message::Value;
use schemars::JsonSchema;
use serde::Deserialize;

use super::conversion::Conversion;
use super::message_part::MessagePart;
use crate::build::{BuildContext, BuildError};
use crate::check::Checker;
use crate::module::{Built, Direction, Module};

/// Computes `value * factor + offset`, as in turning a register into degrees.
///
/// **Message in** with a number at `source`. **Message out** the same with the result at `target`.
///
/// **Failure** the message has no `source`, or it is no number; `target` cannot be set.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Settings {
    /// The property that holds the number.
    source: MessagePart,
    /// The property that takes the result; `source` when not set.
    target: Option<MessagePart>,
    /// What the number is multiplied by.
    factor: f64,
    /// What is added then.
    offset: f64,
    /// The lowest result: lower ones become it.
    min: Option<f64>,
    /// The highest result: higher ones become it.
    max: Option<f64>,
    /// Digits behind the point that are kept, 0 to 15; all when not set. With 0 the result is a whole number.
    #[schemars(range(min = 0, max = 15))]
    decimals: Option<u8>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            source: MessagePart::data(),
            target: None,
            factor: 1.0,
            offset: 0.0,
            min: None,
            max: None,
            decimals: None,
        }
    }
}

/// The module type.
#[derive(Debug)]
pub(super) struct Scale;

impl Module for Scale {
    const TYPE: &'static str = "scale";
    const DIRECTION: Direction = Direction::Internal;
    const SUMMARY: &'static str = "Computes value * factor + offset.";
    const EXAMPLE: &'static str = r#"source = "data.raw"
target = "data.celsius"
factor = 0.1
offset = -40
decimals = 1
"#;
    type Settings = Settings;

    fn check(settings: &Settings, checker: &mut Checker<'_>) {
        let Settings { min, max, decimals, .. } = settings;
        if let (Some(min), Some(max)) = (min, max)
            && min > max
        {
            checker.problem("min", format!("`min` {min} is above `max` {max}"), "swap the two");
        }
        if decimals.is_some_and(|decimals| decimals > 15) {
            checker.problem("decimals", "out of range", "write a number from 0 to 15");
        }
    }

    fn build(settings: Settings, _: &mut BuildContext<'_>) -> Result<Built, BuildError> {
        let source = settings.source.clone();
        let target = settings.target.clone().unwrap_or_else(|| source.clone());
        let convert = move |value: &Value| match value.as_f64() {
            Some(number) => settings.scale(number),
            None => Err(format!("is a value of type {}, not a number", value.type_name())),
        };
        Ok(Built::Step(Box::new(Conversion { source, target, convert })))
    }
}

impl Settings {
    fn scale(&self, number: f64) -> Result<Value, String> {
        let mut result = number * self.factor + self.offset;
        // Not `clamp`, which panics when the bounds are crossed.
        if let Some(min) = self.min {
            result = result.max(min);
        }
        if let Some(max) = self.max {
            result = result.min(max);
        }
        if !result.is_finite() {
            return Err("is out of the range of numbers once it is scaled".to_owned());
        }
        Ok(match self.decimals {
            None => Value::Float(result),
            Some(0) => {
                let rounded = Value::Float(result.round());
                rounded.as_i64().map_or(rounded, Value::Int)
            }
            Some(decimals) => {
                let tens = 10.0_f64.powi(i32::from(decimals.min(15)));
                let rounded = (result * tens).round() / tens;
                Value::Float(if rounded.is_finite() { rounded } else { result })
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::module::{ModuleKind, Of};
    use crate::modules::harness::{self, World, try_message};

    const KIND: &dyn ModuleKind = &Of::<Scale>::new();

    fn check(toml: &str, message: &str, expect: Result<&str, &str>) {
        let mut step = World::new().step(KIND, toml);
        let expect = expect.map(|message| vec![format!("0: {message}")]).map_err(str::to_owned);
        assert_eq!(try_message(&mut *step, message), expect, "{toml}");
    }

    #[test]
    fn numbers_are_scaled_held_and_rounded() {
        check("factor = 2\noffset = 1", r#"{"data":3}"#, Ok(r#"{"data":7.0}"#));
        check("source = 'a.b'\ntarget = 'c'\nfactor = 0.1", r#"{"a":{"b":5}}"#, Ok(r#"{"a":{"b":5},"c":0.5}"#));
        check("source = 'message'\nfactor = 0.333\ndecimals = 2", "10", Ok("3.33"));
        check("source = 'message'\ndecimals = 0", "2.5", Ok("3"));
        check("source = 'message'\nmin = 0\nmax = 100", "-3", Ok("0.0"));
        check("source = 'message'\nmin = 0\nmax = 100\ndecimals = 15", "1e300", Ok("100.0"));
        check("source = 'message'\ndecimals = 15", "1e300", Ok("1e+300"));
    }

    #[test]
    fn what_is_no_number_fails() {
        check("", r#"{"data":"3"}"#, Err("`data` is a value of type string, not a number"));
        check("", "{}", Err("the message has no `data`"));
        check("factor = 1e300", r#"{"data":1e300}"#, Err("`data` is out of the range of numbers once it is scaled"));
        check("target = 'data.x'", r#"{"data":3}"#, {
            Err("cannot set `data.x`: on the way stands a value of type number, not an object")
        });
    }

    #[test]
    fn the_check_names_what_is_wrong() {
        for (toml, what) in [("min = 2\nmax = 1", "above `max`"), ("decimals = 16", "out of range")] {
            let found = harness::check(KIND, toml).lines();
            assert!(found.len() == 1 && found[0].contains(what), "{toml}: {found:?}");
        }
    }
}
