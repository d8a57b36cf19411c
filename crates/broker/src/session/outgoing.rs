//! What a session gives its connection to send.

use std::num::NonZeroU16;

use crate::delivery::Delivery;

/// Names one unacknowledged delivery of a session; on the wire it is the MQTT packet identifier.
pub type Slot = NonZeroU16;

/// One thing to send.
#[derive(Debug, Clone)]
pub enum Outgoing {
    Message {
        /// `None` for QoS 0.
        slot: Option<Slot>,
        delivery: Delivery,
        /// It was sent before, on an earlier connection of this session.
        duplicate: bool,
    },
    /// The client said in an earlier connection that it received this QoS 2 message: let it go (PUBREL).
    Release { slot: Slot },
}
