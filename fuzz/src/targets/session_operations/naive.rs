//! A session of plain lists: what its client is to get, and what is under way to it.

use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroU16;

use broker::Outgoing;
use message::{Publication, QoS};

use crate::targets::broker_operations::matches;

/// A message as a client gets it: its number, its quality of service, its retain flag.
pub(super) type Got = (u32, QoS, bool);

#[derive(Debug, Clone, Copy)]
pub(super) struct Wish {
    pub(super) qos: QoS,
    pub(super) no_local: bool,
    pub(super) retain_as_published: bool,
}

#[derive(Debug, Default)]
pub(super) struct NaiveSession {
    pub(super) is_connected: bool,
    pub(super) is_kept: bool,
    pub(super) filters: BTreeMap<&'static str, Wish>,
    /// In order.
    pub(super) mail: VecDeque<Got>,
    /// Retained messages: in any order.
    pub(super) replay: Vec<Got>,
    pub(super) flights: Vec<Flight>,
}

/// A message above QoS 0 under way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flight {
    pub(super) slot: NonZeroU16,
    pub(super) got: Got,
    pub(super) is_received: bool,
    pub(super) is_on_wire: bool,
    /// Whether it counts as under way: a release of an earlier connection does not.
    pub(super) counts: bool,
}

impl NaiveSession {
    /// What was on the wire went with its connection.
    pub(super) fn forget_wire(&mut self) {
        for flight in &mut self.flights {
            (flight.is_on_wire, flight.counts) = (false, false);
        }
    }

    /// Whether a message matches; it is kept if the client can still get it.
    pub(super) fn get(&mut self, topic: &str, number: u32, qos: QoS, retain: bool, is_own: bool) -> bool {
        let wishes = self.filters.iter().filter(|(filter, wish)| matches(filter, topic) && !(is_own && wish.no_local));
        let wishes: Vec<Wish> = wishes.map(|(_, wish)| *wish).collect();
        let Some(granted) = wishes.iter().map(|wish| wish.qos).max() else { return false };
        let qos = qos.min(granted);
        if qos > QoS::AtMostOnce || self.is_connected {
            let keeps_flag = wishes.iter().any(|wish| wish.retain_as_published);
            self.mail.push_back((number, qos, retain && keeps_flag));
        }
        true
    }

    /// First what an earlier connection left: messages, then releases.
    pub(super) fn expect_repeated(&mut self, sent: &mut VecDeque<Outgoing>) {
        for is_received in [false, true] {
            let left = self.flights.iter_mut().filter(|flight| !flight.is_on_wire && flight.is_received == is_received);
            for flight in left {
                (flight.is_on_wire, flight.counts) = (true, !is_received);
                match sent.pop_front() {
                    Some(Outgoing::Release { slot }) if is_received => assert_eq!(slot, flight.slot),
                    Some(Outgoing::Message { slot, delivery, duplicate: true }) if !is_received => {
                        let got = (number(&delivery.publication), delivery.qos, delivery.retain);
                        assert_eq!((slot, got), (Some(flight.slot), flight.got));
                    }
                    other => panic!("{other:?} instead of {flight:?}"),
                }
            }
        }
    }

    /// The next of the mail, or any of the retained messages.
    pub(super) fn expect_new(&mut self, one: &Outgoing) {
        let Outgoing::Message { slot, delivery, duplicate: false } = one else { panic!("{one:?} was not sent before") };
        let got = (number(&delivery.publication), delivery.qos, delivery.retain);
        if self.mail.front() == Some(&got) {
            self.mail.pop_front();
        } else {
            let place = self.replay.iter().position(|kept| *kept == got);
            let Some(place) = place else { panic!("{got:?} is neither next nor retained: {self:?}") };
            self.replay.swap_remove(place);
        }
        assert_eq!(slot.is_some(), delivery.qos > QoS::AtMostOnce);
        if let Some(slot) = *slot {
            assert!(self.flights.iter().all(|flight| flight.slot != slot), "slot {slot} is in use");
            self.flights.push(Flight { slot, got, is_received: false, is_on_wire: true, counts: true });
        }
    }
}

/// The number that a message was published with; 0 when it has none.
pub(super) fn number(publication: &Publication) -> u32 {
    let correlation = publication.properties.as_ref().and_then(|properties| properties.correlation_data.as_deref());
    correlation.and_then(|data| std::str::from_utf8(data).ok()).and_then(|text| text.parse().ok()).unwrap_or(0)
}
