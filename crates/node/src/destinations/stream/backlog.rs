//! The messages of a stream as a group of readers works them off: from its cursor on, each once.

use std::sync::Arc;

use broker::queue::{Backlog, Ordinal, ReadOn, Stored, user_property};
use message::{ByteString, Publication, Timestamp};
use store::log::ReadError;
use store::stream::{Offset, Stream, Streamed};

use super::progress::Progress;

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
    pub(super) progress: Progress,
    /// The first offset that whoever reads has not asked for.
    asked_until: u64,
    /// Nothing was there when it was read the last time.
    is_at_end: bool,
}

impl StreamBacklog {
    pub(super) fn new(stream: &Stream, progress: Progress) -> Self {
        Self { stream: stream.clone(), asked_until: progress.cursor(), progress, is_at_end: false }
    }

    /// Begins anew elsewhere.
    pub(super) fn seek(&mut self, to: u64) {
        self.progress.seek(to);
        self.asked_until = to;
        self.is_at_end = false;
    }

    /// Where to wait for the next message; `None` while there may be one already.
    pub(super) fn end(&self) -> Option<Offset> {
        self.is_at_end.then_some(Offset(self.progress.unread()))
    }

    /// There is another message.
    pub(super) fn handle_readable(&mut self) {
        self.is_at_end = false;
    }

    /// Reads on, past what is acknowledged already.
    fn read_on(&mut self, messages_max: usize, bytes_max: usize, found: &mut Vec<Streamed>) -> Result<bool, ReadError> {
        loop {
            let (from, room) = self.progress.next_read();
            let messages_max = usize::try_from(room).unwrap_or(usize::MAX).min(messages_max);
            let read_on = self.stream.read(Offset(from), messages_max, bytes_max, found)?;
            found.retain(|streamed| self.progress.take(streamed.offset.0));
            self.progress.read_until(read_on.from.0);
            if !found.is_empty() || !read_on.more {
                return Ok(read_on.more);
            }
        }
    }

    /// Reads a message once more, as it was too much to be kept.
    fn read_again(&mut self, from: u64, found: &mut Vec<Streamed>) -> Result<(), ReadError> {
        self.stream.read(Offset(from), 1, usize::MAX, found)?;
        if found.first().is_none_or(|streamed| streamed.offset.0 != from) {
            found.clear();
            self.progress.lose(from);
        }
        Ok(())
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
        let more = if from.0 < self.asked_until {
            self.read_again(from.0, &mut found)?;
            true
        } else {
            let more = self.read_on(messages_max, bytes_max, &mut found)?;
            self.is_at_end = !more;
            self.asked_until = self.progress.unread();
            more
        };
        out.extend(found.into_iter().map(|streamed| {
            let offset = streamed.offset.0;
            let missing = self.progress.missing_before(offset);
            Stored { ordinal: Ordinal(offset), publication: Arc::new(told(streamed, missing)), deliveries: 0 }
        }));
        Ok(ReadOn { from: Ordinal(self.asked_until), more })
    }

    fn acknowledge(&mut self, ordinals: &[Ordinal]) {
        ordinals.iter().for_each(|ordinal| self.progress.acknowledge(ordinal.0));
    }

    /// A group that begins anew after a crash does not know how often it was at a message.
    fn note_deliveries(&mut self, _ordinal: Ordinal, _deliveries: u32, _in_turn: bool) {}
}

/// The message with user properties that say where it stands.
fn told(streamed: Streamed, missing: u64) -> Publication {
    let Streamed { offset, appended_at, mut publication } = streamed;
    let properties = &mut publication.properties.get_or_insert_default().user_properties;
    // What looks so may come from another stream.
    properties.retain(|(name, _)| !OF_STREAMS.contains(&&**name));
    let mut tell = |name, value: String| properties.push((ByteString::from_static(name), ByteString::from(value)));
    tell(STREAM_OFFSET, offset.0.to_string());
    tell(STREAM_TIME, appended_at.to_string());
    if missing > 0 {
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
    use store::log::{Committer, Ranges};
    use store::stream::StreamOptions;

    /// A stream whose messages can be read as soon as they are appended.
    struct Filled {
        disk: Arc<SimulatedDisk>,
        stream: Stream,
        committer: Committer,
        payload_bytes: usize,
    }

    impl Filled {
        fn append(&self, number: u64) {
            let topic = TopicName::parse("a").unwrap();
            let now = Timestamp::from_millis(i64::try_from(number).unwrap() * 1000);
            let payload = Bytes::from(vec![b'x'; self.payload_bytes]);
            self.stream.append(now, &Publication::new(topic, payload, QoS::AtLeastOnce, now), |_| {}).unwrap();
            while self.committer.commit_once() {}
        }
    }

    fn filled(messages: u64) -> Filled {
        filled_with(messages, 1, 256)
    }

    fn filled_with(messages: u64, payload_bytes: usize, segment_bytes: u64) -> Filled {
        let disk = Arc::new(SimulatedDisk::new(1));
        let committer = Committer::stepped();
        let retention = DestinationLimits { messages_max: 10, ..DestinationLimits::NONE };
        let options = StreamOptions { retention, segment_bytes, ..StreamOptions::default() };
        let (stream, _) = Stream::open(Arc::clone(&disk) as _, Path::new("/s"), options, &committer).unwrap();
        let filled = Filled { disk, stream, committer, payload_bytes };
        (0..messages).for_each(|number| filled.append(number));
        filled
    }

    fn properties(stored: &Stored) -> Vec<(String, String)> {
        let properties = &stored.publication.properties.as_ref().unwrap().user_properties;
        properties.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
    }

    fn pair(name: &str, value: impl ToString) -> (String, String) {
        (name.to_owned(), value.to_string())
    }

    fn backlog_of(stream: &Stream, cursor: u64, acknowledged: &[(u64, u64)]) -> StreamBacklog {
        let mut ranges = Ranges::default();
        acknowledged.iter().for_each(|(first, end)| ranges.insert_run(*first, *end));
        StreamBacklog::new(stream, Progress::new(cursor, ranges))
    }

    fn offsets(out: &[Stored]) -> Vec<u64> {
        out.iter().map(|stored| stored.ordinal.0).collect()
    }

    #[test]
    fn the_cursor_stands_before_the_first_message_that_is_not_acknowledged() {
        let mut backlog = backlog_of(&filled(8).stream, 2, &[]);
        let mut out = Vec::new();
        assert_eq!((backlog.progress.cursor(), backlog.end()), (2, None));
        let read_on = backlog.read(Ordinal(2), 3, usize::MAX, &mut out).unwrap();
        assert_eq!((read_on.from, read_on.more, backlog.end()), (Ordinal(5), true, None));
        backlog.acknowledge(&[Ordinal(3), Ordinal(4)]);
        assert_eq!(backlog.progress.cursor(), 2);
        // Reading one again makes nothing new of it.
        backlog.read(Ordinal(2), 1, usize::MAX, &mut out).unwrap();
        backlog.acknowledge(&[Ordinal(2)]);
        assert_eq!(backlog.progress.cursor(), 5);
        backlog.read(Ordinal(5), 100, usize::MAX, &mut out).unwrap();
        assert_eq!((backlog.progress.cursor(), backlog.end()), (5, Some(Offset(8))));
        assert_eq!(offsets(&out), [2, 3, 4, 2, 5, 6, 7]);
        assert_eq!(properties(&out[0]), [pair(STREAM_OFFSET, 2), pair(STREAM_TIME, "1970-01-01T00:00:02Z")]);
    }

    #[test]
    fn what_is_acknowledged_behind_the_cursor_is_not_read() {
        let Filled { stream, .. } = filled(9);
        for messages_max in [1, 2, 100] {
            let mut backlog = backlog_of(&stream, 1, &[(2, 4), (5, 6), (8, 9)]);
            let (mut out, mut from, mut more) = (Vec::new(), Ordinal(1), true);
            while more {
                let before = out.len();
                let read_on = backlog.read(from, messages_max, usize::MAX, &mut out).unwrap();
                assert!(out.len() > before || !read_on.more, "nothing was read, though there is more");
                (from, more) = (read_on.from, read_on.more);
            }
            assert_eq!((offsets(&out), backlog.end()), (vec![1, 4, 6, 7], Some(Offset(9))));
            backlog.acknowledge(&[Ordinal(1), Ordinal(6), Ordinal(7)]);
            assert_eq!(backlog.progress.cursor(), 4);
            backlog.acknowledge(&[Ordinal(4)]);
            assert_eq!(backlog.progress.cursor(), 9);
        }
        // The cursor has passed a run before it was read on to it.
        let mut backlog = backlog_of(&stream, 1, &[(2, 4)]);
        let mut out = Vec::new();
        let read_on = backlog.read(Ordinal(1), 1, usize::MAX, &mut out).unwrap();
        backlog.acknowledge(&[Ordinal(1)]);
        assert_eq!(backlog.progress.cursor(), 4);
        backlog.read(read_on.from, 1, usize::MAX, &mut out).unwrap();
        assert_eq!(offsets(&out), [1, 4]);
    }

    #[test]
    fn a_read_that_failed_behind_what_is_acknowledged_is_made_once_more() {
        // A file of many pages, none of which can be read: the disk is gone.
        let filled = filled_with(6, 10_000, 1_000_000);
        let Filled { disk, stream, .. } = &filled;
        let mut backlog = backlog_of(stream, 1, &[(2, 4)]);
        let mut out = Vec::new();
        let read_on = backlog.read(Ordinal(1), 1, usize::MAX, &mut out).unwrap();
        disk.paths().iter().for_each(|path| disk.fail_reads_within(path, 0..u64::MAX));
        assert!(backlog.read(read_on.from, 10, usize::MAX, &mut out).is_err());
        disk.heal();
        backlog.read(read_on.from, 10, usize::MAX, &mut out).unwrap();
        assert_eq!((offsets(&out), backlog.end()), (vec![1, 4, 5], Some(Offset(6))));
    }

    #[test]
    fn the_first_message_after_a_gap_tells_of_it_whenever_it_is_read() {
        let Filled { stream, .. } = filled(40);
        let earliest = stream.state().earliest.0;
        assert!(earliest > 20);
        let mut backlog = backlog_of(&stream, 3, &[]);
        let mut out = Vec::new();
        backlog.read(Ordinal(3), 2, usize::MAX, &mut out).unwrap();
        backlog.read(Ordinal(earliest), 1, usize::MAX, &mut out).unwrap();
        assert_eq!(offsets(&out), [earliest, earliest + 1, earliest]);
        let told: Vec<bool> =
            out.iter().map(|stored| properties(stored).contains(&pair(STREAM_MISSING, earliest - 3))).collect();
        assert_eq!(told, [true, false, true]);
    }

    #[test]
    fn a_message_that_retention_took_after_it_was_read_is_passed_and_told_with_the_next() {
        let filled = filled(8);
        let stream = &filled.stream;
        let mut backlog = backlog_of(stream, 0, &[]);
        let mut out = Vec::new();
        backlog.read(Ordinal(0), 2, usize::MAX, &mut out).unwrap();
        assert_eq!(stream.purge().messages, 8);
        out.clear();
        for lost in [0, 1] {
            backlog.read(Ordinal(lost), 1, usize::MAX, &mut out).unwrap();
        }
        assert_eq!((offsets(&out), backlog.progress.cursor()), (vec![], 2));
        filled.append(8);
        backlog.read(Ordinal(2), 1, usize::MAX, &mut out).unwrap();
        assert_eq!(offsets(&out), [8]);
        assert!(properties(&out[0]).contains(&pair(STREAM_MISSING, 8)));
    }
}
