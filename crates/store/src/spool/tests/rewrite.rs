//! What is dead gives its room back, beside what waits for long.

use std::collections::BTreeSet;

use super::*;
use crate::disk::Fault;
use crate::spool::DropReason;
use message::limits;

const MEDIUM: SpoolOptions = SpoolOptions { segment_bytes: 16 * 1024, bytes_max: u64::MAX };

/// A queue that is drained, beside a session that is away and gets every `each`th message.
fn sparse(count: u64, each: u64, options: SpoolOptions) -> Bench {
    sparse_on(SimulatedDisk::new(1), count, each, options)
}

fn sparse_on(disk: SimulatedDisk, count: u64, each: u64, options: SpoolOptions) -> Bench {
    let bench = Bench::open_with(disk, options);
    for index in 0..count {
        let to: &[u64] = if index % each == 0 { &[1, 2] } else { &[1] };
        bench.append(&format!("message {index:090}"), to).unwrap();
        if index % 10 == 9 {
            bench.commit();
            bench.acknowledge(1, &(index - 9..=index).collect::<Vec<_>>());
        }
    }
    bench.commit();
    bench
}

fn expected(count: u64, each: u64) -> Vec<(u64, String)> {
    (0..count.div_ceil(each)).map(|index| (index, format!("message {:090}", index * each))).collect()
}

#[test]
fn an_absent_session_does_not_keep_what_was_taken_by_others() {
    let mut bench = sparse(3000, 50, MEDIUM);
    let (before, files) = (bench.disk_bytes(), bench.segments().len());
    assert!(before > 450_000 && files > 20, "{before} bytes in {files} files");
    let rewritten = bench.rewrite();
    assert!(rewritten > 20);
    let figures = bench.spool.figures();
    assert_eq!(figures.rewritten_segments, rewritten as u64);
    assert_eq!((figures.bytes, figures.segments), (bench.disk_bytes() as u64, bench.segments().len()));
    assert_eq!(figures.freed_bytes, (before - bench.disk_bytes()) as u64);
    let (after, files) = (bench.disk_bytes(), bench.segments().len());
    // The segment that is being filled, the one before it, and about 12 KB that wait.
    assert!(after < 60_000 && files < 12, "{after} bytes in {files} files");
    for round in 0..3 {
        assert_eq!(bench.waiting(2), expected(3000, 50));
        assert_eq!(bench.payloads(1), Vec::<String>::new());
        // The segment that was filled before a start is an older one then.
        assert!(bench.rewrite() <= round, "what is small enough is left alone");
        bench = Bench::open_with(bench.disk.power_cut(), MEDIUM);
        assert_eq!(
            (&bench.recovery.damage[..], bench.recovery.lost_messages, bench.recovery.cut_bytes),
            (&[][..], 0, 0)
        );
        bench.commit();
    }
    bench.acknowledge(2, &(0..60).collect::<Vec<_>>());
    bench.commit();
    assert!(bench.segments().len() <= 2, "{:?}", bench.segments());
}

#[test]
fn many_small_segments_become_few() {
    let bench = sparse(20_000, 100, MEDIUM);
    assert!(bench.segments().len() > 100);
    bench.rewrite();
    // 200 messages of 170 bytes, and the two last segments.
    assert!(bench.segments().len() < 20, "{}", bench.segments().len());
    assert!(bench.disk_bytes() < 100_000, "{}", bench.disk_bytes());
    assert_eq!(bench.waiting(2), expected(20_000, 100));
    let bench = Bench::open_with(bench.disk.after_kill(), MEDIUM);
    assert_eq!(bench.waiting(2), expected(20_000, 100));
}

#[test]
fn segments_that_are_mostly_alive_are_left_alone() {
    let bench = Bench::open_with(SimulatedDisk::new(1), MEDIUM);
    for index in 0..1000 {
        bench.append(&format!("message {index:090}"), &[1, 2]).unwrap();
    }
    // Half of what is placed is out, but each message still waits for someone.
    bench.acknowledge(1, &(0..1000).collect::<Vec<_>>());
    bench.commit();
    let before = bench.disk_bytes();
    assert_eq!(bench.rewrite(), 0);
    assert_eq!(bench.disk_bytes(), before);
}

#[test]
fn what_is_acknowledged_while_a_segment_is_written_anew_stays_out() {
    // At each step of the rewriting one more message is acknowledged, read, or a destination removed.
    let mut bench = sparse(1000, 20, MEDIUM);
    let mut out = BTreeSet::new();
    let mut rewriter = bench.spool.rewriter();
    let (mut rewritten, mut next) = (0, 0);
    loop {
        let step = rewriter.step().unwrap();
        match step {
            RewriteStep::Idle => break,
            RewriteStep::Worked => {}
            RewriteStep::Waits(_) => bench.commit(),
            RewriteStep::Rewritten { segments, .. } => rewritten += segments,
        }
        next = (next + 7) % 50;
        if out.len() < 40 {
            bench.acknowledge(2, &[next]);
            out.insert(next);
        }
        let left: Vec<(u64, String)> =
            expected(1000, 20).into_iter().filter(|(ordinal, _)| !out.contains(ordinal)).collect();
        assert_eq!(bench.waiting(2), left);
    }
    assert!(rewritten > 5, "{rewritten}");
    bench.commit();
    let left = bench.waiting(2);
    bench = Bench::open_with(bench.disk.after_kill(), MEDIUM);
    assert_eq!(bench.waiting(2), left);
    bench.spool.remove(DestinationId::new(2));
    bench.commit();
    assert!(bench.segments().len() <= 2);
}

#[test]
fn a_destination_may_be_removed_while_its_segment_is_written_anew() {
    for steps in 1..12 {
        let bench = sparse(1000, 20, MEDIUM);
        bench.append("kept", &[3]).unwrap();
        bench.commit();
        let mut rewriter = bench.spool.rewriter();
        for _ in 0..steps {
            if let RewriteStep::Waits(_) = rewriter.step().unwrap() {
                bench.commit();
            }
        }
        bench.spool.remove(DestinationId::new(2));
        bench.commit();
        while rewriter.step().unwrap() != RewriteStep::Idle {
            bench.commit();
        }
        bench.commit();
        assert!(bench.segments().len() <= 2, "after {steps} steps: {:?}", bench.segments());
        assert_eq!(Bench::open_with(bench.disk.after_kill(), MEDIUM).payloads(3), ["kept"]);
    }
}

#[test]
fn one_that_is_given_up_leaves_all_as_it_was() {
    let bench = sparse(1000, 20, MEDIUM);
    let paths = bench.segments();
    for steps in 1..3 {
        let mut rewriter = bench.spool.rewriter();
        for _ in 0..steps {
            rewriter.step().unwrap();
        }
        drop(rewriter);
        assert_eq!(bench.segments(), paths, "after {steps} steps");
    }
    assert!(bench.rewrite() > 5);
    assert_eq!(bench.waiting(2), expected(1000, 20));
}

#[test]
fn a_disk_that_fails_or_is_full_costs_nothing() {
    for fault in [Fault::WriteFails, Fault::SyncFails, Fault::WritesFindNoRoom, Fault::WritesExceedQuota] {
        let bench = sparse(1000, 20, MEDIUM);
        let paths = bench.segments();
        let mut rewriter = bench.spool.rewriter();
        assert_eq!(rewriter.step().unwrap(), RewriteStep::Worked);
        bench.commit();
        bench.disk.plan(fault);
        while rewriter.step().is_ok() {}
        bench.disk.heal();
        assert_eq!(bench.spool.failure(), None, "{fault:?}");
        assert_eq!(bench.segments(), paths, "{fault:?}");
        bench.rewrite();
        assert_eq!(bench.waiting(2), expected(1000, 20), "{fault:?}");
    }
    let bench = sparse(1000, 20, MEDIUM);
    bench.disk.set_capacity(Some(bench.disk_bytes() as u64 + limits::LOG_DISK_RESERVE_LEAST_BYTES));
    let refused = bench.spool.rewriter().step();
    assert!(matches!(refused, Err(crate::spool::RewriteError::NoRoom { .. })), "{refused:?}");
    bench.disk.set_capacity(None);
    assert!(bench.rewrite() > 5, "there is room again");
}

#[test]
fn a_damaged_record_is_counted_and_the_others_are_kept() {
    let bench = sparse(1000, 20, MEDIUM);
    let path = bench.segments()[1].clone();
    let text = format!("message {:090}", 120);
    bench
        .disk
        .damage(&path, |bytes| {
            let at = bytes.windows(text.len()).position(|window| window == text.as_bytes()).unwrap();
            bytes[at] ^= 1;
        })
        .unwrap();
    assert!(bench.rewrite() > 5);
    let left: Vec<(u64, String)> = expected(1000, 20).into_iter().filter(|(ordinal, _)| *ordinal != 6).collect();
    assert_eq!(bench.waiting(2), left);
    let state = bench.spool.state(DestinationId::new(2)).unwrap();
    assert_eq!(state.dropped[DropReason::Damaged as usize], 1);
    assert_eq!(Bench::open_with(bench.disk.after_kill(), MEDIUM).waiting(2), left);
}

#[test]
fn ten_thousand_destinations_share_what_is_written_anew() {
    const COUNT: u64 = 10_000;
    let options = SpoolOptions { segment_bytes: 1024 * 1024, bytes_max: u64::MAX };
    let bench = Bench::open_with(SimulatedDisk::new(1), options);
    for id in 0..COUNT {
        bench.add(id + 2, DestinationOptions::default());
    }
    for round in 0..10u64 {
        for id in 0..COUNT {
            // One message for two of them, and many for a queue that is drained.
            if id % 10 == round % 10 {
                bench.append(&format!("{round} of {id}"), &[id + 2, (id + 1) % COUNT + 2]).unwrap();
            }
            bench.append(&"x".repeat(100), &[1]).unwrap();
        }
        let next = bench.spool.state(DestinationId::new(1)).unwrap().next.0;
        bench.acknowledge(1, &(next - COUNT..next).collect::<Vec<_>>());
        bench.commit();
    }
    let before = bench.disk_bytes();
    assert!(bench.rewrite() > 5);
    let after = bench.disk_bytes();
    assert!(after * 4 < before, "{after} of {before} bytes are left");
    let after = Bench::open_with(bench.disk.after_kill(), options);
    for id in (0..COUNT).step_by(97) {
        let rounds = (0..10u64).flat_map(|round| {
            let mut mine = [(id + COUNT - 1) % COUNT, id];
            mine.sort_unstable();
            mine.into_iter().filter(move |from| from % 10 == round % 10).map(move |from| format!("{round} of {from}"))
        });
        let expected: Vec<String> = rounds.collect();
        assert_eq!(after.payloads(id + 2), expected, "{id}");
    }
}

/// The power goes at every step of a rewriting; what waits is what waited, and what was acknowledged stays out.
#[test]
fn nothing_is_lost_when_the_power_goes_while_segments_are_written_anew() {
    let small = SpoolOptions { segment_bytes: 4096, bytes_max: u64::MAX };
    let run = |bench: &Bench| {
        let mut rewriter = bench.spool.rewriter();
        let mut acknowledged = Vec::new();
        for round in 0.. {
            match rewriter.step() {
                Ok(RewriteStep::Idle) | Err(_) => break,
                Ok(RewriteStep::Waits(_)) => bench.commit(),
                Ok(RewriteStep::Worked | RewriteStep::Rewritten { .. }) => {}
            }
            if round % 9 == 8 {
                let ordinal = round / 9 * 5 % 30;
                acknowledged.push((ordinal, bench.acknowledge(2, &[ordinal])));
            }
            if round % 4 == 3 {
                bench.commit();
            }
        }
        bench.commit();
        acknowledged
    };
    let prepared = |seed| {
        let bench = Bench::open_with(sparse_on(SimulatedDisk::new(seed), 600, 20, small).disk.after_kill(), small);
        bench.commit();
        bench.disk
    };
    let whole = Bench::open_with(prepared(0).copy(), small);
    let begin = whole.disk.steps();
    run(&whole);
    let steps = whole.disk.steps();
    let names: Vec<String> = whole.segments().iter().map(|path| path.display().to_string()).collect();
    assert!(steps > begin + 60 && names.len() < 12, "{steps} steps, {names:?}");
    for seed in 0..3 {
        let disk = prepared(seed);
        for step in begin + 1..=steps {
            let context = format!("seed {seed}, step {step}");
            let before = Bench::open_with(disk.copy(), small);
            before.disk.cut_power_at(step);
            let acknowledged = run(&before);
            let mut disk = before.disk.power_cut();
            for again in 0..3 {
                let after = Bench::open_with(disk, small);
                assert_eq!((after.recovery.lost_messages, &after.recovery.damage[..]), (0, &[][..]), "{context}");
                let found = after.waiting(2);
                let mut left = expected(600, 20);
                left.retain(|message| {
                    let taken = acknowledged.iter().find(|(ordinal, _)| *ordinal == message.0);
                    match taken {
                        Some((_, point)) if before.spool.committed(*point) => false,
                        Some(_) => found.contains(message),
                        None => true,
                    }
                });
                assert_eq!(found, left, "{context}, {again}");
                assert_eq!(after.payloads(1), Vec::<String>::new(), "{context}, {again}");
                // It goes again while the repairs are written, and in the middle of the next rewriting.
                after.disk.cut_power_at(2 + seed + again * 5);
                after.commit();
                let _ = (0..8).try_for_each(|_| after.spool.rewriter().step().map(drop));
                disk = after.disk.power_cut();
            }
        }
    }
}
