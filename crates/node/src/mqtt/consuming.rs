//! What a client consumes and reads: queues and streams, each as long as its subscription stands. MQTT has no word for the
//! end of a subscription: when a queue or stream is removed, the client's subscription waits for it to be made again.

use std::fmt;

use broker::{Promises, SubscribeOptions};
use message::{Moment, Now, TopicFilter, limits};
use mqtt::ReasonCode;

use super::client::Client;

/// A client that consumes a queue or reads a stream. It leaves when this is dropped.
pub trait Consuming: Send + fmt::Debug {
    /// Why nothing comes any more, when that is so. The client is woken then.
    fn over(&self) -> Option<Over>;
}

/// Why a queue or stream has nothing more for a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// It was removed: what comes into the next one of that name, the client gets from the first message on.
    Removed,
    /// How far its readers have come was forgotten: they begin anew.
    Forgotten,
}

/// Why a client cannot consume or read.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) reason: ReasonCode,
    /// For a person.
    pub(super) text: String,
}

impl Refused {
    pub(super) fn without_session() -> Self {
        Self { reason: ReasonCode::UnspecifiedError, text: "there is no session".to_owned() }
    }
}

/// A subscription to a queue or a stream.
#[derive(Debug)]
pub(super) struct Consumption {
    filter: TopicFilter,
    options: SubscribeOptions,
    /// None while there is nothing to consume.
    at_work: Option<Box<dyn Consuming>>,
    /// Where to begin in a stream when it can be read again.
    place: Option<&'static str>,
    /// People were told why it does not work.
    is_told: bool,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Consumptions {
    all: Vec<Consumption>,
    /// When to look again whether those are there that the client waits for.
    look_at: Option<Moment>,
}

impl Consumptions {
    pub(super) fn poll_timeout(&self) -> Option<Moment> {
        self.look_at
    }

    /// Looks no more.
    pub(super) fn rest(&mut self) {
        self.look_at = None;
    }

    fn look_soon(&mut self, now: Now) {
        self.look_at.get_or_insert(now.moment + limits::CONSUME_AGAIN_INTERVAL);
    }

    fn get_mut(&mut self, filter: &TopicFilter) -> Option<&mut Consumption> {
        self.all.iter_mut().find(|one| one.filter == *filter)
    }

    /// Lets those go that are over, and says whether it is time to look for what waits.
    fn poll(&mut self, now: Now) -> bool {
        let mut waits = false;
        for one in &mut self.all {
            let Some(over) = one.at_work.as_ref().and_then(|at_work| at_work.over()) else { continue };
            one.at_work = None;
            one.place = match over {
                Over::Removed => Some(EARLIEST),
                Over::Forgotten => None,
            };
            waits = true;
        }
        if waits {
            self.look_soon(now);
        }
        self.look_at.is_some_and(|at| at <= now.moment)
    }
}

/// From the first message of a stream on.
const EARLIEST: &str = "earliest";

impl Client {
    /// Begins to consume or read what a filter names. The same one once more takes the place of the first; if it is refused,
    /// the first one stands. The client is told once the promises are settled.
    pub(super) fn consume_or_read(
        &mut self,
        now: Now,
        filter: &TopicFilter,
        options: SubscribeOptions,
        place: Option<&str>,
    ) -> Result<Promises, Refused> {
        let (at_work, promises) = if Self::is_of_stream(filter) {
            // First of all, so that the last reader of a session's cursor hands on what it had.
            if let Some(consuming) = &mut self.consuming
                && let Some(one) = consuming.get_mut(filter)
            {
                one.at_work = None;
                consuming.look_soon(now);
            }
            self.read_stream(filter, options, place)?
        } else {
            (self.consume(filter, options)?, Promises::default())
        };
        let one = Consumption { filter: filter.detach(), options, at_work: Some(at_work), place: None, is_told: false };
        let consuming = self.consuming.get_or_insert_default();
        match consuming.get_mut(filter) {
            Some(known) => *known = one,
            None => consuming.all.push(one),
        }
        Ok(promises)
    }

    /// Whether it was consumed, or waited for.
    pub(super) fn stop_consuming(&mut self, filter: &TopicFilter) -> bool {
        let Some(consuming) = &mut self.consuming else { return false };
        let before = consuming.all.len();
        consuming.all.retain(|one| one.filter != *filter);
        let left = consuming.all.len();
        if left == 0 {
            self.consuming = None;
        }
        left < before
    }

    /// Goes on with the queues and streams that the session consumed on an earlier connection.
    pub(super) fn consume_again(&mut self, now: Now) {
        let Some(session) = &self.session else { return };
        // The place of a session that is kept is known, unless its stream was made anew.
        let place = session.destination().map(|_| EARLIEST);
        let queues = session.subscriptions().filter(|(filter, _)| filter.is_of_destination());
        let waiting = queues.map(|(filter, options)| Consumption {
            filter: filter.clone(),
            options: *options,
            at_work: None,
            place,
            is_told: false,
        });
        let all: Vec<Consumption> = waiting.collect();
        if !all.is_empty() {
            self.consuming = Some(Box::new(Consumptions { all, look_at: None }));
            self.try_to_consume(now);
        }
    }

    /// Looks whether all is still there that the client consumes.
    pub(super) fn poll_consuming(&mut self, now: Now) {
        let is_open = !self.is_closed();
        if is_open && self.consuming.as_mut().is_some_and(|consuming| consuming.poll(now)) {
            self.try_to_consume(now);
        }
    }

    /// Begins with what waits, as far as it is there now.
    fn try_to_consume(&mut self, now: Now) {
        let all = self.consuming.iter().flat_map(|consuming| &consuming.all).filter(|one| one.at_work.is_none());
        let waiting: Vec<_> = all.map(|one| (one.filter.clone(), one.options, one.place, one.is_told)).collect();
        for (filter, options, place, is_told) in waiting {
            // A cursor that is made anew is saved when it has moved.
            match self.consume_or_read(now, &filter, options, place) {
                Ok(_) if is_told => self.tell_of(now, &filter, "a client consumes what it has waited for"),
                Err(refused) if !is_told => {
                    self.tell_of(
                        now,
                        &filter,
                        &format!("a client has nothing to consume, and waits: {}", refused.text),
                    );
                    let one = self.consuming.as_mut().and_then(|consuming| consuming.get_mut(&filter));
                    one.into_iter().for_each(|one| one.is_told = true);
                }
                _ => {}
            }
        }
        if let Some(consuming) = &mut self.consuming {
            consuming.look_at = None;
            if consuming.all.iter().any(|one| one.at_work.is_none()) {
                consuming.look_soon(now);
            }
        }
    }

    fn tell_of(&self, now: Now, filter: &TopicFilter, what: &str) {
        let client = self.connection.client_id().map(message::ClientId::as_str);
        if self.mqtt.figures.complaints.0.lets_through(now) {
            tracing::warn!(client, filter = filter.as_str(), "{what}");
        }
    }
}
