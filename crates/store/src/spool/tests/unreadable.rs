//! A page of a file that the disk cannot read: all messages come but those that lie in it, and these are counted.

use super::*;
use crate::examine::{LogKind, examine, repair};
use crate::spool::DropReason;

const PAGE: u64 = 4096;
const LARGE: SpoolOptions = SpoolOptions { segment_bytes: 64 * 1024, bytes_max: u64::MAX };
const MESSAGES: u64 = 100;

fn payload(index: u64) -> String {
    format!("{index:04}{}", "x".repeat(996))
}

/// A queue and a session with the same messages in two files; the last one is not sealed.
fn filled() -> Bench {
    let bench = Bench::open_with(SimulatedDisk::new(1), LARGE);
    for index in 0..MESSAGES {
        bench.append(&payload(index), &[1, 2]).unwrap();
    }
    bench.commit();
    assert_eq!(bench.segments().len(), 2);
    bench
}

/// Messages that lie in the page, by what the file holds.
fn within(bench: &Bench, path: &Path, page: u64) -> Vec<u64> {
    let content = bench.disk.content(path).unwrap();
    let place = |index: &u64| content.windows(8).position(|bytes| bytes == format!("{index:04}xxxx").as_bytes());
    let overlaps = |index: &u64| {
        // From the header of the record to the end of the payload.
        place(index).is_some_and(|at| at as u64 + 1000 > page * PAGE && (at as u64) < (page + 1) * PAGE + 100)
    };
    (0..MESSAGES).filter(overlaps).collect()
}

/// What must be there, whatever lies in the page.
fn expected(lost: &[u64]) -> Vec<(u64, String)> {
    (0..MESSAGES).filter(|index| !lost.contains(index)).map(|index| (index, payload(index))).collect()
}

fn check(bench: &Bench, lost: &[u64]) {
    for id in [1, 2] {
        let found = bench.waiting(id);
        let missing = expected(lost).into_iter().find(|message| !found.contains(message));
        assert_eq!(missing.map(|(index, _)| index), None, "of {id}; in the page are {lost:?}");
        assert!(found.len() < MESSAGES as usize, "nothing was unreadable");
        assert!(found.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }
}

#[test]
fn all_messages_but_those_in_a_page_that_turns_bad_while_the_spool_is_open_are_read() {
    for (file, page) in [(0, 3), (0, 0), (1, 5)] {
        let bench = filled();
        let path = bench.segments()[file].clone();
        let lost = within(&bench, &path, page);
        bench.disk.fail_reads_within(&path, page * PAGE..page * PAGE + 512);
        check(&bench, &lost);
        let state = bench.spool.state(DestinationId::new(1)).unwrap();
        let counted = state.dropped[DropReason::Damaged as usize];
        assert_eq!(counted + state.waiting_messages, MESSAGES, "page {page} of file {file}");
        assert!(counted > 0 && counted <= lost.len() as u64, "{counted} of {lost:?}");
    }
}

#[test]
fn an_index_that_cannot_be_read_any_more_costs_no_message_whose_record_can_be() {
    let bench = filled();
    let path = bench.segments()[0].clone();
    let last = bench.disk.content(&path).unwrap().len() as u64 - 1;
    let lost = within(&bench, &path, last / PAGE);
    bench.disk.fail_reads_within(&path, last..last + 1);
    for id in [1, 2] {
        let found = bench.waiting(id);
        let missing = expected(&lost).into_iter().find(|message| !found.contains(message));
        assert_eq!(missing.map(|(index, _)| index), None, "of {id}; in the page are {lost:?}");
    }
}

#[test]
fn a_spool_opens_with_a_bad_page_in_any_place_and_all_other_messages_are_there() {
    let pages = |bench: &Bench, file: usize| {
        let length = bench.disk.content(&bench.segments()[file]).unwrap().len() as u64;
        length.div_ceil(PAGE)
    };
    for file in [0, 1] {
        let last = pages(&filled(), file) - 1;
        for page in [0, 1, last / 2, last] {
            let bench = filled();
            let path = bench.segments()[file].clone();
            let lost = within(&bench, &path, page);
            bench.disk.fail_reads_within(&path, page * PAGE..(page + 1) * PAGE);
            let bench = Bench::open_with(bench.disk.after_kill(), LARGE);
            for id in [1, 2] {
                let found = bench.waiting(id);
                let missing = expected(&lost).into_iter().find(|message| !found.contains(message));
                assert_eq!(missing.map(|(index, _)| index), None, "page {page} of file {file}; in it are {lost:?}");
                let state = bench.spool.state(DestinationId::new(id)).unwrap();
                let is_told = bench.recovery.lost_messages > 0
                    || !bench.recovery.damage.is_empty()
                    || state.dropped[DropReason::Damaged as usize] > 0;
                assert!(found.len() == MESSAGES as usize || is_told, "page {page} of file {file} is not told");
            }
            // What comes then is taken and read.
            bench.append("new", &[1]).unwrap();
            bench.commit();
            assert_eq!(bench.payloads(1).last().map(String::as_str), Some("new"), "page {page} of file {file}");
        }
    }
}

#[test]
fn an_error_that_passes_takes_no_message() {
    let bench = filled();
    let path = bench.segments()[0].clone();
    bench.disk.fail_reads_within_for(&path, 3 * PAGE..4 * PAGE, 3);
    assert_eq!(bench.waiting(1).len(), MESSAGES as usize);
}

#[test]
fn a_bad_page_is_verified_and_repaired_into_files_that_can_be_read() {
    for file in [0, 1] {
        let bench = filled();
        let path = bench.segments()[file].clone();
        let lost = within(&bench, &path, 4);
        bench.disk.fail_reads_within(&path, 4 * PAGE..5 * PAGE);
        let found = bench.disk.after_kill();
        let disk: Arc<dyn crate::disk::Disk> = Arc::new(found.clone());
        let folder = Path::new(FOLDER);
        let report = examine(&disk, folder, LogKind::Spool).unwrap();
        let damage = &report.files[file].damage;
        assert!(matches!(&damage[..], [one] if one.at < 5 * PAGE && one.at + one.bytes > 4 * PAGE), "{damage:?}");
        let repaired = repair(&disk, folder, LogKind::Spool).unwrap();
        assert_eq!(repaired.written.len(), 1);
        assert!(examine(&disk, folder, LogKind::Spool).unwrap().is_whole());
        check(&Bench::open_with(found, LARGE), &lost);
    }
}

#[test]
fn what_is_too_old_leaves_one_destination_while_another_cannot_be_read() {
    let bench = Bench::open_with(SimulatedDisk::new(1), LARGE);
    let limits = crate::DestinationLimits {
        age_max: Some(std::time::Duration::from_secs(60)),
        ..crate::DestinationLimits::NONE
    };
    // Enough that whichever comes first, another comes after it.
    for id in 1..=8 {
        bench.add(id, DestinationOptions { limits, ..DestinationOptions::default() });
    }
    for id in 1..=8 {
        for index in 0..20 {
            bench.append(&payload(index), &[id]).unwrap();
        }
    }
    bench.commit();
    let path = bench.segments()[0].clone();
    bench.disk.fail_reads_within(&path, 0..u64::MAX);
    assert!(bench.spool.drop_aged(Timestamp::from_millis(3_600_000)).is_err());
    let waiting: Vec<u64> = (1..=8).map(|id| bench.spool.waiting(DestinationId::new(id)).0).collect();
    assert_eq!(waiting[4..], [0; 4], "{waiting:?}");
    assert!(waiting[0] > 0, "{waiting:?}");
}
