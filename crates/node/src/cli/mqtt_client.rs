//! A small MQTT 5.0 client for `pub` and `sub`: one connection, one thing at a time.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::num::NonZeroU16;
use std::time::Duration;

use bytes::BytesMut;
use message::{QoS, TopicFilter, TopicName};
use mqtt::packet::{
    Ack, Connack, Connect, ConnectProperties, Disconnect, Publish, Subscribe, SubscribeFilter, SubscribeOptions,
    SubscribeProperties,
};
use mqtt::{Packet, ReasonCode, Version};

use super::Failure;

/// A connection to the node.
#[derive(Debug)]
pub(super) struct MqttClient {
    stream: TcpStream,
    address: SocketAddr,
    input: BytesMut,
}

const VERSION: Version = Version::V5;
/// What MQTT allows.
const PACKET_BYTES_MAX: usize = 268_435_460;
const KEEP_ALIVE_S: u16 = 60;
/// How long the node may take to accept or to acknowledge.
const ANSWER_DEADLINE: Duration = Duration::from_secs(10);
/// Silence after which a ping is sent.
const PING_AFTER: Duration = Duration::from_secs(KEEP_ALIVE_S as u64 / 2);
const READ_BYTES: usize = 16 * 1024;

impl MqttClient {
    /// Connects under a name that the node chooses.
    pub(super) fn connect(address: SocketAddr) -> Result<Self, Failure> {
        let no_answer = |error: &dyn std::fmt::Display| {
            Failure::NoAnswer(format!(
                "no node answers at {address}: {error}; start one, or name it with --address or --data-dir"
            ))
        };
        let stream = TcpStream::connect_timeout(&address, ANSWER_DEADLINE).map_err(|error| no_answer(&error))?;
        stream.set_nodelay(true).map_err(|error| no_answer(&error))?;
        let mut client = Self { stream, address, input: BytesMut::new() };
        client.send(&Packet::Connect(Box::new(Connect {
            version: VERSION,
            clean_start: true,
            keep_alive_s: KEEP_ALIVE_S,
            properties: ConnectProperties::default(),
            client_id: bytestring::ByteString::new(),
            will: None,
            user_name: None,
            password: None,
        })))?;
        match client.answer()? {
            Packet::Connack(connack) if !connack.reason.is_error() => Ok(client),
            Packet::Connack(connack) => Err(refused(address, &connack)),
            _ => Err(client.unexpected()),
        }
    }

    /// Publishes one message; with QoS 1 or 2 until the node has taken it.
    pub(super) fn publish(
        &mut self,
        topic: TopicName,
        payload: Vec<u8>,
        qos: QoS,
        retain: bool,
    ) -> Result<(), Failure> {
        let packet_id = (qos != QoS::AtMostOnce).then_some(NonZeroU16::MIN);
        self.send(&Packet::Publish(Publish {
            dup: false,
            qos,
            retain,
            topic: Some(topic),
            packet_id,
            topic_alias: None,
            subscription_ids: Vec::new(),
            properties: None,
            payload: payload.into(),
        }))?;
        match qos {
            QoS::AtMostOnce => Ok(()),
            QoS::AtLeastOnce => match self.answer()? {
                Packet::Puback(ack) => self.taken(&ack),
                _ => Err(self.unexpected()),
            },
            QoS::ExactlyOnce => {
                match self.answer()? {
                    Packet::Pubrec(ack) => self.taken(&ack)?,
                    _ => return Err(self.unexpected()),
                }
                self.send(&Packet::Pubrel(Ack::new(NonZeroU16::MIN, ReasonCode::Success)))?;
                match self.answer()? {
                    Packet::Pubcomp(ack) => self.taken(&ack),
                    _ => Err(self.unexpected()),
                }
            }
        }
    }

    /// Subscribes to topic filters.
    pub(super) fn subscribe(&mut self, filters: &[TopicFilter], qos: QoS) -> Result<(), Failure> {
        let options = SubscribeOptions { qos, retain_as_published: true, ..SubscribeOptions::default() };
        let wanted = filters.iter().map(|filter| SubscribeFilter { filter: filter.as_str().into(), options });
        self.send(&Packet::Subscribe(Subscribe {
            packet_id: NonZeroU16::MIN,
            properties: SubscribeProperties::default(),
            filters: wanted.collect(),
        }))?;
        let Packet::Suback(suback) = self.answer()? else { return Err(self.unexpected()) };
        let refused: Vec<String> = filters
            .iter()
            .zip(&suback.reasons)
            .filter(|(_, reason)| reason.is_error())
            .map(|(filter, reason)| format!("the node refuses the subscription to {}: {reason}", filter.as_str()))
            .collect();
        if refused.is_empty() { Ok(()) } else { Err(Failure::NotDone(refused)) }
    }

    /// Waits for the next message and acknowledges it.
    pub(super) fn next_message(&mut self) -> Result<Publish, Failure> {
        loop {
            match self.read(PING_AFTER)? {
                None => self.send(&Packet::Pingreq)?,
                Some(Packet::Publish(publish)) => {
                    match (publish.qos, publish.packet_id) {
                        (QoS::AtLeastOnce, Some(id)) => {
                            self.send(&Packet::Puback(Ack::new(id, ReasonCode::Success)))?;
                        }

                        (QoS::ExactlyOnce, Some(id)) => {
                            self.send(&Packet::Pubrec(Ack::new(id, ReasonCode::Success)))?;
                        }

                        _ => {}
                    }
                    return Ok(publish);
                }
                Some(Packet::Pubrel(ack)) => {
                    self.send(&Packet::Pubcomp(Ack::new(ack.packet_id, ReasonCode::Success)))?;
                }
                Some(Packet::Disconnect(disconnect)) => return Err(self.dismissed(&disconnect)),
                Some(_) => {}
            }
        }
    }

    /// Ends the connection in order.
    pub(super) fn disconnect(mut self) -> Result<(), Failure> {
        self.send(&Packet::Disconnect(Box::new(Disconnect::new(ReasonCode::Success))))
    }

    fn taken(&self, ack: &Ack) -> Result<(), Failure> {
        if ack.reason.is_error() {
            return Err(Failure::not_done(format!("the node at {} refuses the message: {}", self.address, ack.reason)));
        }
        Ok(())
    }

    fn answer(&mut self) -> Result<Packet, Failure> {
        match self.read(ANSWER_DEADLINE)? {
            Some(Packet::Disconnect(disconnect)) => Err(self.dismissed(&disconnect)),
            Some(packet) => Ok(packet),
            None => Err(Failure::NoAnswer(format!("the node at {} does not answer", self.address))),
        }
    }

    fn send(&mut self, packet: &Packet) -> Result<(), Failure> {
        let mut output = BytesMut::new();
        packet.encode(VERSION, &mut output, PACKET_BYTES_MAX).map_err(Failure::not_done)?;
        self.stream.write_all(&output).map_err(|error| self.lost(&error))
    }

    /// The next packet; `None` when none came in time.
    fn read(&mut self, deadline: Duration) -> Result<Option<Packet>, Failure> {
        self.stream.set_read_timeout(Some(deadline)).map_err(|error| self.lost(&error))?;
        let mut bytes = vec![0; READ_BYTES];
        loop {
            let decoded = Packet::decode(VERSION, &mut self.input, PACKET_BYTES_MAX);
            if let Some(packet) = decoded.map_err(|error| self.lost(&error))? {
                return Ok(Some(packet));
            }
            match self.stream.read(&mut bytes) {
                Ok(0) => return Err(self.lost(&"the node closed the connection")),
                Ok(count) => self.input.extend_from_slice(bytes.get(..count).unwrap_or_default()),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return Ok(None),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(self.lost(&error)),
            }
        }
    }

    fn lost(&self, why: &dyn std::fmt::Display) -> Failure {
        Failure::NoAnswer(format!("the connection to {} is lost: {why}", self.address))
    }

    fn dismissed(&self, disconnect: &Disconnect) -> Failure {
        Failure::NoAnswer(format!("the node at {} ended the connection: {}", self.address, disconnect.reason))
    }

    fn unexpected(&self) -> Failure {
        Failure::NoAnswer(format!(
            "what listens at {} answers out of turn: is it a node's MQTT listener?",
            self.address
        ))
    }
}

fn refused(address: SocketAddr, connack: &Connack) -> Failure {
    Failure::not_done(format!("the node at {address} refuses the connection: {}", connack.reason))
}
