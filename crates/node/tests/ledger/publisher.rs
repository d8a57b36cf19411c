//! A publisher with a session: it goes on after each loss of its connection where it was, with the packet ids that it
//! had, as MQTT 5.0 demands (section 4.4).

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use crate::END;
use crate::book::Book;
use crate::stage::Stage;
use crate::wire::{PUBACK, PUBCOMP, PUBREC, PUBREL, Received, Wire};

/// Messages under way.
const WINDOW: usize = 50;

pub(crate) struct Publisher {
    topic: &'static str,
    qos: u8,
    book: Book,
    stage: Arc<Stage>,
    /// In the order in which they were first sent.
    under_way: VecDeque<UnderWay>,
    next_number: u64,
    last_packet_id: u16,
    has_session: bool,
    end_was_sent: bool,
}

struct UnderWay {
    packet_id: u16,
    number: u64,
    /// PUBREC came: only PUBREL may be sent.
    is_released: bool,
}

impl Publisher {
    pub(crate) fn new(topic: &'static str, qos: u8, book: Book, stage: Arc<Stage>) -> Self {
        Self {
            topic,
            qos,
            book,
            stage,
            under_way: VecDeque::new(),
            next_number: 0,
            last_packet_id: 0,
            has_session: false,
            end_was_sent: false,
        }
    }

    /// Publishes through all lives of the node until all is acknowledged.
    pub(crate) fn run(mut self) -> Book {
        let mut life = 0;
        loop {
            let address;
            (address, life) = self.stage.await_life_after(life);
            // A life that ends is the end of this connection, and the next one begins a new one.
            if self.publish(address).is_ok() {
                return self.book;
            }
        }
    }

    fn publish(&mut self, address: std::net::SocketAddr) -> io::Result<()> {
        let (mut wire, present) = Wire::open(address, self.topic)?;
        assert!(present || !self.has_session, "{}: the session is gone", self.topic);
        self.has_session = true;
        for one in &self.under_way {
            match one.is_released {
                true => wire.put_step(PUBREL, one.packet_id),
                false => wire.put_publish(self.topic, self.qos, one.packet_id, true, one.number),
            }
        }
        loop {
            self.fill_window(&mut wire);
            if self.under_way.is_empty() {
                return Ok(());
            }
            let mut acknowledged = Vec::new();
            let mut answer = Some(wire.next()?);
            while let Some(received) = answer {
                self.take(&received, &mut wire, &mut acknowledged);
                answer = wire.next_read();
            }
            self.book.note(&acknowledged);
            self.stage.note_acknowledged(acknowledged.len());
        }
    }

    fn fill_window(&mut self, wire: &mut Wire) {
        while self.under_way.len() < WINDOW && !self.end_was_sent {
            let number = if self.stage.is_finishing() { END } else { self.next_number };
            self.end_was_sent = number == END;
            self.next_number += 1;
            // Ids are used in turn; the window is far smaller than their number.
            self.last_packet_id = self.last_packet_id % u16::MAX + 1;
            let packet_id = self.last_packet_id;
            wire.put_publish(self.topic, self.qos, packet_id, false, number);
            self.under_way.push_back(UnderWay { packet_id, number, is_released: false });
        }
    }

    fn take(&mut self, received: &Received, wire: &mut Wire, acknowledged: &mut Vec<u64>) {
        let (packet_id, reason) = received.step();
        let place = self.under_way.iter().position(|one| one.packet_id == packet_id);
        let place = place.unwrap_or_else(|| panic!("{}: an answer to nothing: {received:?}", self.topic));
        let one = &mut self.under_way[place];
        match (received.kind(), self.qos) {
            (PUBACK, 1) => {
                assert!(reason < 0x80, "{}: refused: {received:?}", self.topic);
                acknowledged.push(one.number);
                self.under_way.remove(place);
            }
            (PUBREC, 2) => {
                assert!(reason < 0x80, "{}: refused: {received:?}", self.topic);
                if !one.is_released {
                    acknowledged.push(one.number);
                }
                one.is_released = true;
                wire.put_step(PUBREL, packet_id);
            }
            // "Packet identifier not found" says that a life before had the release.
            (PUBCOMP, 2) if one.is_released => {
                self.under_way.remove(place);
            }
            _ => panic!("{}: unexpected: {received:?}", self.topic),
        }
    }
}
