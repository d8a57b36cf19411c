//! What destinations say that they are is known after any end, as long as there is something of them.

use super::*;
use message::limits;

fn id(number: u64) -> DestinationId {
    DestinationId::new(number)
}

fn label(bench: &Bench, number: u64) -> Option<Box<[u8]>> {
    bench.spool.label(id(number))
}

#[test]
fn labels_outlive_the_process_and_the_segments_that_they_were_written_to() {
    let mut bench = Bench::new();
    for number in 1..=50 {
        bench.add(number, DestinationOptions::default());
        bench.spool.set_label(id(number), format!("session {number}").as_bytes());
    }
    bench.spool.set_label(id(3), b"renamed");
    bench.spool.remove(id(4));
    bench.commit();
    let first = bench.segments();
    for round in 0..3 {
        assert_eq!(label(&bench, 1).as_deref(), Some(&b"session 1"[..]), "round {round}");
        assert_eq!(label(&bench, 3).as_deref(), Some(&b"renamed"[..]), "round {round}");
        assert_eq!((label(&bench, 4), label(&bench, 51)), (None, None), "round {round}");
        assert_eq!(bench.recovery.highest_destination, (round > 0).then(|| id(50)));
        // Enough for several segments; nothing of them waits.
        for number in 0..200 {
            bench.append(&format!("{number:0>100}"), &[1]).unwrap();
            bench.commit();
            bench.acknowledge(1, &[round * 200 + number]);
        }
        bench.commit();
        bench = bench.kill();
    }
    assert!(bench.segments().iter().all(|path| !first.contains(path)));
    assert_eq!(bench.recovery.damage, []);
}

#[test]
fn a_label_is_on_the_disk_before_any_message_that_comes_after_it() {
    let mut bench = Bench::new();
    for number in 1..=20 {
        bench.add(number, DestinationOptions::default());
        bench.spool.set_label(id(number), b"mine");
        bench.append("message", &[number]).unwrap();
        while bench.committer.commit_once() {}
        let disk = bench.disk.power_cut();
        bench = Bench::open(disk);
        assert_eq!(bench.waiting(number), [(0, "message".to_owned())]);
        assert_eq!(label(&bench, number).as_deref(), Some(&b"mine"[..]));
    }
}

#[test]
fn the_same_label_again_and_one_that_is_too_long_write_nothing() {
    let bench = Bench::new();
    bench.add(1, DestinationOptions::default());
    bench.spool.set_label(id(1), b"mine");
    bench.commit();
    let bytes = bench.disk_bytes();
    bench.spool.set_label(id(1), b"mine");
    bench.spool.set_label(id(1), &vec![1; limits::SPOOL_LABEL_BYTES_MAX + 1]);
    bench.spool.set_label(id(2), b"of nobody");
    bench.commit();
    assert_eq!((bench.disk_bytes(), label(&bench, 2)), (bytes, None));
    assert_eq!(label(&bench, 1).as_deref(), Some(&b"mine"[..]));
}

#[test]
fn the_largest_number_is_known_also_of_what_was_removed() {
    let bench = Bench::new();
    bench.append("waits", &[1]).unwrap();
    bench.append("gone", &[900]).unwrap();
    bench.spool.remove(id(900));
    bench.commit();
    let bench = bench.kill();
    assert_eq!(bench.spool.state(id(900)), None);
    assert_eq!(bench.recovery.highest_destination, Some(id(900)));
}
