//! Values on their way into JavaScript. Objects are not copied: they become host objects that hand out a member when
//! it is read. A list becomes a real array, because scripts expect `Array.isArray` and all methods of arrays.

use message::{Timestamp, Value};
use rquickjs::class::Class;
use rquickjs::{Array, Constructor, Ctx, JsLifetime, Object, Result, String as JsString, TypedArray, Value as JsValue};

use super::host_object::HostObject;
use super::raw;

/// What conversions need again and again, kept with the context.
pub(super) struct Builtins<'js> {
    pub(super) date: Constructor<'js>,
}

#[expect(unsafe_code, reason = "required to keep values of the engine: the only lifetime is that of the engine")]
// SAFETY: `Changed` is the same type with the engine's lifetime replaced.
unsafe impl<'js> JsLifetime<'js> for Builtins<'js> {
    type Changed<'to> = Builtins<'to>;
}

impl<'js> Builtins<'js> {
    /// Keeps the built-ins of a fresh context, before any script could replace them.
    pub(super) fn keep(ctx: &Ctx<'js>) -> Result<()> {
        let date = ctx.globals().get("Date")?;
        ctx.store_userdata(Self { date }).map_err(|_| rquickjs::Error::Unknown)?;
        Ok(())
    }

    pub(super) fn date_constructor(ctx: &Ctx<'js>) -> Result<Constructor<'js>> {
        ctx.userdata::<Self>().map(|builtins| builtins.date.clone()).ok_or(rquickjs::Error::Unknown)
    }
}

pub(super) fn into_js<'js>(ctx: &Ctx<'js>, value: &Value) -> Result<JsValue<'js>> {
    Ok(match value {
        Value::Null => JsValue::new_null(ctx.clone()),
        Value::Bool(value) => JsValue::new_bool(ctx.clone(), *value),
        Value::Int(value) => match i32::try_from(*value) {
            Ok(value) => JsValue::new_int(ctx.clone(), value),
            Err(_) => JsValue::new_float(ctx.clone(), *value as f64),
        },
        Value::UInt(value) => JsValue::new_float(ctx.clone(), *value as f64),
        Value::Float(value) => JsValue::new_float(ctx.clone(), *value),
        Value::Time(time) => date(ctx, *time)?,
        Value::Text(text) => JsString::from_str(ctx.clone(), text)?.into_value(),
        Value::Bytes(bytes) => TypedArray::<u8>::new_copy(ctx.clone(), bytes.as_ref())?.into_value(),
        Value::Array(values) => {
            let array = Array::new(ctx.clone())?;
            for (place, value) in values.iter().enumerate() {
                array.set(place, into_js(ctx, value)?)?;
            }
            array.into_value()
        }
        Value::Object(object) => host_object(ctx, object.clone())?,
    })
}

pub(super) fn host_object<'js>(ctx: &Ctx<'js>, object: message::Object) -> Result<JsValue<'js>> {
    let host = Class::instance(ctx.clone(), HostObject::new(object))?;
    raw::prevent_extensions(&host);
    Ok(host.into_value())
}

fn date<'js>(ctx: &Ctx<'js>, time: Timestamp) -> Result<JsValue<'js>> {
    Builtins::date_constructor(ctx)?.construct::<_, Object<'js>>((time.as_millis() as f64,)).map(Object::into_value)
}
