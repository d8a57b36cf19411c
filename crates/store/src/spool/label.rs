//! Labels: what a destination is, as whoever uses the spool tells itself, so that it can be known again when nothing else
//! knows it. A label is in the log before every message of its destination, and again at the beginning of each segment.

use message::{DestinationId, limits};

use super::Spool;
use super::record::{KIND_LABELS, put_label};
use super::state::State;
use crate::Durability;

impl Spool {
    /// Gives a destination that was added its label, of at most [`limits::SPOOL_LABEL_BYTES_MAX`]. Nobody has to wait for it:
    /// it is on the disk before any message that comes later.
    pub fn set_label(&self, destination: DestinationId, label: &[u8]) {
        let mut state = self.log.lock();
        let Some(found) = state.destinations.get_mut(&destination) else { return };
        if label.len() > limits::SPOOL_LABEL_BYTES_MAX || found.label.as_deref() == Some(label) {
            return;
        }
        found.label = Some(label.into());
        state.put_state(KIND_LABELS, Durability::Os, |buffer| put_label(buffer, destination, label));
        self.log.unlock(state);
    }

    /// The label of a destination, if it has one.
    pub fn label(&self, destination: DestinationId) -> Option<Box<[u8]>> {
        self.log.lock().destinations.get(&destination)?.label.clone()
    }
}

impl State {
    /// Writes all labels down, in a few records.
    pub(super) fn put_labels(&mut self) {
        let labels = self.destinations.iter().filter_map(|(id, found)| Some((*id, found.label.as_deref()?)));
        let mut labels = labels.peekable();
        while labels.peek().is_some() {
            let Some(begun) = self.tail.begin(self.now, KIND_LABELS) else { return };
            let start = begun.start;
            let first = begun.buffer.len();
            while begun.buffer.len() - first < limits::SPOOL_LABEL_BYTES_MAX
                && let Some((id, label)) = labels.next()
            {
                put_label(begun.buffer, id, label);
            }
            self.tail.finish(start, Durability::Fsync);
        }
    }
}
