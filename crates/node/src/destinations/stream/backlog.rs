//! The messages of a stream as a group of readers works them off: from its cursor on, each once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use broker::queue::{Backlog, Ordinal, ReadOn, Stored, user_property};
use message::{ByteString, Publication, Timestamp};
use store::log::ReadError;
use store::stream::{Offset, Stream, Streamed};

/// User properties that say where a message stands in its stream.
pub(crate) const STREAM_OFFSET: &str = "stream-offset";
/// When it was appended, as RFC 3339.
pub(crate) const STREAM_TIME: &str = "stream-time";
/// So many messages before this one are missing: retention took them, or their records are damaged.
pub(crate) const STREAM_MISSING: &str = "stream-missing";

const OF_STREAMS: [&str; 3] = [STREAM_OFFSET, STREAM_TIME, STREAM_MISSING];

/// A stream from a cursor on. The places of messages are their offsets.
#[derive(Debug)]
pub(super) struct StreamBacklog {
    stream: Stream,
    /// The first offset that was not read.
    unread: u64,
    /// What comes after the last message that was read: all between that and the next one is missing.
    expected: u64,
    /// Messages that were read and not acknowledged.
    outstanding: BTreeSet<u64>,
    /// How many are missing before some of those.
    missing: BTreeMap<u64, u64>,
    /// Nothing was there when it was read the last time.
    is_at_end: bool,
}

impl StreamBacklog {
    pub(super) fn new(stream: &Stream, from: u64) -> Self {
        Self {
            stream: stream.clone(),
            unread: from,
            expected: from,
            outstanding: BTreeSet::new(),
            missing: BTreeMap::new(),
            is_at_end: false,
        }
    }

    /// The first offset that is not acknowledged.
    pub(super) fn cursor(&self) -> u64 {
        self.outstanding.first().copied().unwrap_or(self.unread)
    }

    /// Where to wait for the next message; `None` while there may be one already.
    pub(super) fn end(&self) -> Option<Offset> {
        self.is_at_end.then_some(Offset(self.unread))
    }

    /// There is another message.
    pub(super) fn handle_readable(&mut self) {
        self.is_at_end = false;
    }
}

impl Backlog for StreamBacklog {
    type Commit = ();
    type Error = ReadError;

    fn read(
        &mut self,
        from: Ordinal,
        messages_max: usize,
        bytes_max: usize,
        out: &mut Vec<Stored>,
    ) -> Result<ReadOn, ReadError> {
        let mut found = Vec::new();
        let read_on = self.stream.read(Offset(from.0), messages_max, bytes_max, &mut found)?;
        // What was read before is read once more when it was too much to be kept.
        let is_new = from.0 >= self.unread;
        for streamed in found {
            let offset = streamed.offset.0;
            if is_new {
                self.outstanding.insert(offset);
                if offset > self.expected {
                    self.missing.insert(offset, offset - self.expected);
                }
                self.expected = offset + 1;
            }
            let missing = self.missing.get(&offset).copied();
            out.push(Stored {
                ordinal: Ordinal(offset),
                publication: Arc::new(told(streamed, missing)),
                deliveries: 0,
            });
        }
        if is_new {
            self.unread = read_on.from.0;
            self.is_at_end = !read_on.more;
        }
        Ok(ReadOn { from: Ordinal(read_on.from.0), more: read_on.more })
    }

    fn acknowledge(&mut self, ordinals: &[Ordinal]) {
        for ordinal in ordinals {
            self.outstanding.remove(&ordinal.0);
            self.missing.remove(&ordinal.0);
        }
    }

    /// A group that begins anew after a crash does not know how often it was at a message.
    fn note_deliveries(&mut self, _ordinal: Ordinal, _deliveries: u32) {}
}

/// The message with user properties that say where it stands.
fn told(streamed: Streamed, missing: Option<u64>) -> Publication {
    let Streamed { offset, appended_at, mut publication } = streamed;
    let properties = &mut publication.properties.get_or_insert_default().user_properties;
    // What looks so may come from another stream.
    properties.retain(|(name, _)| !OF_STREAMS.contains(&&**name));
    let mut tell = |name, value: String| properties.push((ByteString::from_static(name), ByteString::from(value)));
    tell(STREAM_OFFSET, offset.0.to_string());
    tell(STREAM_TIME, appended_at.to_string());
    if let Some(missing) = missing {
        tell(STREAM_MISSING, missing.to_string());
    }
    publication
}

/// The message as it was published, when it was appended, and how many before it are missing: what [`told`] has told.
pub(super) fn untold(mut publication: Publication) -> (Publication, Option<Timestamp>, u64) {
    let said = |name| user_property(&publication, name);
    let appended_at = said(STREAM_TIME).and_then(|text| text.parse().ok());
    let missing = said(STREAM_MISSING).and_then(|text| text.parse().ok()).unwrap_or(0);
    if let Some(properties) = &mut publication.properties {
        properties.user_properties.retain(|(name, _)| !OF_STREAMS.contains(&&**name));
    }
    publication.properties = publication.properties.filter(|properties| **properties != Default::default());
    (publication, appended_at, missing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use message::{Bytes, QoS, TopicName};
    use std::path::Path;
    use store::DestinationLimits;
    use store::disk::SimulatedDisk;
    use store::log::Committer;
    use store::stream::StreamOptions;

    fn filled(messages: u64) -> Stream {
        let disk = Arc::new(SimulatedDisk::new(1));
        let committer = Committer::stepped(Arc::clone(&disk) as _);
        let retention = DestinationLimits { messages_max: 10, ..DestinationLimits::NONE };
        let options = StreamOptions { retention, segment_bytes: 256, ..StreamOptions::default() };
        let (stream, _) = Stream::open(disk, Path::new("/s"), options, &committer).unwrap();
        for number in 0..messages {
            let topic = TopicName::parse("a").unwrap();
            let now = Timestamp::from_millis(i64::try_from(number).unwrap() * 1000);
            let payload = Bytes::from(number.to_string());
            stream.append(now, &Publication::new(topic, payload, QoS::AtLeastOnce, now), |_| {}).unwrap();
            while committer.commit_once() {}
        }
        stream
    }

    fn properties(stored: &Stored) -> Vec<(String, String)> {
        let properties = &stored.publication.properties.as_ref().unwrap().user_properties;
        properties.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
    }

    fn pair(name: &str, value: impl ToString) -> (String, String) {
        (name.to_owned(), value.to_string())
    }

    #[test]
    fn the_cursor_stands_before_the_first_message_that_is_not_acknowledged() {
        let mut backlog = StreamBacklog::new(&filled(8), 2);
        let mut out = Vec::new();
        assert_eq!((backlog.cursor(), backlog.end()), (2, None));
        let read_on = backlog.read(Ordinal(2), 3, usize::MAX, &mut out).unwrap();
        assert_eq!((read_on.from, read_on.more, backlog.end()), (Ordinal(5), true, None));
        backlog.acknowledge(&[Ordinal(3), Ordinal(4)]);
        assert_eq!(backlog.cursor(), 2);
        // Reading one again makes nothing new of it.
        backlog.read(Ordinal(3), 1, usize::MAX, &mut out).unwrap();
        backlog.acknowledge(&[Ordinal(2)]);
        assert_eq!(backlog.cursor(), 5);
        backlog.read(Ordinal(5), 100, usize::MAX, &mut out).unwrap();
        assert_eq!((backlog.cursor(), backlog.end()), (5, Some(Offset(8))));
        assert_eq!(properties(&out[0]), [pair(STREAM_OFFSET, 2), pair(STREAM_TIME, "1970-01-01T00:00:02Z")]);
    }

    #[test]
    fn the_first_message_after_a_gap_tells_of_it_whenever_it_is_read() {
        let stream = filled(40);
        let earliest = stream.state().earliest.0;
        assert!(earliest > 20);
        let mut backlog = StreamBacklog::new(&stream, 3);
        let mut out = Vec::new();
        backlog.read(Ordinal(3), 2, usize::MAX, &mut out).unwrap();
        backlog.read(Ordinal(earliest), 1, usize::MAX, &mut out).unwrap();
        let offsets: Vec<u64> = out.iter().map(|stored| stored.ordinal.0).collect();
        assert_eq!(offsets, [earliest, earliest + 1, earliest]);
        let told: Vec<bool> =
            out.iter().map(|stored| properties(stored).contains(&pair(STREAM_MISSING, earliest - 3))).collect();
        assert_eq!(told, [true, false, true]);
    }
}
