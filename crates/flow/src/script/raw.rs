//! The few things for which the binding has no safe call.
#![expect(unsafe_code, reason = "see each function: the binding offers no safe form")]

use rquickjs::{Ctx, Object, TypedArray, Value as JsValue, qjs};

/// Adds a reference to a value that the binding is about to give up once more than it took.
pub(super) fn add_reference(ctx: &Ctx<'_>, value: &JsValue<'_>) {
    // SAFETY: the value is alive and of this context; one reference more can at worst keep it alive.
    unsafe {
        qjs::JS_DupValue(ctx.as_raw().as_ptr(), value.as_raw());
    }
}

/// Copies the bytes of a `Uint8Array`.
pub(super) fn copy_bytes(array: &TypedArray<'_, u8>) -> Vec<u8> {
    // SAFETY: no script runs while the bytes are copied, so nothing can shrink or detach the buffer meanwhile.
    unsafe { array.as_bytes() }.map(<[u8]>::to_vec).unwrap_or_default()
}

/// Makes `Object.defineProperty` throw, which would hide a member behind the object's own table of properties.
/// Plain assignment does not ask whether an object can be extended.
pub(super) fn prevent_extensions(object: &Object<'_>) {
    // SAFETY: the object is alive and of its own context.
    unsafe {
        qjs::JS_PreventExtensions(object.ctx().as_raw().as_ptr(), object.as_raw());
    }
}
