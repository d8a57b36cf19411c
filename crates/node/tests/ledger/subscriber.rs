//! A subscriber with a session. It tells repetitions of QoS 2 by their packet ids alone, as the protocol has it, keeps
//! these over its connections, and loses its connection now and then at any step of a handshake.

use std::collections::HashSet;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use crate::PUBLISHERS;
use crate::book::Delivered;
use crate::chance::Chance;
use crate::stage::Stage;
use crate::wire::{PUBACK, PUBCOMP, PUBLISH, PUBREC, PUBREL, Received, Wire};

/// A connection ends after up to so many packets.
const PACKETS_PER_CONNECTION: u64 = 3_000;

struct Subscriber {
    stage: Arc<Stage>,
    chance: Chance,
    has_session: bool,
    /// Messages of QoS 2 that were taken and that the node has not released.
    taken: HashSet<u16>,
    delivered: Delivered,
    ended: usize,
}

/// Takes what comes until each publisher has ended.
pub(crate) fn start(stage: &Arc<Stage>) -> JoinHandle<Delivered> {
    let subscriber = Subscriber {
        stage: Arc::clone(stage),
        chance: Chance::new(),
        has_session: false,
        taken: HashSet::new(),
        delivered: Delivered::default(),
        ended: 0,
    };
    thread::spawn(move || subscriber.run())
}

impl Subscriber {
    fn run(mut self) -> Delivered {
        let mut life = 0;
        let mut address = None;
        loop {
            let at = match address {
                Some(at) => at,
                None => {
                    let next = self.stage.await_life_after(life);
                    life = next.1;
                    next.0
                }
            };
            // One that it ended itself goes on in the same life of the node.
            address = self.serve(at).is_ok().then_some(at);
            if self.ended == PUBLISHERS.len() {
                return self.delivered;
            }
        }
    }

    /// One connection. It fails when the node ends it.
    fn serve(&mut self, address: SocketAddr) -> io::Result<()> {
        let (mut wire, present) = Wire::open(address, "subscriber")?;
        assert!(present || !self.has_session, "the subscriber's session is gone");
        if !self.has_session {
            wire.subscribe("ledger/#", 2)?;
            self.has_session = true;
            self.stage.note_subscribed();
        }
        for _ in 0..self.chance.below(PACKETS_PER_CONNECTION) {
            let received = wire.next()?;
            self.take(&received, &mut wire);
            if self.ended == PUBLISHERS.len() {
                break;
            }
        }
        Ok(())
    }

    fn take(&mut self, received: &Received, wire: &mut Wire) {
        match received.kind() {
            PUBLISH => {
                let (qos, topic, packet_id, number) = received.publish();
                // One that is known was taken before its connection was lost.
                if qos == 1 || self.taken.insert(packet_id) {
                    self.ended += usize::from(self.delivered.note(topic, number));
                }
                wire.put_step(if qos == 1 { PUBACK } else { PUBREC }, packet_id);
            }
            PUBREL => {
                let (packet_id, _) = received.step();
                self.taken.remove(&packet_id);
                wire.put_step(PUBCOMP, packet_id);
            }
            _ => panic!("unexpected: {received:?}"),
        }
    }
}
