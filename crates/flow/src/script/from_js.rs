//! Values on their way out of JavaScript, within limits of depth and size: a script can build in its small heap what
//! would fill the node's memory when it is written out.

use std::sync::Arc;

use bytes::Bytes;
use message::{Array, Object, Text, Timestamp, Value, limits};
use rquickjs::class::Class;
use rquickjs::{Coerced, Constructor, Ctx, Object as JsObject, String as JsString, Type, TypedArray, Value as JsValue};

use super::failure::{Failure, RunError};
use super::host_object::HostObject;
use super::into_js::Builtins;
use super::raw;
use crate::expression::number_to_value;

/// Takes values out of the engine, counting what they will weigh.
pub(super) struct Outlet<'js> {
    ctx: Ctx<'js>,
    date: Constructor<'js>,
    bytes_left: usize,
    bytes_max: usize,
}

impl<'js> Outlet<'js> {
    /// All that passes through one outlet weighs at most `bytes_max`.
    pub(super) fn new(ctx: &Ctx<'js>, bytes_max: usize) -> Result<Self, Failure> {
        let date = Builtins::date_constructor(ctx)?;
        Ok(Self { ctx: ctx.clone(), date, bytes_left: bytes_max, bytes_max })
    }

    /// The value of JavaScript as a value of a message. Where it is the same as `before`, that is given back, so that
    /// what no script changed stays shared and keeps what JavaScript cannot hold: microseconds, large integers.
    pub(super) fn take(
        &mut self,
        value: &JsValue<'js>,
        before: Option<&Value>,
        depth: usize,
    ) -> Result<Value, Failure> {
        if depth > limits::VALUE_DEPTH_MAX {
            return Err(RunError::TooDeep { limit: limits::VALUE_DEPTH_MAX }.into());
        }
        self.weigh(size_of::<Value>())?;
        let taken = match value.type_of() {
            Type::Undefined | Type::Null | Type::Uninitialized => Value::Null,
            Type::Bool => Value::Bool(value.as_bool().unwrap_or_default()),
            Type::Int => Value::Int(value.as_int().unwrap_or_default().into()),
            Type::Float => number_to_value(value.as_float().unwrap_or_default()),
            Type::String => Value::Text(self.text(value)?),
            Type::BigInt => self.big_integer(value)?,
            Type::Array => self.array(value, before, depth)?,
            Type::Symbol => return Err(unkeepable("symbol")),
            Type::Function | Type::Constructor => return Err(unkeepable("function")),
            Type::Promise => return Err(unkeepable("promise")),
            _ => match value.as_object() {
                Some(object) => self.object(object, before, depth)?,
                None => return Err(unkeepable("internal value")),
            },
        };
        Ok(match before {
            Some(before) if is_same(before, &taken) => before.clone(),
            _ => taken,
        })
    }

    fn weigh(&mut self, bytes: usize) -> Result<(), Failure> {
        match self.bytes_left.checked_sub(bytes) {
            Some(left) => self.bytes_left = left,
            None => return Err(RunError::TooLarge { limit_bytes: self.bytes_max }.into()),
        }
        Ok(())
    }

    fn text(&mut self, value: &JsValue<'js>) -> Result<Text, Failure> {
        let Some(text) = value.as_string() else { return Ok(Text::default()) };
        let text = match text.to_string() {
            Ok(text) => text,
            // Half of a pair of surrogates is no text outside of JavaScript.
            Err(rquickjs::Error::Utf8(_)) => self.well_formed(text)?,
            Err(error) => return Err(error.into()),
        };
        self.weigh(text.len())?;
        Ok(Text::from(text))
    }

    fn well_formed(&self, text: &JsString<'js>) -> Result<String, Failure> {
        let prototype: JsObject<'js> = self.ctx.globals().get::<_, JsObject<'js>>("String")?.get("prototype")?;
        let method: rquickjs::Function<'js> = prototype.get("toWellFormed")?;
        Ok(method.call((rquickjs::function::This(text.clone()),))?)
    }

    fn big_integer(&mut self, value: &JsValue<'js>) -> Result<Value, Failure> {
        let text = value.get::<Coerced<String>>()?.0;
        if let Ok(whole) = text.parse::<i64>() {
            return Ok(Value::Int(whole));
        }
        text.parse::<u64>().map(Value::UInt).map_err(|_| unkeepable("BigInt of more than 64 bits"))
    }

    fn array(&mut self, value: &JsValue<'js>, before: Option<&Value>, depth: usize) -> Result<Value, Failure> {
        let Some(array) = value.as_array() else { return Ok(Value::Null) };
        let before = before.and_then(Value::as_array).map(Array::as_slice).unwrap_or_default();
        let mut values = Vec::new();
        for place in 0..array.len() {
            let element: JsValue<'js> = array.get(place)?;
            values.push(self.take(&element, before.get(place), depth + 1)?);
        }
        Ok(Value::from(values))
    }

    fn object(&mut self, object: &JsObject<'js>, before: Option<&Value>, depth: usize) -> Result<Value, Failure> {
        if let Ok(host) = object.into_class::<HostObject<'_>>() {
            return self.host_object(&host, depth);
        }
        if object.is_instance_of(&self.date) {
            let millis = object.as_value().get::<Coerced<f64>>()?.0;
            #[expect(clippy::cast_possible_truncation, reason = "a date lies within 8.64e15 ms of the epoch")]
            let time = (!millis.is_nan()).then(|| Timestamp::from_millis(millis as i64));
            return Ok(time.map_or(Value::Null, Value::Time));
        }
        if let Ok(bytes) = TypedArray::<u8>::from_object(object.clone()) {
            let bytes = raw::copy_bytes(&bytes);
            self.weigh(bytes.len())?;
            return Ok(Value::Bytes(Arc::new(Bytes::from(bytes))));
        }
        if object.is_error() {
            let text = object.as_value().get::<Coerced<String>>()?.0;
            self.weigh(text.len())?;
            return Ok(Value::Text(Text::from(text)));
        }
        let mut members = Object::new();
        for key in object.keys::<String>() {
            let key = key?;
            let member: JsValue<'js> = object.get(key.as_str())?;
            if member.is_undefined() {
                continue;
            }
            self.weigh(key.len())?;
            let member_before = before.and_then(|before| before.get(&key));
            let member = self.take(&member, member_before, depth + 1)?;
            members.insert(key, member);
        }
        Ok(Value::Object(members))
    }

    /// The object behind a host object, with the members that were changed.
    fn host_object(&mut self, host: &Class<'js, HostObject<'js>>, depth: usize) -> Result<Value, Failure> {
        let host = host.borrow();
        let mut object = host.original().clone();
        for touched in host.touched() {
            let Some(value) = touched.value.filter(|value| !value.is_undefined()) else {
                object.remove(&touched.name);
                continue;
            };
            let before = host.original().get(&touched.name);
            self.weigh(touched.name.len())?;
            let after = self.take(&value, before, depth + 1)?;
            if touched.moved {
                object.remove(&touched.name);
            }
            if touched.moved || before.is_none_or(|before| !is_shared(before, &after)) {
                object.insert(touched.name, after);
            }
        }
        Ok(Value::Object(object))
    }
}

fn unkeepable(kind: &'static str) -> Failure {
    RunError::Unkeepable { kind }.into()
}

/// Whether a value that came out of JavaScript is the one that went in.
fn is_same(before: &Value, after: &Value) -> bool {
    match (before, after) {
        (Value::Int(_) | Value::UInt(_) | Value::Float(_), Value::Int(_) | Value::UInt(_) | Value::Float(_)) => {
            let (before, after) = (before.as_f64().unwrap_or_default(), after.as_f64().unwrap_or_default());
            before.to_bits() == after.to_bits()
        }
        (Value::Time(before), Value::Time(after)) => before.as_millis() == after.as_millis(),
        (Value::Array(before), Value::Array(after)) => {
            before.len() == after.len() && before.iter().zip(after).all(|(before, after)| is_shared(before, after))
        }
        _ => before == after,
    }
}

/// Whether both are one and the same, as far as that can be told cheaply.
fn is_shared(before: &Value, after: &Value) -> bool {
    match (before, after) {
        // Equal floats may differ in sign, equal numbers in kind; the derived comparison settles both but for NaN.
        (Value::Float(before), Value::Float(after)) => before.to_bits() == after.to_bits(),
        _ => before == after,
    }
}
