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
