//! The footer of a sealed segment of the spool: which destinations have messages in it, and where.
//!
//! `destinations u32`, for each, in order of their ids: `id u64 | first u64 | count u32 | live u32 | bytes u64 |
//! places at u32 | oldest i64 | newest i64`, then all lists of places, a u32 for each ordinal from `first` on: where its record
//! begins in the file, zero for one that was gone when the footer was written.

use message::DestinationId;

use super::destination::Extent;
use crate::log::Decoder;

/// What the footer has of one destination beside its list.
pub(super) const ENTRY_BYTES: u64 = 52;

/// One destination in a segment, with the places of its messages.
pub(super) type Entry = (DestinationId, Extent, Vec<u32>);

/// Encodes the footer that will stand at `footer_at`, and tells each extent where its list will be.
pub(super) fn encode(entries: &mut [Entry], footer_at: u64) -> Vec<u8> {
    entries.sort_unstable_by_key(|(id, ..)| *id);
    let mut footer = u32::try_from(entries.len()).unwrap_or(u32::MAX).to_le_bytes().to_vec();
    let mut places_at = footer_at + 4 + ENTRY_BYTES * entries.len() as u64;
    for (id, extent, places) in entries.iter_mut() {
        extent.places_at = u32::try_from(places_at).unwrap_or(u32::MAX);
        places_at += 4 * places.len() as u64;
        footer.extend_from_slice(&id.get().to_le_bytes());
        footer.extend_from_slice(&extent.first.to_le_bytes());
        footer.extend_from_slice(&extent.count.to_le_bytes());
        footer.extend_from_slice(&extent.live.to_le_bytes());
        footer.extend_from_slice(&extent.bytes.to_le_bytes());
        footer.extend_from_slice(&extent.places_at.to_le_bytes());
        footer.extend_from_slice(&extent.oldest_us.to_le_bytes());
        footer.extend_from_slice(&extent.newest_us.to_le_bytes());
    }
    for (_, _, places) in entries.iter() {
        for place in places {
            footer.extend_from_slice(&place.to_le_bytes());
        }
    }
    footer
}

/// The extents of a footer whose checksum was right.
pub(super) fn decode(footer: &[u8], segment: u64) -> Option<Vec<(DestinationId, Extent)>> {
    let mut decoder = Decoder::new(footer, 0);
    let count = decoder.number_u32()?;
    let mut extents = Vec::new();
    for _ in 0..count {
        let id = DestinationId::new(decoder.number_u64()?);
        let extent = Extent {
            segment,
            first: decoder.number_u64()?,
            count: decoder.number_u32()?,
            live: decoder.number_u32()?,
            bytes: decoder.number_u64()?,
            places_at: decoder.number_u32()?,
            oldest_us: decoder.number_i64()?,
            newest_us: decoder.number_i64()?,
        };
        extents.push((id, extent));
    }
    Some(extents)
}
