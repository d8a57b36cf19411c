//! Whatever happens to the files: the spool opens, what is not damaged is read, and what is missing is counted.

use std::path::PathBuf;

use proptest::prelude::*;

use super::*;
use crate::spool::DropReason;
use crate::tests::{ends_with_record, places};

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
    let paths = disk.paths();
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

/// `records` may be damaged; `knows` says whether it can be known at all that something is missing.
fn check(disk: SimulatedDisk, records: usize, knows: bool, context: &str) {
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
            assert!(lost + again == 0 || counted || !knows, "{context}, {round}: {lost} lost, {again} again, not told");
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
    #![proptest_config(ProptestConfig { cases: places(), ..ProptestConfig::default() })]
    #[test]
    fn a_flipped_bit_costs_one_message_at_most(file in any::<prop::sample::Index>(), bit in any::<prop::sample::Index>()) {
        let (disk, paths) = whole();
        let path = &paths[file.index(paths.len())];
        let mut at = 0;
        disk.damage(path, |bytes| {
            at = bit.index(bytes.len() * 8);
            bytes[at / 8] ^= 1 << (at % 8);
        }).unwrap();
        check(disk, 1, true, &format!("{} bit {at}", path.display()));
    }

    #[test]
    fn a_cut_costs_what_it_cuts_off(file in any::<prop::sample::Index>(), at in any::<prop::sample::Index>()) {
        let (disk, paths) = whole();
        let path = &paths[file.index(paths.len())];
        let (mut cut, mut at_end_of_record) = (0, false);
        disk.damage(path, |bytes| {
            let length = at.index(bytes.len());
            cut = bytes.len() - length;
            bytes.truncate(length);
            at_end_of_record = ends_with_record(1, path, bytes);
        }).unwrap();
        // Of the file that was written last nobody knows how long it was.
        let knows = Some(path) != paths.last() || !at_end_of_record;
        check(disk, cut / 25 + 1, knows, &format!("{} cut by {cut}", path.display()));
    }

    #[test]
    fn a_missing_file_costs_its_messages(file in any::<prop::sample::Index>()) {
        let (disk, paths) = whole();
        let path = &paths[file.index(paths.len())];
        crate::disk::Disk::remove(&disk, path).unwrap();
        let knows = Some(path) != paths.last();
        check(disk.copy(), 30, knows, &format!("{} removed", path.display()));
    }
}
