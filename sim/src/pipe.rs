//! One direction of a connection: bytes arrive whole, in order and late, in pieces that have nothing to do with those
//! in which they were sent.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use message::Moment;

/// Bytes on their way.
#[derive(Debug, Default)]
pub(crate) struct Pipe {
    chunks: VecDeque<(Moment, Bytes)>,
    bytes: usize,
    /// Nothing arrives before what was sent earlier.
    last_due: Moment,
    /// The sender has closed; the receiver learns it at this moment, after the last byte.
    closed: Option<Moment>,
}

impl Pipe {
    pub(crate) fn send(&mut self, bytes: Bytes, due: Moment) {
        self.last_due = self.last_due.max(due);
        self.bytes += bytes.len();
        self.chunks.push_back((self.last_due, bytes));
    }

    pub(crate) fn close(&mut self, due: Moment) {
        self.last_due = self.last_due.max(due);
        self.closed.get_or_insert(self.last_due);
    }

    /// Bytes under way: a sender waits when there are too many.
    pub(crate) fn len(&self) -> usize {
        self.bytes
    }

    /// When there is something to receive: bytes, or the end.
    pub(crate) fn next_due(&self) -> Option<Moment> {
        self.chunks.front().map(|(due, _)| *due).or(self.closed)
    }

    /// Whether the end has come, and nothing before it is left.
    pub(crate) fn has_ended(&self, now: Moment) -> bool {
        self.chunks.is_empty() && self.closed.is_some_and(|closed| closed <= now)
    }

    /// Moves up to `bytes_max` bytes that have arrived into `input`. Returns how many.
    pub(crate) fn receive(&mut self, now: Moment, bytes_max: usize, input: &mut BytesMut) -> usize {
        let before = input.len();
        while let Some((due, chunk)) = self.chunks.front_mut() {
            let room = bytes_max - (input.len() - before);
            if *due > now || room == 0 {
                break;
            }
            input.extend_from_slice(&chunk.split_to(room.min(chunk.len())));
            if chunk.is_empty() {
                self.chunks.pop_front();
            }
        }
        let received = input.len() - before;
        self.bytes -= received;
        received
    }

    /// Loses all that has not arrived but the first `keep` bytes.
    pub(crate) fn lose(&mut self, keep: usize) {
        let mut left = keep;
        self.chunks.retain_mut(|(_, chunk)| {
            chunk.truncate(left);
            left -= chunk.len();
            !chunk.is_empty()
        });
        self.bytes = keep - left;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn at(millis: u64) -> Moment {
        Moment::since_start(Duration::from_millis(millis))
    }

    #[test]
    fn bytes_keep_their_order_whatever_their_delays_and_come_in_any_pieces() {
        let mut pipe = Pipe::default();
        pipe.send(Bytes::from_static(b"abc"), at(9));
        pipe.send(Bytes::from_static(b"def"), at(5));
        pipe.close(at(1));
        let mut input = BytesMut::new();
        assert_eq!(pipe.receive(at(8), 10, &mut input), 0);
        assert_eq!(pipe.receive(at(9), 4, &mut input), 4);
        assert!(!pipe.has_ended(at(9)));
        assert_eq!(pipe.receive(at(9), 4, &mut input), 2);
        assert_eq!(&input[..], b"abcdef");
        assert!(pipe.has_ended(at(9)));
    }

    #[test]
    fn a_loss_keeps_a_beginning() {
        let mut pipe = Pipe::default();
        pipe.send(Bytes::from_static(b"abc"), at(1));
        pipe.send(Bytes::from_static(b"def"), at(1));
        pipe.lose(4);
        assert_eq!(pipe.len(), 4);
        let mut input = BytesMut::new();
        pipe.receive(at(1), 10, &mut input);
        assert_eq!(&input[..], b"abcd");
        pipe.lose(0);
        assert_eq!((pipe.len(), pipe.next_due()), (0, None));
    }
}
