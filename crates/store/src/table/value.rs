//! A [`Value`] as a field of a record: a tag, then its content. Unlike JSON it keeps times, bytes and the kinds of
//! numbers apart.
//!
//! ```text
//! 0 null   1 false   2 true
//! 3 int    zigzag LEB128              4 uint   LEB128
//! 5 float  8 bytes little endian      6 time   microseconds since the epoch, zigzag LEB128
//! 7 text   length and UTF-8           8 bytes  length and content
//! 9 array  count, then the elements   10 object  count, then each key as length and UTF-8, and its value
//! ```

use std::sync::Arc;

use message::{Array, Bytes, Object, Text, Timestamp, Value, limits};

use super::record::{RecordError, RecordReader, RecordWriter};

/// A value that is nested deeper than [`limits::VALUE_DEPTH_MAX`].
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the value is nested deeper than {} levels: make it flatter", limits::VALUE_DEPTH_MAX)]
pub(super) struct TooDeep;

/// Writes a value as one field.
pub(super) fn write_value(writer: &mut RecordWriter, value: &Value) -> Result<(), TooDeep> {
    write_level(writer, value, limits::VALUE_DEPTH_MAX)
}

fn write_level(writer: &mut RecordWriter, value: &Value, levels: usize) -> Result<(), TooDeep> {
    let below = levels.checked_sub(1).ok_or(TooDeep)?;
    match value {
        Value::Null => writer.u8(0),
        Value::Bool(false) => writer.u8(1),
        Value::Bool(true) => writer.u8(2),
        Value::Int(int) => {
            writer.u8(3);
            writer.signed(*int);
        }
        Value::UInt(uint) => {
            writer.u8(4);
            writer.varint(*uint);
        }
        Value::Float(float) => {
            writer.u8(5);
            writer.i64(float.to_bits().cast_signed());
        }
        Value::Time(time) => {
            writer.u8(6);
            writer.signed(time.as_micros());
        }
        Value::Text(text) => {
            writer.u8(7);
            writer.text(text);
        }
        Value::Bytes(bytes) => {
            writer.u8(8);
            writer.bytes(bytes);
        }
        Value::Array(array) => {
            writer.u8(9);
            writer.varint(array.len() as u64);
            for element in array {
                write_level(writer, element, below)?;
            }
        }
        Value::Object(object) => {
            writer.u8(10);
            writer.varint(object.len() as u64);
            for (key, member) in object {
                writer.text(key);
                write_level(writer, member, below)?;
            }
        }
    }
    Ok(())
}

/// Reads a field that is a value.
pub(super) fn read_value(reader: &mut RecordReader<'_>) -> Result<Value, RecordError> {
    read_level(reader, limits::VALUE_DEPTH_MAX)
}

fn read_level(reader: &mut RecordReader<'_>, levels: usize) -> Result<Value, RecordError> {
    let below = levels.checked_sub(1).ok_or(RecordError::Content("a value that is nested too deep"))?;
    Ok(match reader.u8()? {
        0 => Value::Null,
        1 => Value::Bool(false),
        2 => Value::Bool(true),
        3 => Value::Int(reader.signed()?),
        4 => Value::UInt(reader.varint()?),
        5 => Value::Float(f64::from_bits(reader.i64()?.cast_unsigned())),
        6 => Value::Time(Timestamp::from_micros(reader.signed()?)),
        7 => Value::Text(Text::new(reader.text()?)),
        8 => Value::Bytes(Arc::new(Bytes::copy_from_slice(reader.bytes()?))),
        9 => {
            let count = read_count(reader)?;
            let elements: Result<Vec<Value>, _> = (0..count).map(|_| read_level(reader, below)).collect();
            Value::Array(Array::from(elements?))
        }
        10 => {
            let count = read_count(reader)?;
            let mut object = Object::with_capacity(count);
            for _ in 0..count {
                let key = Text::new(reader.text()?);
                object.insert(key, read_level(reader, below)?);
            }
            Value::Object(object)
        }
        _ => return Err(RecordError::Content("a value of an unknown kind")),
    })
}

/// Every element takes a byte at least, so that a damaged count never reserves more than the record is long.
fn read_count(reader: &mut RecordReader<'_>) -> Result<usize, RecordError> {
    let count = usize::try_from(reader.varint()?).map_err(|_| RecordError::Short)?;
    if count > reader.left() { Err(RecordError::Short) } else { Ok(count) }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Every kind of value, nested; without NaN, which equals nothing.
    pub(in super::super) fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_filter("NaN equals nothing", |float| !float.is_nan()).prop_map(Value::from),
            any::<i64>().prop_map(|micros| Value::Time(Timestamp::from_micros(micros))),
            any::<String>().prop_map(|text| Value::Text(text.into())),
            any::<Vec<u8>>().prop_map(|bytes| Value::Bytes(Arc::new(bytes.into()))),
        ];
        leaf.prop_recursive(4, 64, 8, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
                prop::collection::vec((any::<String>(), inner), 0..20)
                    .prop_map(|members| Value::from(members.into_iter().collect::<Object>())),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_value_is_read_as_it_was_written(value in any_value()) {
            let mut writer = RecordWriter::new();
            write_value(&mut writer, &value).unwrap();
            let record = writer.finish(b"k");
            let mut reader = RecordReader::open(b"k", &record).unwrap();
            prop_assert_eq!(read_value(&mut reader), Ok(value));
            prop_assert_eq!(reader.end(), Ok(()));
        }

        #[test]
        fn whatever_the_bytes_are_reading_ends_with_a_value_or_an_error(bytes: Vec<u8>) {
            let mut writer = RecordWriter::new();
            for byte in &bytes {
                writer.u8(*byte);
            }
            let record = writer.finish(b"k");
            let mut reader = RecordReader::open(b"k", &record).unwrap();
            if let Ok(value) = read_value(&mut reader) {
                let mut again = RecordWriter::new();
                prop_assert_eq!(write_value(&mut again, &value), Ok(()));
            }
        }
    }

    #[test]
    fn a_value_nested_too_deep_is_refused() {
        let mut value = Value::Null;
        for _ in 0..limits::VALUE_DEPTH_MAX {
            value = Value::from(vec![value]);
        }
        assert_eq!(write_value(&mut RecordWriter::new(), &value), Err(TooDeep));
        let inner = value.as_array().unwrap().get(0).unwrap().clone();
        assert_eq!(write_value(&mut RecordWriter::new(), &inner), Ok(()));
    }
}
