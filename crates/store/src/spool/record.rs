//! The bodies of the spool's records. Destinations, ordinals and counts are varints unless said otherwise.
//!
//! | kind | body |
//! |---|---|
//! | 1 message | origin: `0`, or `1`, destination and packet id u16, or `2`, the same and the revision of the retained message that it is; count u32 of placements and their bytes u32; each: destination, ordinal, flags u8 (bits 0–1 QoS, 2 retain, 3 identifiers: their count and each); the publication |
//! | 2 settled | destination; reason u8: 0 acknowledged, else 1 + the number of the drop reason; `sent`; runs |
//! | 3 received | destination; ordinal |
//! | 4 released | destination; packet id u16 |
//! | 5 inbound | destination; packet id u16 |
//! | 6 removed | destination |
//! | 7 snapshot | see `snapshot` |
//! | 8 delivered | destination; ordinal; how often it was delivered |
//! | 9 dropped | destination; how many messages were dropped so far as there was no room for them |
//! | 10 labels | each: destination; length of its label and the label |
//! | 11 retained | revision; the publication |
//!
//! Runs: their count; each as the distance from the end of the one before (the first from zero), and its length.

use message::{DestinationId, Publication, QoS, Timestamp};

use super::options::DropReason;
use super::placement::{ExactlyOnce, Placement};
use crate::Revision;
use crate::log::{Decoder, encode_publication, put_varint};

pub(crate) const KIND_MESSAGE: u8 = 1;
pub(super) const KIND_SETTLED: u8 = 2;
pub(super) const KIND_RECEIVED: u8 = 3;
pub(super) const KIND_RELEASED: u8 = 4;
pub(super) const KIND_INBOUND: u8 = 5;
pub(super) const KIND_REMOVED: u8 = 6;
pub(super) const KIND_SNAPSHOT: u8 = 7;
pub(super) const KIND_DELIVERED: u8 = 8;
pub(super) const KIND_DROPPED: u8 = 9;
pub(super) const KIND_LABELS: u8 = 10;
pub(super) const KIND_RETAINED: u8 = 11;

const RETAIN: u8 = 1 << 2;
const IDENTIFIERS: u8 = 1 << 3;

/// Where a QoS 2 message came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Origin {
    /// The session of its publisher, and the packet id there.
    pub(super) session: DestinationId,
    pub(super) packet: u16,
    /// It is to be retained: its place among all that are.
    pub(super) revision: Option<Revision>,
}

impl From<ExactlyOnce> for Origin {
    fn from(brought: ExactlyOnce) -> Self {
        Self { session: brought.session, packet: brought.packet.get(), revision: brought.revision }
    }
}

/// Appends the head of a message; [`set_placements`] is called when all are there.
pub(super) fn put_message_head(buffer: &mut Vec<u8>, origin: Option<Origin>) -> usize {
    match origin {
        None => buffer.push(0),
        Some(Origin { session, packet, revision }) => {
            buffer.push(if revision.is_some() { 2 } else { 1 });
            put_packet(buffer, session, packet);
            if let Some(revision) = revision {
                put_varint(buffer, revision.0);
            }
        }
    }
    let at = buffer.len();
    buffer.extend_from_slice(&[0; 8]);
    at
}

/// Says how many placements there are, which go to the end of the buffer, at the place that [`put_message_head`] gave.
pub(super) fn set_placements(buffer: &mut [u8], at: usize, count: u32) {
    let length = u32::try_from(buffer.len().saturating_sub(at + 8)).unwrap_or(u32::MAX);
    if let Some(bytes) = buffer.get_mut(at..at + 8) {
        let (first, second) = bytes.split_at_mut(4);
        first.copy_from_slice(&count.to_le_bytes());
        second.copy_from_slice(&length.to_le_bytes());
    }
}

pub(super) fn put_placement(buffer: &mut Vec<u8>, placement: &Placement, ordinal: u64) {
    put_varint(buffer, placement.destination.get());
    put_varint(buffer, ordinal);
    let mut flags = u8::from(placement.qos);
    if placement.retain {
        flags |= RETAIN;
    }
    if placement.identifiers.is_empty() {
        buffer.push(flags);
        return;
    }
    buffer.push(flags | IDENTIFIERS);
    put_varint(buffer, placement.identifiers.len() as u64);
    for identifier in &placement.identifiers {
        put_varint(buffer, u64::from(*identifier));
    }
}

pub(super) fn put_publication(buffer: &mut Vec<u8>, publication: &Publication, now: Timestamp) {
    encode_publication(buffer, publication, now);
}

/// One placement of a message, with its ordinal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PlacedAt {
    pub(super) placement: Placement,
    pub(super) ordinal: u64,
}

/// The head of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MessageHead {
    pub(super) origin: Option<Origin>,
    /// How many placements follow.
    pub(super) placements: u32,
    /// How many bytes they have: the publication comes then.
    pub(super) placements_bytes: usize,
}

/// Reads the head of a message; its placements follow.
pub(super) fn message_head(decoder: &mut Decoder<'_>) -> Option<MessageHead> {
    let origin = match decoder.byte()? {
        0 => None,
        kind => {
            let (session, packet) = packet(decoder)?;
            let revision = if kind == 2 { Some(Revision(decoder.varint()?)) } else { None };
            Some(Origin { session, packet, revision })
        }
    };
    let placements = decoder.number_u32()?;
    let placements_bytes = usize::try_from(decoder.number_u32()?).ok()?;
    Some(MessageHead { origin, placements, placements_bytes })
}

/// The placement of one message in one destination, among this many. The others are passed over: there may be thousands.
pub(super) fn placement_of(
    decoder: &mut Decoder<'_>,
    count: u32,
    destination: DestinationId,
    ordinal: u64,
) -> Option<Placement> {
    for _ in 0..count {
        let (other, other_ordinal, flags) = (decoder.varint()?, decoder.varint()?, decoder.byte()?);
        if other == destination.get() && other_ordinal == ordinal {
            return rest_of_placement(decoder, destination, flags);
        }
        if flags & IDENTIFIERS != 0 {
            for _ in 0..decoder.count()? {
                decoder.varint()?;
            }
        }
    }
    None
}

pub(super) fn placement(decoder: &mut Decoder<'_>) -> Option<PlacedAt> {
    let destination = DestinationId::new(decoder.varint()?);
    let ordinal = decoder.varint()?;
    let flags = decoder.byte()?;
    Some(PlacedAt { placement: rest_of_placement(decoder, destination, flags)?, ordinal })
}

fn rest_of_placement(decoder: &mut Decoder<'_>, destination: DestinationId, flags: u8) -> Option<Placement> {
    let mut identifiers = Vec::new();
    if flags & IDENTIFIERS != 0 {
        for _ in 0..decoder.count()? {
            identifiers.push(u32::try_from(decoder.varint()?).ok()?);
        }
    }
    let qos = QoS::try_from(flags & 3).ok()?;
    Some(Placement { destination, qos, retain: flags & RETAIN != 0, identifiers })
}

/// Messages that left their destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SettledRuns {
    pub(super) destination: DestinationId,
    /// `None` when they were acknowledged.
    pub(super) reason: Option<DropReason>,
    pub(super) sent: u64,
    /// First and the one after the last.
    pub(super) runs: Vec<(u64, u64)>,
}

/// Appends the body of a record of messages that left; the ordinals are in order.
pub(super) fn put_settled(
    buffer: &mut Vec<u8>,
    destination: DestinationId,
    reason: Option<DropReason>,
    sent: u64,
    ordinals: &[u64],
) {
    put_varint(buffer, destination.get());
    buffer.push(reason.map_or(0, |reason| reason as u8 + 1));
    put_varint(buffer, sent);
    let starts = |index: &usize| {
        *index == 0 || ordinals.get(index - 1).map(|before| before + 1) != ordinals.get(*index).copied()
    };
    put_varint(buffer, (0..ordinals.len()).filter(starts).count() as u64);
    let mut rest = ordinals;
    let mut end = 0;
    while let Some(first) = rest.first().copied() {
        let length = rest.iter().zip(first..).take_while(|(ordinal, expected)| **ordinal == *expected).count();
        put_varint(buffer, first - end);
        put_varint(buffer, length as u64);
        end = first + length as u64;
        rest = rest.get(length..).unwrap_or_default();
    }
}

pub(super) fn settled(decoder: &mut Decoder<'_>) -> Option<SettledRuns> {
    let destination = DestinationId::new(decoder.varint()?);
    let reason = match decoder.byte()? {
        0 => None,
        number => Some(*DropReason::ALL.get(usize::from(number) - 1)?),
    };
    let sent = decoder.varint()?;
    Some(SettledRuns { destination, reason, sent, runs: runs(decoder)? })
}

pub(super) fn put_runs(buffer: &mut Vec<u8>, runs: impl ExactSizeIterator<Item = (u64, u64)>, mut end: u64) {
    put_varint(buffer, runs.len() as u64);
    for (first, next) in runs {
        put_varint(buffer, first - end);
        put_varint(buffer, next - first);
        end = next;
    }
}

pub(super) fn runs_from(decoder: &mut Decoder<'_>, mut end: u64) -> Option<Vec<(u64, u64)>> {
    let mut runs = Vec::new();
    for _ in 0..decoder.varint()? {
        let first = end.checked_add(decoder.varint()?)?;
        end = first.checked_add(decoder.varint()?)?;
        runs.push((first, end));
    }
    Some(runs)
}

fn runs(decoder: &mut Decoder<'_>) -> Option<Vec<(u64, u64)>> {
    runs_from(decoder, 0)
}

/// A message that is to be retained.
pub(super) fn put_retained(buffer: &mut Vec<u8>, revision: Revision, publication: &Publication, now: Timestamp) {
    put_varint(buffer, revision.0);
    encode_publication(buffer, publication, now);
}

/// Destination and packet id: a message that was released, or came in for nobody.
pub(super) fn put_packet(buffer: &mut Vec<u8>, destination: DestinationId, packet: u16) {
    put_varint(buffer, destination.get());
    buffer.extend_from_slice(&packet.to_le_bytes());
}

pub(super) fn packet(decoder: &mut Decoder<'_>) -> Option<(DestinationId, u16)> {
    Some((DestinationId::new(decoder.varint()?), decoder.number_u16()?))
}

/// Destination and ordinal: a message whose receipt was confirmed.
pub(super) fn put_received(buffer: &mut Vec<u8>, destination: DestinationId, ordinal: u64) {
    put_varint(buffer, destination.get());
    put_varint(buffer, ordinal);
}

pub(super) fn received(decoder: &mut Decoder<'_>) -> Option<(DestinationId, u64)> {
    Some((DestinationId::new(decoder.varint()?), decoder.varint()?))
}

/// Destination, ordinal and count: a message that was delivered more than once.
pub(super) fn put_delivered(buffer: &mut Vec<u8>, destination: DestinationId, ordinal: u64, deliveries: u32) {
    put_received(buffer, destination, ordinal);
    put_varint(buffer, u64::from(deliveries));
}

pub(super) fn delivered(decoder: &mut Decoder<'_>) -> Option<(DestinationId, u64, u32)> {
    let (destination, ordinal) = received(decoder)?;
    Some((destination, ordinal, u32::try_from(decoder.varint()?).ok()?))
}

/// Destination and count: messages that were dropped when they came in.
pub(super) fn put_dropped(buffer: &mut Vec<u8>, destination: DestinationId, count: u64) {
    put_varint(buffer, destination.get());
    put_varint(buffer, count);
}

pub(super) fn dropped(decoder: &mut Decoder<'_>) -> Option<(DestinationId, u64)> {
    Some((DestinationId::new(decoder.varint()?), decoder.varint()?))
}

/// One of the labels in a record of them.
pub(super) fn put_label(buffer: &mut Vec<u8>, destination: DestinationId, label: &[u8]) {
    put_varint(buffer, destination.get());
    put_varint(buffer, label.len() as u64);
    buffer.extend_from_slice(label);
}

/// The next label in a record of them.
pub(super) fn label<'a>(decoder: &mut Decoder<'a>) -> Option<(DestinationId, &'a [u8])> {
    let destination = DestinationId::new(decoder.varint()?);
    let length = decoder.count()?;
    Some((destination, decoder.take(length)?))
}
