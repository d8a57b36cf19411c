//! One message on its way to one subscriber.

use std::sync::Arc;

use message::{Publication, QoS, TopicFilter};

use store::log::CommitPoint;
use store::spool::Ordinal;

use crate::receipt::Receipt;
use crate::share::Share;
use crate::subscription::SubscriptionIds;

/// A message as one subscriber gets it. The message itself is shared with all others; what differs stands here.
#[derive(Debug, Clone)]
pub struct Delivery {
    pub publication: Arc<Publication>,
    /// The lower of what was published and what the subscriber was granted.
    pub qos: QoS,
    /// The flag to show the subscriber: set on what was kept for it, and on the rest if it asked for
    /// "retain as published".
    pub retain: bool,
    /// Of every subscription of this subscriber that matched.
    pub identifiers: SubscriptionIds,
    /// The shared subscription that chose this subscriber, so that another member can take over.
    pub(crate) share: Option<Arc<Share>>,
    /// Where it lies on disk, if it waits there too until it is acknowledged.
    pub(crate) place: Option<Place>,
    /// Who hears what becomes of it, if it is not the router's.
    pub(crate) receipt: Option<Arc<dyn Receipt>>,
    /// What this message weighs against the limits of a mailbox, in bytes.
    pub(crate) weight_bytes: u32,
}

/// A message's place among all that its subscriber has on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) ordinal: Ordinal,
    /// Reached when the message is safe there.
    pub(crate) point: CommitPoint,
    /// It may have been sent before the node ended the last time.
    pub(crate) was_sent: bool,
}

impl Delivery {
    pub(crate) fn weight_of(publication: &Publication) -> u32 {
        u32::try_from(publication.weight_bytes()).unwrap_or(u32::MAX)
    }

    /// Whether it waits on disk too.
    pub(crate) fn is_placed(&self) -> bool {
        self.place.is_some()
    }

    /// Whether a shared subscription, the one named or any, sent this with a promise: then another member may take it. A
    /// message of QoS 2 that may have been sent is nobody else's any more.
    pub(crate) fn may_pass_on(&self, only: Option<&TopicFilter>) -> bool {
        let of_share = |share: &Arc<Share>| only.is_none_or(|filter| share.filter == *filter);
        let is_free = match self.qos {
            QoS::AtMostOnce => false,
            QoS::AtLeastOnce => true,
            QoS::ExactlyOnce => self.place.is_none_or(|place| !place.was_sent),
        };
        is_free && self.share.as_ref().is_some_and(of_share)
    }
}

/// Why a message did not reach a subscriber that it matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DropReason {
    /// The mailbox was full and its policy is to drop.
    Overflow,
    /// The publisher's expiry passed before the subscriber took the message.
    Expired,
    /// QoS 0 for a session whose client is not connected.
    Absent,
    /// A retained message that found the store full: it was forwarded, but not kept.
    RetainedFull,
}

impl DropReason {
    /// Every reason, in the order of the counters.
    pub const ALL: [Self; 4] = [Self::Overflow, Self::Expired, Self::Absent, Self::RetainedFull];

    /// The word for metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Overflow => "overflow",
            Self::Expired => "expired",
            Self::Absent => "absent",
            Self::RetainedFull => "retained_full",
        }
    }
}
