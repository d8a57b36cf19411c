//! The timers of a connection: at most one runs at a time.

/// What a connection waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Timer {
    /// From the first byte that could come until the client is accepted.
    ConnectDeadline,
    /// From every packet of an accepted client until its next; not when it turned keep alive off.
    KeepAlive,
}
