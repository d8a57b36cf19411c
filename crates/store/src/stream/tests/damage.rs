//! Whatever happens to the files: the stream opens, what is not damaged is read, and what is missing is counted.

use std::path::PathBuf;

use proptest::prelude::*;

use super::*;
use crate::tests::places;

/// A stream of some segments, the last one not sealed, and its files.
fn whole() -> (SimulatedDisk, Vec<PathBuf>) {
    let bench = Bench::new();
    bench.fill(0..60);
    let disk = bench.disk.copy();
    let paths = crate::tests::segments(&disk);
    (disk, paths)
}

fn check(disk: SimulatedDisk, lost_most: usize, context: &str) {
    let bench = Bench::open(disk, small(DestinationLimits::NONE));
    let expected = numbered(0..60);
    for round in ["found", "repaired"] {
        let (found, missing) = bench.read(0);
        assert!(found.iter().all(|message| expected.contains(message)), "{context}, {round}");
        let lost = expected.len() - found.len();
        assert!(lost <= lost_most, "{context}, {round}: {lost} are lost");
        let told = missing > 0 || !bench.recovery.damage.is_empty() || bench.recovery.cut_bytes > 0;
        assert!(lost == 0 || told, "{context}, {round}: {lost} are lost and nobody is told");
        bench.commit();
    }
    assert!(bench.append(60, "after").0 >= 60 - lost_most as u64);
}

#[test]
fn messages_that_are_cut_off_the_end_are_counted_and_no_more_are_missing() {
    // Behind the tenth message, and in the midst of the eleventh.
    for more in [0, 7] {
        let bench = Bench::open(SimulatedDisk::new(1), StreamOptions::default());
        bench.fill(0..10);
        let path = crate::tests::segments(&bench.disk).pop().unwrap();
        let whole = bench.disk.content(&path).unwrap().len();
        bench.fill(10..20);
        let disk = bench.disk.copy();
        disk.damage(&path, |bytes| bytes.truncate(whole + more)).unwrap();
        let bench = Bench::open(disk, StreamOptions::default());
        assert_eq!(bench.stream.state().damaged, 10, "{more} bytes of the next one are left");
        bench.commit();
        bench.append(20, "after");
        bench.commit();
        let (found, missing) = bench.read(0);
        assert_eq!((found.len(), missing), (11, 10), "{more} bytes of the next one are left");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: places(500), ..ProptestConfig::default() })]
    #[test]
    fn a_flipped_bit_costs_one_message_at_most(file in any::<prop::sample::Index>(), bit in any::<prop::sample::Index>()) {
        let (disk, paths) = whole();
        let path = &paths[file.index(paths.len())];
        disk.damage(path, |bytes| {
            let bit = bit.index(bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
        }).unwrap();
        check(disk, 1, &format!("{}", path.display()));
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
}
