//! Conditions and expressions: what is evaluated natively gives what the script engine gives, on the same message.

use std::cell::RefCell;

use flow::expression::{Condition, Expression, Scope, check_condition, check_expression, check_script};
use flow::script::{ScriptEngine, ScriptLimits};
use message::value::parse_json;
use message::{Object, Text, Value};

use crate::Target;
use crate::input::Input;

pub(super) const TARGET: Target = Target {
    name: "expression",
    what: "native evaluation and the script engine agree, and every text is taken or refused",
    run,
    seeds: &[
        b"message.a > limit && message.b !== 'x'",
        b"(message.list[1] + -0) * 1e3 % 7",
        b"message.b.toUpperCase().includes('A') ? typeof message.a : null ?? 0",
        b"Math.round(message.a / 2) === 1 || !(message.none?.x >= \"1\")",
        b"var route = message.a <= limit;",
        b"\x01\x00\x05\x02\x06\x10\x01\x07\x03",
        b"\x01\x00\x06\x14\x09\x11\x04\x12",
    ],
};

const NAMES: [&str; 1] = ["limit"];
const MESSAGE: &[u8] = br#"{"a":3,"b":"abc","list":[1,"2",null,{"c":-0.5}],"big":18446744073709551615}"#;
const TOKENS: [&str; 24] = [
    "message", "limit", ".a", ".b", ".list", "[1]", "[3].c", ".big", ".none", " + ", " - ", " * ", " % ", " < ",
    " >= ", " == ", " === ", " && ", " || ", " ?? ", "'2'", "1.5", "!", ".length",
];
/// Compiled texts stay in their engine: after so many a new one is made.
const TEXTS_PER_ENGINE: u32 = 500;

struct Trial {
    message: Value,
    variables: [Value; 1],
}

impl Scope for Trial {
    fn message(&self) -> &Value {
        &self.message
    }

    fn variables(&self) -> &[Value] {
        &self.variables
    }

    fn context(&self) -> Value {
        Value::Object(Object::new())
    }
}

thread_local! {
    static ENGINE: RefCell<(ScriptEngine, u32)> = RefCell::new((new_engine(), 0));
}

fn new_engine() -> ScriptEngine {
    ScriptEngine::new(ScriptLimits::default())
}

fn run(data: &[u8]) {
    let Some(source) = source(data) else { return };
    let names = NAMES.map(Text::new);
    // Whatever they find, they find it without a panic.
    let condition_problems = check_condition(&source, &names);
    let problems = check_expression(&source, &names);
    let _ = check_script(&source, &names);
    ENGINE.with_borrow_mut(|(engine, texts)| {
        *texts += 1;
        if *texts > TEXTS_PER_ENGINE {
            (*engine, *texts) = (new_engine(), 0);
        }
        let condition = Condition::new(engine, &source, &names);
        assert!(condition.is_ok() || !condition_problems.is_empty(), "{source:?} passed its check and is not compiled");
        let Ok(expression) = Expression::new(engine, &source, &names) else {
            return assert!(!problems.is_empty(), "{source:?} passed its check and is not compiled");
        };
        if expression.is_native() {
            compare(engine, &source, &names, &expression);
        }
    });
}

/// The text as it is, or as tokens that are likely to mean something.
fn source(data: &[u8]) -> Option<String> {
    match data {
        [1, tokens @ ..] => {
            let mut input = Input::new(tokens);
            let mut source = String::new();
            while !input.is_empty() && source.len() < 400 {
                source.push_str(input.pick(&TOKENS));
            }
            Some(source)
        }
        text => std::str::from_utf8(text).ok().map(str::to_owned),
    }
}

fn compare(engine: &ScriptEngine, source: &str, names: &[Text], native: &Expression) {
    // The native reader knows no functions, so this goes to the engine.
    let wrapped = format!("(function () {{ return (\n{source}\n); }})()");
    let Ok(scripted) = Expression::new(engine, &wrapped, names) else { return };
    assert!(!scripted.is_native(), "{wrapped:?}");
    let message = parse_json(MESSAGE).unwrap_or_default();
    let trial = Trial { message, variables: [Value::from(30)] };
    match (native.evaluate(&trial), scripted.evaluate(&trial)) {
        (Ok(one), Ok(other)) => assert_eq!(shown(&one), shown(&other), "{source:?}"),
        (Err(_), Err(_)) => {}
        (one, other) => panic!("{source:?}: {one:?} natively, {other:?} by the engine"),
    }
}

/// A value as JavaScript sees it: every number is a double, NaN is itself and -0 is not 0.
fn shown(value: &Value) -> String {
    match value {
        Value::Array(values) => format!("[{}]", values.iter().map(shown).collect::<Vec<_>>().join(",")),
        Value::Object(members) => {
            let members = members.iter().map(|(key, value)| format!("{key:?}:{}", shown(value)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(","))
        }
        Value::Int(_) | Value::UInt(_) | Value::Float(_) => format!("{:?}", value.as_f64()),
        other => format!("{other:?}"),
    }
}
