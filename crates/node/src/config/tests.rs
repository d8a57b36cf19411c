//! What a person can get wrong in a configuration, and what they are told.

use std::path::PathBuf;

use message::{QueueName, StreamName};

use super::*;

struct Written {
    folder: tempfile::TempDir,
    sources: Sources,
}

fn written(file: &str) -> Written {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("headwater.toml");
    std::fs::write(&path, file).unwrap();
    Written { folder, sources: Sources { file: Some(path), ..Sources::default() } }
}

impl Written {
    fn part(self, name: &str, text: &str) -> Self {
        let parts = self.folder.path().join("conf.d");
        std::fs::create_dir_all(&parts).unwrap();
        std::fs::write(parts.join(name), text).unwrap();
        self
    }

    fn variable(mut self, name: &str, value: &str) -> Self {
        self.sources.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    fn set(mut self, key: &str, value: &str) -> Self {
        let (key, value, written) = (key.to_owned(), value.to_owned(), format!("--set {key}"));
        self.sources.arguments.push(Argument { key, value, written });
        self
    }

    fn config(&self) -> Config {
        load(&self.sources).map_or_else(|problems| panic!("{}", problems[0]), |loaded| loaded.config)
    }

    /// All problems, without the folder of the test.
    fn problems(&self) -> Vec<String> {
        let problems = load(&self.sources).err().unwrap_or_default();
        let folder = format!("{}/", self.folder.path().display());
        problems.iter().map(|problem| problem.to_string().replace(&folder, "")).collect()
    }
}

#[test]
fn nothing_written_means_the_defaults() {
    assert_eq!(written("").config(), Config::default());
    let config = Config::default();
    assert_eq!(config.listeners.mqtt.address.to_string(), "127.0.0.1:1883");
    assert_eq!(config.listeners.mqtt_ws.address.to_string(), "127.0.0.1:8083");
    assert_eq!(config.listeners.web.address.to_string(), "127.0.0.1:8080");
    assert_eq!(config.listeners.endpoints.address.to_string(), "127.0.0.1:9090");
}

#[test]
fn later_layers_win() {
    let key = "[listeners.mqtt]\naddress = ";
    let file = written(&format!("{key}\"127.0.0.1:1\"\n[log]\nlevel = \"debug\"\n"));
    assert_eq!(file.config().listeners.mqtt.address.port(), 1);
    let part = file.part("20.toml", &format!("{key}\"127.0.0.1:3\"")).part("10.toml", &format!("{key}\"127.0.0.1:2\""));
    assert_eq!(part.config().listeners.mqtt.address.port(), 3);
    let variable = part.variable("HEADWATER__LISTENERS__MQTT__ADDRESS", "127.0.0.1:4");
    assert_eq!(variable.config().listeners.mqtt.address.port(), 4);
    let set = variable.set("listeners.mqtt.address", "127.0.0.1:5");
    assert_eq!(set.config().listeners.mqtt.address.port(), 5);
    assert_eq!(set.config().log.level, "debug");
}

#[test]
fn texts_become_what_their_key_takes() {
    let config = written("")
        .variable("HEADWATER__LISTENERS__MQTT__ALLOW_ANONYMOUS_REMOTE", "true")
        .variable("HEADWATER__LISTENERS__WEB__HOST_NAMES", "edge.example, other.example")
        .variable("HEADWATER__LIMITS__MQTT_PACKET_BYTES_MAX", "1_048_576")
        .variable("HEADWATER_TOKEN", "belongs to the command line")
        .set("flows_dir", "examples")
        .set("flows.line-1.parameters.line", "line 7")
        .set("flows.line-1.parameters.limit", "30.5")
        .set("flows.line-1.parameters.tags", "{ a = [1, true] }")
        .config();
    assert!(config.listeners.mqtt.allow_anonymous_remote);
    assert_eq!(config.listeners.web.host_names, ["edge.example", "other.example"]);
    assert_eq!(config.limits.mqtt_packet_bytes_max, 1_048_576);
    assert_eq!(config.flows_dir, Some(PathBuf::from("examples")));
    let parameters = serde_json::to_value(&config.flows).unwrap()["line-1"]["parameters"].clone();
    assert_eq!(parameters, serde_json::json!({ "line": "line 7", "limit": 30.5, "tags": { "a": [1, true] } }));
}

#[test]
fn every_mistake_is_named_with_its_place() {
    for (file, expected) in [
        (
            "[listeners.mqtt]\nadress = \"127.0.0.1:1883\"",
            "headwater.toml:2: `listeners.mqtt.adress`: there is no such key (did you mean `listeners.mqtt.address`?)",
        ),
        (
            "\n[listeners.mqtt]\naddress = \"localhost:1883\"",
            "headwater.toml:3: `listeners.mqtt.address`: `localhost:1883` is no address to listen on: write IP:PORT, \
             as in 127.0.0.1:1883, 0.0.0.0:1883 or [::1]:1883",
        ),
        ("node.threads = \"two\"", "headwater.toml:1: `node.threads`: takes a whole number from 0 to 64, not \"two\""),
        ("node.threads = 65", "headwater.toml:1: `node.threads`: takes a whole number from 0 to 64, not 65"),
        ("log.format = \"xml\"", "headwater.toml:1: `log.format`: takes one of text, json, not \"xml\""),
        (
            "log.level = \"loud\"",
            "headwater.toml:1: `log.level`: `loud` is no level (write error, warn, info, debug or trace, or per part \
             as in info,node::mqtt=debug)",
        ),
        (
            "listeners = 3",
            "headwater.toml:1: `listeners`: this is a table, not a value (set one of its keys: listeners.mqtt.address, \
             listeners.mqtt.allow_anonymous_remote, listeners.mqtt_ws.address, listeners.mqtt_ws.allow_anonymous_remote, \
             listeners.mqtt_ws.allowed_origins, listeners.web.address, listeners.web.host_names, \
             listeners.endpoints.address, listeners.endpoints.allow_anonymous_remote, \
             listeners.endpoints.host_names)",
        ),
        ("[zebra]", "headwater.toml:1: `zebra`: there is no such key (`headwater config show` lists all keys)"),
        ("data_dir = 3", "headwater.toml:1: `data_dir`: takes a text in quotes, not 3"),
        (
            "listeners.web.host_names = \"a\"",
            "headwater.toml:1: `listeners.web.host_names`: takes a list of texts, as in [\"a\", \"b\"], not \"a\"",
        ),
        (
            "flows.\"a b\".parameters.x = 1",
            "headwater.toml:1: `flows.a b.parameters.x`: `a b` is no flow id: use 1 to 64 of a-z, A-Z, 0-9, `-`, `_`, \
             and begin with a letter or digit",
        ),
        (
            "[listeners.mqtt]\naddress = \"0.0.0.0:1883\"",
            "headwater.toml:2: `listeners.mqtt.address`: 0.0.0.0:1883 is off loopback and nobody would be asked who \
             they are (listen on 127.0.0.1, or say that anyone who reaches it may publish and subscribe: \
             listeners.mqtt.allow_anonymous_remote = true)",
        ),
        (
            "listeners.mqtt_ws.allowed_origins = [\"https://a.example\", \"b.example/\"]",
            "headwater.toml:1: `listeners.mqtt_ws.allowed_origins`: `b.example/` is no origin of a web page (write it as \
             browsers do, scheme and host without a path, as in https://dashboard.example)",
        ),
        (
            "listeners.web.address = \"127.0.0.1:1883\"",
            "headwater.toml:1: `listeners.web.address`: 127.0.0.1:1883 is the address of `listeners.mqtt.address` too \
             (give each listener a port of its own)",
        ),
    ] {
        assert_eq!(written(file).problems(), [expected], "{file}");
    }
}

#[test]
fn broken_toml_is_named_by_line() {
    let problems = written("[log]\nlevel = info\"\n").problems();
    assert!(problems[0].starts_with("headwater.toml:2: the file is no TOML: "), "{problems:?}");
}

#[test]
fn all_mistakes_are_told_at_once() {
    let problems = written("zebra = 1\nnode.threads = 65")
        .variable("HEADWATER__LOG__FORMAT", "xml")
        .set("data_dri", "x")
        .set("limits.mailbox_bytes_max", "many")
        .problems();
    let starts = [
        "headwater.toml:1: `zebra`: there is no such key",
        "--set data_dri: `data_dri`: there is no such key (did you mean `data_dir`?)",
        "--set limits.mailbox_bytes_max: `limits.mailbox_bytes_max`: takes a whole number",
        "environment HEADWATER__LOG__FORMAT: `log.format`: takes one of",
        "headwater.toml:2: `node.threads`: takes a whole number",
    ];
    assert_eq!(problems.len(), starts.len(), "{problems:?}");
    for (problem, start) in problems.iter().zip(starts) {
        assert!(problem.starts_with(start), "{problem}");
    }
}

#[test]
fn a_listener_off_loopback_needs_words() {
    let endpoints = written("listeners.endpoints.address = \"[::]:9090\"");
    assert_eq!(endpoints.problems().len(), 1);
    assert!(endpoints.set("listeners.endpoints.allow_anonymous_remote", "true").problems().is_empty());
    let web_socket = written("listeners.mqtt_ws.address = \"0.0.0.0:8083\"");
    assert_eq!(web_socket.problems().len(), 1);
    assert!(web_socket.set("listeners.mqtt_ws.allow_anonymous_remote", "true").problems().is_empty());
    assert!(written("listeners.web.address = \"0.0.0.0:8080\"").problems().is_empty());
    assert!(written("listeners.mqtt.address = \"[::ffff:127.0.0.1]:1883\"").problems().is_empty());
}

#[test]
fn a_missing_file_is_named() {
    let sources = Sources { file: Some(PathBuf::from("/nonexistent/headwater.toml")), ..Sources::default() };
    let message = load(&sources).unwrap_err()[0].to_string();
    assert!(message.starts_with("/nonexistent/headwater.toml: cannot read the file: "), "{message}");
}

#[test]
fn an_empty_table_with_a_chosen_name_is_there_with_its_defaults() {
    let config =
        written("[queues.orders]\n[streams.telemetry]\n[listeners.web]\n[queues.full]\npriority = true\n").config();
    let names: Vec<_> = config.queues.iter().map(|(name, settings)| (name.to_string(), settings.priority)).collect();
    assert_eq!(names, [("full".to_owned(), true), ("orders".to_owned(), false)]);
    assert_eq!(config.streams.values().collect::<Vec<_>>(), [&StreamSettings::default()]);
    let problems = written("node.name = \"a\"\n[queues.\"a b\"]\n").problems();
    assert!(problems[0].contains("headwater.toml:2") && problems[0].contains("`a b` is no queue name"), "{problems:?}");
}

#[test]
fn queues_whose_dead_letters_go_in_a_circle_are_told_where_they_are_written() {
    let circle = "[queues.a]\ndead_letter = \"b\"\n[queues.b]\ndead_letter = \"c\"\n[queues.c]\ndead_letter = \"a\"\n";
    let problems = written(circle).problems();
    assert_eq!(problems.len(), 3, "{problems:?}");
    assert!(
        problems[1].contains("headwater.toml:4: `queues.b.dead_letter`: dead letters of `b` would come back"),
        "{problems:?}"
    );
    let end = circle.replace("\"a\"", "\"\"");
    assert!(written(&end).problems().is_empty());
}

#[test]
fn show_says_where_each_value_comes_from() {
    let written = written("node.name = \"press-7\"").set("log.level", "debug").set("flows.f.parameters.x", "{ a = 1 }");
    let shown = show_json(&load(&written.sources).unwrap());
    assert_eq!(shown["node.name"]["value"], "press-7");
    assert!(shown["node.name"]["origin"].as_str().unwrap().ends_with("headwater.toml:1"));
    assert_eq!(shown["log.level"]["origin"], "--set log.level");
    assert_eq!(shown["log.format"]["origin"], "default");
    assert_eq!(shown["flows.f.parameters.x"]["value"], serde_json::json!({ "a": 1 }));
    let text = show_text(&load(&written.sources).unwrap());
    assert!(text.contains("node.name = \"press-7\""), "{text}");
}

#[test]
fn the_example_file_says_the_defaults() {
    let example = example_file();
    assert_eq!(written(&example).config(), Config::default());
    let (before, rest) = example.split_once("# [queues.orders]").unwrap();
    let (queues, rest) = rest.split_once("# [streams.telemetry]").unwrap();
    let (streams, flows) = rest.split_once("# [flows").unwrap();
    let example = format!("{before}# [flows{flows}");
    let set_in = |part: &str| -> String {
        let lines = part.lines().filter(|line| line.contains(" = "));
        lines.map(|line| format!("{}\n", line.strip_prefix("# ").unwrap_or(line))).collect()
    };
    let settings = QueueSettings {
        age_max_s: Some(86_400),
        dead_letter: Some("orders-dead".to_owned()),
        ..QueueSettings::default()
    };
    let config = written(&format!("[queues.orders]\n{}", set_in(queues))).config();
    assert_eq!(config.queues.into_iter().collect::<Vec<_>>(), [(QueueName::parse("orders").unwrap(), settings)]);
    let settings =
        StreamSettings { messages_max: Some(100_000_000), age_max_s: Some(86_400), ..StreamSettings::default() };
    let config = written(&format!("[streams.telemetry]\n{}", set_in(streams))).config();
    assert_eq!(config.streams.into_iter().collect::<Vec<_>>(), [(StreamName::parse("telemetry").unwrap(), settings)]);
    let is_prose = |line: &str| line.starts_with("# ") && !line.contains(" = ");
    let set: String = example
        .lines()
        .filter(|line| !is_prose(line) || line.starts_with("# [flows"))
        .filter(|line| !line.contains("Says in words") && !line.contains("line-1") && !line.contains("line1"))
        .map(|line| format!("{}\n", line.strip_prefix("# ").filter(|_| line.contains(" = ")).unwrap_or(line)))
        .collect();
    let expected = Config { flows_dir: Some(PathBuf::from("flows")), ..Config::default() };
    assert_eq!(written(&set).config(), expected, "{set}");
}

#[test]
fn the_published_files_are_up_to_date() {
    crate::published::check("docs/headwater.toml", &example_file());
    crate::published::check("docs/config.schema.json", &format!("{:#}\n", config_schema()));
}
