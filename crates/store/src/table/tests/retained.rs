//! Retained messages: what is on disk when, however fast they change and whatever the disk does.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Poll, Wake, Waker};

use message::{Publication, QoS, TopicName};
use proptest::prelude::*;

use super::gated_disk::{Gate, on_gated_disk};
use super::*;
use crate::table::room::Room;
use crate::table::{RetainedPoint, RetainedTable, Scan, WriteError};
use crate::{Revision, Turn};

pub(super) fn topic(text: &str) -> TopicName {
    TopicName::parse(text).unwrap()
}

pub(super) fn message(name: &str, payload: &str) -> Arc<Publication> {
    let payload = payload.to_owned().into();
    Arc::new(Publication { retain: true, ..Publication::new(topic(name), payload, QoS::AtLeastOnce, at(5)) })
}

/// The next turn, with nothing that is still to come.
fn turn() -> Turn {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let revision = Revision(LAST.fetch_add(1, Ordering::Relaxed) + 1);
    Turn { revision, complete: revision }
}

fn kept(table: &RetainedTable) -> BTreeMap<String, String> {
    let mut kept = BTreeMap::new();
    let scan = table.each(|found, _| {
        kept.insert(found.topic.to_string(), String::from_utf8(found.payload.to_vec()).unwrap());
    });
    assert_eq!(scan, Ok(Scan { records: kept.len() as u64, damaged: 0 }));
    kept
}

/// Passes every wake on to whoever waits.
struct Bell(mpsc::Sender<()>);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        // Nobody may listen any more.
        let _ = self.0.send(());
    }
}

/// Waits as a task would: asks once, then again whenever woken.
pub(super) fn wait(table: &RetainedTable, point: RetainedPoint) -> Result<(), WriteError> {
    let (sender, rings) = mpsc::channel();
    let waker = Waker::from(Arc::new(Bell(sender)));
    loop {
        match table.poll_reached(point, &waker) {
            Poll::Ready(reached) => return reached,
            Poll::Pending => rings.recv().unwrap(),
        }
    }
}

/// Makes a change again and again until it is on disk: a try that found no room may still be under way.
fn change_at_last(table: &RetainedTable, change: impl Fn() -> RetainedPoint) {
    while wait(table, change()).is_err() {}
}

fn has_room() -> (Tables, Arc<AtomicBool>) {
    let has_room = Arc::new(AtomicBool::new(true));
    let left = Arc::clone(&has_room);
    let room = Room::new(move || Some(if left.load(Ordering::SeqCst) { u64::MAX } else { 7 }));
    let memory = InMemoryBackend::new();
    let (tables, _) =
        Tables::open_sized("tables.redb", 0, room, |builder| builder.create_with_backend(memory)).unwrap();
    (tables, has_room)
}

#[test]
fn a_message_is_kept_with_all_its_properties_until_it_is_cleared() {
    let retained = in_memory().retained();
    let full = frozen::publication();
    assert_eq!(wait(&retained, retained.keep(Arc::new(full.clone()), false, turn())), Ok(()));
    let mut found = Vec::new();
    assert_eq!(retained.each(|publication, _| found.push(publication)), Ok(Scan { records: 1, damaged: 0 }));
    assert_eq!(found, std::slice::from_ref(&full));
    assert_eq!(wait(&retained, retained.clear(full.topic, turn())), Ok(()));
    assert_eq!(kept(&retained), BTreeMap::new());
}

#[test]
fn many_changes_of_a_topic_while_the_disk_is_busy_are_one_record() {
    let (tables, gate) = on_gated_disk();
    let retained = tables.retained();
    gate.set_shut(true);
    let before = tables.figures().commits;
    let first = retained.keep(message("a", "first"), false, turn());
    while tables.figures().retained_waiting > 0 {
        std::thread::yield_now();
    }
    let mut last = first;
    for number in 0..1000 {
        last = retained.keep(message(["a", "b"][number % 2], &number.to_string()), number != 1, turn());
    }
    assert_eq!(tables.figures().retained_waiting, 2);
    assert_eq!(retained.poll_reached(first, Waker::noop()), Poll::Pending);
    gate.set_shut(false);
    assert_eq!(wait(&retained, last), Ok(()));
    assert_eq!(retained.poll_reached(first, Waker::noop()), Poll::Ready(Ok(())));
    assert_eq!(kept(&retained), BTreeMap::from([("a", "998"), ("b", "999")].map(|(a, b)| (a.into(), b.into()))));
    assert_eq!(tables.figures().commits - before, 2);
    assert_eq!(retained.last_point(), last);
}

#[test]
fn what_came_and_went_while_the_disk_was_busy_waits_for_nothing() {
    let (tables, gate) = on_gated_disk();
    let retained = tables.retained();
    gate.set_shut(true);
    let _ = retained.keep(message("a", "1"), false, turn());
    while tables.figures().retained_waiting > 0 {
        std::thread::yield_now();
    }
    let mut last = retained.last_point();
    for number in 0..100 {
        let name = format!("n{number}");
        let _ = retained.keep(message(&name, "1"), false, turn());
        let _ = retained.keep(message(&name, "2"), true, turn());
        last = retained.clear(topic(&name), turn());
    }
    assert_eq!(tables.figures().retained_waiting, 0);
    gate.set_shut(false);
    assert_eq!(wait(&retained, last), Ok(()));
    gate.set_shut(true);
    let _ = retained.keep(message("a", "2"), true, turn());
    while tables.figures().retained_waiting > 0 {
        std::thread::yield_now();
    }
    // This one is on its way to the disk, so that it has to be cleared there.
    last = last.max(retained.clear(topic("a"), turn()));
    assert_eq!(tables.figures().retained_waiting, 1);
    gate.set_shut(false);
    assert_eq!(wait(&retained, last), Ok(()));
    assert_eq!(kept(&retained), BTreeMap::new());
}

#[test]
fn a_flood_is_written_in_commits_of_bounded_size() {
    let (tables, gate) = on_gated_disk();
    let retained = tables.retained();
    gate.set_shut(true);
    let _ = retained.keep(message("first", "1"), false, turn());
    while tables.figures().retained_waiting > 0 {
        std::thread::yield_now();
    }
    let before = tables.figures().commits;
    let topics = message::limits::TABLE_GROUP_WRITES_MAX * 2 + 1;
    let points: Vec<_> =
        (0..topics).map(|number| retained.keep(message(&format!("n{number}"), "x"), false, turn())).collect();
    gate.set_shut(false);
    assert_eq!(wait(&retained, *points.last().unwrap()), Ok(()));
    assert_eq!(kept(&retained).len(), topics + 1);
    assert_eq!(tables.figures().commits - before, 1 + 3);
}

#[test]
fn a_full_disk_breaks_the_promise_and_is_made_good_once_there_is_room() {
    let (tables, has_room) = has_room();
    let retained = tables.retained();
    assert_eq!(wait(&retained, retained.keep(message("a", "old"), false, turn())), Ok(()));
    has_room.store(false, Ordering::SeqCst);
    let refused = retained.keep(message("a", "new"), true, turn());
    let error = wait(&retained, refused).unwrap_err();
    assert!(matches!(error, WriteError::NoRoom { left_bytes: 7, .. }), "{error}");
    assert_eq!(kept(&retained)["a"], "old");
    assert!(tables.figures().failures > 0);
    has_room.store(true, Ordering::SeqCst);
    // The next change takes with it what could not be written.
    change_at_last(&retained, || retained.keep(message("b", "1"), false, turn()));
    assert_eq!(kept(&retained)["a"], "new");
    assert_eq!(retained.poll_reached(refused, Waker::noop()), Poll::Ready(Ok(())));
}

#[test]
fn a_full_disk_is_tried_again_without_a_further_change() {
    let (tables, has_room) = has_room();
    let retained = tables.retained();
    has_room.store(false, Ordering::SeqCst);
    assert!(wait(&retained, retained.keep(message("a", "1"), false, turn())).is_err());
    has_room.store(true, Ordering::SeqCst);
    while kept(&retained).is_empty() {
        std::thread::yield_now();
    }
}

#[test]
fn what_the_full_disk_refused_is_written_when_the_file_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tables.redb");
    let open = |has_room: bool| {
        let room = Room::new(move || Some(if has_room { u64::MAX } else { 0 }));
        let size = std::fs::metadata(&path).map_or(0, |metadata| metadata.len());
        Tables::open_sized("tables.redb", size, room, |builder| builder.create(&path)).unwrap().0
    };
    let tables = open(true);
    let _ = tables.retained().keep(message("a", "1"), false, turn());
    drop(tables);
    let tables = open(false);
    assert_eq!(kept(&tables.retained())["a"], "1", "closing writes what waits");
    let _ = tables.retained().keep(message("a", "2"), true, turn());
    // Without room, closing ends all the same.
    drop(tables);
    assert_eq!(kept(&open(true).retained())["a"], "1");
}

#[test]
fn a_topic_that_was_cleared_in_vain_and_kept_anew_is_still_known_to_be_on_disk() {
    let gate = Arc::<Gate>::default();
    let has_room = Arc::new(AtomicBool::new(true));
    let (looking, left) = (Arc::clone(&gate), Arc::clone(&has_room));
    let room = Room::new(move || {
        looking.wait_until_open();
        left.load(Ordering::SeqCst).then_some(u64::MAX).or(Some(0))
    });
    let memory = InMemoryBackend::new();
    let (tables, _) =
        Tables::open_sized("tables.redb", 0, room, |builder| builder.create_with_backend(memory)).unwrap();
    let retained = tables.retained();
    assert_eq!(wait(&retained, retained.keep(message("a", "1"), false, turn())), Ok(()));
    has_room.store(false, Ordering::SeqCst);
    gate.set_shut(true);
    let _ = retained.clear(topic("a"), turn());
    while tables.figures().retained_waiting > 0 {
        std::thread::yield_now();
    }
    // The clearing is under way, and will fail.
    let kept_anew = retained.keep(message("a", "2"), false, turn());
    gate.set_shut(false);
    assert!(wait(&retained, kept_anew).is_err());
    let _ = retained.clear(topic("a"), turn());
    has_room.store(true, Ordering::SeqCst);
    change_at_last(&retained, || retained.keep(message("b", "1"), false, turn()));
    assert_eq!(kept(&retained), BTreeMap::from([("b".to_owned(), "1".to_owned())]));
}

#[derive(Debug, Clone)]
enum Step {
    Keep(u8, u8),
    Clear(u8),
    Room(bool),
    Wait,
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..5_u8, any::<u8>()).prop_map(|(topic, payload)| Step::Keep(topic, payload)),
        4 => (0..5_u8).prop_map(Step::Clear),
        1 => any::<bool>().prop_map(Step::Room),
        2 => Just(Step::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// As the broker uses it: a topic without a message is not cleared, and it says whether there was one.
    #[test]
    fn the_disk_ends_with_what_the_broker_has(steps in prop::collection::vec(any_step(), 0..80)) {
        let (tables, room) = has_room();
        let retained = tables.retained();
        let mut model = BTreeMap::new();
        for step in steps {
            match step {
                Step::Keep(name, payload) => {
                    let (name, payload) = (format!("t{name}"), payload.to_string());
                    let replaces = model.insert(name.clone(), payload.clone()).is_some();
                    let _ = retained.keep(message(&name, &payload), replaces, turn());
                }
                Step::Clear(name) => {
                    let name = format!("t{name}");
                    if model.remove(&name).is_some() {
                        let _ = retained.clear(topic(&name), turn());
                    }
                }
                Step::Room(has_room) => room.store(has_room, Ordering::SeqCst),
                Step::Wait => {
                    if wait(&retained, retained.last_point()).is_ok() {
                        prop_assert_eq!(&kept(&retained), &model);
                    }
                }
            }
        }
        room.store(true, Ordering::SeqCst);
        model.insert("end".to_owned(), "1".to_owned());
        change_at_last(&retained, || retained.keep(message("end", "1"), false, turn()));
        prop_assert_eq!(&kept(&retained), &model);
    }
}
