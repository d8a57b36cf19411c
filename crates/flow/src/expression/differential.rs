//! The tree and the engine must agree on every expression of the subset and every message, also on which of them
//! throw: random ones are tried on both.

use std::time::Duration;

use message::{Array, Object, Text, Timestamp, Value};
use proptest::prelude::*;

use super::assignments::{Assignments, Surroundings};
use super::operand::number_to_value;
use super::parse::{Parsed, parse_expression};
use super::scope::{Evaluation, Scope};
use crate::script::{Outcome, ScriptEngine, ScriptLimits, ScriptScope};

/// Random messages, each with a few expressions.
const CASES: u32 = 5_000;
/// The same for scripts, which the engine takes longer to compile and to run.
const SCRIPT_CASES: u32 = 1_000;

const NAMES: [&str; 2] = ["limit", "label"];

struct Trial {
    message: Value,
    variables: Vec<Value>,
}

impl Scope for Trial {
    fn message(&self) -> &Value {
        &self.message
    }

    fn variables(&self) -> &[Value] {
        &self.variables
    }

    fn context(&self) -> Value {
        [("flow", Value::from("press")), ("version", Value::from(3))].into_iter().collect::<Object>().into()
    }
}

/// Texts that look like numbers, texts that sort oddly, and plain ones.
const TEXTS: [&str; 22] = [
    "",
    " ",
    "0",
    "-0",
    "1",
    "01",
    " 12 ",
    "1e3",
    "1e",
    "0x10",
    "Infinity",
    "inf",
    "NaN",
    "a",
    "B",
    "abc",
    "true",
    "null",
    "\u{e9}",
    "\u{1f600}",
    "\u{ffff}",
    "\n5\n",
];

const NUMBERS: [f64; 20] = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    -0.5,
    1.5,
    2.5,
    -2.5,
    30.0,
    1e21,
    1e-7,
    123_456_789_012_345_680_000.0,
    9_007_199_254_740_993.0,
    0.1,
    f64::MAX,
    5e-324,
    f64::NAN,
    f64::INFINITY,
    f64::NEG_INFINITY,
];

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        (-3_i64..100).prop_map(Value::Int),
        any::<i64>().prop_map(Value::Int),
        (i64::MAX as u64 + 1..).prop_map(Value::UInt),
        prop::sample::select(&NUMBERS[..]).prop_map(Value::Float),
        any::<f64>().prop_map(Value::Float),
        prop::sample::select(&TEXTS[..]).prop_map(Value::from),
        (0_i64..10_000_000).prop_map(|millis| Value::Time(Timestamp::from_millis(millis))),
    ]
}

const KEYS: [&str; 6] = ["a", "b", "name", "length", "0", "x y"];

fn value() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(3, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|values| Value::Array(Array::from(values))),
            prop::collection::vec((prop::sample::select(&KEYS[..]), inner), 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Mostly an object with the members that the expressions ask for.
fn message() -> impl Strategy<Value = Value> {
    let object = prop::collection::vec(value(), KEYS.len()).prop_map(|values| KEYS.into_iter().zip(values).collect());
    prop_oneof![4 => object.prop_map(Value::Object), 1 => value()]
}

/// A literal as it is written.
fn literal() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(&["null", "undefined", "true", "false", "NaN", "Infinity", ".5", "5.", "1e3", "0"][..])
            .prop_map(str::to_owned),
        (0_u32..50).prop_map(|number| number.to_string()),
        prop::sample::select(&TEXTS[..]).prop_map(|text| Value::from(text).to_json()),
        prop::sample::select(&["'a'", "'it\\'s'", "'\\t'"][..]).prop_map(str::to_owned),
    ]
}

/// A value and what is taken from it.
fn chain(element: BoxedStrategy<String>) -> impl Strategy<Value = String> {
    let link = prop_oneof![
        6 => prop::sample::select(&[".a", ".b", ".name", ".length", "?.a", "?.b", "['a']", "['x y']", "?.[0]", "[1]"][..])
            .prop_map(str::to_owned),
        1 => element.clone().prop_map(|inner| format!("[{inner}]")),
        1 => prop::sample::select(&[".toLowerCase()", ".toUpperCase()", ".trim()", "?.trim()"][..]).prop_map(str::to_owned),
        1 => (prop::sample::select(&["includes", "startsWith", "endsWith"][..]), element)
            .prop_map(|(name, inner)| format!(".{name}({inner})")),
    ];
    let linked = |base: &str, links: Vec<String>| format!("{base}{}", links.concat());
    prop_oneof![
        3 => literal(),
        2 => prop::sample::select(&["limit", "label", "variables.limit", "context.flow"][..]).prop_map(str::to_owned),
        8 => prop::collection::vec(link.clone(), 1..3).prop_map(move |links| linked("message", links)),
        // A number must not swallow the dot behind it.
        1 => (literal(), prop::collection::vec(link, 0..3)).prop_map(move |(base, links)| linked(&format!("({base})"), links)),
    ]
}

fn expression() -> impl Strategy<Value = String> {
    chain(literal().boxed()).prop_recursive(4, 24, 3, |inner| {
        let operator = prop::sample::select(
            &["===", "!==", "==", "!=", "<", "<=", ">", ">=", "&&", "||", "+", "-", "*", "/", "%"][..],
        );
        prop_oneof![
            5 => (inner.clone(), operator, inner.clone()).prop_map(|(left, sign, right)| format!("{left} {sign} {right}")),
            2 => (prop::sample::select(&["!", "- ", "+ ", "typeof "][..]), inner.clone())
                .prop_map(|(sign, inner)| format!("{sign}{inner}")),
            1 => (inner.clone(), inner.clone()).prop_map(|(left, right)| format!("({left}) ?? ({right})")),
            1 => (inner.clone(), inner.clone(), inner.clone())
                .prop_map(|(test, then, otherwise)| format!("({test} ? {then} : {otherwise})")),
            2 => inner.clone().prop_map(|inner| format!("({inner})")),
            1 => (prop::sample::select(&["abs", "round", "floor", "ceil"][..]), inner.clone())
                .prop_map(|(name, inner)| format!("Math.{name}({inner})")),
            1 => (prop::sample::select(&["min", "max"][..]), prop::collection::vec(inner.clone(), 1..4))
                .prop_map(|(name, inner)| format!("Math.{name}({})", inner.join(", "))),
            1 => chain(inner.boxed()),
        ]
    })
}

/// Tells apart what equality does not: NaN is itself, -0 is not 0, `1` is not `1.0`. Within containers, the tree
/// keeps what the engine cannot hold: numbers are compared as JavaScript sees them.
fn shown(value: &Value) -> String {
    format!("{:?}", seen(value))
}

fn seen(value: &Value) -> Value {
    match value {
        Value::Int(_) | Value::UInt(_) | Value::Float(_) => number_to_value(value.as_f64().unwrap()),
        Value::Array(values) => Value::Array(values.iter().map(seen).collect()),
        Value::Object(members) => {
            members.iter().map(|(key, value)| (key.clone(), seen(value))).collect::<Object>().into()
        }
        other => other.clone(),
    }
}

/// How many of the tried expressions the tree settled.
fn check(engine: &ScriptEngine, source: &str, trial: &Trial) -> Result<bool, TestCaseError> {
    let names = NAMES.map(Text::new);
    let Parsed::Tree(tree) = parse_expression(source, &names) else { return Ok(false) };
    let function = match engine.compile_expression(source, &names) {
        Ok(function) => function,
        Err(problem) => {
            return Err(TestCaseError::fail(format!("{source}: the tree reads what the engine refuses: {problem}")));
        }
    };
    let evaluation = Evaluation::new(trial);
    let Some(native) = tree.evaluate(&evaluation) else { return Ok(false) };
    let (native_true, native) = (native.is_true(), native.into_value());
    let engine_true = function.is_true(&evaluation);
    prop_assert_eq!(Ok(native_true), engine_true, "{} on {}", source, trial.message.to_json());
    let engine_value = function.evaluate(&evaluation).map(|value| shown(&value));
    prop_assert_eq!(Ok(shown(&native)), engine_value, "{} on {}", source, trial.message.to_json());
    Ok(true)
}

/// Scripts that set members, of the message and of what stands in it.
fn assignments() -> impl Strategy<Value = String> {
    let target = prop::sample::select(&["message.a", "message.b", "message.a.b", "message.new", "message['x y']"][..]);
    let sign = prop::sample::select(&["=", "=", "=", "+=", "-=", "*=", "%="][..]);
    let one = (target, sign, expression()).prop_map(|(target, sign, value)| format!("{target} {sign} {value};"));
    prop::collection::vec(one, 1..4).prop_map(|all| all.join("\n"))
}

/// Whether the script was run without the engine, to the same end as with it.
fn check_script(engine: &ScriptEngine, source: &str, trial: &Trial) -> Result<bool, TestCaseError> {
    let names = NAMES.map(Text::new);
    let Some(assignments) = Assignments::parse(source, &names) else { return Ok(false) };
    let script = engine.compile_script(source, &names);
    let script =
        script.map_err(|problem| TestCaseError::fail(format!("{source}: refused by the engine: {problem}")))?;
    let (mut native, mut by_engine) = (trial.message.clone(), trial.message.clone());
    let context = || trial.context();
    if !assignments.apply(&mut native, &Surroundings { variables: &trial.variables, context: &context }) {
        prop_assert_eq!(format!("{native:?}"), format!("{:?}", trial.message), "{} changed what it gave up", source);
        return Ok(false);
    }
    let run = script.without_assignments().run(ScriptScope {
        message: &mut by_engine,
        variables: &trial.variables,
        context: &context,
        log: &mut |_, _| {},
    });
    let run = run.map_err(|error| TestCaseError::fail(format!("{source} on {}: {error}", trial.message.to_json())))?;
    prop_assert_eq!(run.outcome, Outcome::Continue);
    // A variable that is not a number is never equal to what it was.
    let stays = |(place, after): &(usize, Value)| shown(after) == shown(&trial.variables[*place]);
    prop_assert!(run.changed.iter().all(stays), "{} changed {:?}", source, run.changed);
    let on = trial.message.to_json();
    prop_assert_eq!(format!("{native:?}"), format!("{by_engine:?}"), "{} on {}", source, on);
    Ok(true)
}

fn fresh_engine() -> ScriptEngine {
    ScriptEngine::new(ScriptLimits { time: Duration::from_secs(600), ..ScriptLimits::default() })
}

/// Tries random texts on random messages; how many of them ran without the engine.
fn try_all(cases: u32, texts: impl Strategy<Value = String>, check: Check) -> u32 {
    let settled = std::cell::Cell::new(0);
    let engine = std::cell::RefCell::new((fresh_engine(), 0));
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases) };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let trials = (prop::collection::vec(texts, 1..4), message(), scalar(), scalar());
    runner
        .run(&trials, |(sources, message, limit, label)| {
            // Compiled texts stay in their engine: a fresh one now and then keeps the heap small.
            let mut engine = engine.borrow_mut();
            engine.1 += 1;
            if engine.1 % 1_000 == 0 {
                engine.0 = fresh_engine();
            }
            let trial = Trial { message, variables: vec![limit, label] };
            for source in sources {
                settled.set(settled.get() + u32::from(check(&engine.0, &source, &trial)?));
            }
            Ok(())
        })
        .unwrap();
    settled.get()
}

type Check = fn(&ScriptEngine, &str, &Trial) -> Result<bool, TestCaseError>;

// These tests would say nothing if most cases were left to the engine.

#[test]
fn the_tree_and_the_engine_agree() {
    let settled = try_all(CASES, expression(), check);
    assert!(settled > CASES / 2, "only {settled} cases were settled by the tree");
}

#[test]
fn plain_scripts_do_to_a_message_what_the_engine_does() {
    let settled = try_all(SCRIPT_CASES, assignments(), check_script);
    assert!(settled > SCRIPT_CASES / 10, "only {settled} cases were settled by the tree");
}
