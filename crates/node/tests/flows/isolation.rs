//! A flow that fails is a matter of its own: the others go on, its state says what happened, and it can be mended.

use crate::flow_text::{chain, publish as publish_step, script, script_flow, subscribe, with_time};
use crate::mosquitto::{Subscriber, publish};
use crate::neighbour::undisturbed_while;
use crate::node::Node;

/// Scripts that go beyond a limit, and the words by which the module's last error tells of it. Only those that shall run
/// out of time have little of it, so that a machine with other work does not end the others for that.
const UNRULY: &[(&str, &str, &str)] = &[
    ("recursion", "function deeper() { return deeper() + 1; } deeper();", "RangeError"),
    ("hoarder", "const all = []; for (;;) all.push('x'.repeat(1000) + all.length);", "bytes of heap"),
    ("large-text", "let text = 'x'; for (;;) text += text;", ""),
    ("endless-loop", "for (;;) {}", "longer than 500 ms"),
    ("endless-jobs", "const again = () => Promise.resolve().then(again); again();", "promise jobs"),
    ("endless-await", "(async () => { for (;;) await null; })();", "promise jobs"),
    ("endless-generator", "function* all() { for (;;) yield 1; } [...all()];", ""),
    ("slow-pattern", "/^(a+)+$/.test('a'.repeat(40) + 'b');", "longer than 500 ms"),
    ("thrower", "throw new Error('no such machine');", "no such machine"),
    ("late-thrower", "Promise.reject(new Error('too late'));", "too late"),
];

#[test]
fn scripts_beyond_their_limits_fail_alone_and_say_why() {
    let node = Node::start();
    undisturbed_while(&node, || {
        for (id, code, words) in UNRULY {
            let guarded = format!("if (message.data === 'trouble') {{ {code} }}");
            let flow = script_flow(id, &format!("{id}/in"), &guarded, &format!("{id}/out"));
            node.deploy(id, &if words.contains("500 ms") { flow } else { with_time(&flow) });
            publish(&node, &format!("{id}/in"), "\"trouble\"");
        }
        for (id, _, words) in UNRULY {
            let state = node.await_flow(id, "has failed once", |state| state["figures"]["failed"] == 1);
            let module = &state["figures"]["modules"][1];
            assert_eq!((&state["status"], &module["errors"]), (&"running".into(), &1.into()), "{id}");
            let error = module["last_error"].as_str().unwrap();
            assert!(error.contains(words), "{id}: {error}");
        }
        // Each goes on with what it can do.
        let subscriber = Subscriber::start(&node, &["+/out"]);
        for (id, ..) in UNRULY {
            publish(&node, &format!("{id}/in"), "\"work\"");
            subscriber.await_payloads(&format!("{id}/out"), 1);
        }
    });
}

#[test]
fn a_condition_beyond_its_limits_closes_its_own_branch_only() {
    let node = Node::start();
    let text = format!(
        "id = 'conditions'\n[modules]\nin = {}\nendless = {}\nopen = {}\n\
         [[connections]]\nfrom = 'in'\nto = 'endless'\nroute = 'for (;;) {{}} var route = true;'\n\
         [[connections]]\nfrom = 'in'\nto = 'open'\n",
        subscribe("conditions/in"),
        publish_step("conditions/endless"),
        publish_step("conditions/open"),
    );
    node.deploy("conditions", &text);
    let subscriber = Subscriber::start(&node, &["conditions/+"]);
    publish(&node, "conditions/in", "1");
    publish(&node, "conditions/in", "2");
    assert_eq!(subscriber.await_payloads("conditions/open", 2), ["1", "2"]);
    assert_eq!(subscriber.payloads("conditions/endless"), [""; 0]);
    let state = node.flow("conditions");
    assert_eq!(state["status"], "running");
    assert!(state.to_string().contains("longer than 500 ms"), "{state}");
}

#[test]
fn a_flow_that_halts_on_a_modules_error_is_started_again_and_works_on() {
    let node = Node::start();
    let states = Subscriber::start(&node, &["$SYS/headwater/flows/halting/state", "halting/out"]);
    let failing = "{ type = 'script', halt_on_error = true, \
                   with.code = \"if (message.data === 'trouble') throw new Error('jammed');\" }";
    node.deploy("halting", &chain("halting", &[&subscribe("halting/in"), failing, &publish_step("halting/out")]));
    undisturbed_while(&node, || {
        for crashes in 1..=3 {
            publish(&node, "halting/in", "\"trouble\"");
            // Comes while the flow rests, and waits for it.
            publish(&node, "halting/in", &crashes.to_string());
            assert_eq!(states.await_payloads("halting/out", crashes).last().unwrap(), &crashes.to_string());
            let state = node.await_flow("halting", "runs again", |state| state["status"] == "running");
            assert_eq!(state["figures"]["crashes"], crashes);
        }
    });
    let told = states.payloads("$SYS/headwater/flows/halting/state");
    let restarting = told.iter().filter(|state| state.contains("restarting")).inspect(|state| {
        assert!(state.contains("module `s1` failed") && state.contains("jammed"), "{state}");
    });
    assert_eq!(restarting.count(), 3, "{told:?}");
}

#[test]
fn a_flow_that_halts_on_any_error_stays_stopped_until_a_person_starts_it() {
    let node = Node::start();
    let code = "if (message.data === 'trouble') throw new Error('jammed');";
    let text = chain("strict", &[&subscribe("strict/in"), &script(code), &publish_step("strict/out")]);
    let text = text.replace("[modules]", "options = { halt_on_error = true }\n[modules]");
    undisturbed_while(&node, || {
        node.deploy("strict", &text);
        publish(&node, "strict/in", "\"trouble\"");
        let state = node.await_flow("strict", "has failed", |state| state["status"] == "failed");
        assert!(state["text"].as_str().unwrap().contains("jammed"), "{state}");
        let subscriber = Subscriber::start(&node, &["strict/out"]);
        publish(&node, "strict/in", "1");
        node.post("/flows/strict/start");
        publish(&node, "strict/in", "2");
        assert_eq!(subscriber.await_payloads("strict/out", 1), ["2"], "a failed flow takes nothing");
    });
}
