//! Flow files read, written and updated.

use super::*;
use indexmap::IndexMap;
use message::{FlowId, ModuleId, Text, Value};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use crate::model::{
    Connection, FlowOptions, ModuleSpec, Parameter, ParameterType, QueueFull, QueueSpec, RetrySpec, Variable,
    VariableType,
};

const PLANT: &str = include_str!("tests/plant.toml");

fn problems(text: &str) -> Vec<String> {
    read(text).unwrap_err().iter().map(ToString::to_string).collect()
}

fn updated(text: &str, change: impl FnOnce(&mut Flow)) -> String {
    let mut flow = read(text).unwrap();
    change(&mut flow);
    let text = update(text, &flow).unwrap();
    assert_eq!(read(&text).unwrap(), flow, "{text}");
    text
}

fn id(text: &str) -> ModuleId {
    ModuleId::parse(text).unwrap()
}

/// The lines that are only in one of the two texts.
fn difference(before: &str, after: &str) -> Vec<String> {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let (before, after) = (lines(before), lines(after));
    let gone = before.iter().filter(|line| !after.contains(line)).map(|line| format!("-{line}"));
    let new = after.iter().filter(|line| !before.contains(line)).map(|line| format!("+{line}"));
    gone.chain(new).collect()
}

#[test]
fn a_file_is_read_as_it_is_meant() {
    let flow = read(PLANT).unwrap();
    assert_eq!(flow.id.as_str(), "line-1-acquisition");
    assert_eq!(flow.parameters["line"].default, Some(json!("line1")));
    assert_eq!(flow.variables["limit"].value, Value::from(30));
    assert_eq!(flow.modules.keys().map(ModuleId::as_str).collect::<Vec<_>>(), ["plc", "normalise", "mean", "alarm"]);
    let code = flow.modules[&id("normalise")].with["code"].as_str().unwrap();
    assert!(code.starts_with("message.temperature = ") && code.ends_with("alarms += 1;\n"), "{code}");
    assert_eq!(flow.modules[&id("mean")].with["values"], json!({"temperature": ["mean", "max"]}));
    assert_eq!(flow.connections[2].route.as_deref(), Some("var route = message.temperature > limit;"));
    assert_eq!(flow.layout[&id("alarm")], [600.0, 220.5]);
}

#[test]
fn a_file_that_says_what_is_wanted_is_left_alone_to_the_byte() {
    assert_eq!(updated(PLANT, |_| {}), PLANT);
    let explicit = "id = \"a\"\nname = \"\"\n[options] # all as it is anyway\nhalt_on_error = false\nqueue = { max = 100 }\n\
                    [modules.m]\ntype = \"x\"\ndisabled = false # for now\nwith = {}\n[layout]\nm = [1.0, 2]\n";
    assert_eq!(updated(explicit, |_| {}), explicit);
}

#[test]
fn a_changed_setting_changes_its_line_alone() {
    let after = updated(PLANT, |flow| {
        flow.modules[&id("plc")].with.insert("topic".to_owned(), json!("plc/2/+"));
    });
    assert_eq!(
        difference(PLANT, &after),
        [
            "-with = { topic = \"plc/{{line}}/+\", format = \"json\" } # all machines of the line",
            "+with = { topic = \"plc/2/+\", format = \"json\" } # all machines of the line",
        ]
    );
}

#[test]
fn a_new_setting_stands_among_the_others() {
    let after = updated(PLANT, |flow| {
        flow.modules[&id("plc")].with.insert("qos".to_owned(), json!(1));
        flow.modules[&id("normalise")].with.insert("strict".to_owned(), json!(true));
    });
    assert_eq!(
        difference(PLANT, &after),
        [
            "-with = { topic = \"plc/{{line}}/+\", format = \"json\" } # all machines of the line",
            "+with = { topic = \"plc/{{line}}/+\", format = \"json\", qos = 1 } # all machines of the line",
            "+with.strict = true",
        ]
    );
}

#[test]
fn a_new_module_and_its_connection_stand_behind_the_others() {
    let after = updated(PLANT, |flow| {
        let with = json!({"topic": "a/b"}).as_object().unwrap().clone();
        flow.modules.insert(id("new"), module("mqtt-pub-broker", with));
        flow.connections.push(connection("mean", "new"));
        flow.layout.insert(id("new"), [880.0, 60.0]);
    });
    assert!(difference(PLANT, &after).iter().all(|line| line.starts_with('+')), "{after}");
    let place = |text: &str| after.find(text).unwrap_or_else(|| panic!("{text} in {after}"));
    assert!(place("[modules.alarm]") < place("[modules.new]"));
    assert!(place("[modules.new]") < place("[[connections]]"));
    assert!(place("to = \"new\"") < place("[layout]"));
    assert!(after.contains("\n[modules.new]\ntype = \"mqtt-pub-broker\"\nwith = { topic = \"a/b\" }\n"), "{after}");
    assert!(after.ends_with("new = [880, 60]\n"), "{after}");
}

#[test]
fn a_removed_connection_takes_only_its_own_comment_along() {
    let after = updated(PLANT, |flow| drop(flow.connections.remove(1)));
    assert_eq!(difference(PLANT, &after), ["-# Ten seconds at a time.", "-to = \"mean\""]);
    assert!(after.contains("# Hot machines are told at once."));
}

#[test]
fn connections_in_another_order_keep_their_comments() {
    let after = updated(PLANT, |flow| flow.connections.reverse());
    assert_eq!(difference(PLANT, &after), Vec::<String>::new());
    assert!(after.find("# Hot machines").unwrap() < after.find("# Ten seconds").unwrap());
}

#[test]
fn a_changed_condition_keeps_its_comment() {
    let after = updated(PLANT, |flow| flow.connections[2].route = Some("message.x > 1".to_owned()));
    assert_eq!(
        difference(PLANT, &after),
        ["-route = \"var route = message.temperature > limit;\"", "+route = \"message.x > 1\""]
    );
}

#[test]
fn a_moved_module_changes_one_point() {
    let after = updated(PLANT, |flow| flow.layout[&id("plc")] = [41.0, 120.5]);
    assert_eq!(difference(PLANT, &after), ["-plc       = [40, 120]   # left", "+plc       = [41, 120.5]   # left"]);
}

#[test]
fn what_is_taken_out_goes_and_what_is_left_stays() {
    let after = updated(PLANT, |flow| {
        flow.modules.shift_remove(&id("mean"));
        flow.connections.remove(1);
        flow.layout.shift_remove(&id("mean"));
        flow.variables.shift_remove("alarms");
        flow.description.clear();
    });
    assert!(difference(PLANT, &after).iter().all(|line| line.starts_with('-')), "{after}");
    assert!(after.contains("# The limit of the machine's maker."));
    let none = updated(PLANT, |flow| {
        flow.layout.clear();
        flow.connections.clear();
        flow.parameters.clear();
    });
    assert!(!none.contains("[layout]") && !none.contains("[parameters]"), "{none}");
}

#[test]
fn windows_line_ends_and_a_byte_order_mark_are_read_and_the_line_ends_kept() {
    let windows = format!("\u{feff}{}", PLANT.replace('\n', "\r\n"));
    assert_eq!(read(&windows).unwrap(), read(PLANT).unwrap());
    let after = updated(&windows, |flow| flow.name = "New".to_owned());
    assert_eq!(after.matches('\n').count(), after.matches("\r\n").count());
    assert!(after.contains("# The limit of the machine's maker."));
}

#[test]
fn a_text_that_is_no_toml_is_replaced() {
    let flow = read(PLANT).unwrap();
    assert_eq!(update("id = ", &flow), write(&flow));
}

#[test]
fn mistakes_of_the_language_have_line_and_column() {
    for (text, expected) in [
        ("id = \"a\"\nname = \n", "line 2, column 8: this is no TOML: "),
        (
            "id = \"a\"\nid = \"b\"\n",
            "line 2, column 1: this is no TOML: duplicate key (take one of them out, or join the two)",
        ),
        ("id = \"ab\n", "line 1, column 9: this is no TOML: "),
        ("id = \"a\"\n[modules.a]\ntype = \"x\"\n[modules.a]\n", "line 4, column 10: this is no TOML: duplicate key"),
        ("", "line 1, column 1: `id` is missing (add `id`)"),
    ] {
        let found = problems(text);
        assert!(found.len() == 1 && found[0].starts_with(expected), "{text:?}: {found:?}");
    }
}

#[test]
fn all_mistakes_of_the_model_are_told_at_once_each_where_it_stands() {
    let text = r#"id = "a b"
nmae = "x"

[options]
queue = { mx = 1 }

[modules.plc]
typ = "x"

[modules."a b"]
type = "y"

[modules.step]
type = "z"
disabled = "no"
retry.max = -1

[[connections]]
from = "plc"
too = "step"

[layout]
plc = [1]
"#;
    assert_eq!(
        problems(text),
        [
            "line 1, column 1: id: `a b` is no flow id: use 1 to 64 of a-z, A-Z, 0-9, `-`, `_`, and begin with a letter or digit",
            "line 2, column 1: nmae: unknown key `nmae` (did you mean `name`?)",
            "line 5, column 11: options.queue.mx: unknown key `mx` (did you mean `max`?)",
            "line 8, column 1: modules.plc.typ: unknown key `typ` (did you mean `type`?)",
            "line 7, column 10: modules.plc: `type` is missing (add `type`)",
            "line 10, column 10: modules.a b: `a b` is no module id: use 1 to 64 of a-z, A-Z, 0-9, `-`, `_`, and begin with a letter or digit",
            "line 15, column 1: modules.step.disabled: the text \"no\" is not what belongs here (give true or false)",
            "line 16, column 7: modules.step.retry.max: the number `-1` is not what belongs here (give a whole number that is not negative)",
            "line 20, column 1: connections[0].too: unknown key `too` (did you mean `to`?)",
            "line 18, column 1: connections[0]: `to` is missing (add `to`)",
            "line 23, column 1: layout.plc: invalid length 1, expected an array of length 2",
        ]
    );
}

#[test]
fn values_without_a_counterpart_are_refused_where_they_stand() {
    let text = "id = \"a\"\n[variables]\nsince = { type = \"time\", value = 2024-01-01T00:00:00Z }\nmax = { type = \"number\", value = inf }\n";
    assert_eq!(
        problems(text),
        [
            "line 3, column 34: a time without quotes has no counterpart in a flow (write it as a text, in quotes)",
            "line 4, column 34: this number is not finite (give a number with an end, or leave the setting out)",
        ]
    );
}

#[test]
fn a_file_beyond_the_limit_is_refused_unread() {
    let text = format!("id = \"a\"\ndescription = \"{}\"\n", "x".repeat(limits::FLOW_FILE_BYTES_MAX));
    assert!(problems(&text)[0].ends_with("1048576 are the limit (split the flow, or shorten its scripts)"));
}

#[test]
fn what_toml_cannot_say_is_refused_by_name() {
    let mut flow = read(PLANT).unwrap();
    flow.modules[&id("plc")].with.insert("x".to_owned(), json!([{"y": null}, u64::MAX]));
    let found: Vec<String> = write(&flow).unwrap_err().iter().map(ToString::to_string).collect();
    assert_eq!(
        found,
        [
            "modules.plc.with.x[0].y: a flow file has no null (leave it out)",
            "modules.plc.with.x[1]: a flow file has no whole numbers above 9223372036854775807 (write it as a text)",
        ]
    );
}

#[test]
fn json_is_read_with_the_path_of_every_mistake() {
    let flow = read(PLANT).unwrap();
    let json = serde_json::to_vec(&flow).unwrap();
    assert_eq!(read_json(&json).unwrap(), flow);
    let told = |text: &str| read_json(text.as_bytes()).unwrap_err().iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(
        told(r#"{"id":"a","modules":{"m":{"type":1,"disable":true}}}"#),
        [
            "modules.m.type: the number `1` is not what belongs here (give a text)",
            "modules.m.disable: unknown key `disable` (did you mean `disabled`?)",
        ]
    );
    assert_eq!(told("{\"id\":\n"), ["line 2, column 0: this is no JSON: EOF while parsing a value (correct the text)"]);
}

#[test]
fn the_canonical_form_reads_well() {
    let flow = read(PLANT).unwrap();
    assert_eq!(write(&flow).unwrap(), include_str!("tests/canonical.toml"));
}

fn module(type_name: &str, with: serde_json::Map<String, Json>) -> ModuleSpec {
    ModuleSpec {
        type_name: type_name.to_owned(),
        title: None,
        disabled: false,
        retry: None,
        queue: None,
        halt_on_error: false,
        with,
    }
}

fn connection(from: &str, to: &str) -> Connection {
    Connection { from: id(from), port: None, to: id(to), route: None }
}

fn any_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<f64>().prop_filter("finite", |number| number.is_finite()).prop_map(Json::from),
        any_text().prop_map(Json::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            prop::collection::vec((any_text(), inner), 0..4)
                .prop_map(|members| Json::Object(members.into_iter().collect())),
        ]
    })
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z]{1,8}", "[ -~\n\t'\"\\\\]{0,24}", ".{0,12}", Just("'''".to_owned()), Just("a\r\nb".to_owned())]
}

fn any_module() -> impl Strategy<Value = ModuleSpec> {
    let retry = prop::option::of((any::<u32>(), 0..5_000_u64).prop_map(|(max, delay_ms)| RetrySpec {
        max,
        delay_ms,
        ..RetrySpec::default()
    }));
    let queue = prop::option::of((1..200_u32).prop_map(|max| QueueSpec { max, when_full: QueueFull::DropOldest }));
    let with = prop::collection::vec((any_text(), any_json()), 0..5);
    (any_text(), prop::option::of(any_text()), any::<bool>(), retry, queue, any::<bool>(), with).prop_map(
        |(type_name, title, disabled, retry, queue, halt_on_error, with)| ModuleSpec {
            type_name,
            title,
            disabled,
            retry,
            queue,
            halt_on_error,
            with: with.into_iter().collect(),
        },
    )
}

fn any_options() -> impl Strategy<Value = FlowOptions> {
    (any::<bool>(), 1..200_u32, prop::bool::ANY).prop_map(|(halt_on_error, max, slow)| {
        let mut options = FlowOptions { halt_on_error, ..FlowOptions::default() };
        options.queue.max = max;
        if slow {
            options.script.time_max_ms = 1_000;
        }
        options
    })
}

fn any_flow() -> impl Strategy<Value = Flow> {
    let parameter = (any_text(), prop::option::of(any_json())).prop_map(|(name, default)| {
        (Text::from(name), Parameter { kind: ParameterType::Json, default, title: None, description: None })
    });
    let variable = (any_text(), any_json()).prop_map(|(name, value)| {
        let value = serde_json::from_value(value).unwrap();
        (Text::from(name), Variable { kind: VariableType::Json, value, description: None })
    });
    let arrow = ("[a-d]", prop::option::of("[a-c]{1,3}"), "[a-d]", prop::option::of(any_text())).prop_map(
        |(from, port, to, route)| Connection { from: id(&from), port: port.map(Text::from), to: id(&to), route },
    );
    (
        (any_text(), any_text(), any_options()),
        prop::collection::vec(parameter, 0..3),
        prop::collection::vec(variable, 0..3),
        prop::collection::vec(("[a-d]", any_module()), 0..4),
        prop::collection::vec(arrow, 0..5),
        prop::collection::vec(("[a-d]", -1e6..1e6_f64, -500..500_i32), 0..4),
    )
        .prop_map(|((name, description, options), parameters, variables, modules, connections, layout)| Flow {
            id: FlowId::parse("any").unwrap(),
            name,
            description,
            options,
            parameters: parameters.into_iter().collect(),
            variables: variables.into_iter().collect(),
            modules: modules.into_iter().map(|(name, module)| (id(&name), module)).collect::<IndexMap<_, _>>(),
            connections,
            layout: layout.into_iter().map(|(name, x, y)| (id(&name), [x, f64::from(y)])).collect(),
        })
}

proptest! {
    #[test]
    fn any_flow_is_read_as_it_was_written(flow in any_flow()) {
        let text = write(&flow).unwrap();
        prop_assert_eq!(read(&text.replace('\n', "\r\n")), Ok(flow.clone()), "with the line ends of Windows: {}", text);
        prop_assert_eq!(read(&text), Ok(flow), "{}", text);
    }

    #[test]
    fn any_file_can_be_made_to_say_any_flow(before in any_flow(), after in any_flow()) {
        let text = update(&write(&before).unwrap(), &after).unwrap();
        prop_assert_eq!(read(&text), Ok(after), "{}", text);
    }

    #[test]
    fn any_text_is_read_or_refused_without_a_panic(text in "(?s)[a-c=\\[\\]{}\\.\"'\n# 0-9]{0,60}") {
        let _ = read(&text);
        let _ = read_json(text.as_bytes());
    }
}
