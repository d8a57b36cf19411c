//! Route conditions and expressions, by the tree and by the engine.

use super::*;
use crate::expression::{Condition, Expression, SourceProblem, check_condition, check_expression, check_script};

fn check(condition: &str, native: bool, expect: &str) {
    let itinerary = Itinerary::new(json(
        r#"{"temperature":31.5,"name":"Pump 7","ok":true,"none":null,"list":[1,2,3],"deep":{"a":{"b":"x"}},"0":"zero"}"#,
    ));
    let condition_text = condition;
    let condition = match Condition::new(&engine(), condition, &names()) {
        Ok(condition) => condition,
        Err(problem) => {
            assert_eq!(problem.to_string(), expect, "{condition_text}");
            return;
        }
    };
    assert_eq!(condition.is_native(), native, "{condition_text}");
    let result = condition.is_true(&itinerary).map_or_else(|error| error.to_string(), |taken| taken.to_string());
    assert_eq!(result, expect, "{condition_text}");
}

#[test]
fn conditions_are_true_as_in_javascript() {
    for (condition, expect) in [
        ("message.temperature > 30", "true"),
        ("var route = message.temperature > limit;", "true"),
        ("let route = message.temperature > 40", "false"),
        ("route = message.temperature > 30;", "true"),
        ("message.missing > 30", "false"),
        ("message.none < 1", "true"),
        ("message.list[1] === 2 && message['name'].startsWith(\"Pump\")", "true"),
        ("message.deep?.a?.b == 'x'", "true"),
        ("message.nothing?.a.b.c", "false"),
        ("context.flow === 'press' && context.parameters.line == 7", "true"),
        ("variables.limit === 30 && !alarms", "true"),
        ("typeof message.missing === 'undefined'", "true"),
        ("message.name.length > 5 ? message.ok : false", "true"),
        ("(message.none ?? 5) == '5'", "true"),
        ("Math.max(message.temperature, limit) % 2 > 1", "true"),
        ("message[0] == 'zero' // a comment", "true"),
        ("message.deep.missing.a > 1", "TypeError: cannot read property 'a' of undefined at line 1, column 1"),
    ] {
        check(condition, true, expect);
    }
}

#[test]
fn other_conditions_go_to_the_engine() {
    for (condition, expect) in [
        ("var t = message.temperature;\nvar route = t > 30 && t < 40;", "true"),
        ("const route = message.list.some(x => x > 2)", "true"),
        ("let route; if (message.ok) { route = limit > 29; }", "true"),
        ("/^pump/i.test(message.name)", "true"),
        ("`${message.name}` === 'Pump 7'", "true"),
        ("variables['my-var'] === 'v'", "true"),
        ("new Date(0).getTime() === 0", "true"),
        ("message.list.length == 3 && 'temperature' in message", "true"),
        ("message.deep.hasOwnProperty('a')", "true"),
        ("Object.keys(message).length === 7", "true"),
        ("JSON.stringify(message.deep) === '{\"a\":{\"b\":\"x\"}}'", "true"),
        ("variables.lmit > 3", "undeclared variable `lmit` at line 1, column 11"),
        (
            "variables['lmit'] > 3",
            "ReferenceError: variable 'lmit' is not declared: declare it under [variables] at line 1, column 1",
        ),
        ("throw new Error('no'); var route;", "Error: no at line 1, column 11"),
        ("lmit = 3; var route = true;", "ReferenceError: lmit is not defined at line 1, column 1"),
    ] {
        check(condition, false, expect);
    }
}

#[test]
fn what_is_no_condition_is_refused_with_its_place() {
    for (condition, expect) in [
        ("message.temperature >", "unexpected end of the text at line 1, column 22"),
        ("var route = \n  message..x;", "expecting field name at line 2, column 11"),
        ("message.a), (true", "Unexpected token ')' at line 1, column 10"),
        ("lmit > 3", "undeclared variable `lmit` at line 1, column 1"),
        ("var x = 1; x > 2", "sets no `route` at line 1, column 1"),
        ("  ", "the text is empty at line 1, column 1"),
    ] {
        check(condition, false, expect);
    }
}

#[test]
fn problems_are_found_without_an_engine() {
    let names = names();
    let shown = |problems: Vec<SourceProblem>| -> Vec<String> {
        problems.into_iter().map(|problem| problem.to_string()).collect()
    };
    assert!(check_condition("var route = message.a > limit;", &names).is_empty());
    assert!(check_condition("var route = message.a.map(x => x + limit).length > 2;", &names).is_empty());
    assert_eq!(
        shown(check_condition("a > 1 && b < 2", &names)),
        ["undeclared variable `a` at line 1, column 1", "undeclared variable `b` at line 1, column 10"]
    );
    assert_eq!(shown(check_expression("message.a +", &names)).len(), 1);
    assert!(check_script("if (message.a > limit) { return null; }", &names).is_empty());
    assert!(check_script("const x = await Promise.resolve(1); message.x = x;", &names).is_empty());
    assert!(check_script("const r = /[/]\\//g; return [];", &names).is_empty());
    assert_eq!(shown(check_script("let a = 1;\nlet a = 2;", &names)).len(), 1);
    assert_eq!(shown(check_script("}; {", &names)).len(), 1);
    assert_eq!(shown(check_script("}, function () {", &names)).len(), 1);
}

#[test]
fn expressions_yield_values() {
    let engine = engine();
    let itinerary = Itinerary::new(json(r#"{"a":1,"b":[1,{"c":2}],"s":"x"}"#));
    for (expression, expect) in [
        ("message.a + 1", "2"),
        ("message.a / 2", "0.5"),
        ("message.s + message.a", "\"x1\""),
        ("message.b", "[1,{\"c\":2}]"),
        ("message.missing", "null"),
        ("({ sum: message.a + limit, ...message.b[1] })", "{\"sum\":31,\"c\":2}"),
        ("[1, 2].map(x => x * 2)", "[2,4]"),
        ("12345678901234567890n", "12345678901234567890"),
        ("'\\ud800'", "\"\u{fffd}\""),
    ] {
        let value = Expression::new(&engine, expression, &names()).unwrap().evaluate(&itinerary).unwrap();
        assert_eq!(value.to_json(), expect, "{expression}");
    }
}
