//! The messages of one queue in the spool.

use std::sync::Arc;

use message::DestinationId;
use store::log::CommitPoint;
use store::spool::{self, ReadError, Spool, Spooled};

use super::backlog::{Backlog, Ordinal, ReadOn, Stored};
use super::properties;

/// One destination of the spool, as a queue reads it.
#[derive(Debug, Clone)]
pub struct SpoolBacklog {
    pub spool: Spool,
    pub destination: DestinationId,
    /// Messages below were handed out, which the spool is not told yet.
    handed_out: spool::Ordinal,
}

impl SpoolBacklog {
    pub fn new(spool: Spool, destination: DestinationId) -> Self {
        Self { spool, destination, handed_out: spool::Ordinal(0) }
    }

    /// Tells the spool what was handed out for the first time: once for many messages, after they were. A kill after that
    /// does not let them come as new.
    pub fn tell_handed_out(&mut self) {
        if self.handed_out > spool::Ordinal(0) {
            self.spool.sent(self.destination, std::mem::take(&mut self.handed_out));
        }
    }
}

impl Backlog for SpoolBacklog {
    type Commit = CommitPoint;
    type Error = ReadError;

    fn read(
        &mut self,
        from: Ordinal,
        messages_max: usize,
        bytes_max: usize,
        out: &mut Vec<Stored>,
    ) -> Result<ReadOn, ReadError> {
        let mut found: Vec<Spooled> = Vec::new();
        let start = spool::Ordinal(from.0);
        let read_on = self.spool.read(self.destination, start, messages_max, bytes_max, &mut found)?;
        let mut noted = self.spool.noted_deliveries(self.destination, start, read_on.from).into_iter().peekable();
        out.extend(found.into_iter().map(|spooled| {
            while noted.next_if(|(ordinal, _)| *ordinal < spooled.ordinal).is_some() {}
            let counted = noted.next_if(|(ordinal, _)| *ordinal == spooled.ordinal).map(|(_, deliveries)| deliveries);
            let was_sent = spooled.was_sent && properties::is_in_turn(&spooled.publication);
            Stored {
                ordinal: Ordinal(spooled.ordinal.0),
                publication: Arc::new(spooled.publication),
                deliveries: counted.unwrap_or(u32::from(was_sent)),
            }
        }));
        Ok(ReadOn { from: Ordinal(read_on.from.0), more: read_on.more })
    }

    fn acknowledge(&mut self, ordinals: &[Ordinal]) -> CommitPoint {
        let ordinals: Vec<spool::Ordinal> = ordinals.iter().map(|ordinal| spool::Ordinal(ordinal.0)).collect();
        self.spool.acknowledge(self.destination, &ordinals)
    }

    /// Most messages are delivered once and in turn: one mark for all of them is enough, see [`Self::tell_handed_out`]. The
    /// others have a count each.
    fn note_deliveries(&mut self, ordinal: Ordinal, deliveries: u32, in_turn: bool) {
        let ordinal = spool::Ordinal(ordinal.0);
        if deliveries > 1 || !in_turn {
            self.spool.note_deliveries(self.destination, ordinal, deliveries);
        } else if deliveries == 1 {
            self.handed_out = self.handed_out.max(ordinal.next());
        }
    }
}
