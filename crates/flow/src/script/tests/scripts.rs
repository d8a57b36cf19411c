//! Scripts: what they change, return, log and keep.

use std::sync::Arc;

use message::{Bytes, Timestamp};

use super::*;
use crate::expression::is_global;

/// Runs a script on a message and shows what came of it: `outcome message variables`.
fn check(source: &str, message: &str, expect: &str) {
    let script = engine().compile_script(source, &names()).unwrap();
    let mut itinerary = Itinerary::new(json(message));
    let shown = match itinerary.run(&script) {
        Ok(Outcome::Continue) => itinerary.message.to_json(),
        Ok(Outcome::End) => "end".to_owned(),
        Ok(Outcome::Emit(values)) => format!("emit {}", Value::from(values).to_json()),
        Err(error) => error,
    };
    let variables = Value::from(itinerary.variables).to_json();
    let unchanged = r#"[30,0,"v"]"#;
    let shown = if variables == unchanged { shown } else { format!("{shown} {variables}") };
    assert_eq!(shown, expect, "{source}");
}

#[test]
fn scripts_change_message_and_variables() {
    for (source, message, expect) in [
        ("", r#"{"a":1}"#, r#"{"a":1}"#),
        ("message.a += 1; message.b = 'x';", r#"{"a":1}"#, r#"{"a":2,"b":"x"}"#),
        ("message.deep.list.push({ c: 3 });", r#"{"deep":{"list":[1]}}"#, r#"{"deep":{"list":[1,{"c":3}]}}"#),
        ("message.list[0].x = 5", r#"{"list":[{"x":1},{"y":2}]}"#, r#"{"list":[{"x":5},{"y":2}]}"#),
        ("delete message.a; message.c = 3; message.a = 4", r#"{"a":1,"b":2}"#, r#"{"b":2,"c":3,"a":4}"#),
        ("message.a = undefined", r#"{"a":1,"b":2}"#, r#"{"b":2}"#),
        ("if (message.t > limit) alarms += 1;", r#"{"t":31}"#, r#"{"t":31} [30,1,"v"]"#),
        ("variables.alarms = limit; alarms++; variables['my-var'] = [alarms]", "1", "1 [30,31,[31]]"),
        ("message = { was: message }", "7", r#"{"was":7}"#),
        ("return { ...message, b: context.parameters.line }", r#"{"a":1}"#, r#"{"a":1,"b":7}"#),
        ("return null", "1", "end"),
        ("return [1, message, 'x']", r#"{"a":1}"#, r#"emit [1,{"a":1},"x"]"#),
        ("return []", "1", "emit []"),
        ("return message.list.filter(x => x > 1)", r#"{"list":[1,2,3]}"#, "emit [2,3]"),
        (
            "message.keys = Object.keys(message).join(); message.has = 'a' in message",
            r#"{"a":1}"#,
            r#"{"a":1,"keys":"a","has":true}"#,
        ),
        ("for (const k in message) message[k] *= 2", r#"{"a":1,"b":2}"#, r#"{"a":2,"b":4}"#),
        (
            "message.same = message.o === message.o; message.t = `${message.o}`",
            r#"{"o":{}}"#,
            r#"{"o":{},"same":true,"t":"[object Object]"}"#,
        ),
        (
            "const { a, ...rest } = message; return { a, rest }",
            r#"{"a":1,"b":{"c":2}}"#,
            r#"{"a":1,"rest":{"b":{"c":2}}}"#,
        ),
        ("message.a = await Promise.resolve(5); alarms = 2", r#"{"a":1}"#, r#"{"a":5} [30,2,"v"]"#),
        ("return (async () => { await null; return { b: 1 }; })()", "1", r#"{"b":1}"#),
        ("const p = Promise.reject(1); try { await p } catch (e) { message = e }", "0", "1"),
        ("(async () => { await null; message.late = alarms = 1 })()", "{}", r#"{"late":1} [30,1,"v"]"#),
        ("message.list.sort().reverse()", r#"{"list":[2,3,1]}"#, r#"{"list":[3,2,1]}"#),
        (
            "for (let i = 0; i < 40; i++) message['k' + i] = i; delete message.k3; message.n = message.k39",
            "{}",
            &many_keys(),
        ),
    ] {
        check(source, message, expect);
    }
}

fn many_keys() -> String {
    let keys: String = (0..40).filter(|key| *key != 3).map(|key| format!("\"k{key}\":{key},")).collect();
    format!("{{{keys}\"n\":39}}")
}

#[test]
fn a_failing_script_says_where_and_leaves_all_as_it_was() {
    for (source, expect) in [
        (
            "message.a = 2; alarms = 5;\n  message.x.y = 1;",
            "TypeError: cannot set property 'y' of undefined at line 2, column 3",
        ),
        ("undeclared = 1;", "ReferenceError: undeclared is not defined at line 1, column 1"),
        ("message.a = undeclared;", "ReferenceError: undeclared is not defined at line 1, column 13"),
        (
            "variables.undeclared",
            "ReferenceError: variable 'undeclared' is not declared: declare it under [variables] at line 1, column 1",
        ),
        ("throw 'x'", "threw x"),
        ("await Promise.reject(new RangeError('far'))", "RangeError: far at line 1, column 26"),
        (
            "(async () => { await null; throw new Error('late') })()",
            "left a rejected promise behind that nothing waits for: Error: late at line 1, column 38",
        ),
        (
            "await new Promise(() => {})",
            "left a promise that nothing settles: resolve or reject it before the script ends",
        ),
        ("message.f = () => 1", "a function cannot leave the script: keep only what JSON has, dates and bytes"),
        ("message.self = message", "the result is nested deeper than 128 levels or holds itself"),
        (
            "let a = []; for (let i = 0; i < 60; i++) a = [a, a]; message.a = a",
            "the result is larger than the script's heap of 33554432 bytes",
        ),
        ("globalThis.x = 1", "TypeError: object is not extensible at line 1, column 1"),
        ("Math.max = () => 0", "TypeError: 'max' is read-only at line 1, column 1"),
        ("state = {}", "TypeError: 'state' is read-only at line 1, column 1"),
        ("eval('1')", "ReferenceError: eval is not defined at line 1, column 1"),
        (
            "Object.defineProperty(message, 'x', { value: 1 })",
            "TypeError: object is not extensible at line 1, column 23",
        ),
    ] {
        check(source, r#"{"a":1}"#, expect);
        let script = engine().compile_script(source, &names()).unwrap();
        let mut itinerary = Itinerary::new(json(r#"{"a":1}"#));
        itinerary.run(&script).unwrap_err();
        assert_eq!(itinerary.message, json(r#"{"a":1}"#), "{source}");
    }
}

#[test]
fn values_that_javascript_lacks_survive_where_no_script_touches_them() {
    let mut itinerary =
        Itinerary::new(json(r#"{"big":9007199254740993,"list":[9007199254740993,18446744073709551615,3.0],"n":0}"#));
    let time = Value::Time(Timestamp::from_micros(1_700_000_000_123_456));
    let bytes = Value::Bytes(Arc::new(Bytes::from_static(b"\0\xff")));
    let object = itinerary.message.as_object_mut().unwrap();
    object.insert("time", time.clone());
    object.insert("bytes", bytes.clone());
    let before = itinerary.message.clone();
    let script = engine()
        .compile_script(
            "message.n = message.time.getUTCFullYear() + message.bytes.length + message.list.length + (message.big > 0);
             message.copy = [message.time, message.bytes, new Date(5), new Uint8Array([1, 2])];",
            &names(),
        )
        .unwrap();
    itinerary.run(&script).unwrap();
    for key in ["big", "list", "time", "bytes"] {
        assert_eq!(itinerary.message.get(key), before.get(key), "{key}");
    }
    assert_eq!(itinerary.message.get("n"), Some(&Value::from(2023 + 2 + 3 + 1)));
    let copy = itinerary.message.get("copy").unwrap().as_array().unwrap().as_slice();
    assert_eq!(copy[0], Value::Time(Timestamp::from_millis(1_700_000_000_123)));
    assert_eq!(copy[1], bytes);
    assert_eq!(copy[2], Value::Time(Timestamp::from_millis(5)));
    assert_eq!(copy[3], Value::Bytes(Arc::new(Bytes::from_static(&[1, 2]))));
}

#[test]
fn dates_and_bytes_can_be_changed_in_place() {
    let mut itinerary = Itinerary::new(json("{}"));
    let object = itinerary.message.as_object_mut().unwrap();
    object.insert("time", Value::Time(Timestamp::from_millis(0)));
    object.insert("bytes", Value::Bytes(Arc::new(Bytes::from_static(b"ab"))));
    let script = engine().compile_script("message.time.setUTCFullYear(1980); message.bytes[0] = 99", &names()).unwrap();
    itinerary.run(&script).unwrap();
    assert_eq!(itinerary.message.get("time").unwrap().to_text(), "1980-01-01T00:00:00Z");
    assert_eq!(itinerary.message.get("bytes").unwrap().to_text(), "cb");
}

#[test]
fn what_scripts_log_is_handed_on_also_when_they_fail() {
    let script =
        engine().compile_script("log.info('a', 1, { b: 2 }); log.error(new Error('no')); throw 1", &names()).unwrap();
    let mut lines = Vec::new();
    let error = Itinerary::new(json("{}")).run_logging(&script, &mut lines).unwrap_err();
    assert_eq!(error, "threw 1");
    assert_eq!(lines, [(LogLevel::Info, "a 1 {\"b\":2}".to_owned()), (LogLevel::Error, "Error: no".to_owned())]);
}

#[test]
fn state_lasts_between_runs_and_belongs_to_one_script() {
    let engine = engine();
    let source = "state.count = (state.count ?? 0) + 1; state.last = message; return state.count";
    let first = engine.compile_script(source, &names()).unwrap();
    let second = engine.compile_script(source, &names()).unwrap();
    for (script, count) in [(&first, 1), (&first, 2), (&second, 1), (&first, 3)] {
        let mut itinerary = Itinerary::new(json(r#"{"a":{"b":1}}"#));
        itinerary.run(script).unwrap();
        assert_eq!(itinerary.message, Value::from(count));
    }
}

#[test]
fn the_checker_knows_every_global_name_of_the_engine() {
    let script =
        engine().compile_script("message = { names: Object.getOwnPropertyNames(globalThis) }", &names()).unwrap();
    let mut itinerary = Itinerary::new(json("{}"));
    itinerary.run(&script).unwrap();
    let names = itinerary.message.get("names").unwrap().as_array().unwrap();
    let unknown = |name: &&Value| !name.as_str().is_some_and(|name| is_global(name) || name.starts_with("$$"));
    assert_eq!(names.iter().find(unknown), None);
    assert!(names.len() > 50);
}

#[test]
fn scripts_that_only_set_members_need_no_engine_until_a_message_is_not_as_they_expect() {
    for (source, native) in [
        ("message.data.celsius = (message.data.f - 32) * 5 / 9;", true),
        ("// twice\nmessage.n *= 2;\nmessage['x y'] = limit > 3 ? 'high' : 'low'", true),
        ("message.n = 1\nmessage.m = 2", false),
        ("const n = 1; message.n = n;", false),
        ("message = 1;", false),
        ("message.__proto__ = null;", false),
        ("message.n = misspelt;", false),
        ("", false),
    ] {
        assert_eq!(engine().compile_script(source, &names()).unwrap().is_native(), native, "{source}");
    }
    let script = engine().compile_script("message.b = 1; message.d.e = message.d;", &names()).unwrap();
    let mut itinerary = Itinerary::new(json(r#"{"d":{"e":1}}"#));
    itinerary.run(&script).unwrap_err();
    assert_eq!(itinerary.message.to_json(), r#"{"d":{"e":1}}"#);
    let script = engine().compile_script("message.b = 1; message.c = message.d;", &names()).unwrap();
    itinerary.run(&script).unwrap();
    assert_eq!(itinerary.message.to_json(), r#"{"d":{"e":1},"b":1,"c":{"e":1}}"#);
}
