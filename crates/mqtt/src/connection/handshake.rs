//! From the first byte to CONNACK, sections 3.1 and 3.2: the only packet that may come first, and its answer.

use std::num::{NonZeroU16, NonZeroU32};

use bytestring::ByteString;
use message::{ClientId, Moment, Now};

use super::keep_alive::KeepAlive;
use super::{CloseCause, ConnectRequest, Connection, Event, ReceivedIds, Violation};
use crate::packet::{
    Body, Connack, ConnackProperties, Connect, DecodeError, FixedHeader, Packet, PacketType, ReasonCode, Version,
};

/// How far the connection is.
#[derive(Debug)]
pub(super) enum Phase {
    /// Nothing but CONNECT may come.
    AwaitingConnect { deadline: Moment },
    /// The driver decides on [`Event::Connect`].
    Deciding { deadline: Moment, asked: Asked },
    /// The client is accepted.
    Open,
    /// The connection has ended.
    Closed,
}

/// What CONNECT said and CONNACK depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Asked {
    client_id_is_missing: bool,
    keep_alive_s: u16,
}

/// What the driver grants to a client that it accepts.
#[derive(Debug, Clone)]
pub struct Accept {
    /// A session of this client exists and goes on.
    pub session_present: bool,
    /// The one in the request, or the one assigned.
    pub client_id: ClientId,
    /// Takes the place of the client's keep alive, in seconds. 3.1.1 cannot be told: there it binds the node alone.
    pub keep_alive_s: Option<u16>,
    /// Takes the place of the session expiry that the client asked for, in seconds.
    pub session_expiry_s: Option<u32>,
    /// What [`received`](Connection::received) gave when the session's last connection closed; empty for a new session.
    pub received: ReceivedIds,
}

impl Accept {
    /// Accepts a client as it asked to be, with a new session.
    pub fn new_session(client_id: ClientId) -> Self {
        Self {
            session_present: false,
            client_id,
            keep_alive_s: None,
            session_expiry_s: None,
            received: ReceivedIds::new(),
        }
    }
}

impl Connection {
    pub(super) fn handle_first_packet(
        &mut self,
        deadline: Moment,
        header: FixedHeader,
        mut body: Body,
    ) -> Result<(), Violation> {
        if header.packet_type != PacketType::Connect {
            return Err(Violation::ConnectMissing { packet: header.packet_type });
        }
        let version = match Connect::decode_version(&mut body) {
            Ok(version) => version,
            Err(error) => {
                self.refuse_protocol(&error);
                return Err(error.into());
            }
        };
        self.peer.version = version;
        let mut is_heard = false;
        let decoded = header.check_length(version).and_then(|()| {
            Connect::decode(version, body, |properties| {
                self.peer.hear(properties);
                is_heard = true;
            })
        });
        let asked = decoded.map_err(Violation::from).and_then(|connect| self.take_connect(connect)).inspect_err(
            |violation| {
                // A client of which it is not known how much it takes is told as little as can be.
                self.send_refusal(violation.reason(), is_heard.then(|| violation.to_string()));
            },
        )?;
        self.phase = Phase::Deciding { deadline, asked };
        Ok(())
    }

    fn take_connect(&mut self, connect: Connect) -> Result<Asked, Violation> {
        let properties = connect.properties;
        if properties.authentication_method.is_some() {
            return Err(Violation::AuthenticationMethod);
        }
        // 3.1.1 lets a session without a name not outlive its connection (its section 3.1.3.1).
        if connect.version == Version::V3_1_1 && connect.client_id.is_empty() && !connect.clean_start {
            return Err(Violation::ClientIdMissing);
        }
        self.peer.session_expiry_s = match connect.version {
            Version::V3_1_1 if connect.clean_start => 0,
            Version::V3_1_1 => u32::MAX,
            Version::V5 => properties.session_expiry_s.unwrap_or(0),
        };
        self.deliveries.begin(
            properties.receive_max.map_or(u16::MAX, NonZeroU16::get).min(self.settings.in_flight_max),
            properties.topic_alias_max.unwrap_or(0).min(self.settings.outbound_topic_alias_max),
        );
        // An empty identifier is the only text that the packet may hold and that is no client id.
        let client_id = ClientId::parse(&connect.client_id).ok();
        let asked = Asked { client_id_is_missing: client_id.is_none(), keep_alive_s: connect.keep_alive_s };
        self.events.push_back(Event::Connect(Box::new(ConnectRequest {
            version: connect.version,
            client_id,
            clean_start: connect.clean_start,
            session_expiry_s: self.peer.session_expiry_s,
            keep_alive_s: connect.keep_alive_s,
            user_name: connect.user_name,
            password: connect.password,
            will: connect.will,
            user_properties: properties.user_properties,
        })));
        Ok(asked)
    }

    /// Accepts the client of [`Event::Connect`].
    pub fn handle_accepted(&mut self, now: Now, accept: Accept) {
        let Phase::Deciding { asked, .. } = self.phase else {
            return;
        };
        self.phase = Phase::Open;
        self.peer.keep_alive_s = accept.keep_alive_s.unwrap_or(asked.keep_alive_s);
        self.peer.session_expiry_s = accept.session_expiry_s.unwrap_or(self.peer.session_expiry_s);
        self.keep_alive = KeepAlive::new(self.peer.keep_alive_s, now.moment);
        self.publishes.resume(accept.received);
        let assigned = asked.client_id_is_missing.then(|| ByteString::from(accept.client_id.as_str()));
        self.peer.client_id = Some(accept.client_id);
        let properties = ConnackProperties {
            session_expiry_s: accept.session_expiry_s,
            receive_max: NonZeroU16::new(self.settings.receive_max),
            packet_bytes_max: u32::try_from(self.settings.packet_bytes_max).ok().and_then(NonZeroU32::new),
            topic_alias_max: Some(self.settings.topic_alias_max).filter(|max| *max > 0),
            assigned_client_id: assigned,
            server_keep_alive_s: accept.keep_alive_s,
            ..ConnackProperties::default()
        };
        let session_present = accept.session_present;
        self.send(Packet::Connack(Box::new(Connack { session_present, reason: ReasonCode::Success, properties })));
    }

    /// Refuses the client of [`Event::Connect`]; the connection ends.
    pub fn handle_refused(&mut self, reason: ReasonCode) {
        if matches!(self.phase, Phase::Deciding { .. }) {
            self.send_refusal(reason, None);
            self.end(CloseCause::ByServer(reason), false, None);
        }
    }

    /// Sends a CONNACK that refuses, if the version can say the reason.
    pub(super) fn send_refusal(&mut self, reason: ReasonCode, text: Option<String>) {
        if !reason.may_stand_in(PacketType::Connack)
            || (self.peer.version == Version::V3_1_1 && reason.connack_code_3_1_1().is_none())
        {
            return;
        }
        let properties = ConnackProperties { reason_string: text.map(ByteString::from), ..Default::default() };
        // A client that is too small for these few bytes sees the transport close, which says enough.
        let _ = self.try_send(Packet::Connack(Box::new(Connack { session_present: false, reason, properties })));
    }

    /// Refuses a protocol that is not spoken, in the form that its speakers know; who does not ask for MQTT gets no
    /// answer (section 3.1.2.1).
    fn refuse_protocol(&mut self, error: &DecodeError) {
        let DecodeError::UnsupportedProtocol { name, level } = error else {
            return;
        };
        self.peer.version = match (&**name, level) {
            ("MQIsdp", _) | ("MQTT", 0..=4) => Version::V3_1_1,
            ("MQTT", _) => Version::V5,
            _ => return,
        };
        self.send_refusal(ReasonCode::UnsupportedProtocolVersion, Some(error.to_string()));
    }
}
