//! Segments whose files are laid out beforehand: nothing tells them from others but the zeros behind what was written.

use super::*;

const BYTES: u64 = SMALL.segment_bytes;

fn path(base: u64, generation: u32) -> PathBuf {
    Path::new(FOLDER).join(format!("{base:020}.{generation}.log"))
}

/// A spool whose second segment is in a file that was laid out, with three messages; in the first is one.
fn laid_out() -> (Bench, PathBuf) {
    let bench = Bench::new();
    bench.append("in a file that grows", &[1]).unwrap();
    bench.commit();
    bench.lay_out();
    for payload in ["one", "two", "three\0\0\0\0\0\0\0\0\0\0\0\0"] {
        bench.append(payload, &[1]).unwrap();
        bench.commit();
    }
    let paths = bench.segments();
    assert_eq!(paths.len(), 2, "{paths:?}");
    assert_eq!(bench.disk.content(&paths[1]).unwrap().len() as u64, BYTES);
    (bench, paths[1].clone())
}

const ALL: [&str; 4] = ["in a file that grows", "one", "two", "three\0\0\0\0\0\0\0\0\0\0\0\0"];

#[test]
fn the_next_segment_takes_the_file_and_is_cut_when_it_is_sealed() {
    let (bench, second) = laid_out();
    assert_eq!(bench.payloads(1), ALL);
    while bench.segments().len() < 3 {
        bench.append(&"x".repeat(100), &[1]).unwrap();
        bench.commit();
    }
    let sealed = bench.disk.content(&second).unwrap();
    assert!(sealed.ends_with(b"HWSEALED"));
    assert_eq!(bench.payloads(1)[..4], ALL);
    let again = bench.kill();
    assert_eq!((again.recovery.damage.len(), again.recovery.cut_bytes), (0, 0));
    assert_eq!(again.payloads(1)[..4], ALL);
}

#[test]
fn a_segment_that_grows_beyond_what_was_laid_out_is_like_any_other() {
    let (bench, second) = laid_out();
    bench.append(&"y".repeat(900), &[1]).unwrap();
    bench.commit();
    bench.lay_out();
    let large = "z".repeat(3000);
    bench.append(&large, &[1]).unwrap();
    bench.append("after", &[1]).unwrap();
    bench.commit();
    assert!(bench.disk.content(&second).unwrap().ends_with(b"HWSEALED"));
    assert_eq!(bench.payloads(1)[5..], [large.clone(), "after".to_owned()]);
    let again = bench.kill();
    assert_eq!(again.recovery.damage, []);
    assert_eq!(again.payloads(1)[5..], [large, "after".to_owned()]);
}

#[test]
fn zeros_behind_the_last_record_are_neither_damage_nor_cut_and_go_with_the_footer() {
    let (bench, second) = laid_out();
    let again = bench.kill();
    let found = &again.recovery;
    assert_eq!((found.damage.len(), found.cut_bytes, found.torn_records, found.lost_messages), (0, 0, 0, 0));
    assert_eq!(again.payloads(1), ALL);
    let next = again.spool.state(DestinationId::new(1)).unwrap().next;
    assert_eq!(next, Ordinal(4), "no number is left out for records that were never there");
    again.commit();
    assert!(again.disk.content(&second).unwrap().ends_with(b"HWSEALED"));
}

#[test]
fn a_seal_whose_cut_is_missing_is_found_before_the_zeros() {
    let (bench, second) = laid_out();
    while bench.segments().len() < 3 {
        bench.append(&"x".repeat(100), &[1]).unwrap();
        bench.commit();
    }
    let all = bench.payloads(1);
    let disk = bench.disk.after_kill();
    disk.damage(&second, |bytes| bytes.resize(BYTES as usize * 2, 0)).unwrap();
    let again = Bench::open(disk);
    assert_eq!((again.recovery.damage.len(), again.recovery.cut_bytes), (0, 0));
    assert_eq!(again.payloads(1), all);
}

#[test]
fn what_was_laid_out_and_not_used_is_removed_by_the_next_process() {
    let bench = Bench::new();
    bench.append("one", &[1]).unwrap();
    bench.commit();
    bench.lay_out();
    let ahead = Path::new(FOLDER).join("ahead.zeros");
    assert!(bench.disk.paths().contains(&ahead));
    let again = bench.kill();
    again.append("two", &[1]).unwrap();
    again.commit();
    assert!(!again.disk.paths().contains(&ahead));
    assert_eq!(again.segments(), [path(0, 0), path(2, 0)]);
    assert_eq!(again.payloads(1), ["one", "two"]);
}

#[test]
fn nothing_is_laid_out_on_a_disk_with_little_room_or_with_faults() {
    let bench = Bench::new();
    bench.append("one", &[1]).unwrap();
    bench.commit();
    bench.disk.set_capacity(Some(message::limits::LOG_AHEAD_ROOM_SHARE * BYTES));
    bench.lay_out();
    bench.disk.set_capacity(None);
    bench.disk.plan(crate::disk::Fault::SyncFails);
    bench.lay_out();
    bench.disk.plan(crate::disk::Fault::WriteFails);
    bench.lay_out();
    assert_eq!(bench.segments(), [path(0, 0)]);
    let (point, _) = bench.append("two", &[1]).unwrap();
    bench.commit();
    assert!(bench.spool.committed(point));
    assert_eq!(bench.segments(), [path(0, 0)]);
}

#[test]
fn a_flipped_bit_among_the_zeros_costs_no_message() {
    let (bench, second) = laid_out();
    let (length, end) = (BYTES as usize, bench.spool.log.lock().tail.footer_at() as usize);
    for bit in (end * 8..length * 8).step_by(11) {
        let disk = bench.disk.copy();
        disk.damage(&second, |bytes| bytes[bit / 8] ^= 1 << (bit % 8)).unwrap();
        let again = Bench::open(disk);
        assert_eq!(again.payloads(1), ALL, "bit {bit}");
        assert!(again.recovery.cut_bytes > 0, "bit {bit} is not told");
        again.commit();
        assert_eq!(again.payloads(1), ALL, "bit {bit}");
    }
}
