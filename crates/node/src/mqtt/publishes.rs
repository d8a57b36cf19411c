//! Messages from the client into the broker. The acknowledgement leaves when the broker says that it may.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Poll, Waker};

use broker::{Origin, Postponed, Routed};
use message::{Now, Publication, QoS};
use mqtt::{PublishTicket, ReasonCode, SubscribeRequest, Version};
use store::log::Intake;

use super::awaited::reason_of;
use super::client::Client;

/// What waits until a log is not crowded any more.
#[derive(Debug)]
pub(super) enum Waiting {
    Publish(Box<Postponed>, Option<PublishTicket>),
    /// Retained messages come with it.
    Subscribe(SubscribeRequest, Arc<Intake>),
}

impl Waiting {
    fn poll_room(&self, waker: &Waker) -> Poll<()> {
        match self {
            Self::Publish(postponed, _) => postponed.poll_room(waker),
            Self::Subscribe(_, log) => log.poll_room(waker),
        }
    }
}

impl Client {
    pub(super) fn handle_publish(&mut self, now: Now, publication: Publication, ticket: Option<PublishTicket>) {
        if self.takes_no_more {
            return self.leave_untaken(ticket);
        }
        if let Err(denied) = self.mqtt.access.may_publish(&self.principal, &publication.topic) {
            return self.refuse_publish(now, &denied, ticket);
        }
        self.publish(publication, ticket);
    }

    /// Nothing becomes of a message: when the connection has ended, the session is not to know it from the next.
    pub(super) fn leave_untaken(&mut self, ticket: Option<PublishTicket>) {
        if let Some(ticket) = ticket.filter(|_| self.connection.is_closed()) {
            self.connection.handle_published(ticket, ReasonCode::ServerBusy);
        }
    }

    /// Publishes, or waits for a log that is crowded.
    fn publish(&mut self, publication: Publication, ticket: Option<PublishTicket>) {
        let origin = self.origin(&publication, ticket.as_ref());
        let is_of_destination = publication.topic.is_of_destination();
        let routes = self.routes.get_or_insert_with(|| Box::new(self.mqtt.router.route_cache()));
        match self.mqtt.router.publish_patiently(publication, origin, routes) {
            Ok(routed) => self.handle_routed(routed, is_of_destination, ticket),
            Err(postponed) => self.postponed = Some(Box::new(Waiting::Publish(postponed, ticket))),
        }
    }

    /// Goes on with what waits for a crowded log, and with what came after it.
    pub(super) fn poll_postponed(&mut self, now: Now, waker: &Waker) {
        loop {
            self.handle_events(now);
            let Some(ready) = self.postponed.take_if(|waiting| waiting.poll_room(waker).is_ready()) else { return };
            match *ready {
                Waiting::Publish(postponed, ticket) => self.publish(postponed.into_publication(), ticket),
                Waiting::Subscribe(request, _) => self.handle_subscribe(now, request),
            }
        }
    }

    /// Publishes what waits without waiting any longer, as far as there is room.
    pub(super) fn publish_postponed(&mut self, now: Now) {
        while let Some(waiting) = self.postponed.take() {
            // Nobody is there any more who could be told that he has subscribed.
            let Waiting::Publish(postponed, ticket) = *waiting else { continue };
            let publication = postponed.into_publication();
            let origin = self.origin(&publication, ticket.as_ref());
            let is_of_destination = publication.topic.is_of_destination();
            let routes = self.routes.get_or_insert_with(|| Box::new(self.mqtt.router.route_cache()));
            let routed = self.mqtt.router.publish_from(publication, origin, routes);
            self.handle_routed(routed, is_of_destination, ticket);
            self.handle_events(now);
        }
    }

    fn handle_routed(&mut self, routed: Routed, is_of_destination: bool, ticket: Option<PublishTicket>) {
        if is_of_destination
            && routed.matched() == 0
            && let Some(ticket) = ticket
        {
            // Nothing of that name takes messages: to let it pass would lose the message in silence.
            return self.connection.handle_published(ticket, ReasonCode::TopicNameInvalid);
        }
        // Nobody is told of a QoS 0 message: it is waited for only where it fills a mailbox or crowds a log.
        let pressed = !routed.is_released();
        let waits = pressed || ticket.is_some() && (!routed.is_settled() || !self.unsettled.is_empty());
        if waits {
            self.is_pressed |= pressed;
            self.unsettled.push_back((routed, ticket));
        } else if let Some(ticket) = ticket {
            self.connection.handle_published(ticket, reason(&routed));
        }
    }

    fn origin(&self, publication: &Publication, ticket: Option<&PublishTicket>) -> Origin {
        let Some(session) = &self.session else { return Origin::default() };
        let ticket = ticket.filter(|_| publication.qos == QoS::ExactlyOnce);
        Origin {
            subscriber: Some(session.subscriber()),
            exactly_once: session.destination().zip(ticket.map(PublishTicket::packet_id)),
        }
    }

    /// MQTT 5.0 tells the client by its acknowledgement; 3.1.1 has no word for it but the end of the connection.
    fn refuse_publish(&mut self, now: Now, denied: &broker::Denied, ticket: Option<PublishTicket>) {
        self.mqtt.figures.denied.fetch_add(1, Ordering::Relaxed);
        let client = self.connection.client_id().map(message::ClientId::as_str);
        tracing::debug!(client, "publish refused: {denied}");
        match ticket {
            Some(ticket) => self.connection.handle_published(ticket, ReasonCode::NotAuthorized),
            None if self.connection.version() == Version::V3_1_1 => self.close(now, ReasonCode::NotAuthorized),
            None => {}
        }
    }
}

/// What the acknowledgement of a routed message says.
pub(super) fn reason(routed: &Routed) -> ReasonCode {
    match routed.broken() {
        Some(broken) => reason_of(broken),
        None if routed.matched() == 0 => ReasonCode::NoMatchingSubscribers,
        None => ReasonCode::Success,
    }
}
