//! What becomes of a message whose step fails, and of a flow whose step panics.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;

use flow::run::{Halt, Progress};

use crate::bench::{Bench, flow};

const FRAGILE: &str = "\n[modules.fragile]\ntype = \"test-fragile\"\n";
const INTO: &str = "\n[[connections]]\nfrom = \"source\"\nto = \"fragile\"\n";
const OUT: &str = "\n[[connections]]\nfrom = \"fragile\"\nto = \"a\"\n";
const ERROR: &str = "\n[[connections]]\nfrom = \"fragile\"\nport = \"error\"\nto = \"b\"\n";

fn bench(parts: &[&str]) -> Bench {
    Bench::new(&flow(&parts.concat()))
}

#[test]
fn a_failed_message_goes_on_and_says_so() {
    let whole = OUT.replace("to = \"a\"", "to = \"shown\"");
    let mut bench = bench(&[FRAGILE, "\n[modules.shown]\ntype = \"debug\"\n", INTO, &whole]);
    bench.send("in", "{\"fail\":true}");
    bench.send("in", "{}");
    let shown = bench.world.debug.shown.lock().unwrap();
    let results: Vec<String> = shown.iter().map(|message| message.get("headwater").unwrap().to_json()).collect();
    assert_eq!(results, [r#"{"success":false,"message":"failed as told","module":"fragile"}"#, r#"{"success":true}"#]);
}

#[test]
fn a_condition_can_tell_success_from_failure() {
    let good = OUT.to_owned() + "route = \"message.headwater.success\"\n";
    let bad = OUT.replace("to = \"a\"", "to = \"b\"") + "route = \"!message.headwater.success\"\n";
    let mut bench = bench(&[FRAGILE, INTO, &good, &bad]);
    bench.send("in", "{\"fail\":true}");
    bench.send("in", "1");
    assert_eq!(bench.published(), ["b {\"fail\":true}", "a 1"]);
}

#[test]
fn an_error_arrow_takes_what_failed_and_nothing_else() {
    let mut bench = bench(&[FRAGILE, INTO, OUT, ERROR]);
    bench.send("in", "{\"fail\":true}");
    bench.send("in", "2");
    assert_eq!(bench.published(), ["b {\"fail\":true}", "a 2"]);
    assert_eq!(bench.plan.figures.failed.load(Ordering::Relaxed), 0);
}

#[test]
fn a_step_is_tried_again_later_as_often_as_it_may() {
    let fragile = FRAGILE.to_owned() + "retry = { max = 2, delay_ms = 100 }\nwith = { times = 2 }\n";
    let mut bench = bench(&[&fragile, INTO, OUT]);
    bench.send("in", "{\"fail\":true}");
    assert!(bench.published().is_empty());
    bench.at(99);
    assert_eq!(bench.errors_of("fragile"), 1);
    bench.at(100);
    assert_eq!(bench.errors_of("fragile"), 2);
    bench.at(299);
    assert!(bench.published().is_empty());
    bench.at(300);
    assert_eq!(bench.published(), ["a {\"fail\":true}"]);
}

#[test]
fn every_module_has_its_own_number_of_tries() {
    let first = FRAGILE.to_owned() + "retry = { max = 1, delay_ms = 100 }\nwith = { times = 1 }\n";
    let second = first.replace("fragile]", "second]");
    let to_second = "\n[[connections]]\nfrom = \"fragile\"\nto = \"second\"\n";
    let mut bench = bench(&[&first, &second, INTO, to_second, &OUT.replace("fragile", "second")]);
    bench.send("in", "{\"fail\":true}");
    bench.at(100);
    assert_eq!((bench.errors_of("fragile"), bench.errors_of("second")), (1, 1));
    bench.at(200);
    assert_eq!(bench.published(), ["a {\"fail\":true}"]);
    assert_eq!(bench.plan.figures.failed.load(Ordering::Relaxed), 0);
}

#[test]
fn an_error_halts_the_flow_if_the_flow_or_the_module_says_so() {
    let options = "\n[options]\nhalt_on_error = true\n";
    let what = "module `fragile` failed: failed as told".to_owned();
    for (fragile, options, restart) in
        [(FRAGILE.to_owned() + "halt_on_error = true\n", "", true), (FRAGILE.to_owned(), options, false)]
    {
        let mut bench = bench(&[&fragile, INTO, OUT, options]);
        let progress = bench.send("in", "{\"fail\":true}");
        assert_eq!(progress, Progress::Halted(Halt { restart, what: what.clone() }));
    }
}

#[test]
fn a_panic_is_named_and_the_messages_behind_it_are_kept() {
    let mut first = bench(&[FRAGILE, INTO, OUT]);
    for payload in ["1", "{\"panic\":true}", "2", "3"] {
        first.world.broker.send("in", payload.as_bytes());
    }
    let quiet = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let panicked = catch_unwind(AssertUnwindSafe(|| first.settle())).is_err();
    std::panic::set_hook(quiet);
    assert!(panicked);
    assert_eq!(first.worker.at_work().map(message::ModuleId::as_str), Some("fragile"));
    assert_eq!(first.published(), ["a 1"]);
    let mut second = bench(&[FRAGILE, INTO, OUT]);
    second.worker.take_over(first.worker.into_unwalked());
    second.settle();
    assert_eq!(second.published(), ["a 2", "a 3"]);
}

#[test]
fn a_cancelled_flow_does_nothing_more() {
    let mut bench = bench(&[FRAGILE, INTO, OUT]);
    bench.cancelled.store(true, Ordering::Relaxed);
    bench.send("in", "1");
    assert!(bench.published().is_empty());
}
