//! The ends that a connection can come to, section 4.13: each tells the client what it can, then the driver.

use bytestring::ByteString;

use super::handshake::Phase;
use super::{CloseCause, Closed, Connection, Event, Violation};
use crate::packet::{Disconnect, DisconnectProperties, Packet, PacketType, ReasonCode};

impl Connection {
    /// Ends the connection from the node's side: session taken over, server shutting down, an administrator's wish.
    pub fn handle_close(&mut self, reason: ReasonCode) {
        match self.phase {
            Phase::Open => {
                self.send_disconnect(reason, None);
                self.end(CloseCause::ByServer(reason), true, None);
            }
            Phase::Deciding { .. } => {
                self.send_refusal(reason, None);
                self.end(CloseCause::ByServer(reason), false, None);
            }
            Phase::AwaitingConnect { .. } => self.end(CloseCause::ByServer(reason), false, None),
            Phase::Closed => {}
        }
    }

    /// The transport was closed or reset by the other side.
    pub fn handle_transport_lost(&mut self) {
        let will_wanted = self.is_open();
        self.end(CloseCause::TransportLost, will_wanted, None);
    }

    pub(super) fn handle_disconnect(&mut self, disconnect: &Disconnect) -> Result<(), Violation> {
        let session_expiry_s = disconnect.properties.session_expiry_s;
        if self.peer.session_expiry_s == 0 && session_expiry_s.is_some_and(|seconds| seconds > 0) {
            return Err(Violation::SessionExpiryRaised);
        }
        let will_wanted = disconnect.reason != ReasonCode::Success;
        self.end(CloseCause::ByClient(disconnect.reason), will_wanted, session_expiry_s);
        Ok(())
    }

    /// Before CONNACK a refusal was sent where one could be; afterwards DISCONNECT says what was wrong.
    pub(super) fn end_by_violation(&mut self, violation: Violation) {
        let was_open = self.is_open();
        if was_open {
            self.send_disconnect(violation.reason(), Some(violation.to_string()));
        }
        self.end(CloseCause::Violation(violation), was_open, None);
    }

    pub(super) fn end_by_connect_deadline(&mut self) {
        self.end(CloseCause::ConnectDeadline, false, None);
    }

    pub(super) fn end_by_silence(&mut self) {
        self.send_disconnect(ReasonCode::KeepAliveTimeout, None);
        self.end(CloseCause::KeepAliveTimeout, true, None);
    }

    /// 3.1.1 knows no DISCONNECT from the server.
    fn send_disconnect(&mut self, reason: ReasonCode, text: Option<String>) {
        if self.peer.version.has_properties() {
            let reason =
                if reason.may_stand_in(PacketType::Disconnect) { reason } else { ReasonCode::UnspecifiedError };
            let properties =
                DisconnectProperties { reason_string: text.map(ByteString::from), ..DisconnectProperties::default() };
            // A client that is too small for these few bytes sees the transport close, which says enough.
            let _ = self.try_send(Packet::Disconnect(Box::new(Disconnect { reason, properties })));
        }
    }

    pub(super) fn end(&mut self, cause: CloseCause, will_wanted: bool, session_expiry_s: Option<u32>) {
        if !self.is_closed() {
            self.phase = Phase::Closed;
            self.events.push_back(Event::Closed(Closed { cause, will_wanted, session_expiry_s }));
        }
    }
}
