//! Who takes over from a mailbox that closes. A publisher that read the tree before a switch may still bring a message
//! to a subscriber that has left; that message goes to the heirs.

use std::sync::Arc;

use message::{QoS, TopicFilter};
use parking_lot::Mutex;

use super::{Mailbox, Pushed};
use crate::delivery::Delivery;
use crate::subscription::SubscriberId;

/// The heirs of one mailbox: always those of today, never a chain of those before, so that ten thousand switches
/// leave nothing behind.
#[derive(Debug, Default)]
pub(crate) struct Succession {
    heirs: Mutex<Vec<Heir>>,
}

/// A subscription that took over.
#[derive(Debug, Clone)]
pub(crate) struct Heir {
    pub(crate) mailbox: Arc<Mailbox>,
    pub(crate) filter: TopicFilter,
    pub(crate) qos: QoS,
}

impl Succession {
    /// Lets `heirs` stand in for `leaving`, if that is among the heirs.
    pub(crate) fn replace(&self, leaving: SubscriberId, heirs: &[Heir]) {
        let mut current = self.heirs.lock();
        current.retain(|heir| heir.mailbox.id() != leaving);
        for heir in heirs {
            if !current.iter().any(|held| held.mailbox.id() == heir.mailbox.id() && held.filter == heir.filter) {
                current.push(heir.clone());
            }
        }
    }

    /// Hands a late message to the heirs that want it, once to each.
    pub(super) fn forward(&self, delivery: &Delivery) -> Pushed {
        let mut heirs = self.heirs.lock().clone();
        heirs.retain(|heir| heir.filter.matches(&delivery.publication.topic));
        heirs.sort_by_key(|heir| (heir.mailbox.id(), heir.qos));
        // The last of each is the one with the highest quality of service.
        heirs.reverse();
        heirs.dedup_by_key(|heir| heir.mailbox.id());
        for heir in &heirs {
            let qos = delivery.publication.qos.min(heir.qos);
            heir.mailbox.push(Delivery { qos, ..delivery.clone() });
        }
        if heirs.is_empty() { Pushed::Closed } else { Pushed::Accepted }
    }
}
