//! A shared subscription: each message goes to one member of its group (MQTT 5.0 section 4.8.2).

use std::sync::atomic::{AtomicUsize, Ordering};

use message::TopicFilter;

/// What the members of one shared subscription have in common; it outlives changes of the membership.
#[derive(Debug)]
pub(crate) struct Share {
    pub(crate) filter: TopicFilter,
    turn: AtomicUsize,
}

impl Share {
    pub(crate) fn new(filter: TopicFilter) -> Self {
        Self { filter, turn: AtomicUsize::new(0) }
    }

    /// The members in the order in which they should be asked to take the next message: round robin.
    pub(crate) fn order<'m, T>(&self, members: &'m [T]) -> impl Iterator<Item = &'m T> + Clone + use<'m, T> {
        let first = self.turn.fetch_add(1, Ordering::Relaxed).checked_rem(members.len()).unwrap_or(0);
        members.iter().cycle().skip(first).take(members.len())
    }
}
