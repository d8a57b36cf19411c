//! Where sessions are written down that outlive the process.

use std::fmt;

use message::{ClientId, DestinationId, Timestamp, TopicFilter};

use crate::promise::{Broken, Pending};
use crate::session::{SessionExpiry, Will};
use crate::subscription::Subscription;

/// A change of the sessions, told in the order in which they happen to each of them.
#[derive(Debug)]
pub enum SessionChange<'a> {
    /// A client has opened a session or come back to it: this is what it is now.
    Opened {
        client_id: &'a ClientId,
        destination: DestinationId,
        expiry: SessionExpiry,
        will: Option<&'a Will>,
        at: Timestamp,
    },
    /// Its client has gone; without a will, none is to be sent any more.
    Left {
        client_id: &'a ClientId,
        expiry: SessionExpiry,
        will: Option<&'a Will>,
        at: Timestamp,
    },
    /// Its will was sent.
    WillSent {
        client_id: &'a ClientId,
    },
    /// It is over, with its subscriptions.
    Ended {
        client_id: &'a ClientId,
    },
    Subscribed {
        client_id: &'a ClientId,
        subscriptions: &'a [Subscription],
    },
    Unsubscribed {
        client_id: &'a ClientId,
        filters: &'a [TopicFilter],
    },
}

/// Writes changes down. It is called under the registry's lock: it should hand the change over and return.
pub trait SessionJournal: Send + Sync + fmt::Debug {
    /// A number for what waits for a new session, never given before.
    fn new_destination(&self) -> Result<DestinationId, Broken>;

    /// The answer is kept when the change is on disk.
    fn record(&self, change: SessionChange<'_>) -> Box<dyn Pending>;
}

/// A session as it was found on disk.
#[derive(Debug, Clone)]
pub struct RestoredSession {
    pub client_id: ClientId,
    pub destination: DestinationId,
    pub expiry: SessionExpiry,
    pub will: Option<Will>,
    /// When its client left; `None` if it was there when the process ended.
    pub absent_since: Option<Timestamp>,
    pub subscriptions: Vec<Subscription>,
    /// Its subscriptions are all that its client had. Otherwise the client is told that its session is new, so that it
    /// subscribes again, and gets what waits.
    pub is_whole: bool,
}
