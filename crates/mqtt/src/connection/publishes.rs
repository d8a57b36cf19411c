//! Messages from the client, sections 3.3.4 and 4.3: each is handed on once and acknowledged in the order in which it
//! came, when the driver says that it is safe.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::num::NonZeroU16;

use message::{Now, Publication, QoS, TopicName, TopicNameError};

use super::topic_alias::InboundAliases;
use super::topic_memory::TopicMemory;
use super::{CloseCause, Connection, Event, PublishTicket, Settings, Violation};
use crate::packet::{Ack, Body, DecodeError, Packet, PacketType, Publish, ReasonCode, Version};

/// The packet identifiers of QoS 2 messages that were handed on and not yet released by the client. They belong to the
/// session and outlive the connection: by them a message that is sent again is known (section 4.3.3).
pub type ReceivedIds = BTreeSet<NonZeroU16>;

/// What is known of the messages from the client.
#[derive(Debug)]
pub(super) struct Publishes {
    receive_max: u16,
    /// Messages that wait for their acknowledgement, in the order in which they came.
    pending: VecDeque<Pending>,
    /// The ticket of the first of `pending`; the others follow without a gap.
    first_ticket: u64,
    received: ReceivedIds,
    /// How many of `pending` are of QoS 2, by their identifier: those must not be released yet.
    unanswered: BTreeMap<NonZeroU16, usize>,
    /// A release that came before the PUBREC that it answers. Nothing is read until that has left.
    early_release: Option<Ack>,
    /// QoS 2 messages of this connection that the client has not released since its PUBREC.
    unreleased: usize,
    aliases: InboundAliases,
    topics: TopicMemory,
}

#[derive(Debug)]
struct Pending {
    packet_id: NonZeroU16,
    answer: Answer,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    /// The driver has not answered.
    None {
        qos: QoS,
    },
    Puback(ReasonCode),
    Pubrec(ReasonCode),
    /// A QoS 2 message that came before: answered as the first one was.
    Repeated,
}

impl Publishes {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            receive_max: settings.receive_max.max(1),
            pending: VecDeque::new(),
            first_ticket: 0,
            received: ReceivedIds::new(),
            unanswered: BTreeMap::new(),
            early_release: None,
            unreleased: 0,
            aliases: InboundAliases::new(settings.topic_alias_max),
            topics: TopicMemory::default(),
        }
    }

    /// Gives back the memory that only work needs.
    pub(super) fn rest(&mut self) {
        if self.pending.is_empty() {
            self.pending = VecDeque::new();
        }
    }

    pub(super) fn resume(&mut self, received: ReceivedIds) {
        self.received = received;
    }

    /// Whether as many messages wait for their answer as the client may send. 3.1.1 does not know this limit, so that
    /// reading stops until one is answered.
    #[inline]
    pub(super) fn pending_are_full(&self) -> bool {
        self.pending.len() >= usize::from(self.receive_max)
    }

    /// Whether a release waits for the PUBREC that it came before.
    #[inline]
    pub(super) fn awaits_early_release(&self) -> bool {
        self.early_release.is_some()
    }

    /// Whether the client has used up its Receive Maximum (section 4.9).
    fn quota_is_used(&self) -> bool {
        self.pending.len() + self.unreleased >= usize::from(self.receive_max)
    }

    fn push(&mut self, packet_id: NonZeroU16, answer: Answer) -> PublishTicket {
        let ticket = PublishTicket { number: self.first_ticket + self.pending.len() as u64, packet_id };
        let pending = Pending { packet_id, answer };
        if pending.is_exactly_once() {
            *self.unanswered.entry(packet_id).or_default() += 1;
        }
        self.pending.push_back(pending);
        ticket
    }

    fn answer(&mut self, number: u64, reason: ReasonCode) {
        let Some(place) = number.checked_sub(self.first_ticket) else {
            return;
        };
        let Some(pending) = self.pending.get_mut(place as usize) else {
            return;
        };
        if let Answer::None { qos } = pending.answer {
            pending.answer = match qos {
                QoS::ExactlyOnce => Answer::Pubrec(reason),
                QoS::AtMostOnce | QoS::AtLeastOnce => Answer::Puback(reason),
            };
        }
    }

    /// The next acknowledgement that may leave.
    fn pop_answered(&mut self) -> Option<Pending> {
        self.pending.front().filter(|pending| !matches!(pending.answer, Answer::None { .. }))?;
        self.first_ticket += 1;
        let pending = self.pending.pop_front()?;
        if pending.is_exactly_once()
            && let Entry::Occupied(mut count) = self.unanswered.entry(pending.packet_id)
        {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
        Some(pending)
    }

    /// The release that came too early, once its message has been answered.
    fn take_due_release(&mut self) -> Option<Ack> {
        self.early_release.take_if(|ack| !self.unanswered.contains_key(&ack.packet_id))
    }
}

impl Pending {
    fn is_exactly_once(&self) -> bool {
        matches!(self.answer, Answer::None { qos: QoS::ExactlyOnce } | Answer::Pubrec(_) | Answer::Repeated)
    }
}

impl Connection {
    #[inline]
    pub(super) fn handle_publish(&mut self, now: Now, flags: u8, body: Body) -> Result<(), Violation> {
        let topics = &self.publishes.topics;
        let mut topic_is_known = false;
        let publish = Publish::decode(self.peer.version, flags, body, |bytes| {
            let topic = topics.find(bytes);
            topic_is_known = topic.is_some();
            topic
        })?;
        if !publish.subscription_ids.is_empty() {
            return Err(Violation::SubscriptionIdPublished);
        }
        self.traffic.count_payload_received(publish.payload.len());
        if let Some(topic) = publish.topic.as_ref().filter(|_| !topic_is_known) {
            self.check_topic(topic)?;
        }
        let topic = match (publish.topic_alias, publish.topic) {
            (Some(alias), topic) => self.publishes.aliases.resolve(alias, topic)?,
            (None, Some(topic)) => {
                if !topic_is_known {
                    self.publishes.topics.note(&topic);
                }
                topic
            }
            (None, None) => return Err(DecodeError::from(TopicNameError::Empty).into()),
        };
        let publication = Publication {
            topic,
            payload: publish.payload,
            qos: publish.qos,
            retain: publish.retain,
            published_at: now.wall,
            properties: publish.properties,
        };
        match publish.packet_id {
            None => self.events.push_back(Event::Publish { publication, ticket: None }),
            Some(packet_id) => self.take_acknowledged(packet_id, publication)?,
        }
        Ok(())
    }

    /// A topic that is known was looked at before.
    fn check_topic(&self, topic: &TopicName) -> Result<(), Violation> {
        if self.settings.takes_topic(topic.as_str()) {
            return Ok(());
        }
        let (bytes_max, levels_max) = (self.settings.topic_bytes_max, self.settings.topic_levels_max);
        Err(Violation::TopicTooLarge { bytes_max, levels_max })
    }

    fn take_acknowledged(&mut self, packet_id: NonZeroU16, publication: Publication) -> Result<(), Violation> {
        if self.peer.version.has_properties() && self.publishes.quota_is_used() {
            return Err(Violation::ReceiveMaximumExceeded { receive_max: self.publishes.receive_max });
        }
        let qos = publication.qos;
        if qos == QoS::ExactlyOnce && !self.publishes.received.insert(packet_id) {
            // Never handed on, so no ticket leaves the machine.
            let _ = self.publishes.push(packet_id, Answer::Repeated);
            self.send_answered();
            return Ok(());
        }
        let ticket = self.publishes.push(packet_id, Answer::None { qos });
        self.events.push_back(Event::Publish { publication, ticket: Some(ticket) });
        Ok(())
    }

    /// Answers a QoS 1 or 2 message: it is safe, or it is refused. 3.1.1 cannot be told of a refusal: there the
    /// connection ends instead (its section 3.3.5).
    pub fn handle_published(&mut self, ticket: PublishTicket, reason: ReasonCode) {
        self.publishes.answer(ticket.number, reason);
        self.send_answered();
    }

    /// The QoS 2 messages that the client has not released. Once the connection has closed and every ticket has had its
    /// answer, this is what the session's next connection begins with ([`Accept::received`](super::Accept::received)):
    /// a message that is still waiting for its answer is among them.
    pub fn received(&self) -> &ReceivedIds {
        &self.publishes.received
    }

    fn send_answered(&mut self) {
        while let Some(pending) = self.publishes.pop_answered() {
            let packet_id = pending.packet_id;
            match pending.answer {
                Answer::None { .. } => {}
                Answer::Puback(reason) => self.send_answer(PacketType::Puback, packet_id, reason),
                Answer::Pubrec(reason) => {
                    if reason.is_error() {
                        self.publishes.received.remove(&packet_id);
                    } else {
                        self.publishes.unreleased += 1;
                    }
                    self.send_answer(PacketType::Pubrec, packet_id, reason);
                }
                Answer::Repeated if self.publishes.received.contains(&packet_id) => {
                    self.send_answer(PacketType::Pubrec, packet_id, ReasonCode::Success);
                }
                Answer::Repeated => {
                    self.send_answer(PacketType::Pubrec, packet_id, ReasonCode::PacketIdentifierInUse);
                }
            }
        }
        if let Some(ack) = self.publishes.take_due_release() {
            self.release(&ack);
        }
    }

    fn send_answer(&mut self, packet: PacketType, packet_id: NonZeroU16, reason: ReasonCode) {
        if !self.is_open() {
            return;
        }
        if reason.is_error() && self.peer.version == Version::V3_1_1 {
            self.end(CloseCause::ByServer(reason), true, None);
            return;
        }
        let reason = if reason.may_stand_in(packet) { reason } else { ReasonCode::UnspecifiedError };
        let step = if packet == PacketType::Pubrec { Packet::Pubrec } else { Packet::Puback };
        self.send_ack(step, packet_id, reason);
    }

    /// A client that releases a message before it was told that it may has only guessed the PUBREC. The release
    /// counts from when that leaves, so that what the client sees does not depend on who was faster.
    pub(super) fn handle_pubrel(&mut self, ack: Ack) {
        if self.publishes.unanswered.contains_key(&ack.packet_id) {
            self.publishes.early_release = Some(ack);
        } else {
            self.release(&ack);
        }
    }

    fn release(&mut self, ack: &Ack) {
        if self.publishes.received.remove(&ack.packet_id) {
            // A message of an earlier connection was not counted in this one.
            self.publishes.unreleased = self.publishes.unreleased.saturating_sub(1);
            self.events.push_back(Event::Released { packet_id: ack.packet_id });
        } else {
            self.send_ack(Packet::Pubcomp, ack.packet_id, ReasonCode::PacketIdentifierNotFound);
        }
    }

    /// Answers [`Event::Released`].
    pub fn handle_released(&mut self, packet_id: NonZeroU16) {
        if self.is_open() {
            self.send_ack(Packet::Pubcomp, packet_id, ReasonCode::Success);
        }
    }
}
