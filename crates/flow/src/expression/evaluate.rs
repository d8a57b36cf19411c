//! Evaluates a tree. `None` means that the engine must be asked: a case that the tree does not settle, or one in
//! which JavaScript throws, so that the error is the engine's own. A tree changes nothing, so asking twice is safe.

use std::borrow::Cow;
use std::cmp::Ordering;

use message::Value;

use super::names::is_inherited;
use super::operand::Operand;
use super::scope::Evaluation;
use super::tree::{BinaryOperator, Change, Link, MathFunction, Node, Search, Step};

impl Node {
    pub(super) fn evaluate<'a>(&'a self, scope: &'a Evaluation<'_>) -> Option<Operand<'a>> {
        Some(match self {
            Self::Undefined => Operand::Undefined,
            Self::Null => Operand::Null,
            Self::Bool(value) => Operand::Bool(*value),
            Self::Number(number) => Operand::Number(*number),
            Self::Text(text) => Operand::Text(Cow::Borrowed(text)),
            Self::Message => Operand::from(scope.message()),
            Self::Variable(index) => Operand::from(scope.variables().get(*index)?),
            Self::Context => Operand::from(scope.context()),
            Self::Chain(base, links) => {
                let mut value = base.evaluate(scope)?;
                for link in links {
                    if link.optional && value.is_nullish() {
                        return Some(Operand::Undefined);
                    }
                    value = link.follow(value, scope)?;
                }
                value
            }
            Self::Not(node) => Operand::Bool(!node.evaluate(scope)?.is_true()),
            Self::Negative(node) => Operand::Number(-node.evaluate(scope)?.to_number()?),
            Self::ToNumber(node) => Operand::Number(node.evaluate(scope)?.to_number()?),
            Self::TypeOf(node) => Operand::Text(Cow::Borrowed(node.evaluate(scope)?.type_of())),
            Self::Binary(operator, left, right) => operator.apply(&left.evaluate(scope)?, &right.evaluate(scope)?)?,
            Self::And(left, right) => {
                let left = left.evaluate(scope)?;
                if left.is_true() { right.evaluate(scope)? } else { left }
            }
            Self::Or(left, right) => {
                let left = left.evaluate(scope)?;
                if left.is_true() { left } else { right.evaluate(scope)? }
            }
            Self::Coalesce(left, right) => {
                let left = left.evaluate(scope)?;
                if left.is_nullish() { right.evaluate(scope)? } else { left }
            }
            Self::Choice(test, then, otherwise) => {
                if test.evaluate(scope)?.is_true() { then } else { otherwise }.evaluate(scope)?
            }
            Self::Math(function, arguments) => {
                let mut numbers = arguments.iter().map(|argument| argument.evaluate(scope)?.to_number());
                let first = numbers.next()??;
                let joined = numbers.try_fold(first, |sum, next| Some(function.join(sum, next?)))?;
                Operand::Number(function.finish(joined))
            }
        })
    }
}

impl MathFunction {
    /// Takes one more argument to what the arguments before it came to.
    fn join(self, sum: f64, next: f64) -> f64 {
        // -0 is below 0 here, and NaN wins.
        let below = next < sum || (next == sum && next.is_sign_negative());
        match self {
            _ if sum.is_nan() || next.is_nan() => f64::NAN,
            Self::Min if below => next,
            Self::Max if !below => next,
            _ => sum,
        }
    }

    fn finish(self, number: f64) -> f64 {
        match self {
            Self::Min | Self::Max => number,
            Self::Abs => number.abs(),
            Self::Floor => number.floor(),
            Self::Ceil => number.ceil(),
            // Halves go up, and what rounds to zero from below is -0.
            Self::Round if number.fract() == 0.0 || !number.is_finite() => number,
            Self::Round if (-0.5..0.0).contains(&number) => -0.0,
            Self::Round if number - number.floor() >= 0.5 => number.floor() + 1.0,
            Self::Round => number.floor(),
        }
    }
}

impl Link {
    fn follow<'a>(&'a self, value: Operand<'a>, scope: &'a Evaluation<'_>) -> Option<Operand<'a>> {
        match &self.step {
            Step::Member(name) => member(value, name),
            Step::Element(node) => match node.evaluate(scope)? {
                Operand::Number(index) => element(value, index),
                Operand::Text(name) if !is_inherited(&name) => member(value, &name),
                _ => None,
            },
            Step::Search(search, node) => {
                let Operand::Text(text) = value else { return None };
                let wanted = node.evaluate(scope)?;
                let wanted = wanted.to_text()?;
                Some(Operand::Bool(match search {
                    Search::Includes => text.contains(&*wanted),
                    Search::StartsWith => text.starts_with(&*wanted),
                    Search::EndsWith => text.ends_with(&*wanted),
                }))
            }
            Step::Change(change) => match value {
                Operand::Text(text) if text.is_ascii() => Some(Operand::Text(change.apply(text))),
                _ => None,
            },
        }
    }
}

impl Change {
    fn apply(self, text: Cow<'_, str>) -> Cow<'_, str> {
        let space = [' ', '\t', '\n', '\r', '\u{b}', '\u{c}'];
        match (self, text) {
            (Self::ToLowerCase, text) => Cow::Owned(text.to_ascii_lowercase()),
            (Self::ToUpperCase, text) => Cow::Owned(text.to_ascii_uppercase()),
            (Self::Trim, Cow::Borrowed(text)) => Cow::Borrowed(text.trim_matches(space)),
            (Self::Trim, Cow::Owned(text)) => Cow::Owned(text.trim_matches(space).to_owned()),
        }
    }
}

fn member<'a>(value: Operand<'a>, name: &str) -> Option<Operand<'a>> {
    match value {
        Operand::Object(Value::Object(object)) => Some(object.get(name).map_or(Operand::Undefined, Operand::from)),
        Operand::Object(Value::Array(array)) if name == "length" => Some(Operand::Number(array.len() as f64)),
        Operand::Text(text) if name == "length" => {
            let length = if text.is_ascii() { text.len() } else { text.encode_utf16().count() };
            Some(Operand::Number(length as f64))
        }
        _ => None,
    }
}

fn element<'a>(value: Operand<'a>, index: f64) -> Option<Operand<'a>> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the guard holds it within u32")]
    let place = (index.fract() == 0.0 && (0.0..=f64::from(u32::MAX - 1)).contains(&index)).then_some(index as usize)?;
    match value {
        Operand::Object(Value::Array(array)) => Some(array.get(place).map_or(Operand::Undefined, Operand::from)),
        Operand::Object(Value::Object(object)) => {
            Some(object.get(&place.to_string()).map_or(Operand::Undefined, Operand::from))
        }
        Operand::Text(text) if text.is_ascii() => Some(match text {
            Cow::Borrowed(text) => {
                text.get(place..=place).map_or(Operand::Undefined, |sign| Operand::Text(Cow::Borrowed(sign)))
            }
            Cow::Owned(text) => {
                text.get(place..=place).map_or(Operand::Undefined, |sign| Operand::Text(Cow::Owned(sign.to_owned())))
            }
        }),
        _ => None,
    }
}

impl BinaryOperator {
    fn apply<'a>(self, left: &Operand<'a>, right: &Operand<'a>) -> Option<Operand<'a>> {
        let number = |join: fn(f64, f64) -> f64| Some(Operand::Number(join(left.to_number()?, right.to_number()?)));
        let order = |holds: fn(Ordering) -> bool| Some(Operand::Bool(left.compare(right)?.is_some_and(holds)));
        match self {
            Self::StrictEqual => left.is_strictly_equal(right).map(Operand::Bool),
            Self::StrictUnequal => left.is_strictly_equal(right).map(|equal| Operand::Bool(!equal)),
            Self::Equal => left.is_loosely_equal(right).map(Operand::Bool),
            Self::Unequal => left.is_loosely_equal(right).map(|equal| Operand::Bool(!equal)),
            Self::Less => order(Ordering::is_lt),
            Self::LessOrEqual => order(Ordering::is_le),
            Self::Greater => order(Ordering::is_gt),
            Self::GreaterOrEqual => order(Ordering::is_ge),
            Self::Add => left.plus(right),
            Self::Subtract => number(|left, right| left - right),
            Self::Multiply => number(|left, right| left * right),
            Self::Divide => number(|left, right| left / right),
            Self::Remainder => number(|left, right| left % right),
        }
    }
}
