//! The fields that packets are made of, MQTT 5.0 section 1.5: integers, UTF-8 texts, binary values and text pairs.
//! Reading shares the bytes of the packet and copies none of them.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use bytestring::ByteString;

use super::fixed_header::{VARIABLE_INT_MAX, peek_variable_int, variable_int_bytes};
use super::{DecodeError, PacketType};

/// What is left to read of a packet behind its fixed header.
#[derive(Debug)]
pub(crate) struct Body(Bytes);

impl Body {
    pub(crate) fn new(bytes: Bytes) -> Self {
        Self(bytes)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    #[inline]
    pub(crate) fn u8(&mut self, field: &'static str) -> Result<u8, DecodeError> {
        self.0.try_get_u8().map_err(|_| DecodeError::Truncated { field })
    }

    #[inline]
    pub(crate) fn u16(&mut self, field: &'static str) -> Result<u16, DecodeError> {
        self.0.try_get_u16().map_err(|_| DecodeError::Truncated { field })
    }

    #[inline]
    pub(crate) fn u32(&mut self, field: &'static str) -> Result<u32, DecodeError> {
        self.0.try_get_u32().map_err(|_| DecodeError::Truncated { field })
    }

    /// A variable byte integer (section 1.5.5), written no longer than it needs to be.
    #[inline]
    pub(crate) fn variable_int(&mut self, field: &'static str) -> Result<u32, DecodeError> {
        let (value, bytes) = peek_variable_int(&self.0)?.ok_or(DecodeError::Truncated { field })?;
        if bytes != variable_int_bytes(value as usize) {
            return Err(DecodeError::VariableIntTooLong);
        }
        self.0.advance(bytes);
        Ok(value)
    }

    /// The next `count` bytes, shared.
    #[inline]
    pub(crate) fn take(&mut self, count: usize, field: &'static str) -> Result<Bytes, DecodeError> {
        if count > self.0.len() {
            return Err(DecodeError::Truncated { field });
        }
        // An empty value must not keep the read buffer alive.
        Ok(if count == 0 { Bytes::new() } else { self.0.split_to(count) })
    }

    /// A field of which nothing is read yet: the next bytes as they lie, preceded by their length.
    #[inline]
    pub(crate) fn peek_binary(&self, field: &'static str) -> Result<&[u8], DecodeError> {
        let (length, rest) = self.0.split_first_chunk::<2>().ok_or(DecodeError::Truncated { field })?;
        rest.get(..usize::from(u16::from_be_bytes(*length))).ok_or(DecodeError::Truncated { field })
    }

    /// Passes over bytes that were looked at before.
    #[inline]
    pub(crate) fn skip(&mut self, count: usize) {
        self.0.advance(count.min(self.0.len()));
    }

    /// Bytes preceded by their length (section 1.5.6).
    #[inline]
    pub(crate) fn binary(&mut self, field: &'static str) -> Result<Bytes, DecodeError> {
        let count = self.u16(field)?;
        self.take(usize::from(count), field)
    }

    /// A text preceded by its length (section 1.5.4): UTF-8 without surrogates and without NUL.
    pub(crate) fn text(&mut self, field: &'static str) -> Result<ByteString, DecodeError> {
        let text = ByteString::try_from(self.binary(field)?).map_err(|_| DecodeError::NotUtf8 { field })?;
        if text.as_bytes().contains(&0) {
            return Err(DecodeError::Nul { field });
        }
        Ok(text)
    }

    /// All that is left, shared.
    #[inline]
    pub(crate) fn rest(self) -> Bytes {
        // An empty payload must not keep the read buffer alive.
        if self.0.is_empty() { Bytes::new() } else { self.0 }
    }

    /// Ends the packet: nothing may be left.
    pub(crate) fn finish(self, packet: PacketType) -> Result<(), DecodeError> {
        if self.0.is_empty() { Ok(()) } else { Err(DecodeError::TrailingBytes { packet, bytes: self.0.len() }) }
    }
}

/// Bytes that a text or binary value takes with its length in front. One that is too long for its two bytes of
/// length counts as more than any packet can hold, so that the packet is refused as a whole before it is written.
#[inline]
pub(crate) fn binary_bytes(value: &[u8]) -> usize {
    if value.len() > usize::from(u16::MAX) { VARIABLE_INT_MAX as usize + 1 } else { 2 + value.len() }
}

/// Writes a text or binary value with its length in front; [`binary_bytes`] was asked before.
#[inline]
pub(crate) fn put_binary(out: &mut BytesMut, value: &[u8]) {
    out.put_u16(value.len() as u16);
    out.put_slice(value);
}
