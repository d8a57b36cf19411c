//! Whatever happens to the files: the spool opens, what is not damaged is read, and what is missing is counted.

use std::path::PathBuf;

use proptest::prelude::*;

use super::*;
use crate::spool::DropReason;
use crate::tests::places;

const LAST: u64 = 60;

/// A spool of some segments, the last one not sealed. Of the first destination every third message is acknowledged, the
/// second has every second message.
fn whole() -> (SimulatedDisk, Vec<PathBuf>) {
    let bench = Bench::new();
    for index in 0..LAST {
        let to: &[u64] = if index % 2 == 0 { &[1, 2] } else { &[1] };
        bench.append(&format!("message {index}"), to).unwrap();
        if index % 3 == 0 {
            bench.acknowledge(1, &[index]);
        }
        if index % 5 == 4 {
            bench.commit();
        }
    }
    bench.commit();
    let disk = bench.disk.copy();
    let paths = crate::tests::segments(&disk);
    (disk, paths)
}

/// What waits in a destination when nothing is damaged: ordinals and payloads.
fn expected(id: u64) -> Vec<(u64, String)> {
    let all = 0..LAST;
    match id {
        1 => all.filter(|index| index % 3 != 0).map(|index| (index, format!("message {index}"))).collect(),
        _ => all.filter(|index| index % 2 == 0).map(|index| (index / 2, format!("message {index}"))).collect(),
    }
}

/// `records` may be damaged.
fn check(disk: SimulatedDisk, records: usize, context: &str) {
    let bench = Bench::open(disk);
    for round in ["found", "repaired"] {
        for id in [1, 2] {
            let (expected, ever) = (expected(id), "message ");
            let found =
                if bench.spool.state(DestinationId::new(id)).is_some() { bench.waiting(id) } else { Vec::new() };
            let lost = expected.iter().filter(|message| !found.contains(message)).count();
            // Messages whose acknowledgement was damaged come again.
            let again = found.iter().filter(|message| !expected.contains(message)).count();
            assert!(found.iter().all(|(_, payload)| payload.starts_with(ever)), "{context}, {round}");
            assert!(lost <= records, "{context}, {round}: {lost} of {id} are lost");
            let dropped = bench.spool.state(DestinationId::new(id)).map(|state| state.dropped).unwrap_or_default();
            let counted = dropped[DropReason::Damaged as usize] > 0
                || bench.recovery.lost_messages > 0
                || !bench.recovery.damage.is_empty()
                || bench.recovery.cut_bytes + bench.recovery.torn_records > 0;
            assert!(lost + again == 0 || counted, "{context}, {round}: {lost} lost, {again} again, not told");
        }
        bench.commit();
    }
    bench.append("message after", &[1]).unwrap();
    bench.commit();
    let last = bench.waiting(1).pop();
    let bench = Bench::open(bench.disk.power_cut());
    assert_eq!(bench.waiting(1).pop(), last, "{context}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: places(500), ..ProptestConfig::default() })]
    #[test]
    fn a_flipped_bit_costs_one_message_at_most(file in any::<prop::sample::Index>(), bit in any::<prop::sample::Index>()) {
        let (disk, paths) = whole();
        let path = &paths[file.index(paths.len())];
        let mut at = 0;
        disk.damage(path, |bytes| {
            at = bit.index(bytes.len() * 8);
            bytes[at / 8] ^= 1 << (at % 8);
        }).unwrap();
        check(disk, 1, &format!("{} bit {at}", path.display()));
    }

    #[test]
    fn a_cut_costs_what_it_cuts_off(file in any::<prop::sample::Index>(), at in any::<prop::sample::Index>()) {
        let (disk, paths) = whole();
        let path = &paths[file.index(paths.len())];
        let mut cut = 0;
        disk.damage(path, |bytes| {
            let length = at.index(bytes.len());
            cut = bytes.len() - length;
            bytes.truncate(length);
        }).unwrap();
        check(disk, cut / 25 + 1, &format!("{} cut by {cut}", path.display()));
    }

    #[test]
    fn a_missing_file_costs_its_messages(file in any::<prop::sample::Index>()) {
        let (disk, paths) = whole();
        let path = &paths[file.index(paths.len())];
        crate::disk::Disk::remove(&disk, path).unwrap();
        check(disk.copy(), 30, &format!("{} removed", path.display()));
    }
}

/// Cuts the last records off the file that was written last, each at its beginning, so that nothing looks torn.
fn cut_records(disk: &SimulatedDisk, path: &Path, count: usize) {
    let cut = |bytes: &mut Vec<u8>| {
        let mut places = vec![crate::log::SEGMENT_HEADER_BYTES];
        while let Some(header) = places.last().and_then(|at| crate::log::Header::decode(&bytes[*at..])) {
            places.push(places.last().unwrap() + header.length as usize);
        }
        bytes.truncate(places[places.len() - 1 - count]);
    };
    disk.damage(path, cut).unwrap();
}

#[test]
fn records_that_are_cut_off_the_end_without_a_trace_are_missed_and_their_numbers_not_used_again() {
    let (disk, paths) = whole();
    cut_records(&disk, paths.last().unwrap(), 3);
    let bench = Bench::open(disk);
    let [damage] = &bench.recovery.damage[..] else { panic!("{:?}", bench.recovery) };
    assert_eq!((damage.records, damage.bytes, bench.recovery.cut_bytes), (3, 0, 0));
    let next = bench.spool.state(DestinationId::new(1)).unwrap().next;
    assert!(next >= Ordinal(LAST), "{next:?}");
    bench.commit();
    let again = Bench::open(bench.disk.after_kill());
    assert_eq!(again.recovery.damage, [], "it is told once");
    assert!(again.spool.state(DestinationId::new(1)).unwrap().next >= Ordinal(LAST - 3));
}

#[test]
fn a_last_segment_that_is_gone_is_missed() {
    let (disk, paths) = whole();
    crate::disk::Disk::remove(&disk, paths.last().unwrap()).unwrap();
    let bench = Bench::open(disk);
    let [damage] = &bench.recovery.damage[..] else { panic!("{:?}", bench.recovery) };
    assert!(damage.records > 3 && damage.what.contains("missing"), "{damage:?}");
    assert!(bench.spool.state(DestinationId::new(1)).unwrap().next >= Ordinal(LAST));
}

#[test]
fn damaged_bytes_are_copied_aside_once() {
    let (disk, paths) = whole();
    let path = &paths[paths.len() - 1];
    let mut damaged = Vec::new();
    let text = format!("message {}", LAST - 5);
    let damage = |bytes: &mut Vec<u8>| {
        let at = bytes.windows(text.len()).position(|window| window == text.as_bytes()).unwrap();
        bytes[at] ^= 1;
        damaged = bytes[at..at + text.len()].to_vec();
    };
    disk.damage(path, damage).unwrap();
    let bench = Bench::open(disk);
    let [found] = &bench.recovery.damage[..] else { panic!("{:?}", bench.recovery) };
    assert_eq!(bench.recovery.quarantined_bytes, found.bytes);
    let name = format!("{}.at-{}", found.file, found.at);
    let copy = bench.disk.content(&Path::new(FOLDER).join("quarantine").join(name)).unwrap();
    assert_eq!(copy.len() as u64, found.bytes);
    assert!(copy.windows(damaged.len()).any(|window| window == damaged));
    let again = Bench::open(bench.disk.after_kill());
    assert_eq!((again.recovery.damage.len(), again.recovery.quarantined_bytes), (1, 0));
}
