//! Paths into messages: read or refused, written as they read, and what is set is found again.

use message::Value;
use message::value::Path;

use crate::Target;

pub(super) const TARGET: Target = Target {
    name: "path",
    what: "a path is written as it is read, and what is set by it is found by it",
    run,
    seeds: &[b"a.b[0].c", b"a[\"x y\"][12]", b"[0]", b"\xc3\xa9.b", b"a[\"\\\"\"]"],
};

fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(path) = text.parse::<Path>() else { return };
    let written = path.to_string();
    assert_eq!(written.parse::<Path>().as_ref().ok(), Some(&path), "{written}");
    for mut value in [Value::Null, Value::from(vec![Value::from(1)]), Value::from("text")] {
        if value.set(&path, Value::from("found")).is_ok() {
            assert_eq!(value.at(&path), Some(&Value::from("found")), "{written}");
            value.remove(&path);
        }
    }
}
