//! Those who read a stream as members of a group.

use std::fmt;
use std::sync::Arc;

use broker::queue::{ConsumerId, DeliveryTag};
use store::stream::Offset;

use super::group::Group;

/// Names a delivery. Those of before a seek mean nothing after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StreamDelivery {
    pub(super) round: u64,
    pub(super) consumer: ConsumerId,
    pub(super) tag: DeliveryTag,
}

impl StreamDelivery {
    /// Where the message stands in its stream.
    pub(super) fn offset(&self) -> Offset {
        Offset(self.tag.ordinal.0)
    }
}

/// A member of a group. When it is dropped, it leaves: what it has not acknowledged goes to others.
pub(crate) struct StreamMember {
    pub(super) group: Arc<Group>,
    pub(super) id: u64,
}

impl StreamMember {
    /// Takes no more from now on, but keeps what it has until it has settled it or leaves.
    pub(super) fn rest(&self) {
        self.group.rest(self.id);
    }
}

impl Drop for StreamMember {
    fn drop(&mut self) {
        self.group.leave(self.id);
    }
}

impl fmt::Debug for StreamMember {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamMember").field("id", &self.id).finish_non_exhaustive()
    }
}
