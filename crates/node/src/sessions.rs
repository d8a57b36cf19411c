//! Sessions on disk: every change of those that outlive their connection is handed to the table file, and a start begins
//! with what is there. What waits for them lies in the spool.

use std::collections::HashMap;
use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use broker::{
    Broken, Pending, RestoredSession, RetainHandling, SessionChange, SessionExpiry, SessionJournal, SessionStore,
    SubscribeOptions, Subscription, Will,
};
use message::{ClientId, DestinationId, TopicFilter};
use store::spool::{DestinationOptions, Spool};
use store::table::{
    DestinationIds, Label, ReadError, SessionTable, StoredRetainHandling, StoredSession, StoredSubscription,
    StoredWill, SubscriptionTable, Tables, WriteError, Written,
};
use store::{DestinationLimits, Durability};

use crate::config::SessionSettings;

/// What the broker needs to keep sessions as the configuration says.
pub(crate) fn store(settings: &SessionSettings, tables: &Tables, spool: &Spool) -> SessionStore {
    let options = DestinationOptions {
        durability: settings.durability.into(),
        limits: DestinationLimits {
            messages_max: settings.backlog_messages_max,
            bytes_max: settings.backlog_bytes_max,
            age_max: None,
        },
        policy: settings.backlog_full.into(),
    };
    let journal = SessionsOnDisk::new(tables, spool, options.durability);
    SessionStore { spool: spool.clone(), journal: Arc::new(journal), options }
}

/// Writes what happens to sessions.
#[derive(Debug)]
struct SessionsOnDisk {
    sessions: SessionTable,
    subscriptions: SubscriptionTable,
    spool: Spool,
    ids: Arc<DestinationIds>,
    durability: Durability,
}

impl SessionsOnDisk {
    fn new(tables: &Tables, spool: &Spool, durability: Durability) -> Self {
        Self {
            sessions: tables.sessions(),
            subscriptions: tables.subscriptions(),
            spool: spool.clone(),
            ids: tables.destinations(),
            durability,
        }
    }
}

impl SessionJournal for SessionsOnDisk {
    fn new_destination(&self) -> Result<DestinationId, Broken> {
        self.ids.give().map_err(|error| broken(&error))
    }

    fn record(&self, change: SessionChange<'_>) -> Box<dyn Pending> {
        match change {
            SessionChange::Opened { client_id, destination, expiry, will, at } => {
                let label = Label::Session { client_id: client_id.clone(), expiry: span(expiry) };
                self.spool.set_label(destination, &label.encode());
                let session = StoredSession {
                    destination,
                    created: at,
                    absent_since: None,
                    expiry: span(expiry),
                    durability: self.durability,
                    will: will.map(|will| StoredWill { publication: will.publication.clone(), delay: will.delay }),
                };
                Box::new(Writing(self.sessions.put(client_id, &session)))
            }
            SessionChange::Left { client_id, expiry, will, at } => {
                Box::new(Writing(self.sessions.left(client_id, at, span(expiry), will.is_some())))
            }
            SessionChange::WillSent { client_id } => Box::new(Writing(self.sessions.forget_will(client_id))),
            SessionChange::Ended { client_id } => Box::new(Writing(self.sessions.remove(client_id))),
            SessionChange::Subscribed { client_id, subscriptions } => {
                let stored: Vec<(TopicFilter, StoredSubscription)> =
                    subscriptions.iter().map(|one| (one.filter.clone(), stored(&one.options))).collect();
                Box::new(Writing(self.subscriptions.put(client_id, &stored)))
            }
            SessionChange::Unsubscribed { client_id, filters } => {
                Box::new(Writing(self.subscriptions.remove(client_id, filters)))
            }
        }
    }
}

/// A change on its way to the disk.
struct Writing<T>(Written<T>);

impl<T> std::fmt::Debug for Writing<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Writing")
    }
}

impl<T: Send> Pending for Writing<T> {
    fn poll_kept(&mut self, waker: &Waker) -> Poll<Result<(), Broken>> {
        let written = Pin::new(&mut self.0).poll(&mut Context::from_waker(waker));
        written.map(|result| result.map(drop).map_err(|error| broken(&error)))
    }
}

fn broken(error: &WriteError) -> Broken {
    match error {
        WriteError::NoRoom { .. } | WriteError::Full { .. } => Broken::NoRoom,
        WriteError::Refused(_) | WriteError::Poisoned { .. } | WriteError::Closed { .. } => Broken::Failed,
    }
}

/// `None` is for ever.
fn span(expiry: SessionExpiry) -> Option<Duration> {
    match expiry {
        SessionExpiry::AtDisconnect => Some(Duration::ZERO),
        SessionExpiry::After(span) => Some(span),
        SessionExpiry::Never => None,
    }
}

fn expiry(span: Option<Duration>) -> SessionExpiry {
    match span {
        Some(Duration::ZERO) => SessionExpiry::AtDisconnect,
        Some(span) => SessionExpiry::After(span),
        None => SessionExpiry::Never,
    }
}

fn stored(options: &SubscribeOptions) -> StoredSubscription {
    StoredSubscription {
        qos: options.qos,
        no_local: options.no_local,
        retain_as_published: options.retain_as_published,
        retain_handling: match options.retain_handling {
            RetainHandling::Always => StoredRetainHandling::Always,
            RetainHandling::IfNew => StoredRetainHandling::IfNew,
            RetainHandling::Never => StoredRetainHandling::Never,
        },
        identifier: options.identifier,
    }
}

fn subscription(filter: TopicFilter, stored: StoredSubscription) -> Subscription {
    let options = SubscribeOptions {
        qos: stored.qos,
        no_local: stored.no_local,
        retain_as_published: stored.retain_as_published,
        retain_handling: match stored.retain_handling {
            StoredRetainHandling::Always => RetainHandling::Always,
            StoredRetainHandling::IfNew => RetainHandling::IfNew,
            StoredRetainHandling::Never => RetainHandling::Never,
        },
        identifier: stored.identifier,
    };
    Subscription { filter, options }
}

/// The sessions that an earlier process left. Those that are damaged are passed over, and a person is told.
pub(crate) fn found(tables: &Tables) -> Result<Vec<RestoredSession>, ReadError> {
    let mut subscriptions: HashMap<ClientId, Vec<Subscription>> = HashMap::new();
    let scan = tables.subscriptions().each(|client_id, filter, stored| {
        subscriptions.entry(client_id).or_default().push(subscription(filter, stored));
    })?;
    let mut damaged = scan.damaged;
    let mut sessions = Vec::new();
    let scan = tables.sessions().each(|client_id, session| {
        let subscriptions = subscriptions.remove(&client_id).unwrap_or_default();
        sessions.push(restored(client_id, session, subscriptions));
    })?;
    damaged += scan.damaged;
    if damaged > 0 {
        tracing::error!(
            damaged,
            "sessions or subscriptions are damaged in tables.redb and were passed over: let their clients subscribe again"
        );
    }
    Ok(sessions)
}

/// What a session says of itself in the spool.
pub(crate) fn label(session: &RestoredSession) -> Vec<u8> {
    Label::Session { client_id: session.client_id.clone(), expiry: span(session.expiry) }.encode()
}

/// A session that the tables do not know, as the spool has it.
pub(crate) fn forgotten(client_id: ClientId, destination: DestinationId, span: Option<Duration>) -> RestoredSession {
    RestoredSession {
        client_id,
        destination,
        expiry: expiry(span),
        will: None,
        absent_since: None,
        subscriptions: Vec::new(),
        is_whole: false,
    }
}

/// Adds sessions that the tables have forgotten. Where they know an earlier one of the same client, which is gone, its
/// subscriptions are better than none.
pub(crate) fn join(found: &mut Vec<RestoredSession>, forgotten: Vec<RestoredSession>) {
    let mut forgotten: HashMap<ClientId, RestoredSession> =
        forgotten.into_iter().map(|session| (session.client_id.clone(), session)).collect();
    for session in found.iter_mut() {
        if let Some(later) = forgotten.remove(&session.client_id) {
            *session = RestoredSession { subscriptions: std::mem::take(&mut session.subscriptions), ..later };
        }
    }
    found.extend(forgotten.into_values());
}

fn restored(client_id: ClientId, session: StoredSession, subscriptions: Vec<Subscription>) -> RestoredSession {
    RestoredSession {
        client_id,
        destination: session.destination,
        expiry: expiry(session.expiry),
        will: session.will.map(|will| Will { publication: will.publication, delay: will.delay }),
        absent_since: session.absent_since,
        subscriptions,
        is_whole: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use message::QoS;

    #[test]
    fn expiries_and_subscriptions_come_back_as_they_went() {
        for expiry_before in
            [SessionExpiry::AtDisconnect, SessionExpiry::After(Duration::from_secs(7)), SessionExpiry::Never]
        {
            assert_eq!(expiry(span(expiry_before)), expiry_before);
        }
        for retain_handling in [RetainHandling::Always, RetainHandling::IfNew, RetainHandling::Never] {
            let options = SubscribeOptions {
                qos: QoS::ExactlyOnce,
                no_local: true,
                retain_as_published: true,
                retain_handling,
                identifier: std::num::NonZeroU32::new(9),
            };
            let filter = TopicFilter::parse("a/#").unwrap();
            assert_eq!(subscription(filter.clone(), stored(&options)), Subscription { filter, options });
        }
    }
}
