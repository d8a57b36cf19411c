//! The first two to five bytes of every packet, MQTT 5.0 section 2.1: type, flags, and how many bytes follow.
//! It is read before the body arrives, so that a packet that is too large is refused before it costs memory.

use bytes::{BufMut, BytesMut};

use super::{DecodeError, PacketType, Version};

/// The most that a variable byte integer can say (section 1.5.5): 256 MiB less one byte.
pub const VARIABLE_INT_MAX: u32 = 268_435_455;

/// The head of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FixedHeader {
    pub packet_type: PacketType,
    /// The lower four bits of the first byte; free only in PUBLISH.
    pub flags: u8,
    /// Bytes of this header: 2 to 5.
    pub header_bytes: usize,
    /// Bytes that follow this header.
    pub body_bytes: usize,
}

impl FixedHeader {
    /// Reads the head at the start of `bytes`; `None` when it has not arrived whole. What is wrong with the first
    /// byte is said as soon as that byte is there.
    #[inline]
    pub fn peek(bytes: &[u8]) -> Result<Option<Self>, DecodeError> {
        let Some((&first, rest)) = bytes.split_first() else {
            return Ok(None);
        };
        let packet_type = PacketType::from_number(first >> 4).ok_or(DecodeError::ReservedType)?;
        let flags = first & 0x0f;
        if packet_type.fixed_flags().is_some_and(|fixed| fixed != flags) {
            return Err(DecodeError::Flags { packet: packet_type, flags });
        }
        let Some((body_bytes, length_bytes)) = peek_variable_int(rest)? else {
            return Ok(None);
        };
        Ok(Some(Self { packet_type, flags, header_bytes: 1 + length_bytes, body_bytes: body_bytes as usize }))
    }

    /// Refuses a length that is written longer than it needs to be: 5.0 forbids it (section 1.5.5), and 3.1.1 does not,
    /// where a device may leave room for four bytes before it knows the length.
    #[inline]
    pub(crate) fn check_length(&self, version: Version) -> Result<(), DecodeError> {
        let is_padded = self.header_bytes != 1 + variable_int_bytes(self.body_bytes);
        if is_padded && version.has_properties() { Err(DecodeError::VariableIntTooLong) } else { Ok(()) }
    }

    /// Bytes of the whole packet.
    #[inline]
    pub fn packet_bytes(&self) -> usize {
        self.header_bytes + self.body_bytes
    }
}

/// Reads a variable byte integer at the start of `bytes`: its value and how many bytes it takes.
#[inline]
pub(crate) fn peek_variable_int(bytes: &[u8]) -> Result<Option<(u32, usize)>, DecodeError> {
    let mut value = 0;
    for (index, &byte) in bytes.iter().take(4).enumerate() {
        value |= u32::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Ok(Some((value, index + 1)));
        }
    }
    if bytes.len() < 4 { Ok(None) } else { Err(DecodeError::VariableIntTooLong) }
}

/// Bytes that a variable byte integer takes.
#[inline]
pub(crate) fn variable_int_bytes(value: usize) -> usize {
    match value {
        0..=0x7f => 1,
        0x80..=0x3fff => 2,
        0x4000..=0x001f_ffff => 3,
        _ => 4,
    }
}

/// Writes a variable byte integer. The caller keeps within [`VARIABLE_INT_MAX`].
#[inline]
pub(crate) fn put_variable_int(out: &mut BytesMut, mut value: usize) {
    while value > 0x7f {
        out.put_u8((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lengths_take_as_many_bytes_as_the_specification_tables() {
        for (value, bytes) in [
            (0, &[0x00][..]),
            (127, &[0x7f]),
            (128, &[0x80, 0x01]),
            (16_383, &[0xff, 0x7f]),
            (16_384, &[0x80, 0x80, 0x01]),
            (2_097_151, &[0xff, 0xff, 0x7f]),
            (2_097_152, &[0x80, 0x80, 0x80, 0x01]),
            (VARIABLE_INT_MAX as usize, &[0xff, 0xff, 0xff, 0x7f]),
        ] {
            let mut out = BytesMut::new();
            put_variable_int(&mut out, value);
            assert_eq!(out, bytes, "{value}");
            assert_eq!(variable_int_bytes(value), bytes.len());
            assert_eq!(peek_variable_int(bytes), Ok(Some((value as u32, bytes.len()))));
        }
    }

    #[test]
    fn a_length_that_never_ends_is_refused() {
        for bytes in [&[0x80, 0x80, 0x80, 0x80][..], &[0xff, 0xff, 0xff, 0xff, 0x01]] {
            assert_eq!(peek_variable_int(bytes), Err(DecodeError::VariableIntTooLong), "{bytes:?}");
        }
        assert_eq!(peek_variable_int(&[0x80, 0x80, 0x80]), Ok(None));
    }

    #[test]
    fn a_padded_length_is_refused_where_the_version_forbids_it() {
        for (bytes, is_padded) in [(&b"\xc0\x00"[..], false), (b"\xc0\x80\x00", true), (b"\x30\x81\x80\x80\x00", true)]
        {
            let header = FixedHeader::peek(bytes).unwrap().unwrap();
            assert_eq!(header.check_length(Version::V5).is_err(), is_padded);
            assert_eq!(header.check_length(Version::V3_1_1), Ok(()));
        }
    }

    #[test]
    fn the_first_byte_is_judged_alone() {
        assert_eq!(FixedHeader::peek(&[]), Ok(None));
        assert_eq!(FixedHeader::peek(&[0x00]), Err(DecodeError::ReservedType));
        for packet in PacketType::ALL {
            for flags in 0..16 {
                let fits = packet.fixed_flags().is_none_or(|fixed| fixed == flags);
                assert_eq!(FixedHeader::peek(&[(packet as u8) << 4 | flags]).is_ok(), fits, "{packet} {flags}");
            }
        }
    }

    proptest! {
        #[test]
        fn any_length_comes_back(value in 0..=VARIABLE_INT_MAX as usize) {
            let mut out = BytesMut::new();
            put_variable_int(&mut out, value);
            prop_assert_eq!(peek_variable_int(&out), Ok(Some((value as u32, out.len()))));
            prop_assert_eq!(variable_int_bytes(value), out.len());
        }
    }
}
