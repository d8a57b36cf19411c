//! A value as JavaScript sees it while an expression is evaluated, and the coercions of ECMAScript between its
//! kinds. Everything that could differ from the engine answers `None`, and the engine evaluates the expression.

use std::borrow::Cow;
use std::cmp::Ordering;

use message::{Text, Value, limits};

use super::number_text::{number_to_text, text_to_number};

#[derive(Debug, Clone)]
pub(super) enum Operand<'a> {
    Undefined,
    Null,
    Bool(bool),
    Number(f64),
    Text(Cow<'a, str>),
    /// A list, an object, a time or bytes: an object to JavaScript.
    Object(&'a Value),
}

impl<'a> From<&'a Value> for Operand<'a> {
    fn from(value: &'a Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(*value),
            Value::Int(value) => Self::Number(*value as f64),
            Value::UInt(value) => Self::Number(*value as f64),
            Value::Float(value) => Self::Number(*value),
            Value::Text(text) => Self::Text(Cow::Borrowed(text)),
            Value::Time(_) | Value::Bytes(_) | Value::Array(_) | Value::Object(_) => Self::Object(value),
        }
    }
}

impl Operand<'_> {
    /// The value outside of JavaScript; undefined is null.
    pub(super) fn into_value(self) -> Value {
        match self {
            Self::Undefined | Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(value),
            Self::Number(number) => number_to_value(number),
            Self::Text(text) => Value::Text(Text::new(text)),
            Self::Object(value) => value.clone(),
        }
    }

    pub(super) fn is_nullish(&self) -> bool {
        matches!(self, Self::Undefined | Self::Null)
    }

    /// ToBoolean.
    pub(super) fn is_true(&self) -> bool {
        match self {
            Self::Undefined | Self::Null => false,
            Self::Bool(value) => *value,
            Self::Number(number) => *number != 0.0 && !number.is_nan(),
            Self::Text(text) => !text.is_empty(),
            Self::Object(_) => true,
        }
    }

    /// ToNumber.
    pub(super) fn to_number(&self) -> Option<f64> {
        match self {
            Self::Undefined => Some(f64::NAN),
            Self::Null => Some(0.0),
            Self::Bool(value) => Some(f64::from(u8::from(*value))),
            Self::Number(number) => Some(*number),
            Self::Text(text) => text_to_number(text),
            Self::Object(_) => None,
        }
    }

    /// ToString.
    pub(super) fn to_text(&self) -> Option<Cow<'_, str>> {
        Some(match self {
            Self::Undefined => Cow::Borrowed("undefined"),
            Self::Null => Cow::Borrowed("null"),
            Self::Bool(true) => Cow::Borrowed("true"),
            Self::Bool(false) => Cow::Borrowed("false"),
            Self::Number(number) => Cow::Owned(number_to_text(*number)),
            Self::Text(text) => Cow::Borrowed(text),
            Self::Object(_) => return None,
        })
    }

    pub(super) fn type_of(&self) -> &'static str {
        match self {
            Self::Undefined => "undefined",
            Self::Null | Self::Object(_) => "object",
            Self::Bool(_) => "boolean",
            Self::Number(_) => "number",
            Self::Text(_) => "string",
        }
    }

    /// `===`
    pub(super) fn is_strictly_equal(&self, other: &Self) -> Option<bool> {
        Some(match (self, other) {
            (Self::Undefined, Self::Undefined) | (Self::Null, Self::Null) => true,
            (Self::Bool(left), Self::Bool(right)) => left == right,
            (Self::Number(left), Self::Number(right)) => left == right,
            (Self::Text(left), Self::Text(right)) => left == right,
            // Whether both are the same object is known to the engine alone.
            (Self::Object(_), Self::Object(_)) => return None,
            _ => false,
        })
    }

    /// `==`
    pub(super) fn is_loosely_equal(&self, other: &Self) -> Option<bool> {
        match (self, other) {
            _ if self.is_nullish() || other.is_nullish() => Some(self.is_nullish() && other.is_nullish()),
            (Self::Object(_), _) | (_, Self::Object(_)) => None,
            (Self::Text(_), Self::Text(_)) => self.is_strictly_equal(other),
            _ => Some(self.to_number()? == other.to_number()?),
        }
    }

    /// The order that `<` and its like go by; the inner `None` when there is none because one is not a number.
    pub(super) fn compare(&self, other: &Self) -> Option<Option<Ordering>> {
        if let (Self::Text(left), Self::Text(right)) = (self, other) {
            let order = if left.is_ascii() && right.is_ascii() {
                left.cmp(right)
            } else {
                left.encode_utf16().cmp(right.encode_utf16())
            };
            return Some(Some(order));
        }
        Some(self.to_number()?.partial_cmp(&other.to_number()?))
    }

    /// `+`
    pub(super) fn plus(&self, other: &Self) -> Option<Self> {
        if matches!(self, Self::Text(_)) || matches!(other, Self::Text(_)) {
            let (left, right) = (self.to_text()?, other.to_text()?);
            // Longer ones are joined within the heap of the engine.
            let fits = left.len() + right.len() <= limits::EXPRESSION_TEXT_BYTES_MAX;
            return fits.then(|| Self::Text(Cow::Owned(format!("{left}{right}"))));
        }
        Some(Self::Number(self.to_number()? + other.to_number()?))
    }
}

/// A number of JavaScript as a value: whole numbers that a float holds exactly are integers, but not -0.
pub(crate) fn number_to_value(number: f64) -> Value {
    let negative_zero = number == 0.0 && number.is_sign_negative();
    match Value::Float(number).as_i64() {
        Some(whole) if !negative_zero => Value::Int(whole),
        _ => Value::Float(number),
    }
}
