//! JSON from anyone: a value or an error; and a value that was read is written so that it reads the same.

use message::value::parse_json;

use crate::Target;

pub(super) const TARGET: Target = Target {
    name: "json",
    what: "JSON is read as others read it, within its limits, and written as it was read",
    run,
    seeds: &[
        br#"{"a":[1,2.5,-3e2,true,null],"b":{"c":"\u00e9\n"}}"#,
        br#"[18446744073709551615,-9223372036854775808,1.0,-0.0,1e-7]"#,
        br#"{"a":1,"a":2}"#,
        b"[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]",
        br#""\ud83d\ude00""#,
    ],
};

fn run(data: &[u8]) {
    let others = serde_json::from_slice::<serde_json::Value>(data);
    match parse_json(data) {
        Ok(value) => {
            assert!(others.is_ok(), "what is no JSON was read: {value:?}");
            let written = value.to_json_bytes();
            let again = parse_json(&written);
            assert_eq!(again.as_ref().ok(), Some(&value), "{}", String::from_utf8_lossy(&written));
        }
        Err(error) => {
            let shallow = data.iter().filter(|byte| matches!(byte, b'[' | b'{')).count() < 100;
            assert!(others.is_err() || !shallow, "JSON was refused: {error}");
        }
    }
}
