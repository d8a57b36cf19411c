//! Damage is found where it is, taken out once, and what is whole stays.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use message::{Bytes, DestinationId, Publication, QoS, Timestamp, TopicName};
use proptest::prelude::*;

use super::*;
use crate::DestinationLimits;
use crate::disk::SimulatedDisk;
use crate::spool::{DestinationOptions, Ordinal, Placement};
use crate::stream::{Offset, Stream, StreamOptions};
use crate::tests::{places, segments};

const FOLDER: &str = "/data/log";
const COUNT: u64 = 60;

fn publication(number: u64) -> Publication {
    let topic = TopicName::parse("plant/line").unwrap();
    let payload = Bytes::from(format!("message {number:050}"));
    Publication::new(topic, payload, QoS::AtLeastOnce, Timestamp::from_millis(1000))
}

fn placement(id: u64) -> Placement {
    Placement { destination: DestinationId::new(id), qos: QoS::AtLeastOnce, retain: false, identifiers: Vec::new() }
}

const SPOOL: SpoolOptions = SpoolOptions { segment_bytes: 1024, bytes_max: u64::MAX };

/// A spool of some segments. All go to the first destination, every other to the second, which takes the first ten.
fn spool() -> SimulatedDisk {
    let disk = SimulatedDisk::new(1);
    let committer = Committer::stepped();
    let (spool, _) = Spool::open(Arc::new(disk.clone()), Path::new(FOLDER), SPOOL, &committer).unwrap();
    for id in [1, 2] {
        spool.add(DestinationId::new(id), DestinationOptions::default()).unwrap();
    }
    for number in 0..COUNT {
        let to: Vec<Placement> = if number % 2 == 0 { vec![placement(1), placement(2)] } else { vec![placement(1)] };
        spool.append(Timestamp::default(), &publication(number), None, &to, |_, _, _| {}).unwrap();
        if number % 4 == 3 {
            committer.commit_once();
        }
    }
    spool.acknowledge(DestinationId::new(2), &(0..10).map(Ordinal).collect::<Vec<_>>());
    committer.commit_once();
    disk.copy()
}

fn stream_options() -> StreamOptions {
    StreamOptions { segment_bytes: 1024, retention: DestinationLimits::NONE, ..StreamOptions::default() }
}

fn stream() -> SimulatedDisk {
    let disk = SimulatedDisk::new(1);
    let committer = Committer::stepped();
    let (stream, _) = Stream::open(Arc::new(disk.clone()), Path::new(FOLDER), stream_options(), &committer).unwrap();
    for number in 0..COUNT {
        stream.append(Timestamp::default(), &publication(number), |_| {}).unwrap();
        if number % 4 == 3 {
            committer.commit_once();
        }
    }
    committer.commit_once();
    disk.copy()
}

fn log(kind: LogKind) -> SimulatedDisk {
    match kind {
        LogKind::Spool => spool(),
        LogKind::Stream => stream(),
    }
}

fn look(disk: &SimulatedDisk, kind: LogKind) -> LogReport {
    examine(&(Arc::new(disk.clone()) as Arc<dyn Disk>), Path::new(FOLDER), kind).unwrap()
}

fn mend(disk: &SimulatedDisk, kind: LogKind) -> Repaired {
    repair(&(Arc::new(disk.clone()) as Arc<dyn Disk>), Path::new(FOLDER), kind).unwrap()
}

/// All payloads that can be read: of the first destination, or of the stream.
fn read(disk: &SimulatedDisk, kind: LogKind) -> Vec<String> {
    let committer = Committer::stepped();
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let publications: Vec<Publication> = match kind {
        LogKind::Spool => {
            let (spool, _) = Spool::open(disk, Path::new(FOLDER), SPOOL, &committer).unwrap();
            let mut all = Vec::new();
            spool.read(DestinationId::new(1), Ordinal(0), 1000, usize::MAX, &mut all).unwrap();
            all.into_iter().map(|spooled| spooled.publication).collect()
        }
        LogKind::Stream => {
            let (stream, _) = Stream::open(disk, Path::new(FOLDER), stream_options(), &committer).unwrap();
            let mut all = Vec::new();
            stream.read(Offset(0), 1000, usize::MAX, &mut all).unwrap();
            all.into_iter().map(|streamed| streamed.publication).collect()
        }
    };
    publications.iter().map(|publication| String::from_utf8(publication.payload.to_vec()).unwrap()).collect()
}

fn contents(disk: &SimulatedDisk) -> Vec<(PathBuf, Vec<u8>)> {
    disk.paths().into_iter().map(|path| (path.clone(), disk.content(&path).unwrap())).collect()
}

#[test]
fn a_whole_log_is_told_and_left_as_it_is() {
    for kind in [LogKind::Spool, LogKind::Stream] {
        let disk = log(kind);
        let before = contents(&disk);
        let report = look(&disk, kind);
        assert!(report.is_whole(), "{report:?}");
        assert_eq!(report.files.iter().map(|file| file.messages).sum::<u64>(), COUNT);
        assert!(report.files.len() > 4 && report.files.iter().all(|file| file.gap_before == 0));
        assert_eq!(mend(&disk, kind).written, Vec::<String>::new());
        assert_eq!(contents(&disk), before);
    }
}

#[test]
fn the_messages_that_lay_in_a_damaged_place_are_named() {
    let disk = spool();
    let path = segments(&disk)[1].clone();
    let text = format!("message {:050}", 12);
    let hit = |bytes: &mut Vec<u8>| {
        let at = bytes.windows(text.len()).position(|window| window == text.as_bytes()).unwrap();
        bytes[at] ^= 1;
    };
    disk.damage(&path, hit).unwrap();
    let report = look(&disk, LogKind::Spool);
    let damaged: Vec<&FileReport> = report.files.iter().filter(|file| !file.damage.is_empty()).collect();
    let [file] = &damaged[..] else { panic!("{report:?}") };
    assert!(path.ends_with(&file.name));
    let [range] = &file.damage[..] else { panic!("{file:?}") };
    // The second destination has taken it long since.
    assert_eq!((range.records, &range.lost[..]), (1, &[(DestinationId::new(1), 12, 13)][..]));
    let repaired = mend(&disk, LogKind::Spool);
    assert_eq!((repaired.written.len(), repaired.quarantined_bytes), (1, range.bytes));
    assert_eq!(repaired.report, report);
    assert!(look(&disk, LogKind::Spool).is_whole());
    let left: Vec<String> =
        (0..COUNT).filter(|number| *number != 12).map(|number| format!("message {number:050}")).collect();
    assert_eq!(read(&disk, LogKind::Spool), left);
}

/// What a random change does: it is found or harmless, it can be repaired, and what could be read is read after it.
fn check(kind: LogKind, file: usize, change: impl FnOnce(&mut Vec<u8>)) {
    let disk = log(kind);
    let paths = segments(&disk);
    let path = &paths[file % paths.len()];
    disk.damage(path, change).unwrap();
    let report = look(&disk, kind);
    let (before, readable) = (contents(&disk), read(&disk.copy(), kind));
    let expected: Vec<String> = (0..COUNT).map(|number| format!("message {number:050}")).collect();
    let told = !report.is_whole() || report.files.iter().any(|file| file.unfinished_bytes > 0);
    assert!(readable == expected || told, "{} of {COUNT} are left, not told: {report:?}", readable.len());
    let repaired = mend(&disk, kind);
    for (path, bytes) in before.iter().filter(|(path, _)| {
        let damaged = report.files.iter().find(|file| path.ends_with(&file.name));
        damaged.is_none_or(|file| file.damage.is_empty())
    }) {
        assert_eq!(&disk.content(path).unwrap(), bytes, "{} is touched", path.display());
    }
    let after = look(&disk, kind);
    assert!(after.is_whole(), "{after:?}");
    assert_eq!(read(&disk.copy(), kind), readable, "after {:?}", repaired.written);
    let once = contents(&disk);
    assert_eq!(mend(&disk, kind).written, Vec::<String>::new());
    assert_eq!(contents(&disk), once, "a second time changes nothing");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: places(125), ..ProptestConfig::default() })]
    #[test]
    fn any_flipped_bit_is_repaired(is_spool in any::<bool>(), file in 0usize..100, bit in any::<prop::sample::Index>()) {
        let kind = if is_spool { LogKind::Spool } else { LogKind::Stream };
        check(kind, file, |bytes| {
            let bit = bit.index(bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
        });
    }

    #[test]
    fn any_cut_is_repaired(is_spool in any::<bool>(), file in 0usize..100, at in any::<prop::sample::Index>()) {
        let kind = if is_spool { LogKind::Spool } else { LogKind::Stream };
        check(kind, file, |bytes| bytes.truncate(at.index(bytes.len())));
    }

    #[test]
    fn any_block_of_zeros_is_repaired(is_spool in any::<bool>(), file in 0usize..100, at in any::<prop::sample::Index>()) {
        let kind = if is_spool { LogKind::Spool } else { LogKind::Stream };
        check(kind, file, |bytes| {
            let at = at.index(bytes.len());
            bytes.iter_mut().skip(at).take(300).for_each(|byte| *byte = 0);
        });
    }
}

#[test]
fn a_missing_end_is_made_up_for_so_that_no_number_is_given_twice() {
    for kind in [LogKind::Spool, LogKind::Stream] {
        let disk = log(kind);
        let last = segments(&disk).pop().unwrap();
        disk.remove(&last).unwrap();
        let missing = look(&disk, kind).missing_end_records;
        assert!(missing > 0);
        assert_eq!(mend(&disk, kind).written.len(), 1);
        let report = look(&disk, kind);
        assert!(report.is_whole(), "{report:?}");
        assert_eq!(mend(&disk, kind).written, Vec::<String>::new());
    }
}
