//! Any sequence of coming and going, subscribing, publishing, taking and acknowledging, against sessions of plain lists:
//! QoS 2, what waits for the absent, retained messages and their handling, and a shared subscription.

mod naive;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::task::{Poll, Waker};

use broker::{
    Connect, Connected, Ending, MailboxOptions, Outgoing, RetainHandling, Router, RouterOptions, Session,
    SessionExpiry, Sessions, SubscribeOptions, Subscription,
};
use bytes::Bytes;
use message::{ClientId, Now, Publication, PublicationProperties, QoS, TopicFilter, TopicName};
use sim::Clock;

use self::naive::{NaiveSession, Wish, number};
use super::broker_operations::{FILTERS, QOS, TOPICS, matches};
use crate::Target;
use crate::input::Input;

pub(super) const TARGET: Target = Target {
    name: "session_operations",
    what: "every client gets what naive sessions would give it, once and in its order, and a share loses nothing",
    run,
    seeds: &[
        b"\x00\x00\x00\x01\x02\x00\x03\x02\x00\x05\x03\x01\x02\x00\x08\x00\x09\x00\x00\x01\x00\x05\x03\x00\x01\x00",
        b"\x05\x03\x00\x01\x02\x00\x00\x01\x01\x02\x00\x00\x01\x04\x02\x00\x00\x01\x14\x08\x00\x09\x00\x00\x08\x00",
        b"\x0a\x00\x02\x0a\x01\x01\x05\x03\x00\x02\x00\x05\x03\x01\x02\x00\x0b\x00\x00\x0b\x01\x00\x0a\x00\x00\x05\x03\x00\x01\x00",
        b"\x00\x02\x00\x01\x02\x02\x04\x02\x00\x05\x03\x01\x02\x00\x05\x03\x01\x02\x00\x08\x02\x09\x02\x00\x00\x02\x00\x01\x08\x02",
    ],
};

/// Clients with sessions of their own.
const CLIENTS: usize = 3;
/// Clients that are only members of the share, and never leave: who leaves may take a message along.
const MEMBERS: usize = 2;
const SHARE: &str = "$share/g/a/#";
const SHARED: &str = "a/#";
/// What every client lets be under way at once.
const IN_FLIGHT_MAX: u16 = 3;
const HANDLINGS: [RetainHandling; 3] = [RetainHandling::Always, RetainHandling::IfNew, RetainHandling::Never];

struct Pair {
    router: Arc<Router>,
    sessions: Arc<Sessions>,
    held: [Option<Session>; CLIENTS],
    naive: [Option<NaiveSession>; CLIENTS],
    members: Vec<Session>,
    granted: [Option<QoS>; MEMBERS],
    /// Published for the share and not yet taken by a member.
    shared: Vec<(u32, QoS)>,
    retained: BTreeMap<&'static str, (u32, QoS)>,
    now: Now,
    published: u32,
}

fn run(data: &[u8]) {
    let router = Router::new(RouterOptions::new(7));
    let sessions = Sessions::new(&router, CLIENTS + MEMBERS);
    let mut pair = Pair {
        router,
        sessions,
        held: [const { None }; CLIENTS],
        naive: [const { None }; CLIENTS],
        members: Vec::new(),
        granted: [None; MEMBERS],
        shared: Vec::new(),
        retained: BTreeMap::new(),
        now: Clock::default().now(),
        published: 0,
    };
    for member in 0..MEMBERS {
        let (session, _) = pair.claim(&format!("member {member}"), true, false, None);
        pair.members.push(session);
    }
    let mut input = Input::new(data);
    while !input.is_empty() {
        pair.step(&mut input);
    }
    pair.finish();
}

impl Pair {
    fn step(&mut self, input: &mut Input<'_>) {
        match input.below(12) {
            0 => self.connect(input.below(CLIENTS), input.bool(), input.bool()),
            1 => self.leave(input.below(CLIENTS)),
            2 | 3 => {
                let (client, filter, flags) = (input.below(CLIENTS), input.pick(&FILTERS), input.byte());
                let wish =
                    Wish { qos: input.pick(&QOS), no_local: flags & 1 != 0, retain_as_published: flags & 2 != 0 };
                self.subscribe(client, filter, wish, HANDLINGS[usize::from(flags >> 2) % HANDLINGS.len()]);
            }
            4 => self.unsubscribe(input.below(CLIENTS), input.pick(&FILTERS)),
            5..=7 => {
                let (origin, topic) = (input.below(CLIENTS + 1), input.pick(&TOPICS));
                self.publish(origin, topic, input.pick(&QOS), input.below(4));
            }
            8 => self.take(input.below(CLIENTS)),
            9 => self.acknowledge(input.below(CLIENTS), input.below(8)),
            10 => self.change_membership(input.below(MEMBERS), input.pick(&QOS)),
            _ => self.take_shared(input.below(MEMBERS)),
        }
    }

    /// Gets a session, with the one that holds it handed over.
    fn claim(&self, name: &str, clean_start: bool, is_kept: bool, old: Option<Session>) -> (Session, bool) {
        let client_id = ClientId::parse(name).unwrap_or_else(|error| panic!("{error}"));
        let expiry = if is_kept { SessionExpiry::Never } else { SessionExpiry::AtDisconnect };
        let connect = Connect { client_id, clean_start, expiry, will: None, mailbox: MailboxOptions::for_session() };
        let Ok(mut claim) = self.sessions.connect(self.now, connect) else { panic!("{name} is refused") };
        if let Some(old) = old {
            assert!(old.is_taken_over() && claim.poll_connected(Waker::noop()).is_pending());
            self.sessions.leave(self.now, old, Ending::Lost);
        }
        match claim.poll_connected(Waker::noop()) {
            Poll::Ready(Ok(Connected { session, present, .. })) => (session, present),
            other => panic!("{name} does not get its session: {other:?}"),
        }
    }

    fn connect(&mut self, client: usize, clean_start: bool, is_kept: bool) {
        let old = self.held[client].take();
        let (session, present) = self.claim(&format!("client {client}"), clean_start, is_kept, old);
        self.held[client] = Some(session);
        let place = &mut self.naive[client];
        let ends = clean_start || place.as_ref().is_some_and(|known| known.is_connected && !known.is_kept);
        if ends {
            *place = None;
        }
        assert_eq!(present, place.is_some(), "client {client}'s session");
        let naive = place.get_or_insert_default();
        (naive.is_connected, naive.is_kept) = (true, is_kept);
        naive.forget_wire();
    }

    fn leave(&mut self, client: usize) {
        let Some(session) = self.held[client].take() else { return };
        self.sessions.leave(self.now, session, Ending::Orderly);
        let place = &mut self.naive[client];
        match place {
            Some(naive) if naive.is_kept => naive.is_connected = false,
            _ => *place = None,
        }
    }

    fn subscribe(&mut self, client: usize, filter: &'static str, wish: Wish, retain_handling: RetainHandling) {
        let (Some(session), Some(naive)) = (&mut self.held[client], &mut self.naive[client]) else { return };
        let Wish { qos, no_local, retain_as_published } = wish;
        let options = SubscribeOptions { qos, no_local, retain_as_published, retain_handling, identifier: None };
        let (granted, promises) = session.subscribe(self.now, vec![subscription(filter, options)]);
        assert!(granted == [Ok(qos)] && promises.are_settled());
        let is_new = naive.filters.insert(filter, wish).is_none();
        let comes = match retain_handling {
            RetainHandling::Always => true,
            RetainHandling::IfNew => is_new,
            RetainHandling::Never => false,
        };
        let kept = self.retained.iter().filter(|(topic, _)| comes && matches(filter, topic));
        naive.replay.extend(kept.map(|(_, (number, kept))| (*number, *kept.min(&qos), true)));
    }

    fn unsubscribe(&mut self, client: usize, filter: &'static str) {
        let (Some(session), Some(naive)) = (&mut self.held[client], &mut self.naive[client]) else { return };
        let parsed = TopicFilter::parse(filter).unwrap_or_else(|error| panic!("{error}"));
        let (existed, promises) = session.unsubscribe(&[parsed]);
        assert!(existed == [naive.filters.remove(filter).is_some()] && promises.are_settled());
    }

    /// `kind`: 0 and 1 publish, 2 keeps, 3 forgets what is kept.
    fn publish(&mut self, origin: usize, topic: &'static str, qos: QoS, kind: usize) {
        self.published += 1;
        let number = self.published;
        let payload = if kind == 3 { Bytes::new() } else { Bytes::from_static(b"M") };
        let Ok(name) = TopicName::parse(topic) else { return };
        // An empty message has a number too.
        let correlation_data = Some(Bytes::from(number.to_string()));
        let properties = PublicationProperties { correlation_data, ..PublicationProperties::default() };
        let publication = Publication::new(name, payload, qos, self.now.wall);
        let publication = Publication { retain: kind >= 2, properties: Some(Box::new(properties)), ..publication };
        let id = self.held.get(origin).and_then(Option::as_ref).map(Session::subscriber);
        let routed = self.router.publish(publication, id, &mut self.router.route_cache());
        match kind {
            2 => drop(self.retained.insert(topic, (number, qos))),
            3 => drop(self.retained.remove(topic)),
            _ => {}
        }
        let mut matched = 0;
        for (client, naive) in self.naive.iter_mut().enumerate() {
            let Some(naive) = naive else { continue };
            let is_own = id.is_some() && client == origin;
            matched += u32::from(naive.get(topic, number, qos, kind >= 2, is_own));
        }
        if matches(SHARED, topic) && self.granted.iter().any(Option::is_some) {
            matched += 1;
            self.shared.push((number, qos));
        }
        assert_eq!(routed.matched(), matched, "`{topic}` reaches so many");
    }

    fn take(&mut self, client: usize) {
        let (Some(session), Some(naive)) = (&mut self.held[client], &mut self.naive[client]) else { return };
        let mut sent = VecDeque::from(all_deliveries(session, self.now));
        naive.expect_repeated(&mut sent);
        for one in sent {
            naive.expect_new(&one);
        }
        let under_way = naive.flights.iter().filter(|flight| flight.counts).count();
        assert!(under_way <= usize::from(IN_FLIGHT_MAX), "client {client} has {under_way} under way");
        let waits = !naive.mail.is_empty() || !naive.replay.is_empty();
        assert!(!waits || under_way == usize::from(IN_FLIGHT_MAX), "client {client} could have got more: {naive:?}");
    }

    /// PUBACK, PUBREC or PUBCOMP, whichever is next for one of those under way.
    fn acknowledge(&mut self, client: usize, which: usize) {
        let (Some(session), Some(naive)) = (&mut self.held[client], &mut self.naive[client]) else { return };
        let on_wire: Vec<usize> = (0..naive.flights.len()).filter(|place| naive.flights[*place].is_on_wire).collect();
        let Some(&place) = on_wire.get(which.checked_rem(on_wire.len()).unwrap_or(0)) else { return };
        let flight = &mut naive.flights[place];
        let slot = flight.slot;
        let outcome = if flight.got.1 == QoS::ExactlyOnce && !flight.is_received {
            flight.is_received = true;
            session.handle_received(slot).map(drop)
        } else {
            naive.flights.remove(place);
            session.handle_delivered(slot)
        };
        assert_eq!(outcome, Ok(()));
        assert_eq!(session.in_flight(), naive.flights.len());
    }

    /// Joins the share with this quality of service, or leaves it, unless it is the last.
    fn change_membership(&mut self, member: usize, qos: QoS) {
        let others = self.granted.iter().enumerate().any(|(other, granted)| other != member && granted.is_some());
        if self.granted[member].is_some() {
            // Whoever changes has taken all it had, with what it was granted.
            self.take_shared(member);
            if others {
                let filter = TopicFilter::parse(SHARE).unwrap_or_else(|error| panic!("{error}"));
                assert_eq!(self.members[member].unsubscribe(&[filter]).0, [true]);
                self.granted[member] = None;
            }
        } else {
            let options = SubscribeOptions { qos, ..SubscribeOptions::default() };
            let (granted, _) = self.members[member].subscribe(self.now, vec![subscription(SHARE, options)]);
            assert_eq!(granted, [Ok(qos)]);
            self.granted[member] = Some(qos);
        }
    }

    /// A member takes and acknowledges what it has: each was published for the share, and taken by nobody before.
    fn take_shared(&mut self, member: usize) {
        loop {
            let sent = all_deliveries(&mut self.members[member], self.now);
            if sent.is_empty() {
                return;
            }
            for one in sent {
                let Outgoing::Message { slot, delivery, duplicate: false } = one else {
                    panic!("{one:?} for a member")
                };
                let number = number(&delivery.publication);
                let place = self.shared.iter().position(|(shared, _)| *shared == number);
                let Some(place) = place else { panic!("{number} is not the share's, or was taken before") };
                let (_, qos) = self.shared.remove(place);
                assert_eq!(Some(delivery.qos), self.granted[member].map(|granted| granted.min(qos)));
                if let Some(slot) = slot {
                    assert_eq!(self.members[member].handle_delivered(slot), Ok(()));
                }
            }
        }
    }

    /// Everyone comes back and takes all there is: then nothing may be left.
    fn finish(&mut self) {
        for client in 0..CLIENTS {
            self.connect(client, false, true);
        }
        for client in 0..CLIENTS {
            self.take(client);
            while self.naive[client].as_ref().is_some_and(|naive| !naive.flights.is_empty()) {
                self.acknowledge(client, 0);
                self.take(client);
            }
        }
        (0..MEMBERS).for_each(|member| self.take_shared(member));
        assert_eq!(self.shared, [], "the share lost these");
    }
}

fn all_deliveries(session: &mut Session, now: Now) -> Vec<Outgoing> {
    let mut sent = Vec::new();
    while session.next_deliveries(now, IN_FLIGHT_MAX, 2, &mut sent) {}
    sent
}

fn subscription(filter: &str, options: SubscribeOptions) -> Subscription {
    let filter = TopicFilter::parse(filter).unwrap_or_else(|error| panic!("{error}"));
    Subscription { filter, options }
}
