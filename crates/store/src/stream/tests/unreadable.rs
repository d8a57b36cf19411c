//! A page of a file that the disk cannot read: readers get all messages but those in it, and are told how many are missing.

use std::sync::Arc;

use super::*;
use crate::disk::Disk;
use crate::examine::{LogKind, examine, repair};

const PAGE: u64 = 4096;
const MESSAGES: u64 = 100;

fn large() -> StreamOptions {
    StreamOptions { segment_bytes: 64 * 1024, ..StreamOptions::default() }
}

fn payload(number: u64) -> String {
    format!("{number:04}{}", "x".repeat(996))
}

fn filled() -> Bench {
    let bench = Bench::open(SimulatedDisk::new(1), large());
    for number in 0..MESSAGES {
        bench.append(1, &payload(number));
    }
    bench.commit();
    bench
}

/// A page has a piece of five or six of these records.
fn check(bench: &Bench, context: &str) -> u64 {
    let (found, missing) = bench.read(0);
    assert!(found.iter().all(|(offset, text)| *text == payload(*offset)), "{context}");
    assert_eq!(found.len() as u64 + missing, MESSAGES, "{context}");
    assert!(missing <= 6, "{context}: {missing} are missing");
    missing
}

#[test]
fn readers_get_all_but_what_is_in_a_bad_page() {
    let whole = filled();
    for (file, path) in crate::tests::segments(&whole.disk).into_iter().enumerate() {
        let pages = (whole.disk.content(&path).unwrap().len() as u64).div_ceil(PAGE);
        for page in [0, pages / 2, pages - 1] {
            let context = format!("page {page} of file {file}");
            let bench = filled();
            bench.disk.fail_reads_within(&path, page * PAGE + 1000..page * PAGE + 1001);
            let missing = check(&bench, &context);
            let bench = Bench::open(bench.disk.after_kill(), large());
            let again = check(&bench, &context);
            assert_eq!(missing, again, "{context}");
            if again > 0 {
                let told = !bench.recovery.damage.is_empty() || bench.stream.state().damaged > 0;
                assert!(told, "{context}");
            }
            // What may have been given to a message at the end is not given again.
            assert!(bench.append(2, "after").0 >= MESSAGES, "{context}");
        }
    }
}

#[test]
fn repair_leaves_a_stream_that_can_be_read() {
    let bench = filled();
    let path = crate::tests::segments(&bench.disk)[0].clone();
    bench.disk.fail_reads_within(&path, 5 * PAGE..6 * PAGE);
    let found = bench.disk.after_kill();
    let disk: Arc<dyn Disk> = Arc::new(found.clone());
    let folder = Path::new(FOLDER);
    assert_eq!(examine(&disk, folder, LogKind::Stream).unwrap().damaged_places(), 1);
    assert_eq!(repair(&disk, folder, LogKind::Stream).unwrap().written.len(), 1);
    assert!(examine(&disk, folder, LogKind::Stream).unwrap().is_whole());
    assert!(check(&Bench::open(found, large()), "repaired") > 0);
}
