//! Any sequence of operations, with segments written anew between and in the middle of them, gives what lists give.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::spool::Rewriter;

const OPTIONS: SpoolOptions = SpoolOptions { segment_bytes: 4096, bytes_max: u64::MAX };
const DESTINATIONS: u64 = 5;

#[derive(Debug, Clone)]
enum Operation {
    /// So many messages to these.
    Append {
        count: usize,
        to: Vec<u64>,
        length: usize,
    },
    /// All that wait but every so-manieth.
    Take {
        id: u64,
        but_each: u64,
    },
    Steps(usize),
    Commit,
    Kill,
    Check {
        id: u64,
        from: usize,
    },
}

fn operations() -> impl Strategy<Value = Operation> {
    let to = prop::sample::subsequence((0..DESTINATIONS).collect::<Vec<_>>(), 1..4);
    prop_oneof![
        6 => (1usize..40, to, 0usize..200).prop_map(|(count, to, length)| Operation::Append { count, to, length }),
        6 => (0..DESTINATIONS, 1u64..30).prop_map(|(id, but_each)| Operation::Take { id, but_each }),
        8 => (1usize..12).prop_map(Operation::Steps),
        3 => Just(Operation::Commit),
        1 => Just(Operation::Kill),
        2 => (0..DESTINATIONS, 0usize..40).prop_map(|(id, from)| Operation::Check { id, from }),
    ]
}

#[derive(Default)]
struct Model {
    waiting: [BTreeMap<u64, String>; DESTINATIONS as usize],
    next: [u64; DESTINATIONS as usize],
    count: usize,
}

impl Model {
    fn append(&mut self, bench: &Bench, to: &[u64], length: usize) {
        self.count += 1;
        let payload = format!("{}{}", self.count, "x".repeat(length));
        bench.append(&payload, to).unwrap();
        for id in to {
            let next = &mut self.next[*id as usize];
            self.waiting[*id as usize].insert(*next, payload.clone());
            *next += 1;
        }
    }

    fn check(&self, bench: &Bench, id: u64, from: usize) {
        let expected: Vec<(u64, String)> = self.waiting[id as usize].clone().into_iter().collect();
        let Some(state) = bench.spool.state(DestinationId::new(id)) else {
            assert_eq!(self.next[id as usize], 0);
            return;
        };
        assert_eq!((state.waiting_messages, state.next.0), (expected.len() as u64, self.next[id as usize]));
        assert_eq!(state.waiting_bytes == 0, expected.is_empty());
        assert_eq!(bench.waiting(id), expected);
        let from = expected.get(from).map_or(0, |(ordinal, _)| *ordinal);
        let mut some = Vec::new();
        bench.spool.read(DestinationId::new(id), Ordinal(from), 3, usize::MAX, &mut some).unwrap();
        let found: Vec<u64> = some.iter().map(|spooled| spooled.ordinal.0).collect();
        let wanted = expected.iter().map(|(ordinal, _)| *ordinal).filter(|ordinal| *ordinal >= from);
        assert_eq!(found, wanted.take(3).collect::<Vec<_>>());
    }
}

/// Steps, as far as they go on by themselves; how many segments were written anew.
fn steps(rewriter: &mut Rewriter, count: usize) -> usize {
    let done = (0..count).map(|_| match rewriter.step().unwrap() {
        RewriteStep::Rewritten { segments, .. } => segments,
        _ => 0,
    });
    done.sum()
}

fn run(operations: Vec<Operation>) -> usize {
    let mut bench = Bench::open_with(SimulatedDisk::new(1), OPTIONS);
    let mut rewriter = bench.spool.rewriter();
    let (mut model, mut rewritten) = (Model::default(), 0);
    for operation in operations {
        match operation {
            Operation::Append { count, to, length } => (0..count).for_each(|_| model.append(&bench, &to, length)),
            Operation::Take { id, but_each } => {
                let waiting = &mut model.waiting[id as usize];
                let taken: Vec<u64> = waiting.keys().copied().filter(|ordinal| ordinal % but_each != 0).collect();
                bench.acknowledge(id, &taken);
                waiting.retain(|ordinal, _| ordinal % but_each == 0);
            }
            Operation::Steps(count) => rewritten += steps(&mut rewriter, count),
            Operation::Commit => bench.commit(),
            Operation::Kill => {
                bench.commit();
                let disk = bench.disk.after_kill();
                bench = Bench::open_with(disk, OPTIONS);
                rewriter = bench.spool.rewriter();
                assert_eq!((&bench.recovery.damage[..], bench.recovery.lost_messages), (&[][..], 0));
            }
            Operation::Check { id, from } => model.check(&bench, id, from),
        }
    }
    bench.rewrite();
    for id in 0..DESTINATIONS {
        model.check(&bench, id, 0);
    }
    rewritten
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]
    #[test]
    fn any_operations_give_what_lists_give_while_segments_are_written_anew(
        operations in prop::collection::vec(operations(), 1..150),
    ) {
        run(operations);
    }
}

#[test]
fn such_operations_write_segments_anew_and_merge_them() {
    let round = |round: u64| {
        let append = Operation::Append { count: 30, to: vec![round % 3, 4], length: 100 };
        [
            append,
            Operation::Take { id: round % 3, but_each: 29 },
            Operation::Take { id: 4, but_each: 30 },
            Operation::Commit,
            Operation::Steps(9),
            Operation::Commit,
        ]
    };
    assert!(run((0..60).flat_map(round).collect()) > 60);
}
