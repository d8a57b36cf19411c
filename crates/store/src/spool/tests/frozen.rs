//! The format on disk as version 1 wrote it: one file with a record of every kind.

use super::*;
use crate::tests::{frozen_bytes, hexadecimal};

/// The file that [`write`] leaves before it is sealed.
const FROZEN: &str = include_str!("frozen.hex");

fn write() -> Bench {
    let bench = Bench::new();
    bench.append_at(1, "one", &[1, 300], Some((9, 5))).unwrap();
    bench.append_at(2, "two", &[1], None).unwrap();
    bench.append_at(2, "three", &[1], None).unwrap();
    bench.append_at(3, "for nobody", &[], Some((9, 6))).unwrap();
    bench.commit();
    bench.acknowledge(1, &[1]);
    bench.spool.mark_received(DestinationId::new(300), Ordinal(0));
    bench.spool.note_deliveries(DestinationId::new(1), Ordinal(2), 4);
    bench.spool.release(DestinationId::new(9), NonZeroU16::new(5).unwrap());
    bench.append_at(3, "gone", &[7], None).unwrap();
    bench.spool.remove(DestinationId::new(7));
    bench.commit();
    bench
}

fn check(bench: &Bench) {
    assert_eq!(bench.waiting(1), [(0, "one".to_owned()), (2, "three".to_owned())]);
    assert_eq!(bench.waiting(300), [(0, "one".to_owned())]);
    assert_eq!(bench.spool.state(DestinationId::new(300)).unwrap().received, [Ordinal(0)]);
    let noted = bench.spool.noted_deliveries(DestinationId::new(1), Ordinal(0), Ordinal(9));
    assert_eq!(noted, [(Ordinal(2), 4)]);
    assert_eq!(bench.spool.state(DestinationId::new(9)).unwrap().inbound, [6]);
    assert_eq!(bench.spool.state(DestinationId::new(7)), None);
}

#[test]
fn records_are_written_as_version_1_wrote_them() {
    let bench = write();
    check(&bench);
    let paths = bench.segments();
    assert_eq!(paths.len(), 1);
    assert_eq!(hexadecimal(&bench.disk.content(&paths[0]).unwrap()), FROZEN);
}

#[test]
fn what_version_1_wrote_is_read_also_after_it_was_sealed() {
    let disk = SimulatedDisk::new(1);
    let path = Path::new(FOLDER).join("00000000000000000000.0.log");
    crate::disk::Disk::create(&disk, &path).unwrap().write_all_at(0, &frozen_bytes(FROZEN)).unwrap();
    let mut bench = Bench::open(disk);
    for _ in 0..3 {
        assert_eq!((bench.recovery.damage.len(), bench.recovery.cut_bytes), (0, 0));
        check(&bench);
        bench.commit();
        bench = bench.kill();
    }
}
