//! Records as released versions wrote them: they must be read for ever. A change of layout gets a new record version,
//! and a line beside these.

use super::*;
use crate::table::record::{RecordReader, RecordWriter};
use crate::table::value::{read_value, write_value};
use message::value::parse_json;
use std::sync::Arc;

/// Every kind of value, and its record under the key `k` in hexadecimal, of record version 1.
fn frozen_values() -> Vec<(Value, &'static str)> {
    vec![
        (Value::Null, "010092ccd8a2"),
        (Value::from(true), "0102beadd64c"),
        (Value::from(-3), "0103056562e697"),
        (Value::from(u64::MAX), "0104ffffffffffffffffff01a318597b"),
        (Value::from(20.5), "010500000000008034400627e491"),
        (Value::Time(at(1_700_000_000)), "01068080f28183898506dd0cc435"),
        (Value::Bytes(Arc::new(vec![0, 255].into())), "01080200ff8664a305"),
        (
            parse_json(r#"{"line":"l1","ü":[1,null,false,{}]}"#.as_bytes()).unwrap(),
            "010a02046c696e6507026c3102c3bc0904030200010a003e60a25a",
        ),
    ]
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn values_are_written_as_version_1_wrote_them_and_read_back() {
    for (value, frozen) in frozen_values() {
        let mut writer = RecordWriter::new();
        write_value(&mut writer, &value).unwrap();
        let record = writer.finish(b"k");
        assert_eq!(hexadecimal(&record), frozen, "{value}");
        assert_eq!(read_value(&mut RecordReader::open(b"k", &record).unwrap()), Ok(value));
    }
}
