//! What a window keeps of the values of one property: a few numbers, whatever the count.

use message::{Value, limits};

use super::function::FunctionKind;
use crate::modules::random::Random;

/// The values of one property in one group of one window.
#[derive(Debug, Default)]
pub(super) struct Accumulator {
    count: u64,
    first: Value,
    last: Value,
    numbers: Numbers,
    /// Kept only when a percentile is wanted.
    samples: Option<Vec<f64>>,
}

#[derive(Debug)]
struct Numbers {
    count: u64,
    /// The exact sum as long as all numbers are whole and it fits.
    whole_sum: Option<i64>,
    sum: f64,
    /// Welford's running mean and sum of squared differences: exact enough also far from zero.
    mean: f64,
    squares: f64,
    min: Value,
    max: Value,
}

impl Default for Numbers {
    fn default() -> Self {
        Self { count: 0, whole_sum: Some(0), sum: 0.0, mean: 0.0, squares: 0.0, min: Value::Null, max: Value::Null }
    }
}

impl Accumulator {
    pub(super) fn new(keeps_samples: bool) -> Self {
        Self { samples: keeps_samples.then(Vec::new), ..Self::default() }
    }

    pub(super) fn add(&mut self, value: &Value, random: &mut Random) {
        self.count += 1;
        if self.count == 1 {
            self.first = value.clone();
        }
        self.last = value.clone();
        let Some(number) = value.as_f64() else { return };
        self.numbers.add(value, number);
        if let Some(samples) = &mut self.samples {
            if samples.len() < limits::AGGREGATE_SAMPLES_MAX {
                samples.push(number);
            } else if let Ok(place) = usize::try_from(random.below(self.numbers.count))
                && let Some(sample) = samples.get_mut(place)
            {
                // Algorithm R: every number so far is in the sample with the same chance.
                *sample = number;
            }
        }
    }

    pub(super) fn result(&mut self, kind: FunctionKind) -> Value {
        let numbers = &self.numbers;
        match kind {
            FunctionKind::Count => Value::from(self.count),
            FunctionKind::First => self.first.clone(),
            FunctionKind::Last => self.last.clone(),
            FunctionKind::Min => numbers.min.clone(),
            FunctionKind::Max => numbers.max.clone(),
            FunctionKind::Sum => numbers.whole_sum.map_or(Value::Float(numbers.sum), Value::Int),
            FunctionKind::Mean if numbers.count > 0 => Value::Float(numbers.mean),
            FunctionKind::Deviation if numbers.count > 1 => {
                Value::Float((numbers.squares / (numbers.count - 1) as f64).max(0.0).sqrt())
            }
            FunctionKind::Mean | FunctionKind::Deviation => Value::Null,
            FunctionKind::Percentile(percent) => {
                self.samples.as_mut().map_or(Value::Null, |all| percentile(all, percent))
            }
        }
    }
}

impl Numbers {
    fn add(&mut self, value: &Value, number: f64) {
        self.count += 1;
        self.whole_sum = match value {
            Value::Int(whole) => self.whole_sum.and_then(|sum| sum.checked_add(*whole)),
            _ => None,
        };
        self.sum += number;
        let difference = number - self.mean;
        self.mean += difference / self.count as f64;
        self.squares += difference * (number - self.mean);
        if self.min.as_f64().is_none_or(|min| number < min) {
            self.min = value.clone();
        }
        if self.max.as_f64().is_none_or(|max| number > max) {
            self.max = value.clone();
        }
    }
}

/// The number below which `percent` of all lie, between two neighbours in proportion.
fn percentile(samples: &mut [f64], percent: f64) -> Value {
    samples.sort_unstable_by(f64::total_cmp);
    let Some(highest) = samples.len().checked_sub(1) else { return Value::Null };
    let place = highest as f64 * percent / 100.0;
    let (below, above) = (place.floor() as usize, place.ceil() as usize);
    match (samples.get(below), samples.get(above)) {
        (Some(below), Some(above)) => Value::Float(below + (above - below) * place.fract()),
        _ => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modules::aggregate::function::Function;
    use proptest::prelude::*;

    fn results(values: &[Value], functions: &[&str]) -> String {
        let mut random = Random::new(1);
        let mut accumulator = Accumulator::new(true);
        for value in values {
            accumulator.add(value, &mut random);
        }
        let result = |name: &&str| accumulator.result(name.parse::<Function>().unwrap().kind);
        Value::from(functions.iter().map(result).collect::<Vec<_>>()).to_json()
    }

    #[test]
    fn functions_are_what_their_names_say() {
        let numbers = [4, 1, 3, 2].map(Value::from);
        let all = ["count", "sum", "mean", "min", "max", "stddev", "first", "last", "median", "p0", "p100", "p25"];
        assert_eq!(results(&numbers, &all), "[4,10,2.5,1,4,1.2909944487358056,4,2,2.5,1.0,4.0,1.75]");
        assert_eq!(
            results(&[], &["count", "sum", "mean", "min", "stddev", "first", "p50"]),
            "[0,0,null,null,null,null,null]"
        );
        assert_eq!(results(&[Value::from(1), Value::from(0.5)], &["sum", "min"]), "[1.5,0.5]");
        assert_eq!(results(&[Value::from(i64::MAX), Value::from(1)], &["sum"]), "[9.223372036854776e+18]");
        assert_eq!(results(&[Value::from("a"), Value::from("b")], &["count", "first", "last"]), r#"[2,"a","b"]"#);
    }

    #[test]
    fn beyond_the_limit_a_sample_stands_for_all() {
        let mut random = Random::new(1);
        let mut accumulator = Accumulator::new(true);
        for number in 0..100_000 {
            accumulator.add(&Value::from(number), &mut random);
        }
        assert_eq!(accumulator.samples.as_ref().unwrap().len(), limits::AGGREGATE_SAMPLES_MAX);
        let median = accumulator.result(FunctionKind::Percentile(50.0)).as_f64().unwrap();
        assert!((45_000.0..55_000.0).contains(&median), "{median}");
    }

    proptest! {
        #[test]
        fn mean_and_deviation_agree_with_two_passes(numbers in prop::collection::vec(-1e6_f64..1e6, 2..50)) {
            let mut accumulator = Accumulator::new(false);
            for number in &numbers {
                accumulator.add(&Value::from(*number), &mut Random::new(1));
            }
            let count = numbers.len() as f64;
            let mean = numbers.iter().sum::<f64>() / count;
            let deviation = (numbers.iter().map(|number| (number - mean).powi(2)).sum::<f64>() / (count - 1.0)).sqrt();
            let close = |kind, wanted: f64| (accumulator_result(&mut accumulator, kind) - wanted).abs() <= 1e-6 * wanted.abs().max(1.0);
            let mut close = close;
            prop_assert!(close(FunctionKind::Mean, mean));
            prop_assert!(close(FunctionKind::Deviation, deviation));
        }
    }

    fn accumulator_result(accumulator: &mut Accumulator, kind: FunctionKind) -> f64 {
        accumulator.result(kind).as_f64().unwrap()
    }
}
