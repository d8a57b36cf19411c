//! From CONNECT to an open session.

use std::sync::atomic::Ordering;
use std::task::{Poll, Waker};
use std::time::Duration;

use broker::{Connect, Principal, SessionExpiry, Will};
use message::{ClientId, Now, Publication};
use mqtt::{Accept, ConnectRequest, ReasonCode, Version};

use super::awaited::Then;
use super::client::Client;
use super::{AssignedIds, Mqtt};

impl Client {
    pub(super) fn handle_connect(&mut self, now: Now, request: ConnectRequest) {
        let client_id = match &request.client_id {
            Some(client_id) => client_id.clone(),
            None => match self.mqtt.assign_client_id() {
                Some(client_id) => client_id,
                None => return self.connection.handle_refused(ReasonCode::ClientIdentifierNotValid),
            },
        };
        self.principal =
            Principal::Client { client_id: client_id.clone(), user: request.user_name.as_deref().map(Box::from) };
        let will = request.will.as_ref();
        if will.is_some_and(|will| self.mqtt.access.may_publish(&self.principal, &will.topic).is_err()) {
            self.mqtt.figures.denied.fetch_add(1, Ordering::Relaxed);
            return self.connection.handle_refused(ReasonCode::NotAuthorized);
        }
        if will.is_some_and(|will| !self.mqtt.settings.takes_topic(will.topic.as_str())) {
            return self.connection.handle_refused(ReasonCode::TopicNameInvalid);
        }
        let connect = Connect {
            client_id: client_id.clone(),
            clean_start: request.clean_start,
            expiry: SessionExpiry::from_interval_s(request.session_expiry_s),
            will: will.map(|will| make_will(will, now)),
            mailbox: self.mqtt.mailbox,
        };
        match self.mqtt.sessions.connect(now, connect) {
            Ok(claim) => {
                let request = Box::new(ConnectRequest { client_id: Some(client_id), ..request });
                self.claim = Some((claim, request));
            }
            Err(error) => {
                self.mqtt.figures.sessions_refused.fetch_add(1, Ordering::Relaxed);
                if self.mqtt.figures.complaints.0.lets_through(now) {
                    tracing::warn!(client = client_id.as_str(), "client refused: {error}");
                }
                self.connection.handle_refused(ReasonCode::QuotaExceeded);
            }
        }
    }

    /// Opens the session once no other connection holds it.
    pub(super) fn poll_claim(&mut self, now: Now, waker: &Waker) {
        let Some((claim, _)) = &mut self.claim else { return };
        let Poll::Ready(granted) = claim.poll_connected(waker) else { return };
        let Some((_, request)) = self.claim.take() else { return };
        let (Ok(connected), Some(client_id)) = (granted, request.client_id.clone()) else {
            return self.connection.handle_close(ReasonCode::SessionTakenOver);
        };
        let session = connected.session;
        session.set_waker(waker.clone());
        let accept = Accept {
            session_present: connected.present,
            keep_alive_s: self.mqtt.shorter_keep_alive_s(&request),
            ..Accept::new_session(client_id)
        };
        self.session = Some(session);
        self.consume_again(now);
        self.once_settled(now, connected.promises, Then::Accept(Box::new(accept)));
    }
}

impl Mqtt {
    /// The keep alive that a client is told instead of its own. 3.1.1 has no word for it.
    fn shorter_keep_alive_s(&self, request: &ConnectRequest) -> Option<u16> {
        let longest = self.keep_alive_s_max;
        let is_too_long = request.keep_alive_s == 0 || request.keep_alive_s > longest;
        (request.version == Version::V5 && longest < u16::MAX && is_too_long).then_some(longest)
    }

    fn assign_client_id(&self) -> Option<ClientId> {
        let number = match &self.assigned_ids {
            AssignedIds::Random => crate::clock::random_u64(),
            AssignedIds::Counted(count) => count.fetch_add(1, Ordering::Relaxed),
        };
        ClientId::parse(&format!("auto-{number:016x}")).ok()
    }
}

fn make_will(will: &mqtt::Will, now: Now) -> Will {
    let publication = Publication {
        topic: will.topic.detach(),
        payload: bytes::Bytes::copy_from_slice(&will.payload),
        qos: will.qos,
        retain: will.retain,
        published_at: now.wall,
        properties: will.properties.clone(),
    };
    Will { publication, delay: Duration::from_secs(u64::from(will.delay_s)) }
}
