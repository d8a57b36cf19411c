//! What a story may hold the node to: who published what, who asked for it, who got it. It knows only what devices
//! know, so that what is in doubt for them is in doubt here, and what the node promised them must have happened.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use message::{Moment, Publication, QoS, TopicFilter, TopicName};
use mqtt::ReasonCode;

use crate::device::{DeviceOptions, Letter, Seen, SubscriptionNumber};
use crate::queue::WorkQueue;

/// A place in the order in which things were learned.
type Place = u64;

/// One message that a device published, or left as its will.
#[derive(Debug)]
struct Published {
    device: usize,
    letter: Letter,
    asked: Place,
    /// The node answers for it since.
    accepted: Option<Place>,
    /// A will that its device took back.
    withdrawn: bool,
}

/// One subscription that a device asked for.
#[derive(Debug)]
struct Subscribed {
    device: usize,
    filter: TopicFilter,
    qos: QoS,
    /// The node said yes.
    granted: Option<Place>,
    /// The device asked for its end, or asked for it anew.
    leaving: Option<Place>,
    /// The node said that it has ended.
    left: Option<Place>,
    /// The session that held it is gone.
    over: bool,
}

/// One message that a device got.
#[derive(Debug)]
struct Received {
    device: usize,
    number: u64,
    topic: TopicName,
    qos: QoS,
    retain: bool,
    /// It came by way of a flow.
    relayed: bool,
    /// The device said that it does not want it.
    refused: bool,
}

/// Flows of stories take messages from below the one and publish them below the other.
const INTO_FLOW: &str = "in/";
const OUT_OF_FLOW: &str = "out/";

/// Longer than any CONNECT is under way.
const UNDER_WAY_MAX: Duration = Duration::from_secs(2);

/// What a device knows of its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Session {
    None,
    /// The device asked for one and never heard the answer.
    InDoubt,
    /// The node must keep it until then, or for as long as the device is connected.
    KeptUntil(Option<Moment>),
}

#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// What lies on disk is overtaken by messages of QoS 0: there is no order between the two.
    levels_are_apart: bool,
    place: Place,
    published: Vec<Published>,
    subscribed: Vec<Subscribed>,
    received: Vec<Received>,
    sessions: BTreeMap<String, Session>,
    violations: Vec<String>,
}

impl Ledger {
    /// Of a node with a disk, or without.
    pub(crate) fn new(has_disk: bool) -> Self {
        Self { levels_are_apart: has_disk, ..Self::default() }
    }

    fn next_place(&mut self) -> Place {
        self.place += 1;
        self.place
    }

    /// Gives a message its number.
    pub(crate) fn publish(&mut self, device: usize, topic: TopicName, qos: QoS, retain: bool) -> Letter {
        let letter = Letter { number: self.published.len() as u64, topic, qos, retain };
        let asked = self.next_place();
        self.published.push(Published { device, letter: letter.clone(), asked, accepted: None, withdrawn: false });
        letter
    }

    /// The device said goodbye: its will may not be heard, unless its goodbye came too late.
    pub(crate) fn withdraw(&mut self, number: u64, in_time: bool) {
        if let Some(published) = self.published.get_mut(number as usize) {
            published.withdrawn = in_time;
        }
    }

    pub(crate) fn subscribe(&mut self, device: usize, filter: TopicFilter, qos: QoS) -> SubscriptionNumber {
        // What was asked for before in the same words may be replaced from now on.
        self.unsubscribe(device, &filter);
        let new = Subscribed { device, filter, qos, granted: None, leaving: None, left: None, over: false };
        self.subscribed.push(new);
        self.subscribed.len() - 1
    }

    /// Returns the subscriptions that will have ended when the node has answered.
    pub(crate) fn unsubscribe(&mut self, device: usize, filter: &TopicFilter) -> Vec<SubscriptionNumber> {
        let place = self.next_place();
        let mut numbers = Vec::new();
        for (number, one) in self.subscribed.iter_mut().enumerate() {
            if one.device == device && one.filter == *filter && !one.over && one.left.is_none() {
                one.leaving.get_or_insert(place);
                numbers.push(number);
            }
        }
        numbers
    }

    /// The device's connection is gone at `now`, before or after the node had answered its CONNECT.
    pub(crate) fn lose(&mut self, options: &DeviceOptions, answered: bool, session_expiry_s: u32, now: Moment) {
        let session = self.sessions.entry(options.id.clone()).or_insert(Session::None);
        let span = Duration::from_secs(u64::from(session_expiry_s));
        *session = match (*session, session_expiry_s) {
            (_, 0) => Session::None,
            (Session::None | Session::InDoubt, _) => Session::InDoubt,
            // A CONNECT that is still under way may come when the session has ended, and begin a new one unheard.
            (Session::KeptUntil(Some(until)), _) if !answered && until <= now + UNDER_WAY_MAX => Session::InDoubt,
            (kept, _) if !answered => kept,
            (_, u32::MAX) => Session::KeptUntil(None),
            _ => Session::KeptUntil(Some(now + span)),
        };
    }

    /// The node crashes: whether a session ended that its device ended without an answer, nobody knows.
    pub(crate) fn doubt_end(&mut self, options: &DeviceOptions) {
        if let Some(session) = self.sessions.get_mut(&options.id)
            && *session == Session::None
            && options.session_expiry_s > 0
        {
            *session = Session::InDoubt;
        }
    }

    /// Takes down what a device has learned.
    pub(crate) fn see(&mut self, device: usize, options: &DeviceOptions, now: Moment, seen: &Seen) {
        let place = self.next_place();
        match seen {
            Seen::Connected { present } => self.see_session(device, options, now, *present),
            Seen::Accepted { number } => {
                if let Some(published) = self.published.get_mut(*number as usize) {
                    published.accepted.get_or_insert(place);
                }
            }
            Seen::Subscribed { number, granted } => {
                if let Some(subscribed) = self.subscribed.get_mut(*number) {
                    subscribed.granted = Some(place);
                    if *granted != Some(subscribed.qos) {
                        let what = format!("{}: `{}` granted with {granted:?}", options.id, subscribed.filter);
                        self.violations.push(what);
                    }
                }
            }
            Seen::Unsubscribed { numbers } => {
                for number in numbers {
                    if let Some(subscribed) = self.subscribed.get_mut(*number) {
                        subscribed.left = Some(place);
                    }
                }
            }
            Seen::Delivered { topic, payload, qos, retain, dup: _, refused } => {
                self.see_delivered(device, options, topic, payload, (*qos, *retain, *refused));
            }
            Seen::Refused(reason) | Seen::Rejected { reason, .. } => {
                self.violations.push(format!("{}: refused: {reason}", options.id));
            }
            // Two devices of one name push each other out.
            Seen::Dismissed(ReasonCode::SessionTakenOver) => {}
            Seen::Dismissed(reason) => self.violations.push(format!("{}: dismissed: {reason}", options.id)),
        }
    }

    fn see_session(&mut self, device: usize, options: &DeviceOptions, now: Moment, present: bool) {
        let before = self.sessions.insert(options.id.clone(), Session::KeptUntil(None));
        let expected = match before {
            _ if options.clean_start => Some(false),
            None | Some(Session::None) => Some(false),
            Some(Session::InDoubt) => None,
            Some(Session::KeptUntil(None)) => Some(true),
            Some(Session::KeptUntil(Some(until))) => (now < until).then_some(true),
        };
        if expected.is_some_and(|expected| expected != present) {
            self.violations.push(format!("{}: session present is {present} but was {before:?}", options.id));
        }
        for subscribed in self.subscribed.iter_mut().filter(|one| one.device == device) {
            subscribed.over |= !present;
            if before == Some(Session::InDoubt) {
                // Perhaps the node goes on with another session than the one that the device knows.
                subscribed.granted = None;
            }
        }
    }

    fn see_delivered(
        &mut self,
        device: usize,
        options: &DeviceOptions,
        topic: &TopicName,
        payload: &str,
        (qos, retain, refused): (QoS, bool, bool),
    ) {
        let number: Option<u64> = payload.parse().ok();
        let published = number.and_then(|number| self.published.get(number as usize));
        let mut wrong = |what: &str| self.violations.push(format!("{} got {payload} on `{topic}`: {what}", options.id));
        let Some((number, published)) = number.zip(published) else {
            return wrong("nobody published it");
        };
        let origin = published.letter.topic.as_str();
        let relayed =
            topic.as_str().strip_prefix(OUT_OF_FLOW).is_some_and(|rest| origin.strip_prefix(INTO_FLOW) == Some(rest));
        if origin != topic.as_str() && !relayed {
            wrong("it was published to another topic");
        }
        if published.withdrawn {
            wrong("it is the will of a device that said goodbye");
        }
        if retain && !published.letter.retain {
            wrong("it was not to be retained");
        }
        // A flow publishes with a quality of service of its own.
        if qos > published.letter.qos && !relayed {
            wrong("its quality of service has grown");
        }
        // A subscription that may have been there between the publish and now.
        let asked = published.asked;
        let wanted = self.subscribed.iter().any(|one| {
            let lived = !one.over && one.left.is_none_or(|left| left > asked);
            let asks = one.filter.matches(topic) || (WorkQueue::is_named_by(&one.filter) && WorkQueue::takes(topic));
            one.device == device && lived && one.qos >= qos && asks
        });
        if !wanted {
            wrong("no subscription asked for it");
        }
        self.received.push(Received { device, number, topic: topic.clone(), qos, retain, relayed, refused });
    }

    /// The number of the last message that the node has accepted for a topic's retained place, and all that came after.
    pub(crate) fn retained_candidates(&self) -> BTreeMap<TopicName, (Option<u64>, BTreeSet<u64>)> {
        let mut topics: BTreeMap<TopicName, (Option<u64>, BTreeSet<u64>)> = BTreeMap::new();
        for published in self.published.iter().filter(|published| published.letter.retain) {
            let (last, candidates) = topics.entry(published.letter.topic.clone()).or_default();
            if published.accepted.is_some() {
                *last = Some(published.letter.number);
                candidates.clear();
            }
            candidates.insert(published.letter.number);
        }
        topics
    }

    /// Everything that is wrong, once all devices have settled.
    pub(crate) fn check(&self, names: &[&str]) -> Vec<String> {
        let mut violations = self.violations.clone();
        let mut exact: BTreeMap<(usize, u64, bool), usize> = BTreeMap::new();
        for received in self.received.iter().filter(|received| !received.retain) {
            // What its publisher may repeat, a flow repeats.
            let origin = self.published.get(received.number as usize);
            let repeated = origin.is_some_and(|published| published.letter.qos == QoS::AtLeastOnce);
            let copies = exact.entry((received.device, received.number, received.relayed)).or_default();
            *copies += usize::from(received.qos == QoS::ExactlyOnce && !repeated);
        }
        for ((device, number, _), copies) in exact.iter().filter(|(_, copies)| **copies > 1) {
            violations.push(format!("{} got {number} {copies} times, which was to be once", names[*device]));
        }
        for (device, published) in self.promised() {
            if !exact.contains_key(&(device, published.letter.number, false)) {
                let letter = &published.letter;
                violations.push(format!(
                    "{} never got {} on `{}`, which the node accepted from {}",
                    names[device], letter.number, letter.topic, names[published.device]
                ));
            }
        }
        violations.extend(self.out_of_order(names));
        violations
    }

    /// Who must have got what: the subscription stood before the message was sent, and still when it was accepted.
    fn promised(&self) -> impl Iterator<Item = (usize, &Published)> {
        let stood = |one: &&Subscribed| !one.over && one.qos > QoS::AtMostOnce;
        self.subscribed.iter().filter(stood).flat_map(|one| {
            let promised = self.published.iter().filter(|published| {
                let granted = one.granted.is_some_and(|granted| granted < published.asked);
                let accepted = published.accepted.is_some_and(|at| one.leaving.is_none_or(|leaving| at < leaving));
                granted
                    && accepted
                    && published.letter.qos > QoS::AtMostOnce
                    && one.filter.matches(&published.letter.topic)
            });
            promised.map(|published| (one.device, published))
        })
    }

    /// The first copies of one publisher's messages on one topic come in the order in which they were published.
    fn out_of_order(&self, names: &[&str]) -> Vec<String> {
        let mut latest: BTreeMap<(usize, usize, &TopicName, bool, bool), u64> = BTreeMap::new();
        let mut had: BTreeSet<(usize, u64, bool)> = BTreeSet::new();
        let mut violations = Vec::new();
        for received in self.received.iter().filter(|received| !received.retain) {
            let Some(published) = self.published.get(received.number as usize) else { continue };
            if !had.insert((received.device, received.number, received.relayed)) {
                continue;
            }
            let apart = self.levels_are_apart && published.letter.qos == QoS::AtMostOnce;
            let key = (received.device, published.device, &published.letter.topic, received.relayed, apart);
            // What nobody was promised when it was first sent may come late, when its publisher repeats it.
            let promised = self.subscribed.iter().any(|one| {
                let stood = !one.over && one.qos > QoS::AtMostOnce && one.leaving.is_none();
                let granted = one.granted.is_some_and(|granted| granted < published.asked);
                one.device == received.device && stood && granted && one.filter.matches(&received.topic)
            });
            if let Some(before) = latest.insert(key, received.number)
                && before > received.number
                && promised
            {
                violations.push(format!("{} got {} after {before}", names[received.device], received.number));
            }
        }
        violations
    }

    /// Everything that is wrong with what waits in a queue and with what died in it. Those who consume it subscribe to
    /// nothing else. Without any, all that it was given waits in it, in its order.
    pub(crate) fn check_queue(&self, waiting: &[Publication], dead: &[Publication]) -> Vec<String> {
        let mut violations = Vec::new();
        let consumes = |one: &&Subscribed| WorkQueue::is_named_by(&one.filter);
        let consumers: BTreeSet<usize> = self.subscribed.iter().filter(consumes).map(|one| one.device).collect();
        let done = self.received.iter().filter(|one| consumers.contains(&one.device) && !one.refused);
        let done: BTreeSet<u64> = done.map(|one| one.number).collect();
        let mut copies: BTreeMap<u64, usize> = BTreeMap::new();
        let mut latest: BTreeMap<(usize, &TopicName), u64> = BTreeMap::new();
        for (place, publication) in waiting.iter().chain(dead).enumerate() {
            let number = std::str::from_utf8(&publication.payload).ok().and_then(|text| text.parse::<u64>().ok());
            let published = number.and_then(|number| self.published.get(number as usize));
            let Some((number, published)) = number.zip(published) else {
                violations.push(format!("the queue has {:?}, which nobody published", publication.payload));
                continue;
            };
            let count = copies.entry(number).or_default();
            *count += 1;
            if *count > 1 || place >= waiting.len() {
                continue;
            }
            if let Some(before) = latest.insert((published.device, &published.letter.topic), number)
                && before > number
            {
                violations.push(format!("the queue has {number} after {before}"));
            }
        }
        for published in &self.published {
            let Letter { number, topic, qos, .. } = &published.letter;
            let count = copies.get(number).copied().unwrap_or_default();
            let is_promised = published.accepted.is_some() && *qos > QoS::AtMostOnce && WorkQueue::takes(topic);
            if is_promised && count == 0 && !done.contains(number) {
                violations.push(format!("the queue lacks {number} on `{topic}`, which the node accepted"));
            }
            if *qos == QoS::ExactlyOnce && count > 1 && consumers.is_empty() {
                violations.push(format!("the queue has {number} {count} times, which was to be once"));
            }
        }
        let is_consumed = self
            .subscribed
            .iter()
            .filter(consumes)
            .any(|one| !one.over && one.granted.is_some() && one.leaving.is_none());
        if is_consumed && !waiting.is_empty() {
            let numbers: Vec<_> = waiting.iter().map(|it| String::from_utf8_lossy(&it.payload)).collect();
            violations.push(format!("the queue keeps {numbers:?} from its consumers"));
        }
        violations
    }

    /// How often a device got each message by way of a flow.
    pub(crate) fn relayed_copies(&self, device: usize) -> BTreeMap<u64, usize> {
        let mut copies = BTreeMap::new();
        for received in self.received.iter().filter(|received| received.device == device && received.relayed) {
            *copies.entry(received.number).or_default() += 1;
        }
        copies
    }

    /// The numbers that a device got, in the order in which they came, copies and retained ones included.
    pub(crate) fn numbers(&self, device: usize) -> Vec<u64> {
        self.received.iter().filter(|received| received.device == device).map(|received| received.number).collect()
    }
}
