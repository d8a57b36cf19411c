//! SUBSCRIBE and UNSUBSCRIBE in the broker's words.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use broker::{Promises, RetainHandling, SubscribeOptions, Subscription};
use message::{Now, QoS, TopicFilter};
use mqtt::packet::RetainHandling as Asked;
use mqtt::{ReasonCode, SubscribeRequest, UnsubscribeRequest};

use super::awaited::Then;
use super::client::Client;
use super::publishes::Waiting;
use super::streams;

impl Client {
    pub(super) fn handle_subscribe(&mut self, now: Now, mut request: SubscribeRequest) {
        let brings_retained = request.filters.iter().any(|asked| {
            asked.options.retain_handling != Asked::DoNotSend
                && asked.filter.share_group().is_none()
                && !asked.filter.is_of_destination()
        });
        let session = self.session.as_ref();
        if let Some(log) = session.and_then(|session| session.subscribes_after(brings_retained)).map(Arc::clone) {
            self.postponed = Some(Box::new(Waiting::Subscribe(request, log)));
            return;
        }
        let mut cursors = Promises::default();
        let identifier = request.subscription_id.and_then(NonZeroU32::new);
        let mut answers = Vec::with_capacity(request.filters.len());
        let mut subscriptions = Vec::with_capacity(request.filters.len());
        let mut before = Vec::with_capacity(request.filters.len());
        for asked in request.filters {
            if self.mqtt.access.may_subscribe(&self.principal, &asked.filter).is_err() {
                self.mqtt.figures.denied.fetch_add(1, Ordering::Relaxed);
                answers.push(Some(ReasonCode::NotAuthorized));
                continue;
            }
            if !self.has_room_for(&asked.filter, subscriptions.len()) {
                self.mqtt.figures.subscriptions_refused.fetch_add(1, Ordering::Relaxed);
                answers.push(Some(ReasonCode::QuotaExceeded));
                continue;
            }
            let options = SubscribeOptions {
                qos: self.qos_for(&asked.filter, asked.options.qos),
                no_local: asked.options.no_local,
                retain_as_published: asked.options.retain_as_published,
                retain_handling: match asked.options.retain_handling {
                    Asked::Send => RetainHandling::Always,
                    Asked::SendIfNew => RetainHandling::IfNew,
                    Asked::DoNotSend => RetainHandling::Never,
                },
                identifier,
            };
            if asked.filter.is_of_destination() {
                let place = streams::position(&request.user_properties);
                match self.consume_or_read(now, &asked.filter, options, place) {
                    Ok(promises) => cursors.merge(promises),
                    Err(refused) => {
                        let client = self.connection.client_id().map(message::ClientId::as_str);
                        tracing::debug!(client, "subscription refused: {}", refused.text);
                        request.ticket.explain(refused.text);
                        answers.push(Some(refused.reason));
                        continue;
                    }
                }
            }
            let known = self.session.as_ref().and_then(|session| session.subscription(&asked.filter));
            before.push((asked.filter.detach(), known));
            subscriptions.push(Subscription { filter: asked.filter, options });
            answers.push(None);
        }
        let (granted, mut promises) = match &mut self.session {
            Some(session) => session.subscribe(now, subscriptions),
            None => Default::default(),
        };
        let mut granted = granted.into_iter().map(|result| match result {
            Ok(qos) => qos.into(),
            Err(_) => ReasonCode::QuotaExceeded,
        });
        let answers: Vec<ReasonCode> = answers
            .into_iter()
            .map(|answer| answer.or_else(|| granted.next()).unwrap_or(ReasonCode::UnspecifiedError))
            .collect();
        promises.merge(cursors);
        self.once_settled(now, promises, Then::Subscribed(request.ticket, answers, before));
    }

    /// The quality of service that a subscription is granted. A session that outlives the process consumes queues at least
    /// once: the packet identifier of a message that is in the queue and not in the session is forgotten with the process,
    /// and the client would take the next message with that identifier for the same one.
    fn qos_for(&self, filter: &TopicFilter, asked: QoS) -> QoS {
        let outlives = self.session.as_ref().is_some_and(|session| session.destination().is_some());
        if outlives && filter.is_of_destination() { asked.min(QoS::AtLeastOnce) } else { asked }
    }

    /// What a request asked for could not be written down: the client is told so, and nothing of it stays in force.
    pub(super) fn take_subscriptions_back(&mut self, before: Vec<(TopicFilter, Option<SubscribeOptions>)>) {
        for (filter, _) in before.iter().filter(|(_, known)| known.is_none()) {
            self.stop_consuming(filter);
        }
        if let Some(session) = &mut self.session {
            session.take_subscriptions_back(before);
        }
    }

    /// Whether one more subscription is within the limit, beside those of the same request.
    fn has_room_for(&self, filter: &TopicFilter, of_request: usize) -> bool {
        let Some(session) = &self.session else { return true };
        let (is_there, count) = session.subscription_and_count(filter);
        is_there || count + of_request < self.mqtt.subscriptions_max
    }

    pub(super) fn handle_unsubscribe(&mut self, now: Now, request: UnsubscribeRequest) {
        let (existed, promises) = match &mut self.session {
            Some(session) => session.unsubscribe(&request.filters),
            None => (vec![false; request.filters.len()], Promises::default()),
        };
        let consumed = request.filters.iter().map(|filter| {
            let was_consumed = self.stop_consuming(filter);
            self.forget_stream(filter);
            was_consumed
        });
        let consumed: Vec<bool> = consumed.collect();
        let answers: Vec<ReasonCode> = existed
            .into_iter()
            .zip(consumed)
            .map(
                |(existed, consumed)| {
                    if existed || consumed { ReasonCode::Success } else { ReasonCode::NoSubscriptionExisted }
                },
            )
            .collect();
        self.once_settled(now, promises, Then::Unsubscribed(request.ticket, answers));
    }
}
