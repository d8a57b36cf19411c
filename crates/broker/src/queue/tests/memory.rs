//! A log as simple as it can be.

use std::collections::BTreeMap;
use std::sync::Arc;

use message::Publication;

use crate::queue::{Backlog, Ordinal, ReadOn, Stored};

#[derive(Debug, Default)]
pub(super) struct MemoryBacklog {
    messages: BTreeMap<Ordinal, (Arc<Publication>, u32)>,
    next: Ordinal,
    /// Every read fails while this is set.
    pub(super) broken: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Broken;

impl MemoryBacklog {
    pub(super) fn append(&mut self, publication: Publication) -> Ordinal {
        let ordinal = self.next;
        self.messages.insert(ordinal, (Arc::new(publication), 0));
        self.next = ordinal.next();
        ordinal
    }

    /// As a limit does.
    pub(super) fn drop_message(&mut self, ordinal: Ordinal) {
        self.messages.remove(&ordinal);
    }

    pub(super) fn next(&self) -> Ordinal {
        self.next
    }

    pub(super) fn left(&self) -> Vec<Ordinal> {
        self.messages.keys().copied().collect()
    }
}

impl Backlog for MemoryBacklog {
    type Commit = ();
    type Error = Broken;

    fn read(
        &mut self,
        from: Ordinal,
        messages_max: usize,
        bytes_max: usize,
        out: &mut Vec<Stored>,
    ) -> Result<ReadOn, Broken> {
        if self.broken {
            return Err(Broken);
        }
        let mut on = ReadOn { from, more: false };
        let mut bytes = 0;
        for (count, (ordinal, (publication, deliveries))) in self.messages.range(from..).enumerate() {
            if count == messages_max || bytes >= bytes_max {
                on.more = true;
                return Ok(on);
            }
            bytes += publication.weight_bytes();
            out.push(Stored { ordinal: *ordinal, publication: Arc::clone(publication), deliveries: *deliveries });
            on.from = ordinal.next();
        }
        Ok(on)
    }

    fn acknowledge(&mut self, ordinals: &[Ordinal]) {
        for ordinal in ordinals {
            self.messages.remove(ordinal);
        }
    }

    fn note_deliveries(&mut self, ordinal: Ordinal, deliveries: u32, _in_turn: bool) {
        if let Some((_, noted)) = self.messages.get_mut(&ordinal) {
            *noted = deliveries;
        }
    }
}
