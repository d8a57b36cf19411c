//! Flow files of any kind: read or refused with problems; what was read is checked without a panic and written so that
//! it reads the same.

use flow::plan::ParameterOverrides;
use flow::{Catalog, check, file, modules};

use crate::Target;

pub(super) const TARGET: Target = Target {
    name: "flow_file",
    what: "flow files are read, checked and written without losing anything",
    run,
    seeds: &[sim::story::RELAY.as_bytes(), FLOW],
};

const FLOW: &[u8] = br#"
id = "a"
name = "A" # for people

[options]
queue = { max = 10, when_full = "drop-oldest" }

[parameters]
line = { type = "string", default = "l1" }

[variables]
limit = { type = "number", value = 30 }

[modules.tick]
type = "timer"
with = { interval = "1s" }

[modules.put]
type = "kv-set"
with = { store = "s", key = "{message}" }
retry = { max = 2 }

[[connections]]
from = "tick"
to = "put"
route = "var route = message.count > limit;"

[layout]
tick = [1.5, -2]
"#;

fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(read) = file::read(text) else { return };
    let checked = check::check(&read, &Catalog::new(&[modules::MODULES]), &ParameterOverrides::new());
    for problem in &checked.problems {
        assert!(!problem.to_string().is_empty());
    }
    for written in [file::write(&read), file::update(text, &read)] {
        // TOML has no word for some of what JSON-like settings may hold.
        let Ok(written) = written else { continue };
        match file::read(&written) {
            Ok(again) => assert_eq!(again, read, "{written}"),
            Err(problems) => panic!("what was written is not read: {problems:?}\n{written}"),
        }
    }
    if let Ok(updated) = file::update(text, &read) {
        assert_eq!(file::update(&updated, &read).as_deref().ok(), Some(&*updated), "an update without a change");
    }
}
