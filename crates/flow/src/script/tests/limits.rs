//! Runaway scripts are stopped, and the engine serves the next message.

use super::*;
use crate::expression::Condition;

/// Time that runs out soon.
fn hasty() -> ScriptLimits {
    ScriptLimits { time: Duration::from_millis(50), ..ScriptLimits::default() }
}

/// A heap that is full soon.
fn small() -> ScriptLimits {
    ScriptLimits { heap_bytes: 4 * 1024 * 1024, time: LONG, ..ScriptLimits::default() }
}

/// Runs a script that must fail so, then another on the same engine.
fn check(limits: ScriptLimits, source: &str, expect: &str) {
    let engine = ScriptEngine::new(limits);
    let after =
        engine.compile_script("state.runs = (state.runs ?? 0) + 1; message.runs = state.runs", &names()).unwrap();
    let runaway = engine.compile_script(source, &names()).unwrap();
    Itinerary::new(json("{}")).run(&after).unwrap();
    for _ in 0..2 {
        let error = Itinerary::new(json("{}")).run(&runaway).unwrap_err();
        assert!(error.starts_with(expect), "{source}: {error}");
        assert_eq!(engine.heartbeat().running_for(), None);
    }
    let mut itinerary = Itinerary::new(json("{}"));
    itinerary.run(&after).unwrap();
    assert!(itinerary.message.get("runs").is_some(), "{source}");
}

#[test]
fn a_script_that_does_not_end_is_stopped() {
    let expect = "ran longer than 50 ms";
    for source in [
        "for (;;) {}",
        "try { for (;;) {} } catch { message = 1 }",
        "try { for (;;) {} } finally { for (;;) {} }",
        "await null; for (;;) {}",
        "const again = () => Promise.resolve().then(() => { for (;;) {} }); await again();",
        "Promise.resolve().then(() => { for (;;) {} });",
        "/(a+)+b/.test('a'.repeat(40))",
        "message.x = { get y() { for (;;) {} } }",
        "message.x = { toString() { for (;;) {} } }; throw message.x",
        "[1, 2].sort(() => { for (;;) {} })",
    ] {
        check(hasty(), source, expect);
    }
}

#[test]
fn a_chain_of_promises_without_end_is_stopped() {
    let engine = engine();
    let source = "const again = () => Promise.resolve().then(again); await again();";
    let script = engine.compile_script(source, &names()).unwrap();
    let error = Itinerary::new(json("{}")).run(&script).unwrap_err();
    assert_eq!(error, "left more than 10000 promise jobs behind: settle promises in fewer steps");
    let script = engine.compile_script("message.a = await 1", &names()).unwrap();
    Itinerary::new(json("{}")).run(&script).unwrap();
}

#[test]
fn a_script_that_fills_the_heap_is_stopped() {
    for source in [
        "let a = []; for (;;) a.push({ a: a.length });",
        "new Uint8Array(1e9)",
        "'x'.repeat(1e9)",
        "state.list = []; for (;;) state.list.push('x'.repeat(1000) + state.list.length);",
    ] {
        check(small(), source, "needed more than 4194304 bytes of heap");
    }
}

#[test]
fn recursion_without_end_fails() {
    check(small(), "const f = () => f() + 1; f()", "RangeError: Maximum call stack size exceeded");
    check(small(), "let a = []; for (let i = 0; i < 9000; i++) a = [a]; JSON.stringify(a)", "RangeError");
}

#[test]
fn state_survives_a_stopped_run() {
    let engine = ScriptEngine::new(hasty());
    let counts = engine.compile_script("state.runs = (state.runs ?? 0) + 1; return state.runs", &names()).unwrap();
    let runaway = engine.compile_script("for (;;) {}", &names()).unwrap();
    Itinerary::new(json("{}")).run(&counts).unwrap();
    Itinerary::new(json("{}")).run(&runaway).unwrap_err();
    let mut itinerary = Itinerary::new(json("{}"));
    itinerary.run(&counts).unwrap();
    assert_eq!(itinerary.message, Value::from(2));
}

#[test]
fn a_condition_that_does_not_end_is_stopped_and_works_again() {
    let engine = ScriptEngine::new(hasty());
    let condition = Condition::new(&engine, "while (message.loop) {} var route = true;", &names()).unwrap();
    let stuck = Itinerary::new(json(r#"{"loop":1}"#));
    assert!(condition.is_true(&stuck).unwrap_err().to_string().starts_with("ran longer than"));
    assert_eq!(condition.is_true(&Itinerary::new(json("{}"))), Ok(true));
}

#[test]
fn engines_share_nothing() {
    let write = engine().compile_script("Object.prototype.toString = () => 'hacked'; state.x = 1", &names()).unwrap();
    let read = engine().compile_script("return `${{}} ${state.x}`", &names()).unwrap();
    Itinerary::new(json("{}")).run(&write).unwrap();
    let mut itinerary = Itinerary::new(json("{}"));
    itinerary.run(&read).unwrap();
    assert_eq!(itinerary.message, Value::from("[object Object] undefined"));
}

#[test]
fn many_runs_keep_nothing() {
    let engine = ScriptEngine::new(small());
    let source = "message.s = 'x'.repeat(10000) + message.n; message.o.list.push({ a: message.s }); delete message.n";
    let script = engine.compile_script(source, &names()).unwrap();
    for n in 0..2_000 {
        let mut itinerary = Itinerary::new(json(&format!(r#"{{"n":{n},"o":{{"list":[]}}}}"#)));
        itinerary.run(&script).unwrap();
    }
}
