//! The MQTT listeners: `client` joins the protocol's machine to the broker and is pure; `drive` moves its bytes;
//! `listener` accepts connections; `web_socket` carries packets for those who cannot speak TCP; `timers` lets wills and
//! sessions end in time.

mod awaited;
mod client;
mod consuming;
mod deliveries;
mod drive;
mod ends;
mod handshake;
mod io_threads;
mod listener;
mod phase;
mod publishes;
mod queues;
mod streams;
mod subscriptions;
#[cfg(test)]
mod tests;
mod timers;
mod web_socket;

pub use client::Client;
pub use consuming::{Consuming, Over};
pub use ends::{End, Ends};
pub use io_threads::IoThreads;
pub use listener::{MqttListener, serve};
pub use phase::Phase;
pub use queues::{ConsumeError, NoQueues, Queues};
pub use streams::{NoStreams, ReadRefused, ReadRequest, Streams};
pub use timers::run_timers;
pub use web_socket::Gate;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use broker::{Access, MailboxOptions, Router, Sessions};
use message::limits;
use mqtt::{Settings, TrafficFigures, TrafficTotals};

use crate::log_limit::LogLimit;

/// What every connection shares.
#[derive(Debug)]
pub struct Mqtt {
    pub router: Arc<Router>,
    pub sessions: Arc<Sessions>,
    pub access: Arc<dyn Access>,
    /// The queues that clients may consume.
    pub queues: Arc<dyn Queues>,
    /// The streams that clients may read.
    pub streams: Arc<dyn Streams>,
    /// What the node grants to every client.
    pub settings: Settings,
    /// The longest keep alive that a client of MQTT 5.0 may have, in seconds; `u16::MAX` for any, or none at all.
    pub keep_alive_s_max: u16,
    /// The limits of a session's mailbox.
    pub mailbox: MailboxOptions,
    /// Connections at one time.
    pub connections_max: usize,
    /// Subscriptions of one session.
    pub subscriptions_max: usize,
    /// How long messages for a client may go on being dropped before it is disconnected; `None` for ever.
    pub slow_client_max: Option<Duration>,
    /// Gives identifiers to clients that bring none; random at the edge, counted in a simulation.
    pub assigned_ids: AssignedIds,
    pub figures: MqttFigures,
}

/// Where assigned client identifiers come from.
#[derive(Debug)]
pub enum AssignedIds {
    Random,
    Counted(AtomicU64),
}

/// What the listener counts.
#[derive(Debug, Default)]
pub struct MqttFigures {
    /// Connections accepted since the start.
    pub connections: AtomicU64,
    /// Connections open now.
    pub open: AtomicU64,
    /// Connections refused because the node has as many as it takes.
    pub refused: AtomicU64,
    /// Clients refused because the node keeps as many sessions as it takes.
    pub sessions_refused: AtomicU64,
    /// Subscriptions refused because the session has as many as it may.
    pub subscriptions_refused: AtomicU64,
    /// Connections that have ended, by their end.
    pub ends: Ends,
    /// Deliveries that were dropped because the client takes no packets of that size.
    pub too_large: AtomicU64,
    /// Publishes and subscriptions refused by the access rules.
    pub denied: AtomicU64,
    /// What connections carried; a connection counts in one of these, so that threads do not share one.
    traffic: [TrafficTotals; TRAFFIC_LINES],
    complaints: Complaints,
}

/// As many as there may be threads that serve connections.
const TRAFFIC_LINES: usize = 16;

impl MqttFigures {
    /// What all connections have carried since the start.
    pub fn traffic(&self) -> TrafficFigures {
        let mut figures = TrafficFigures::default();
        self.traffic.iter().for_each(|totals| totals.add_to(&mut figures));
        figures
    }

    fn traffic_of(&self, thread: usize) -> &TrafficTotals {
        let [first, ..] = &self.traffic;
        self.traffic.get(thread % TRAFFIC_LINES).unwrap_or(first)
    }
}

/// Bounds the log lines about clients that break the protocol.
#[derive(Debug)]
struct Complaints(LogLimit);

impl Default for Complaints {
    fn default() -> Self {
        Self(LogLimit::new(limits::MQTT_LOG_LINES_PER_SECOND_MAX))
    }
}
