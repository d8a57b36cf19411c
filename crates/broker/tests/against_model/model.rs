//! A broker of plain maps and lists: one second is its smallest unit of time, and it cares for clarity alone.

use std::collections::{BTreeMap, VecDeque};

use message::{QoS, TopicFilter, TopicName};

#[derive(Debug, Clone)]
pub(crate) struct ModelConnect {
    pub(crate) clean_start: bool,
    /// `None` for never.
    pub(crate) expiry_s: Option<u64>,
    pub(crate) will_delay_s: Option<u64>,
}

#[derive(Debug, Clone)]
pub(crate) struct ModelSubscription {
    pub(crate) filter: &'static str,
    pub(crate) qos: QoS,
    pub(crate) no_local: bool,
    /// Zero for none.
    pub(crate) id: u32,
}

#[derive(Debug, Clone)]
pub(crate) struct ModelMessage {
    pub(crate) number: u32,
    pub(crate) topic: String,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    pub(crate) empty: bool,
    pub(crate) expiry_s: Option<u32>,
}

/// What the real session gave to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Sent {
    Message { slot: Option<u16>, number: Option<u32>, qos: QoS, retain: bool, ids: Vec<u32>, duplicate: bool },
    Release(u16),
}

#[derive(Debug, Default)]
pub(crate) struct Model {
    pub(crate) retained: BTreeMap<String, Kept>,
    sessions: BTreeMap<usize, ModelSession>,
    numbers: u32,
}

#[derive(Debug, Clone)]
pub(crate) struct Kept {
    message: ModelMessage,
    expires_at: Option<u64>,
}

#[derive(Debug, Default)]
struct ModelSession {
    connected: bool,
    subscriptions: BTreeMap<&'static str, ModelSubscription>,
    /// In order.
    mail: VecDeque<Expected>,
    /// Retained messages: in any order.
    replay: Vec<Expected>,
    in_flight: Vec<Flight>,
    expiry_s: Option<u64>,
    will_delay_s: Option<u64>,
    will_at: Option<u64>,
    expires_at: Option<u64>,
}

#[derive(Debug, Clone)]
struct Expected {
    number: Option<u32>,
    qos: QoS,
    ids: Vec<u32>,
    expires_at: Option<u64>,
}

#[derive(Debug)]
struct Flight {
    slot: u16,
    number: Option<u32>,
    qos: QoS,
    received: bool,
    on_wire: bool,
    occupies: bool,
}

/// The will of a client; its number is far from those of the other messages.
pub(crate) fn will_of(client: usize) -> ModelMessage {
    let number = 1_000_000 + u32::try_from(client).unwrap();
    let topic = format!("will/{client}");
    ModelMessage { number, topic, qos: QoS::AtLeastOnce, retain: false, empty: false, expiry_s: None }
}

impl Model {
    /// A message with a number of its own.
    pub(crate) fn number(&mut self) -> ModelMessage {
        self.numbers += 1;
        ModelMessage { number: self.numbers, ..will_of(0) }
    }

    pub(crate) fn subscriptions(&self) -> u64 {
        self.sessions.values().map(|session| session.subscriptions.len() as u64).sum()
    }

    pub(crate) fn connected_and_all(&self) -> (usize, usize) {
        (self.sessions.values().filter(|session| session.connected).count(), self.sessions.len())
    }

    pub(crate) fn in_flight(&self, client: usize) -> usize {
        self.sessions[&client].in_flight.len()
    }

    /// Returns whether the session was there.
    pub(crate) fn connect(&mut self, client: usize, connect: &ModelConnect, now_s: u64) -> bool {
        if let Some(session) = self.sessions.get_mut(&client) {
            let ends = connect.clean_start || (session.connected && session.expiry_s == Some(0));
            // Only a will that waits, or that of a connection that is taken over, can still be sent.
            let pending = session.will_delay_s.take().filter(|_| session.connected || session.will_at.is_some());
            let will = pending.filter(|delay_s| ends || *delay_s == 0);
            if ends {
                self.sessions.remove(&client);
            }
            if will.is_some() {
                self.publish(None, &will_of(client), now_s);
            }
        }
        let present = self.sessions.contains_key(&client);
        let session = self.sessions.entry(client).or_default();
        for flight in &mut session.in_flight {
            (flight.on_wire, flight.occupies) = (false, false);
        }
        session.connected = true;
        session.expiry_s = connect.expiry_s;
        session.will_delay_s = connect.will_delay_s;
        (session.will_at, session.expires_at) = (None, None);
        present
    }

    pub(crate) fn leave(&mut self, client: usize, lost: bool, now_s: u64) {
        let session = self.sessions.get_mut(&client).unwrap();
        session.connected = false;
        session.expires_at = session.expiry_s.map(|expiry_s| now_s + expiry_s);
        session.will_at = session.will_delay_s.filter(|_| lost).map(|delay_s| now_s + delay_s);
        self.pass(now_s);
    }

    /// Sends the wills and ends the sessions that are due, and forgets retained messages that expired.
    pub(crate) fn pass(&mut self, now_s: u64) {
        let mut wills = Vec::new();
        let due = |at: Option<u64>| at.is_some_and(|at| at <= now_s);
        for (client, session) in &mut self.sessions {
            if session.will_at.is_some() && (due(session.will_at) || due(session.expires_at)) {
                wills.push((session.will_at.min(session.expires_at.or(session.will_at)), *client));
                (session.will_at, session.will_delay_s) = (None, None);
            }
        }
        self.sessions.retain(|_, session| session.connected || !due(session.expires_at));
        wills.sort_unstable();
        for (_, client) in wills {
            self.publish(None, &will_of(client), now_s);
        }
    }

    pub(crate) fn forget_expired(&mut self, now_s: u64) {
        self.retained.retain(|_, kept| kept.expires_at.is_none_or(|at| at > now_s));
    }

    pub(crate) fn subscribe(&mut self, client: usize, subscriptions: &[ModelSubscription], now_s: u64) {
        let session = self.sessions.get_mut(&client).unwrap();
        for subscription in subscriptions {
            session.subscriptions.insert(subscription.filter, subscription.clone());
            let kept = self.retained.values().filter(|kept| {
                matches(subscription.filter, &kept.message.topic) && kept.expires_at.is_none_or(|at| at > now_s)
            });
            session.replay.extend(kept.map(|kept| Expected {
                number: Some(kept.message.number),
                qos: kept.message.qos.min(subscription.qos),
                ids: ids([subscription]),
                expires_at: kept.expires_at,
            }));
        }
    }

    /// Returns for each filter whether it was there.
    pub(crate) fn unsubscribe(&mut self, client: usize, filters: &[&'static str]) -> Vec<bool> {
        let session = self.sessions.get_mut(&client).unwrap();
        filters.iter().map(|filter| session.subscriptions.remove(filter).is_some()).collect()
    }

    /// Returns how many sessions it matched.
    pub(crate) fn publish(&mut self, origin: Option<usize>, message: &ModelMessage, now_s: u64) -> u32 {
        let expires_at = message.expiry_s.map(|expiry_s| now_s + u64::from(expiry_s));
        if message.retain && message.empty {
            self.retained.remove(&message.topic);
        } else if message.retain {
            self.retained.insert(message.topic.clone(), Kept { message: message.clone(), expires_at });
        }
        let mut matched = 0;
        for (client, session) in &mut self.sessions {
            let own = origin == Some(*client);
            let held = session.subscriptions.values();
            let held = held.filter(|held| matches(held.filter, &message.topic) && !(own && held.no_local));
            let held: Vec<_> = held.collect();
            let Some(granted) = held.iter().map(|held| held.qos).max() else { continue };
            matched += 1;
            let qos = granted.min(message.qos);
            if qos > QoS::AtMostOnce || session.connected {
                let number = (!message.empty).then_some(message.number);
                session.mail.push_back(Expected { number, qos, ids: ids(held), expires_at });
            }
        }
        matched
    }

    /// Holds what the real session gave against what it should give.
    pub(crate) fn take(&mut self, client: usize, sent: Vec<Sent>, now_s: u64, in_flight_max: usize) {
        let session = self.sessions.get_mut(&client).unwrap();
        let mut sent = VecDeque::from(sent);
        // First what an earlier connection left: messages, then releases.
        for received in [false, true] {
            for flight in session.in_flight.iter_mut().filter(|flight| !flight.on_wire && flight.received == received) {
                (flight.on_wire, flight.occupies) = (true, !received);
                match sent.pop_front() {
                    Some(Sent::Release(slot)) if received => assert_eq!(slot, flight.slot),
                    Some(Sent::Message { slot, number, qos, duplicate: true, .. }) if !received => {
                        assert_eq!((slot, number, qos), (Some(flight.slot), flight.number, flight.qos));
                    }
                    other => panic!("{other:?} instead of {flight:?}"),
                }
            }
        }
        for sent in sent {
            session.send(sent, now_s);
        }
        let occupied = session.in_flight.iter().filter(|flight| flight.occupies).count();
        assert!(occupied <= in_flight_max);
        let left = session.mail.iter().chain(&session.replay).any(|expected| expected.lives(now_s));
        assert!(!left || occupied == in_flight_max, "{client} could have taken more: {session:?}");
    }

    /// Chooses a delivery under way and moves it on. Returns its slot and whether the client only received it (QoS 2).
    pub(crate) fn acknowledge(&mut self, client: usize, which: usize) -> Option<(u16, bool)> {
        let session = self.sessions.get_mut(&client)?;
        let on_wire: Vec<usize> = (0..session.in_flight.len()).filter(|i| session.in_flight[*i].on_wire).collect();
        if on_wire.is_empty() {
            return None;
        }
        let index = on_wire[which % on_wire.len()];
        let flight = &mut session.in_flight[index];
        let slot = flight.slot;
        if flight.qos == QoS::ExactlyOnce && !flight.received {
            flight.received = true;
            return Some((slot, true));
        }
        session.in_flight.remove(index);
        Some((slot, false))
    }

    /// Whether the client has anything left to take or to acknowledge.
    pub(crate) fn waits(&self, client: usize, now_s: u64) -> bool {
        let session = &self.sessions[&client];
        let mut waiting = session.mail.iter().chain(&session.replay);
        waiting.any(|expected| expected.lives(now_s)) || !session.in_flight.is_empty()
    }
}

impl ModelSession {
    /// A message that is sent for the first time is the next of the mail or any of the retained ones.
    fn send(&mut self, sent: Sent, now_s: u64) {
        let Sent::Message { slot, number, qos, retain, ids, duplicate: false } = sent else {
            panic!("{sent:?} was not under way before")
        };
        if retain {
            let wanted = |expected: &Expected| expected.is(number, qos, &ids) && expected.lives(now_s);
            let place = self.replay.iter().position(wanted);
            self.replay.remove(place.unwrap_or_else(|| panic!("{number:?} is not among {:?}", self.replay)));
        } else {
            while self.mail.front().is_some_and(|expected| !expected.lives(now_s)) {
                self.mail.pop_front();
            }
            let next = self.mail.pop_front();
            assert!(next.as_ref().is_some_and(|next| next.is(number, qos, &ids)), "{number:?} instead of {next:?}");
        }
        assert_eq!(slot.is_some(), qos > QoS::AtMostOnce);
        if let Some(slot) = slot {
            assert!(!self.in_flight.iter().any(|flight| flight.slot == slot), "slot {slot} is in use");
            self.in_flight.push(Flight { slot, number, qos, received: false, on_wire: true, occupies: true });
        }
    }
}

impl Expected {
    fn lives(&self, now_s: u64) -> bool {
        self.expires_at.is_none_or(|at| at > now_s)
    }

    fn is(&self, number: Option<u32>, qos: QoS, ids: &[u32]) -> bool {
        self.number == number && self.qos == qos && self.ids == ids
    }
}

fn matches(filter: &str, topic: &str) -> bool {
    TopicFilter::parse(filter).unwrap().matches(&TopicName::parse(topic).unwrap())
}

fn ids<'a>(subscriptions: impl IntoIterator<Item = &'a ModelSubscription>) -> Vec<u32> {
    let mut ids: Vec<u32> = subscriptions.into_iter().map(|held| held.id).filter(|id| *id != 0).collect();
    ids.sort_unstable();
    ids
}
