//! Deliveries that come from elsewhere than a subscription, as from a queue: their sender hears what became of each.

use std::fmt;
use std::sync::Arc;
use std::task::{Poll, Waker};

use message::{Publication, QoS};

use crate::delivery::Delivery;
use crate::mailbox::Mailbox;
use crate::subscription::SubscriptionIds;

/// What the sender of a delivery hears of it. Dropped without a word, the delivery never went out. It must not call the
/// session back.
pub trait Receipt: Send + Sync + fmt::Debug {
    /// The delivery is on its way to the client. If nothing more is heard, the client was lost.
    fn handle_sent(&self);

    /// The client has said what it says of it.
    fn handle_settled(&self, settled: Settled);
}

/// What a client says of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// It has worked it off, as far as it tells (PUBACK, PUBCOMP).
    Done,
    /// It does not want it (a reason code of 0x80 or more).
    Refused(Refusal),
}

/// How a client refuses a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Not now; another one, or later.
    ForNow,
    /// The content is such that nobody can do anything with it.
    ForGood,
    /// It cannot be sent to this client at all: another one may be able to take it.
    ByThisOne,
}

/// Puts deliveries of its own into the mailbox of a session, among those that its subscriptions bring.
#[derive(Debug, Clone)]
pub struct SessionSender {
    mailbox: Arc<Mailbox>,
}

impl SessionSender {
    pub(crate) fn new(mailbox: &Arc<Mailbox>) -> Self {
        Self { mailbox: Arc::clone(mailbox) }
    }

    /// Sends a message. One that finds no room is dropped, as its receipt tells; one of QoS 0 is done with when it is on its
    /// way. Returns whether it was taken and there is room for another one: if not, nothing else is to be sent before
    /// [`SessionSender::poll_room`] says that there is room.
    pub fn send(
        &self,
        publication: Arc<Publication>,
        qos: QoS,
        identifiers: SubscriptionIds,
        receipt: Arc<dyn Receipt>,
    ) -> bool {
        let delivery = Delivery {
            qos,
            retain: false,
            identifiers,
            share: None,
            place: None,
            receipt: Some(receipt),
            weight_bytes: Delivery::weight_of(&publication),
            publication,
        };
        self.mailbox.push_own(delivery)
    }

    /// Whether there is room for a message; if not, `waker` is called when it is worth asking again.
    pub fn poll_room(&self, waker: &Waker) -> Poll<()> {
        self.mailbox.poll_room_for_own(waker)
    }

    /// Wakes whoever serves the session, to look for what has changed.
    pub fn wake(&self) {
        self.mailbox.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Connect, Ending, MailboxOptions, Outgoing, Router, RouterOptions, Session, SessionExpiry, Sessions, Slot,
    };
    use message::{Bytes, ClientId, Moment, Now, Timestamp, TopicName, limits};
    use parking_lot::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    #[derive(Debug, Default)]
    struct Heard(Mutex<Vec<String>>);

    #[derive(Debug)]
    struct Ticket(Arc<Heard>, Mutex<bool>);

    impl Receipt for Ticket {
        fn handle_sent(&self) {
            *self.1.lock() = true;
            self.0.0.lock().push("sent".to_owned());
        }

        fn handle_settled(&self, settled: Settled) {
            self.0.0.lock().push(format!("{settled:?}"));
        }
    }

    impl Drop for Ticket {
        fn drop(&mut self) {
            if !*self.1.lock() {
                self.0.0.lock().push("unseen".to_owned());
            }
        }
    }

    fn now() -> Now {
        Now { moment: Moment::default(), wall: Timestamp::MIN }
    }

    fn connect(sessions: &Arc<Sessions>) -> Session {
        let claim = sessions.connect(
            now(),
            Connect {
                client_id: ClientId::parse("worker").unwrap(),
                clean_start: false,
                expiry: SessionExpiry::Never,
                will: None,
                mailbox: MailboxOptions::for_session(),
            },
        );
        match claim.unwrap().poll_connected(Waker::noop()) {
            Poll::Ready(Ok(connected)) => connected.session,
            other => panic!("{other:?}"),
        }
    }

    fn send(session: &Session, heard: &Arc<Heard>) {
        assert!(send_with(session, heard, QoS::AtLeastOnce, 0));
    }

    fn send_with(session: &Session, heard: &Arc<Heard>, qos: QoS, bytes: usize) -> bool {
        let topic = TopicName::parse("orders").unwrap();
        let publication = Publication::new(topic, Bytes::from(vec![0; bytes]), QoS::AtMostOnce, Timestamp::MIN);
        let ticket = Arc::new(Ticket(Arc::clone(heard), Mutex::default()));
        session.sender().send(Arc::new(publication), qos, SubscriptionIds::default(), ticket)
    }

    fn slots(session: &mut Session) -> Vec<Slot> {
        let mut out = Vec::new();
        session.next_deliveries(now(), 10, 10, &mut out);
        let slot = |one: &Outgoing| match one {
            Outgoing::Message { slot, duplicate: false, .. } => *slot,
            other => panic!("{other:?}"),
        };
        out.iter().filter_map(slot).collect()
    }

    #[test]
    fn the_sender_hears_what_the_client_says() {
        let sessions = Sessions::new(&Router::new(RouterOptions::new(1)), 10);
        let heard = Arc::<Heard>::default();
        let mut session = connect(&sessions);
        (0..2).for_each(|_| send(&session, &heard));
        let slots = slots(&mut session);
        session.handle_delivered(slots[0]).unwrap();
        session.handle_refused(slots[1], Refusal::ForGood).unwrap();
        assert_eq!(*heard.0.lock(), ["sent", "sent", "Done", "Refused(ForGood)"]);
        assert_eq!(session.in_flight(), 0);
    }

    #[test]
    fn what_needs_no_acknowledgement_is_done_with_when_it_goes_out() {
        let sessions = Sessions::new(&Router::new(RouterOptions::new(1)), 10);
        let heard = Arc::<Heard>::default();
        let mut session = connect(&sessions);
        assert!(send_with(&session, &heard, QoS::AtMostOnce, 0));
        assert_eq!(*heard.0.lock(), [""; 0]);
        assert!(slots(&mut session).is_empty());
        assert_eq!(*heard.0.lock(), ["sent", "Done"]);
        assert_eq!(session.in_flight(), 0);
    }

    /// The client acknowledges what goes out to it now; returns how many messages that are.
    fn settle(session: &mut Session) -> usize {
        let slots = slots(session);
        slots.iter().for_each(|slot| session.handle_delivered(*slot).unwrap());
        slots.len()
    }

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_sender_waits_while_there_is_no_room_and_is_told_when_there_is() {
        let sessions = Sessions::new(&Router::new(RouterOptions::new(1)), 10);
        let (heard, woken) = (Arc::<Heard>::default(), Arc::<Woken>::default());
        let waker = Waker::from(Arc::clone(&woken));
        let mut session = connect(&sessions);
        let large = limits::MAILBOX_OWN_BYTES_MAX / 4;
        let sent = [(); 5].map(|()| send_with(&session, &heard, QoS::AtLeastOnce, large));
        // The fourth was the last that was taken.
        assert_eq!(sent, [true, true, true, false, false]);
        assert_eq!(*heard.0.lock(), ["unseen"]);
        let sender = session.sender();
        assert!((0..3).all(|_| sender.poll_room(&waker).is_pending()));
        assert_eq!(woken.0.load(Ordering::Relaxed), 0);
        assert_eq!(settle(&mut session) + settle(&mut session), 4);
        assert_eq!((woken.0.load(Ordering::Relaxed), sender.poll_room(&waker)), (1, Poll::Ready(())));
        // One that is larger than all the room is taken alone.
        assert!(!send_with(&session, &heard, QoS::AtLeastOnce, 8 * large));
        assert!(!send_with(&session, &heard, QoS::AtLeastOnce, 0));
        assert_eq!(settle(&mut session), 1);
        // There is never room where nobody is.
        sessions.leave(now(), session, Ending::Lost);
        assert!(sender.poll_room(&waker).is_pending());
    }

    #[test]
    fn a_session_keeps_nothing_of_it_from_one_connection_to_the_next() {
        let sessions = Sessions::new(&Router::new(RouterOptions::new(1)), 10);
        let heard = Arc::<Heard>::default();
        let mut session = connect(&sessions);
        send(&session, &heard);
        assert_eq!(slots(&mut session).len(), 1);
        send(&session, &heard);
        session.drop_receipts();
        assert_eq!(*heard.0.lock(), ["sent", "unseen"]);
        send(&session, &heard);
        sessions.leave(now(), session, Ending::Lost);
        let mut session = connect(&sessions);
        assert_eq!(*heard.0.lock(), ["sent", "unseen", "unseen"]);
        assert_eq!((slots(&mut session).len(), session.in_flight()), (0, 0));
    }
}
