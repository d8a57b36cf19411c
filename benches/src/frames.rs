//! As much MQTT 3.1.1 as a load generator needs: packets are encoded once and sent many times, received ones are cut
//! apart and counted. It is written apart from the node's own codec, so that no fault of that is measured away.

/// Longer than any run, in seconds: not every broker lets a client go without.
const KEEP_ALIVE: [u8; 2] = 3600_u16.to_be_bytes();

/// CONNECT with a clean session.
pub(crate) fn connect(client_id: &str) -> Vec<u8> {
    connect_with(client_id, 0b10)
}

/// CONNECT with a session that outlives the connection.
pub(crate) fn connect_lasting(client_id: &str) -> Vec<u8> {
    connect_with(client_id, 0)
}

fn connect_with(client_id: &str, flags: u8) -> Vec<u8> {
    let mut body = vec![0, 4, b'M', b'Q', b'T', b'T', 4, flags];
    body.extend(KEEP_ALIVE);
    put_text(&mut body, client_id);
    packet(0x10, &body)
}

pub(crate) fn subscribe(filter: &str, qos: u8) -> Vec<u8> {
    let mut body = vec![0, 1];
    put_text(&mut body, filter);
    body.push(qos);
    packet(0x82, &body)
}

/// PUBLISH. At QoS 1 the packet id is 0 until [`set_packet_id`] fills it in.
pub(crate) fn publish(topic: &str, payload: &[u8], qos: u8) -> Vec<u8> {
    let mut body = Vec::with_capacity(topic.len() + payload.len() + 4);
    put_text(&mut body, topic);
    if qos > 0 {
        body.extend([0, 0]);
    }
    body.extend(payload);
    packet(0x30 | (qos << 1), &body)
}

/// Fills in the packet id of an encoded PUBLISH at QoS 1 for a topic of `topic_bytes`.
pub(crate) fn set_packet_id(publish: &mut [u8], topic_bytes: usize, id: u16) {
    let header = 1 + publish.iter().skip(1).take_while(|byte| *byte & 0x80 != 0).count() + 1;
    let at = header + 2 + topic_bytes;
    if let Some(place) = publish.get_mut(at..at + 2) {
        place.copy_from_slice(&id.to_be_bytes());
    }
}

pub(crate) fn disconnect() -> [u8; 2] {
    [0xE0, 0]
}

pub(crate) fn puback(id: [u8; 2]) -> [u8; 4] {
    [0x40, 2, id[0], id[1]]
}

fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![first];
    let mut rest = body.len();
    loop {
        let low = u8::try_from(rest & 0x7F).unwrap_or_default();
        rest >>= 7;
        packet.push(if rest > 0 { low | 0x80 } else { low });
        if rest == 0 {
            break;
        }
    }
    packet.extend(body);
    packet
}

fn put_text(body: &mut Vec<u8>, text: &str) {
    body.extend(u16::try_from(text.len()).unwrap_or_default().to_be_bytes());
    body.extend(text.as_bytes());
}

/// A received packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    first: u8,
    body: &'a [u8],
}

impl<'a> Frame<'a> {
    pub(crate) fn is_publish(self) -> bool {
        self.first >> 4 == 3
    }

    /// The packet id of a PUBACK.
    pub(crate) fn acknowledged(self) -> Option<[u8; 2]> {
        if self.first >> 4 == 4 { self.body.first_chunk().copied() } else { None }
    }

    /// A CONNACK or SUBACK that grants what was asked for.
    pub(crate) fn grants(self) -> bool {
        match self.first >> 4 {
            2 => self.body.get(1) == Some(&0),
            9 => self.body.get(2).is_some_and(|code| *code < 0x80),
            _ => false,
        }
    }

    /// The packet id of a PUBLISH above QoS 0.
    pub(crate) fn packet_id(self) -> Option<[u8; 2]> {
        if self.first & 0b110 == 0 {
            return None;
        }
        self.after_topic()?.first_chunk().copied()
    }

    pub(crate) fn payload(self) -> Option<&'a [u8]> {
        let rest = self.after_topic()?;
        if self.first & 0b110 == 0 { Some(rest) } else { rest.get(2..) }
    }

    fn after_topic(self) -> Option<&'a [u8]> {
        let (length, rest) = self.body.split_first_chunk()?;
        rest.get(usize::from(u16::from_be_bytes(*length))..)
    }
}

/// The first whole packet of `bytes` and what follows it, or `None` when more bytes are needed.
pub(crate) fn split_first(bytes: &[u8]) -> Option<(Frame<'_>, &[u8])> {
    let (first, mut rest) = bytes.split_first()?;
    let mut length = 0_usize;
    for shift in [0, 7, 14, 21] {
        let (byte, after) = rest.split_first()?;
        rest = after;
        length |= usize::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    let (body, rest) = rest.split_at_checked(length)?;
    Some((Frame { first: *first, body }, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_publish_is_read_as_it_was_written() {
        for (qos, length) in [(0, 0), (0, 64), (1, 64), (0, 127), (1, 200), (1, 20_000)] {
            let payload = vec![7; length];
            let mut bytes = publish("a/b", &payload, qos);
            if qos > 0 {
                set_packet_id(&mut bytes, 3, 0xABCD);
            }
            bytes.push(0xD0);
            let (frame, rest) = split_first(&bytes).expect("the packet is whole");
            assert!(frame.is_publish());
            assert_eq!(frame.payload(), Some(payload.as_slice()), "{length} bytes at QoS {qos}");
            assert_eq!(frame.packet_id(), (qos > 0).then_some([0xAB, 0xCD]));
            assert_eq!(rest, [0xD0]);
        }
    }

    #[test]
    fn a_packet_that_is_cut_off_waits_for_more() {
        let bytes = publish("a/b", &[0; 200], 0);
        for end in 0..bytes.len() {
            assert_eq!(split_first(&bytes[..end]), None, "cut after {end} bytes");
        }
    }

    #[test]
    fn only_a_granting_answer_counts_as_one() {
        for (bytes, expected) in [
            (&[0x20, 2, 0, 0][..], true),
            (&[0x20, 2, 0, 5], false),
            (&[0x90, 3, 0, 1, 1], true),
            (&[0x90, 3, 0, 1, 0x80], false),
            (&[0x40, 2, 0, 1], false),
        ] {
            let granted = split_first(bytes).map(|(frame, _)| frame.grants());
            assert_eq!(granted, Some(expected), "{bytes:02x?}");
        }
    }
}
