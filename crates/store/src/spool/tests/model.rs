//! Any sequence of operations, with processes that are killed in between, gives what a list per destination gives.

use std::collections::BTreeMap;

use message::limits;
use proptest::prelude::*;

use super::*;
use crate::{DestinationLimits, FullPolicy};

const DESTINATIONS: u64 = 4;

#[derive(Debug, Clone)]
enum Operation {
    Append {
        to: Vec<u64>,
        length: usize,
    },
    /// The so-manieth of those that wait.
    Acknowledge {
        id: u64,
        which: Vec<usize>,
    },
    Receive {
        id: u64,
        which: usize,
    },
    Deliver {
        id: u64,
        which: usize,
        times: u32,
    },
    /// All up to the so-manieth of those that wait.
    Send {
        id: u64,
        which: usize,
    },
    Remove {
        id: u64,
    },
    Commit,
    Kill,
    Check {
        id: u64,
        from: usize,
    },
}

fn operations() -> impl Strategy<Value = Operation> {
    let id = || 0..DESTINATIONS;
    prop_oneof![
        8 => (prop::sample::subsequence((0..DESTINATIONS).collect::<Vec<_>>(), 0..4), 0usize..400)
            .prop_map(|(to, length)| Operation::Append { to, length }),
        6 => (id(), prop::collection::vec(0usize..40, 1..6)).prop_map(|(id, which)| Operation::Acknowledge { id, which }),
        1 => (id(), 0usize..9).prop_map(|(id, which)| Operation::Receive { id, which }),
        2 => (id(), 0usize..9, 1..20u32).prop_map(|(id, which, times)| Operation::Deliver { id, which, times }),
        2 => (id(), 0usize..40).prop_map(|(id, which)| Operation::Send { id, which }),
        1 => id().prop_map(|id| Operation::Remove { id }),
        3 => Just(Operation::Commit),
        1 => Just(Operation::Kill),
        3 => (id(), 0usize..40).prop_map(|(id, from)| Operation::Check { id, from }),
    ]
}

/// The naive spool.
#[derive(Default)]
struct Model {
    waiting: [BTreeMap<u64, String>; DESTINATIONS as usize],
    received: [Vec<u64>; DESTINATIONS as usize],
    delivered: [BTreeMap<u64, u32>; DESTINATIONS as usize],
    sent: [u64; DESTINATIONS as usize],
    next: [u64; DESTINATIONS as usize],
    /// A removed destination begins anew under another number.
    numbers: [u64; DESTINATIONS as usize],
}

/// What a message counts for, without its payload.
const MESSAGE_BYTES: u64 = limits::SPOOL_MESSAGE_OVERHEAD_BYTES as u64 + "plant/line".len() as u64;
/// The fourth destination takes no larger message.
const LAST_BYTES_MAX: u64 = MESSAGE_BYTES + 200;

/// The second destination keeps the newest five, the third takes no more than ten, the fourth keeps the last one.
fn limited(id: u64) -> DestinationOptions {
    let (policy, messages_max, bytes_max) = match id % DESTINATIONS {
        1 => (FullPolicy::DropOldest, 5, u64::MAX),
        2 => (FullPolicy::Refuse, 10, u64::MAX),
        3 => (FullPolicy::KeepLastPerKey, u64::MAX, LAST_BYTES_MAX),
        _ => (FullPolicy::Refuse, u64::MAX, u64::MAX),
    };
    DestinationOptions {
        policy,
        limits: DestinationLimits { messages_max, bytes_max, ..DestinationLimits::NONE },
        ..DestinationOptions::default()
    }
}

impl Model {
    fn append(&mut self, bench: &Bench, count: usize, to: &[u64], length: usize) {
        let payload = format!("{count}{}", "x".repeat(length));
        let numbers: Vec<u64> = to.iter().map(|id| self.numbers[*id as usize]).collect();
        let appended = bench.append(&payload, &numbers);
        if to.contains(&2) && self.waiting[2].len() >= 10 {
            return assert_eq!(appended.unwrap_err(), AppendError::Refused);
        }
        for (id, result) in to.iter().zip(appended.unwrap().1) {
            let index = *id as usize;
            if *id == 3 && MESSAGE_BYTES + payload.len() as u64 > LAST_BYTES_MAX {
                assert_eq!(result, Placed::DroppedNewest);
                continue;
            }
            let ordinal = self.next[index];
            self.next[index] += 1;
            if *id == 3 {
                self.waiting[index].clear();
                self.received[index].clear();
            }
            if *id == 1 && self.waiting[index].len() >= 5 {
                let (oldest, _) = self.waiting[index].pop_first().unwrap();
                self.received[index].retain(|received| *received != oldest);
            }
            self.waiting[index].insert(ordinal, payload.clone());
            assert_eq!(result, Placed::At(Ordinal(ordinal)));
        }
    }

    fn check(&self, bench: &Bench, id: u64, from: usize) {
        let index = id as usize;
        let number = self.numbers[index];
        let Some(state) = bench.spool.state(DestinationId::new(number)) else {
            assert_eq!(self.next[index], 0);
            return;
        };
        let expected: Vec<(u64, String)> = self.waiting[index].clone().into_iter().collect();
        assert_eq!(bench.waiting(number), expected);
        let found = bench.read_all(number);
        assert!(
            found.iter().all(|it| it.was_sent == (it.ordinal.0 < self.sent[index])),
            "{} {found:?}",
            self.sent[index]
        );
        assert_eq!(state.waiting_messages, expected.len() as u64);
        assert_eq!(state.waiting_bytes == 0, expected.is_empty());
        assert_eq!(state.next.0, self.next[index]);
        let mut received = self.received[index].clone();
        received.sort_unstable();
        assert_eq!(state.received.iter().map(|ordinal| ordinal.0).collect::<Vec<_>>(), received);
        let delivered = self.delivered[index].iter().filter(|(ordinal, _)| self.waiting[index].contains_key(*ordinal));
        let noted = bench.spool.noted_deliveries(DestinationId::new(number), Ordinal(0), state.next);
        assert_eq!(noted, delivered.map(|(ordinal, times)| (Ordinal(*ordinal), *times)).collect::<Vec<_>>());
        let from = expected.get(from).map_or(0, |(ordinal, _)| *ordinal);
        let mut some = Vec::new();
        let read = bench.spool.read(DestinationId::new(number), Ordinal(from), 3, usize::MAX, &mut some).unwrap();
        let wanted: Vec<u64> = expected.iter().map(|(ordinal, _)| *ordinal).filter(|it| *it >= from).collect();
        let found: Vec<u64> = some.iter().map(|spooled| spooled.ordinal.0).collect();
        assert_eq!(found, wanted.iter().copied().take(3).collect::<Vec<_>>());
        assert_eq!(read.more, wanted.len() > 3);
    }
}

fn run(operations: Vec<Operation>) {
    let mut bench = Bench::new();
    let mut model = Model { numbers: [0, 1, 2, 3], ..Model::default() };
    (0..DESTINATIONS).for_each(|id| bench.add(id, limited(id)));
    for (count, operation) in operations.into_iter().enumerate() {
        match operation {
            Operation::Append { to, length } => model.append(&bench, count, &to, length),
            Operation::Acknowledge { id, which } => {
                let index = id as usize;
                let waiting: Vec<u64> = model.waiting[index].keys().copied().collect();
                let ordinals: Vec<u64> = which.iter().filter_map(|which| waiting.get(*which).copied()).collect();
                bench.acknowledge(model.numbers[index], &ordinals);
                model.waiting[index].retain(|ordinal, _| !ordinals.contains(ordinal));
                model.received[index].retain(|ordinal| !ordinals.contains(ordinal));
            }
            Operation::Receive { id, which } => {
                let index = id as usize;
                if let Some(ordinal) = model.waiting[index].keys().copied().nth(which) {
                    bench.spool.mark_received(DestinationId::new(model.numbers[index]), Ordinal(ordinal));
                    model.received[index].retain(|other| *other != ordinal);
                    model.received[index].push(ordinal);
                }
            }
            Operation::Deliver { id, which, times } => {
                let index = id as usize;
                if let Some(ordinal) = model.waiting[index].keys().copied().nth(which) {
                    bench.spool.note_deliveries(DestinationId::new(model.numbers[index]), Ordinal(ordinal), times);
                    model.delivered[index].insert(ordinal, times);
                }
            }
            Operation::Send { id, which } => {
                let index = id as usize;
                if let Some(ordinal) = model.waiting[index].keys().copied().nth(which) {
                    bench.spool.sent(DestinationId::new(model.numbers[index]), Ordinal(ordinal).next());
                    model.sent[index] = model.sent[index].max(ordinal + 1);
                }
            }
            Operation::Remove { id } => {
                let index = id as usize;
                model.sent[index] = 0;
                bench.spool.remove(DestinationId::new(model.numbers[index]));
                model.numbers[index] += DESTINATIONS;
                model.next[index] = 0;
                model.waiting[index].clear();
                model.received[index].clear();
                model.delivered[index].clear();
                bench.add(model.numbers[index], limited(id));
            }
            Operation::Commit => bench.commit(),
            Operation::Kill => {
                bench.commit();
                bench = bench.kill();
                assert_eq!(bench.recovery.damage, []);
                assert_eq!((bench.recovery.lost_messages, bench.recovery.cut_bytes), (0, 0));
                model.numbers.iter().for_each(|number| bench.add(*number, limited(*number)));
            }
            Operation::Check { id, from } => model.check(&bench, id, from),
        }
    }
    for id in 0..DESTINATIONS {
        model.check(&bench, id, 0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]
    #[test]
    fn any_operations_give_what_lists_give(operations in prop::collection::vec(operations(), 1..150)) {
        run(operations);
    }
}
