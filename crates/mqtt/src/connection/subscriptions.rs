//! SUBSCRIBE and UNSUBSCRIBE, sections 3.8 to 3.11: filters that are none are refused here, each alone; the rest is
//! the driver's to grant.

use message::TopicFilter;

use super::event::RequestTicket;
use super::{
    Connection, Event, RequestedFilter, SubscribeRequest, SubscribeTicket, UnsubscribeRequest, UnsubscribeTicket,
};
use crate::packet::{
    AckProperties, Packet, PacketType, ReasonCode, Suback, Subscribe, SubscriptionId, Unsuback, Unsubscribe,
};

impl Connection {
    pub(super) fn handle_subscribe(&mut self, subscribe: Subscribe) {
        let mut reasons = Vec::with_capacity(subscribe.filters.len());
        let mut filters = Vec::with_capacity(subscribe.filters.len());
        for asked in subscribe.filters {
            match TopicFilter::from_byte_string(asked.filter) {
                // Subscriptions are kept long: they must not keep the read buffer alive.
                Ok(filter) if self.settings.takes_topic(filter.pattern()) => {
                    filters.push(RequestedFilter { filter: filter.detach(), options: asked.options });
                    reasons.push(None);
                }
                Ok(_) | Err(_) => reasons.push(Some(ReasonCode::TopicFilterInvalid)),
            }
        }
        self.requests_pending += 1;
        let ticket = SubscribeTicket(RequestTicket { packet_id: subscribe.packet_id, reasons, explanation: None });
        if filters.is_empty() {
            self.handle_subscribed(ticket, &[]);
            return;
        }
        self.events.push_back(Event::Subscribe(SubscribeRequest {
            ticket,
            subscription_id: subscribe.properties.subscription_id.map(SubscriptionId::get),
            filters,
            user_properties: subscribe.properties.user_properties,
        }));
    }

    pub(super) fn handle_unsubscribe(&mut self, unsubscribe: Unsubscribe) {
        let mut reasons = Vec::with_capacity(unsubscribe.filters.len());
        let mut filters = Vec::with_capacity(unsubscribe.filters.len());
        for asked in unsubscribe.filters {
            match TopicFilter::from_byte_string(asked) {
                Ok(filter) => {
                    filters.push(filter);
                    reasons.push(None);
                }
                Err(_) => reasons.push(Some(ReasonCode::TopicFilterInvalid)),
            }
        }
        self.requests_pending += 1;
        let ticket = UnsubscribeTicket(RequestTicket { packet_id: unsubscribe.packet_id, reasons, explanation: None });
        if filters.is_empty() {
            self.handle_unsubscribed(ticket, &[]);
            return;
        }
        self.events.push_back(Event::Unsubscribe(UnsubscribeRequest { ticket, filters }));
    }

    /// Answers [`Event::Subscribe`] with one reason for each filter of the request, in its order: the granted QoS
    /// (`qos.into()`) or a failure.
    pub fn handle_subscribed(&mut self, ticket: SubscribeTicket, answers: &[ReasonCode]) {
        self.requests_pending = self.requests_pending.saturating_sub(1);
        if self.is_open() {
            let mut ticket = ticket.0;
            let packet_id = ticket.packet_id;
            let properties = AckProperties { reason_string: ticket.explanation.take(), ..AckProperties::default() };
            let reasons = merge(ticket, answers, PacketType::Suback);
            self.send(Packet::Suback(Suback { packet_id, properties, reasons }));
        }
    }

    /// Answers [`Event::Unsubscribe`] with one reason for each filter of the request, in its order.
    pub fn handle_unsubscribed(&mut self, ticket: UnsubscribeTicket, answers: &[ReasonCode]) {
        self.requests_pending = self.requests_pending.saturating_sub(1);
        if self.is_open() {
            let packet_id = ticket.0.packet_id;
            let reasons = merge(ticket.0, answers, PacketType::Unsuback);
            self.send(Packet::Unsuback(Unsuback { packet_id, properties: AckProperties::default(), reasons }));
        }
    }
}

/// Puts the driver's answers into the places that were left open.
fn merge(ticket: RequestTicket, answers: &[ReasonCode], packet: PacketType) -> Vec<ReasonCode> {
    let mut answers = answers.iter().copied().filter(|reason| reason.may_stand_in(packet));
    let missing = ReasonCode::UnspecifiedError;
    ticket.reasons.into_iter().map(|reason| reason.or_else(|| answers.next()).unwrap_or(missing)).collect()
}
