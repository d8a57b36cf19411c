//! The format on disk as version 1 wrote it: a segment that is sealed, and one that is being filled.

use super::*;
use crate::tests::{frozen_bytes, hexadecimal, segments};

/// The files that [`write`] leaves, each after a line with its name.
const FROZEN: &str = include_str!("frozen.hex");

fn write() -> Bench {
    let bench = Bench::new();
    for number in 0..9 {
        bench.append(number * 60, &format!("message {number} {}", "x".repeat(100)));
        if number % 4 == 3 {
            bench.commit();
        }
    }
    bench.commit();
    bench
}

fn check(bench: &Bench) {
    let expected: Vec<(u64, String)> =
        (0..9).map(|number| (number, format!("message {number} {}", "x".repeat(100)))).collect();
    assert_eq!(bench.read(0), (expected, 0));
    assert_eq!(bench.stream.offset_at(Timestamp::from_millis(61_000)).unwrap(), Offset(2));
}

fn files(bench: &Bench) -> Vec<(String, Vec<u8>)> {
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    segments(&bench.disk).iter().map(|path| (name(path), bench.disk.content(path).unwrap())).collect()
}

#[test]
fn segments_are_written_as_version_1_wrote_them() {
    let bench = write();
    check(&bench);
    let files = files(&bench);
    assert_eq!(files.len(), 2);
    let text: String = files.iter().map(|(name, bytes)| format!("# {name}\n{}", hexadecimal(bytes))).collect();
    assert_eq!(text, FROZEN);
}

#[test]
fn what_version_1_wrote_is_read() {
    let disk = SimulatedDisk::new(1);
    for part in FROZEN.split("# ").skip(1) {
        let (name, text) = part.split_once('\n').unwrap();
        let file = crate::disk::Disk::create(&disk, &Path::new(FOLDER).join(name)).unwrap();
        file.write_all_at(0, &frozen_bytes(text)).unwrap();
    }
    let mut bench = Bench::open(disk, small(DestinationLimits::NONE));
    for _ in 0..3 {
        assert_eq!((bench.recovery.damage.len(), bench.recovery.cut_bytes), (0, 0));
        check(&bench);
        bench.commit();
        bench = bench.kill();
    }
}
