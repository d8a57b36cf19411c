//! Which QoS 2 messages of the client the broker has taken but not yet let go: they must not be taken twice
//! (MQTT 5.0 section 4.3.3). Part of the session, as the client may finish the handshake on its next connection.

use crate::session::outgoing::Slot;

/// Packet identifiers between the client's PUBLISH and PUBREL. Few at a time: the node's Receive Maximum limits them.
#[derive(Debug, Default)]
pub struct InboundSlots {
    /// In ascending order.
    held: Vec<Slot>,
}

impl InboundSlots {
    /// Notes a message that came with QoS 2. Returns whether it is new: only then is it to be published.
    pub fn insert(&mut self, slot: Slot) -> bool {
        match self.held.binary_search(&slot) {
            Ok(_) => false,
            Err(place) => {
                self.held.insert(place, slot);
                true
            }
        }
    }

    /// The client lets the identifier go (PUBREL). Returns whether it was held.
    pub fn remove(&mut self, slot: Slot) -> bool {
        match self.held.binary_search(&slot) {
            Ok(place) => {
                self.held.remove(place);
                true
            }
            Err(_) => false,
        }
    }

    /// The slots held, in ascending order: what a connection begins with.
    pub fn iter(&self) -> impl Iterator<Item = Slot> {
        self.held.iter().copied()
    }

    /// Takes over what a connection held when it ended.
    pub fn replace(&mut self, slots: impl IntoIterator<Item = Slot>) {
        self.held = slots.into_iter().collect();
        self.held.sort_unstable();
        self.held.dedup();
    }

    pub fn len(&self) -> usize {
        self.held.len()
    }

    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_new_once_until_it_is_let_go() {
        let mut slots = InboundSlots::default();
        let [one, two] = [1, 2].map(|slot| Slot::new(slot).unwrap());
        assert!(slots.insert(two));
        assert!(slots.insert(one));
        assert!(!slots.insert(two));
        assert!(slots.remove(two));
        assert!(!slots.remove(two));
        assert!(slots.insert(two));
        assert_eq!(slots.len(), 2);
    }
}
