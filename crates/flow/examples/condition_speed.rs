//! What conditions and scripts cost: nanoseconds for one run of each, on a message of twelve members.
//! Run it with `cargo run --release -p flow --example condition_speed`.

use std::hint::black_box;
use std::time::Duration;

use flow::expression::{Condition, Expression, Scope};
use flow::script::{Script, ScriptEngine, ScriptLimits, ScriptScope};
use message::value::parse_json;
use message::{Text, Value};

struct Itinerary {
    message: Value,
    variables: Vec<Value>,
}

impl Scope for Itinerary {
    fn message(&self) -> &Value {
        &self.message
    }

    fn variables(&self) -> &[Value] {
        &self.variables
    }

    fn context(&self) -> Value {
        Value::Null
    }
}

#[expect(clippy::disallowed_methods, reason = "measuring is what this program does")]
fn now() -> std::time::Instant {
    std::time::Instant::now()
}

/// Prints the time of one run: the best of many short rounds, so that what else the machine does falls out.
fn measure(name: &str, mut run: impl FnMut()) {
    const ROUNDS: u32 = 200;
    const RUNS: u32 = 1_000;
    let mut best = Duration::MAX;
    for _ in 0..ROUNDS {
        let start = now();
        for _ in 0..RUNS {
            run();
        }
        best = best.min(start.elapsed());
    }
    println!("{:>8} ns  {name}", best.as_nanos() / u128::from(RUNS));
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let message = parse_json(
        br#"{"temperature":31.5,"pressure":2.25,"speed":1480,"state":"running","machine":"press-7","line":"A","ok":true,
            "cycle":182733,"operator":null,"position":{"x":1.5,"y":2.5},"alarms":["door","oil"],"batch":"2026-01-31/17"}"#,
    )?;
    let itinerary = Itinerary { message, variables: vec![Value::from(30), Value::from(0)] };
    let names = ["limit", "count"].map(Text::new);
    let engine = ScriptEngine::new(ScriptLimits::default());

    for source in [
        "message.temperature > 30",
        "var route = message.temperature > limit && message.state === 'running';",
        "message.position.x + message.position.y > 3 && !message.operator",
        "(() => message.temperature > 30)()",
        "message.temperature > limit | 0",
        "message.alarms.some(alarm => alarm === 'oil')",
    ] {
        let condition = Condition::new(&engine, source, &names)?;
        let kind = if condition.is_native() { "native" } else { "engine" };
        measure(&format!("{kind} condition  {source}"), || {
            let _ = black_box(condition.is_true(black_box(&itinerary)));
        });
    }
    for source in ["message.temperature * 1.8 + 32", "({ t: message.temperature })"] {
        let expression = Expression::new(&engine, source, &names)?;
        let kind = if expression.is_native() { "native" } else { "engine" };
        measure(&format!("{kind} expression {source}"), || {
            let _ = black_box(expression.evaluate(black_box(&itinerary)));
        });
    }
    for source in [
        "",
        "message.temperature = 5;",
        "message.temperature = message.temperature * 1.8 + 32; message.checked = true; message.state = 'seen';",
        "if (message.temperature > limit) count += 1;",
        "message.position.z = 3;",
        "return { t: message.temperature, m: message.machine };",
        "message.text = JSON.stringify(message);",
    ] {
        let script = engine.compile_script(source, &names)?;
        measure(&format!("script            {source}"), || run(&script, &itinerary));
    }
    Ok(())
}

fn run(script: &Script, itinerary: &Itinerary) {
    let mut message = itinerary.message.clone();
    let scope = ScriptScope {
        message: &mut message,
        variables: &itinerary.variables,
        context: &|| Value::Null,
        log: &mut |_, _| {},
    };
    let _ = black_box(script.run(scope));
}
