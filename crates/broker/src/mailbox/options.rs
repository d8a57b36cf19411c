//! How much may wait for one subscriber, and what happens to more.

use message::limits;

/// What a full mailbox does with the next message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Overflow {
    /// Takes it and asks the publisher to wait until the mailbox has drained. Up to
    /// [`limits::MAILBOX_OVERSHOOT_MESSAGES_MAX`] beyond the limit, then as `DropWrite`; and as `DropWrite` while the
    /// subscriber is not there, as nobody would drain.
    Wait,
    /// Drops the youngest that waits and takes the next.
    DropNewest,
    /// Drops the oldest that waits and takes the next.
    DropOldest,
    /// Drops the next.
    DropWrite,
}

/// The limits of one mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MailboxOptions {
    pub messages_max: usize,
    pub bytes_max: usize,
    /// For messages delivered with QoS 1 or 2.
    pub overflow: Overflow,
    /// For messages delivered with QoS 0.
    pub overflow_at_most_once: Overflow,
}

impl MailboxOptions {
    /// For a session: one client that stops reading must not stop those who publish to others.
    pub fn for_session() -> Self {
        Self {
            messages_max: limits::MAILBOX_MESSAGES_MAX,
            bytes_max: limits::MAILBOX_BYTES_MAX,
            overflow: Overflow::DropWrite,
            overflow_at_most_once: Overflow::DropWrite,
        }
    }

    /// For a flow's inbound module: with [`Overflow::Wait`] it slows its publishers, whatever their QoS.
    pub fn for_flow(messages_max: usize, overflow: Overflow) -> Self {
        Self { messages_max, overflow, overflow_at_most_once: overflow, ..Self::for_session() }
    }

    /// A full mailbox asks to wait until no more than this is left.
    pub(super) fn low_water(&self) -> (usize, usize) {
        (self.messages_max / 2, self.bytes_max / 2)
    }
}
