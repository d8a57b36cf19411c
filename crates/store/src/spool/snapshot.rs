//! The record that each segment begins with: the state of every destination, so that opening reads one segment for what
//! was acknowledged, not all of them.
//!
//! Count of destinations; each: id, `low`, `next - low`, `sent`, runs that are acknowledged (from `low` on), received (count,
//! each as the distance from the one before, the first from `low`), deliveries (count, each as such a distance and how often),
//! inbound (count, packet ids u16), dropped by each reason.
//! All but packet ids are varints. Then the retained messages that the table may not have, see `retained`.

use message::DestinationId;

use super::destination::Destination;
use super::options::DropReason;
use super::record::{put_runs, runs_from};
use crate::log::{Decoder, put_varint};

pub(super) fn put_snapshot<'a>(
    buffer: &mut Vec<u8>,
    destinations: impl Iterator<Item = (&'a DestinationId, &'a Destination)> + Clone,
) {
    let used = destinations.filter(|(_, destination)| destination.next > 0 || !destination.inbound.is_empty());
    put_varint(buffer, used.clone().count() as u64);
    for (id, destination) in used {
        put_varint(buffer, id.get());
        put_varint(buffer, destination.low);
        put_varint(buffer, destination.next - destination.low);
        put_varint(buffer, destination.sent);
        put_runs(buffer, destination.acknowledged.iter(), destination.low);
        put_varint(buffer, destination.received.len() as u64);
        let mut before = destination.low;
        for ordinal in &destination.received {
            put_varint(buffer, ordinal - before);
            before = *ordinal;
        }
        put_varint(buffer, destination.deliveries.len() as u64);
        let mut before = destination.low;
        for (ordinal, count) in &destination.deliveries {
            put_varint(buffer, ordinal - before);
            put_varint(buffer, u64::from(*count));
            before = *ordinal;
        }
        put_varint(buffer, destination.inbound.len() as u64);
        for packet in &destination.inbound {
            buffer.extend_from_slice(&packet.to_le_bytes());
        }
        for count in destination.dropped {
            put_varint(buffer, count);
        }
    }
}

/// The destinations of a snapshot, without their extents. Retained messages follow.
pub(super) fn snapshot(decoder: &mut Decoder<'_>) -> Option<Vec<(DestinationId, Destination)>> {
    let count = decoder.varint()?;
    let mut destinations = Vec::new();
    for _ in 0..count {
        destinations.push((DestinationId::new(decoder.varint()?), destination(decoder)?));
    }
    Some(destinations)
}

fn destination(decoder: &mut Decoder<'_>) -> Option<Destination> {
    let low = decoder.varint()?;
    let next = low.checked_add(decoder.varint()?)?;
    let mut destination = Destination { low, next, sent: decoder.varint()?, ..Destination::default() };
    for (first, end) in runs_from(decoder, low)? {
        destination.acknowledged.push(first, end);
    }
    let mut ordinal = low;
    for _ in 0..decoder.varint()? {
        ordinal = ordinal.checked_add(decoder.varint()?)?;
        destination.received.insert(ordinal);
    }
    let mut ordinal = low;
    for _ in 0..decoder.varint()? {
        ordinal = ordinal.checked_add(decoder.varint()?)?;
        destination.deliveries.insert(ordinal, u32::try_from(decoder.varint()?).ok()?);
    }
    for _ in 0..decoder.varint()? {
        destination.inbound.insert(decoder.number_u16()?);
    }
    let mut dropped = [0; DropReason::ALL.len()];
    for count in &mut dropped {
        *count = decoder.varint()?;
    }
    destination.dropped = dropped;
    Some(destination)
}
