//! Simulated signals: one number or value per tick.

use std::f64::consts::TAU;

use message::Value;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::random::Random;
use crate::check::Checker;
use crate::span::Span;

/// One simulated signal.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SignalSettings {
    /// How the signal moves.
    shape: Shape,
    /// The middle of a wave; where a random walk and a counter begin.
    #[serde(default)]
    offset: f64,
    /// How far a wave goes from its middle.
    #[serde(default = "one")]
    amplitude: f64,
    /// The time of one wave.
    #[serde(default = "minute")]
    period: Span,
    /// How far into its period a wave begins, 0 to 1.
    #[serde(default)]
    phase: f64,
    /// The most that a random walk moves at a tick; what a counter adds.
    #[serde(default = "one")]
    step: f64,
    /// The lowest number; a counter that passes `max` begins again here.
    #[serde(default)]
    min: Option<f64>,
    /// The highest number.
    #[serde(default)]
    max: Option<f64>,
    /// Chance that is added: evenly between minus and plus this.
    #[serde(default)]
    noise: f64,
    /// Digits behind the point that are kept, 0 to 15; all when not set.
    #[serde(default)]
    #[schemars(range(min = 0, max = 15))]
    decimals: Option<u8>,
    /// What a constant signal is: any value.
    #[serde(default)]
    #[schemars(with = "serde_json::Value")]
    value: Value,
}

fn one() -> f64 {
    1.0
}

fn minute() -> Span {
    Span::from_secs(60)
}

/// How a signal moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Shape {
    /// A sine wave.
    Sine,
    /// High for half of the period, then low.
    Square,
    /// Evenly up and down again.
    Triangle,
    /// Evenly up, then down at once.
    Sawtooth,
    /// A small step of chance at each tick.
    RandomWalk,
    /// `step` more at each tick.
    Counter,
    /// Always `value`.
    Constant,
}

impl SignalSettings {
    pub(super) fn check(&self, path: &str, checker: &mut Checker<'_>) {
        self.period.check(&format!("{path}.period"), Span::from_millis(1), Span::MAX, checker);
        if self.decimals.is_some_and(|decimals| decimals > 15) {
            checker.problem(&format!("{path}.decimals"), "out of range", "write a number from 0 to 15");
        }
        if let (Some(min), Some(max)) = (self.min, self.max)
            && min > max
        {
            checker.problem(&format!("{path}.min"), format!("`min` {min} is above `max` {max}"), "swap the two");
        }
    }
}

/// A signal under way.
#[derive(Debug)]
pub(super) struct Signal {
    settings: SignalSettings,
    /// Where a random walk or a counter stands; `None` before its first tick.
    last: Option<f64>,
}

impl Signal {
    pub(super) fn new(settings: SignalSettings) -> Self {
        Self { settings, last: None }
    }

    /// The value `seconds` after the first tick.
    pub(super) fn at(&mut self, seconds: f64, random: &mut Random) -> Value {
        let settings = &self.settings;
        let turns = seconds / settings.period.as_duration().as_secs_f64().max(f64::MIN_POSITIVE) + settings.phase;
        let turn = turns.rem_euclid(1.0);
        let wave = |level: f64| settings.amplitude.mul_add(level, settings.offset);
        let number = match settings.shape {
            Shape::Constant => return settings.value.clone(),
            Shape::Sine => wave((turn * TAU).sin()),
            Shape::Square => wave(if turn < 0.5 { 1.0 } else { -1.0 }),
            // Begins in the middle and rises, as the sine does.
            Shape::Triangle => wave(1.0 - 4.0 * ((turn + 0.25).rem_euclid(1.0) - 0.5).abs()),
            Shape::Sawtooth => wave(2.0f64.mul_add(turn, -1.0)),
            Shape::RandomWalk => {
                let next = self.last.map_or(settings.offset, |last| last + settings.step * random.symmetric());
                settings.held(next)
            }
            Shape::Counter => match self.last.map(|last| last + settings.step) {
                None => settings.offset,
                Some(next) if settings.max.is_some_and(|max| next > max) => settings.min.unwrap_or(settings.offset),
                Some(next) => next,
            },
        };
        self.last = Some(number);
        let noise = if settings.noise == 0.0 { 0.0 } else { settings.noise * random.symmetric() };
        settings.written(settings.held(number + noise))
    }
}

impl SignalSettings {
    fn held(&self, number: f64) -> f64 {
        let low = self.min.map_or(number, |min| number.max(min));
        self.max.map_or(low, |max| low.min(max))
    }

    fn written(&self, number: f64) -> Value {
        match self.decimals {
            _ if self.shape == Shape::Counter && number.fract() == 0.0 => whole(number),
            Some(0) => whole(number.round()),
            Some(decimals) => {
                let tens = 10.0f64.powi(i32::from(decimals.min(15)));
                Value::Float((number * tens).round() / tens)
            }
            None => Value::Float(number),
        }
    }
}

fn whole(number: f64) -> Value {
    Value::Float(number).as_i64().map_or(Value::Float(number), Value::Int)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values of a signal at the quarters of its period of 4 s.
    fn check(toml: &str, expect: &str) {
        let settings: SignalSettings = toml_edit::de::from_str(&format!("period = '4s'\n{toml}")).unwrap();
        let mut signal = Signal::new(settings);
        let mut random = Random::new(1);
        let values: Vec<Value> = (0..6).map(|second| signal.at(f64::from(second), &mut random)).collect();
        assert_eq!(Value::from(values).to_json(), expect, "{toml}");
    }

    #[test]
    fn waves_have_their_shape() {
        check("shape = 'sine'\ndecimals = 3\noffset = 10", "[10.0,11.0,10.0,9.0,10.0,11.0]");
        check("shape = 'square'\namplitude = 2", "[2.0,2.0,-2.0,-2.0,2.0,2.0]");
        check("shape = 'triangle'", "[0.0,1.0,0.0,-1.0,0.0,1.0]");
        check("shape = 'sawtooth'\nphase = 0.5", "[0.0,0.5,-1.0,-0.5,0.0,0.5]");
        check("shape = 'sine'\nmax = 0.5\ndecimals = 1", "[0.0,0.5,0.0,-1.0,0.0,0.5]");
    }

    #[test]
    fn counters_count_and_begin_again() {
        check("shape = 'counter'", "[0,1,2,3,4,5]");
        check("shape = 'counter'\noffset = 2\nstep = 2\nmin = 1\nmax = 6", "[2,4,6,1,3,5]");
        check("shape = 'constant'\nvalue = ['a']", r#"[["a"],["a"],["a"],["a"],["a"],["a"]]"#);
    }

    #[test]
    fn chance_stays_within_its_bounds() {
        let toml = "shape = 'random-walk'\noffset = 5\nstep = 3\nmin = 4\nmax = 6\nnoise = 1";
        let mut signal = Signal::new(toml_edit::de::from_str(toml).unwrap());
        let mut random = Random::new(1);
        let values: Vec<f64> = (0..500).map(|_| signal.at(0.0, &mut random).as_f64().unwrap()).collect();
        assert!(values.iter().all(|value| (4.0..=6.0).contains(value)));
        assert!(values.windows(2).any(|pair| pair[0] != pair[1]));
    }
}
