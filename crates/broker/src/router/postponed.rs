//! A message that was not taken yet, as a log that it is for is crowded.

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Poll, Waker};

use message::Publication;
use store::log::Intake;

/// Nothing was done with the message: it is published again when there is room. It is lost when this is dropped.
#[must_use = "the message was not published"]
pub struct Postponed {
    publication: Arc<Publication>,
    log: Arc<Intake>,
}

impl Postponed {
    pub(super) fn new(publication: Arc<Publication>, log: &Arc<Intake>) -> Box<Self> {
        Box::new(Self { publication, log: Arc::clone(log) })
    }

    /// Ready when it is worth publishing the message again; if not, `waker` is called when it is.
    pub fn poll_room(&self, waker: &Waker) -> Poll<()> {
        self.log.poll_room(waker)
    }

    /// The message, when there is room.
    pub async fn room(self: Box<Self>) -> Publication {
        poll_fn(|context| self.poll_room(context.waker())).await;
        self.into_publication()
    }

    /// The message as it was brought.
    pub fn into_publication(self) -> Publication {
        Arc::unwrap_or_clone(self.publication)
    }
}

impl fmt::Debug for Postponed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postponed").field("topic", &self.publication.topic).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use message::{QoS, Timestamp, TopicFilter, TopicName};
    use parking_lot::Mutex;
    use store::disk::SimulatedDisk;
    use store::log::Committer;
    use store::spool::AppendError;
    use store::stream::{Stream, StreamOptions};

    use super::*;
    use crate::{Bindings, Broken, Collector, LocalSubscriber, MailboxOptions, Origin, Overflow, Promises};
    use crate::{Routed, Router, RouterOptions, SubscribeOptions, Subscription};

    /// Appends to a stream, as the node does it.
    #[derive(Debug)]
    struct Appending(Stream, Mutex<Vec<usize>>);

    impl Collector for Appending {
        fn ask(&self, publication: &Publication) -> Result<(), AppendError> {
            self.0.ask(publication)
        }

        fn collect(&self, publication: &Publication) -> Result<Promises, Broken> {
            self.1.lock().push(publication.payload.len());
            let (_, point) = self.0.append_asked(Timestamp::default(), publication).unwrap();
            Ok(Promises::of_stream(&self.0, point))
        }

        fn intake(&self) -> Option<&Arc<Intake>> {
            Some(self.0.intake())
        }
    }

    struct World {
        disk: SimulatedDisk,
        committer: Committer,
        router: Arc<Router>,
        appending: Arc<Appending>,
        other: LocalSubscriber,
        _bindings: Bindings,
    }

    impl World {
        fn new() -> Self {
            let disk = SimulatedDisk::new(1);
            let committer = Committer::stepped();
            let opened =
                Stream::open(Arc::new(disk.clone()), Path::new("/stream"), StreamOptions::default(), &committer);
            let appending = Arc::new(Appending(opened.unwrap().0, Mutex::default()));
            let router = Router::new(RouterOptions::new(1));
            let bindings = Bindings::new(&router, Arc::clone(&appending) as Arc<dyn Collector>);
            let filter = TopicFilter::parse("a").unwrap();
            bindings.set(vec![filter.clone()]);
            let other = LocalSubscriber::open(&router, MailboxOptions::for_flow(10_000, Overflow::Wait));
            let now = message::Now { moment: message::Moment::default(), wall: Timestamp::default() };
            other.subscribe(now, vec![Subscription { filter, options: SubscribeOptions::default() }]);
            Self { disk, committer, router, appending, other, _bindings: bindings }
        }

        fn publication(topic: &str, qos: QoS, bytes: usize) -> Publication {
            Publication::new(TopicName::parse(topic).unwrap(), vec![7; bytes].into(), qos, Timestamp::default())
        }

        fn publish(&self, publication: Publication) -> Result<Routed, Box<Postponed>> {
            self.router.publish_patiently(publication, Origin::default(), &mut self.router.route_cache())
        }

        /// Publishes until the stream is crowded; the last of these messages.
        fn crowd(&self) -> Routed {
            loop {
                let routed = self.publish(Self::publication("a", QoS::AtLeastOnce, 1024 * 1024)).unwrap();
                if !routed.is_released() {
                    return routed;
                }
            }
        }
    }

    #[test]
    fn a_message_for_a_crowded_log_waits_and_is_then_taken_once_by_all() {
        for (qos, retain) in [(QoS::AtMostOnce, false), (QoS::AtLeastOnce, true), (QoS::ExactlyOnce, false)] {
            let world = World::new();
            let mut before = world.crowd();
            let (taken, received) = (world.other.depth(), world.router.figures().messages_received);
            let brought = Publication { retain, ..World::publication("a", qos, 5) };
            let postponed = world.publish(brought.clone()).unwrap_err();
            assert!(
                postponed.poll_room(Waker::noop()).is_pending() && before.poll_released(Waker::noop()).is_pending()
            );
            assert_eq!((world.other.depth(), world.router.figures().retained_messages), (taken, 0));
            // Others do not wait for it.
            assert!(world.publish(World::publication("b", QoS::ExactlyOnce, 5)).is_ok());
            world.committer.commit_once();
            assert!(postponed.poll_room(Waker::noop()).is_ready() && before.poll_settled(Waker::noop()).is_ready());
            let publication = postponed.into_publication();
            assert_eq!((publication.payload.as_ref(), publication.retain), (brought.payload.as_ref(), retain));
            let routed = world.publish(publication).unwrap();
            assert_eq!((routed.matched(), routed.broken()), (2, None));
            assert_eq!((world.other.depth(), world.appending.1.lock().last().copied()), (taken + 1, Some(5)));
            assert_eq!(world.router.figures().retained_messages, u64::from(retain));
            assert_eq!(world.router.figures().messages_received, received + 2);
        }
    }

    #[test]
    fn a_message_that_cannot_wait_is_taken_by_a_crowded_log() {
        let world = World::new();
        let _crowding = world.crowd();
        let mut cache = world.router.route_cache();
        let routed = world.router.publish(World::publication("a", QoS::AtLeastOnce, 5), None, &mut cache);
        assert_eq!((routed.broken(), routed.is_released()), (None, false));
    }

    #[test]
    fn a_full_disk_refuses_at_once_what_waited() {
        let world = World::new();
        let _crowding = world.crowd();
        let postponed = world.publish(World::publication("a", QoS::AtLeastOnce, 5)).unwrap_err();
        world.disk.set_capacity(Some(0));
        world.committer.commit_once();
        assert!(postponed.poll_room(Waker::noop()).is_ready());
        let depth = world.other.depth();
        let routed = world.publish(postponed.into_publication()).unwrap();
        assert_eq!((routed.broken(), world.other.depth()), (Some(Broken::NoRoom), depth));
    }
}
