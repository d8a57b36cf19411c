//! Which names mean what in a text of JavaScript: words of the language, what the node offers, what every engine has.

use super::token::is_name_sign;

/// Words that cannot name a variable in strict code.
const RESERVED: [&str; 48] = [
    "arguments",
    "await",
    "break",
    "case",
    "catch",
    "class",
    "const",
    "continue",
    "debugger",
    "default",
    "delete",
    "do",
    "else",
    "enum",
    "eval",
    "export",
    "extends",
    "false",
    "finally",
    "for",
    "function",
    "if",
    "implements",
    "import",
    "in",
    "instanceof",
    "interface",
    "let",
    "new",
    "null",
    "package",
    "private",
    "protected",
    "public",
    "return",
    "static",
    "super",
    "switch",
    "this",
    "throw",
    "true",
    "try",
    "typeof",
    "var",
    "void",
    "while",
    "with",
    "yield",
];

/// Names that the node itself offers to scripts and conditions.
const OFFERED: [&str; 6] = ["message", "variables", "context", "log", "state", "route"];

/// The global names of the engine that an author may use.
const GLOBALS: [&str; 69] = [
    "AggregateError",
    "Array",
    "ArrayBuffer",
    "AsyncDisposableStack",
    "Atomics",
    "BigInt",
    "BigInt64Array",
    "BigUint64Array",
    "Boolean",
    "DOMException",
    "DataView",
    "Date",
    "DisposableStack",
    "Error",
    "EvalError",
    "FinalizationRegistry",
    "Float16Array",
    "Float32Array",
    "Float64Array",
    "Function",
    "Infinity",
    "Int16Array",
    "Int32Array",
    "Int8Array",
    "InternalError",
    "Iterator",
    "JSON",
    "Map",
    "Math",
    "NaN",
    "Number",
    "Object",
    "Promise",
    "Proxy",
    "RangeError",
    "ReferenceError",
    "Reflect",
    "RegExp",
    "Set",
    "SharedArrayBuffer",
    "String",
    "SuppressedError",
    "Symbol",
    "SyntaxError",
    "TypeError",
    "URIError",
    "Uint16Array",
    "Uint32Array",
    "Uint8Array",
    "Uint8ClampedArray",
    "WeakMap",
    "WeakRef",
    "WeakSet",
    "atob",
    "btoa",
    "decodeURI",
    "decodeURIComponent",
    "encodeURI",
    "encodeURIComponent",
    "escape",
    "globalThis",
    "isFinite",
    "isNaN",
    "parseFloat",
    "parseInt",
    "performance",
    "queueMicrotask",
    "undefined",
    "unescape",
];

pub(crate) fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name)
}

pub(crate) fn is_offered(name: &str) -> bool {
    OFFERED.contains(&name)
}

pub(crate) fn is_global(name: &str) -> bool {
    GLOBALS.contains(&name)
}

/// Whether a variable of this name can be used by its bare name in scripts and conditions. Others are reached as
/// `variables["the name"]`. Beside the words of the language, `message`, `context` and the like are taken, and so
/// are the engine's own globals.
pub fn is_bare_name(name: &str) -> bool {
    name.starts_with(|sign: char| is_name_sign(sign) && !sign.is_ascii_digit())
        && !name.starts_with("$$")
        && name.chars().all(is_name_sign)
        && !is_reserved(name)
        && !is_offered(name)
        && !is_global(name)
}

/// Members that every object has without owning them: what they mean is left to the engine.
const INHERITED: [&str; 12] = [
    "__defineGetter__",
    "__defineSetter__",
    "__lookupGetter__",
    "__lookupSetter__",
    "__proto__",
    "constructor",
    "hasOwnProperty",
    "isPrototypeOf",
    "propertyIsEnumerable",
    "toLocaleString",
    "toString",
    "valueOf",
];

pub(super) fn is_inherited(name: &str) -> bool {
    INHERITED.contains(&name)
}

/// The names that the engine gives its well-known symbols: to a host object they look like members of that name.
pub(crate) fn is_symbol(name: &str) -> bool {
    name.starts_with("Symbol.")
}
