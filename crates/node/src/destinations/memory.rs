//! What an earlier process left of a queue or stream whose messages are gone with theirs. They pass through the log as all
//! do, so that memory does not grow with what waits; whatever of them is on the disk was promised to nobody.

use message::{DestinationId, limits};
use store::spool::{Ordinal, ReadError, Spool};

/// Throws away what waits at a destination. Returns how many messages that were.
pub(super) fn throw_away(spool: &Spool, destination: DestinationId) -> Result<u64, ReadError> {
    let (mut from, mut messages) = (Ordinal::default(), 0);
    loop {
        let mut found = Vec::new();
        let step = limits::QUEUE_PURGE_STEP_MESSAGES;
        let read_on = spool.read(destination, from, step, limits::QUEUE_READ_AHEAD_BYTES, &mut found)?;
        let ordinals: Vec<Ordinal> = found.iter().map(|message| message.ordinal).collect();
        spool.acknowledge(destination, &ordinals);
        messages += ordinals.len() as u64;
        if !read_on.more {
            return Ok(messages);
        }
        from = read_on.from;
    }
}
