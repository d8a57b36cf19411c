//! A client that takes all that a queue has.

use std::net::SocketAddr;

use crate::PUBLISHERS;
use crate::book::Delivered;
use crate::wire::{PUBACK, Wire};

pub(crate) fn take_all(address: SocketAddr) -> Delivered {
    let (mut wire, _) = Wire::open(address, "consumer").unwrap();
    wire.subscribe("$queue/ledger", 1).unwrap();
    let mut delivered = Delivered::default();
    let mut ended = 0;
    while ended < PUBLISHERS.len() {
        let (_, topic, packet_id, number) = wire.next().unwrap().publish();
        ended += usize::from(delivered.note(topic, number));
        wire.put_step(PUBACK, packet_id);
    }
    delivered
}
