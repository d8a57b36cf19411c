//! One connection between a device and the node: two pipes and the node's end, which is driven as the listener drives
//! it, but in turns so small that anything may happen between two of them.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use message::Moment;
use node::mqtt::{Client, Mqtt};

use crate::flag::Flag;
use crate::pipe::Pipe;
use crate::{Chance, Clock};

/// What the network is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weather {
    /// The longest that a piece is under way; each takes its own time, and none overtakes another.
    pub delay_max: Duration,
    /// The largest piece that is taken or given at once.
    pub piece_bytes_max: usize,
    /// Bytes that may be under way in one direction before the sender has to wait.
    pub window_bytes: usize,
}

impl Default for Weather {
    fn default() -> Self {
        Self { delay_max: Duration::from_millis(40), piece_bytes_max: 200, window_bytes: 2_000 }
    }
}

/// How a connection is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// Both sides learn it.
    Broken,
    /// The node hears nothing more, and all that it sends goes nowhere.
    Silent,
}

/// What can be done on a link now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LinkTurn {
    NodeReads,
    NodeWorks,
    NodeTimer,
    NodeWrites,
    NodeLeaves,
    DeviceReads,
}

#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) device: usize,
    pub(crate) to_node: Pipe,
    pub(crate) to_device: Pipe,
    /// Whether the device still holds its end.
    pub(crate) attached: bool,
    client: Option<Client>,
    input: BytesMut,
    flag: Flag,
    transport_broke: bool,
}

impl Link {
    pub(crate) fn open(device: usize, mqtt: &Arc<Mqtt>, clock: &Clock) -> Self {
        Self {
            device,
            to_node: Pipe::default(),
            to_device: Pipe::default(),
            attached: true,
            client: Some(Client::new(Arc::clone(mqtt), clock.now())),
            input: BytesMut::new(),
            flag: Flag::raised(),
            transport_broke: false,
        }
    }

    /// Whether both ends have let go.
    pub(crate) fn is_over(&self) -> bool {
        self.client.is_none() && !self.attached
    }

    /// Adds everything that can be done now to `turns`.
    pub(crate) fn turns(&mut self, now: Moment, weather: &Weather, turns: &mut Vec<LinkTurn>) {
        let arrived = |pipe: &Pipe| pipe.next_due().is_some_and(|due| due <= now);
        if self.attached && arrived(&self.to_device) {
            turns.push(LinkTurn::DeviceReads);
        }
        let Some(client) = &mut self.client else { return };
        if client.wants_bytes() && !self.transport_broke && arrived(&self.to_node) {
            turns.push(LinkTurn::NodeReads);
        }
        if self.flag.is_raised() {
            turns.push(LinkTurn::NodeWorks);
        }
        if client.poll_timeout().is_some_and(|due| due <= now) {
            turns.push(LinkTurn::NodeTimer);
        }
        let idle = client.transmit().is_empty();
        if !idle && !self.transport_broke && self.to_device.len() < weather.window_bytes {
            turns.push(LinkTurn::NodeWrites);
        }
        if client.is_closed() && (idle || self.transport_broke) {
            turns.push(LinkTurn::NodeLeaves);
        }
    }

    /// When something more will be possible.
    pub(crate) fn next_due(&self, now: Moment) -> Option<Moment> {
        let to_device = self.to_device.next_due().filter(|_| self.attached);
        let to_node = self.to_node.next_due().filter(|_| self.client.is_some());
        let timer = self.client.as_ref().and_then(Client::poll_timeout);
        [to_device, to_node, timer].into_iter().flatten().filter(|due| *due > now).min()
    }

    /// Lets the node's end do one thing. Returns the bytes that it gave to the network.
    pub(crate) fn run(&mut self, turn: LinkTurn, clock: &Clock, chance: &mut Chance, weather: &Weather) -> Bytes {
        let now = clock.now();
        let Some(client) = &mut self.client else { return Bytes::new() };
        match turn {
            LinkTurn::NodeReads => {
                let piece = chance.between(1, weather.piece_bytes_max);
                if self.to_node.receive(now.moment, piece, &mut self.input) > 0 {
                    client.handle_bytes(now, &mut self.input);
                } else if self.to_node.has_ended(now.moment) {
                    self.transport_broke = true;
                    client.handle_transport_lost(now);
                }
                self.flag.raise();
            }
            LinkTurn::NodeWorks => {
                self.flag.lower();
                let waker = self.flag.waker();
                client.poll(now, &waker);
                if !self.input.is_empty() && client.wants_bytes() {
                    client.handle_bytes(now, &mut self.input);
                    client.poll(now, &waker);
                }
            }
            LinkTurn::NodeTimer => {
                client.handle_timeout(now);
                self.flag.raise();
            }
            LinkTurn::NodeWrites => {
                let waiting = client.transmit();
                let piece = chance.between(1, weather.piece_bytes_max).min(waiting.len());
                let piece = waiting.split_to(piece).freeze();
                if self.attached {
                    self.to_device.send(piece.clone(), now.moment + chance.span(weather.delay_max));
                }
                self.flag.raise();
                return piece;
            }
            LinkTurn::NodeLeaves => {
                if let Some(client) = self.client.take() {
                    client.leave(now);
                }
                self.to_device.close(now.moment + chance.span(weather.delay_max));
            }
            LinkTurn::DeviceReads => {}
        }
        Bytes::new()
    }
}
