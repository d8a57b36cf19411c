//! Any sequence of operations, held against a queue that is as simple as it can be: a list of all messages.

use proptest::prelude::*;

use super::*;

const DELIVERIES_MAX: u32 = 3;
const ACK_TIMEOUT_S: u64 = 30;

#[derive(Debug, Clone)]
enum Step {
    Append { priority: u8, delay_s: u64, expiry_s: Option<u32> },
    Join { in_flight_max: usize },
    Room { which: usize, in_flight_max: usize },
    Leave { which: usize, retire: bool },
    Acknowledge { which: usize },
    Nack { which: usize, nack: Nack },
    Purge,
    TakeLetters(bool),
    Pass { seconds: u64 },
    Restart,
}

fn any_step() -> impl Strategy<Value = Step> {
    let which = 0..8_usize;
    let nack = prop_oneof![
        4 => (0..20_u64).prop_map(|delay| Nack::Retry { delay: Duration::from_secs(delay / 4) }),
        1 => Just(Nack::Reject),
        1 => Just(Nack::Return),
    ];
    prop_oneof![
        8 => (0..3_u8, 0..40_u64, prop::option::weighted(0.2, 1..60_u32)).prop_map(|(priority, delay_s, expiry_s)| {
            Step::Append { priority, delay_s: delay_s.saturating_sub(20), expiry_s }
        }),
        2 => (0..4_usize).prop_map(|in_flight_max| Step::Join { in_flight_max }),
        1 => (which.clone(), 0..4_usize).prop_map(|(which, in_flight_max)| Step::Room { which, in_flight_max }),
        1 => (which.clone(), any::<bool>()).prop_map(|(which, retire)| Step::Leave { which, retire }),
        6 => which.clone().prop_map(|which| Step::Acknowledge { which }),
        5 => (which, nack).prop_map(|(which, nack)| Step::Nack { which, nack }),
        1 => Just(Step::Purge),
        1 => any::<bool>().prop_map(Step::TakeLetters),
        3 => (1..20_u64).prop_map(|seconds| Step::Pass { seconds }),
        1 => Just(Step::Restart),
    ]
}

/// One message as the model knows it.
#[derive(Debug)]
struct Entry {
    priority: u8,
    expires_s: Option<u64>,
    /// When it may go out next.
    ready_s: u64,
    /// When its publisher's delay is over.
    published_ready_s: u64,
    has_delay: bool,
    deliveries: u32,
    holder: Option<(ConsumerId, u64)>,
    dead: Option<DeathReason>,
    letter_s: u64,
    done: bool,
}

#[derive(Debug, Default)]
struct Model {
    entries: Vec<Entry>,
    /// Room (none for a retired one), and the deliveries that take it.
    consumers: Vec<(ConsumerId, Option<usize>, Vec<DeliveryTag>)>,
    priorities: bool,
    now_s: u64,
}

impl Model {
    /// The message that has to go out next.
    fn next(&self) -> Option<usize> {
        let is_ready = |entry: &Entry| {
            !entry.done && entry.dead.is_none() && entry.holder.is_none() && entry.ready_s <= self.now_s
        };
        let ready = self.entries.iter().enumerate().filter(|(_, entry)| is_ready(entry));
        let urgency = |entry: &Entry| if self.priorities { 9 - entry.priority } else { 0 };
        let key = |(index, entry): &(usize, &Entry)| (urgency(entry), entry.published_ready_s, *index);
        ready.min_by_key(key).map(|(index, _)| index)
    }

    fn is_anyone_ready(&self) -> bool {
        self.consumers.iter().any(|(_, room, has)| room.is_some_and(|room| has.len() < room))
    }

    fn fail(&mut self, index: usize, delay_s: u64) {
        let entry = &mut self.entries[index];
        entry.holder = None;
        entry.ready_s = self.now_s + delay_s;
        if entry.deliveries >= DELIVERIES_MAX {
            entry.dead = Some(DeathReason::Deliveries);
            entry.letter_s = self.now_s;
        }
    }

    fn delivered(&mut self, consumer: ConsumerId, tag: DeliveryTag) {
        let (_, room, has) = self.consumers.iter_mut().find(|(id, ..)| *id == consumer).expect("a known consumer");
        has.push(tag);
        assert!(room.is_some_and(|room| has.len() <= room), "more than the consumer takes");
        let index = usize::try_from(tag.ordinal.0).unwrap();
        assert_eq!(self.next(), Some(index), "out of turn");
        let entry = &mut self.entries[index];
        assert!(entry.expires_s.is_none_or(|expires| expires > self.now_s), "expired");
        entry.deliveries += 1;
        assert_eq!(tag.delivery, entry.deliveries);
        assert!(entry.deliveries <= DELIVERIES_MAX);
        entry.holder = Some((consumer, self.now_s + ACK_TIMEOUT_S));
    }

    fn pass(&mut self, seconds: u64) {
        self.now_s += seconds;
        for index in 0..self.entries.len() {
            if self.entries[index].holder.is_some_and(|(_, deadline)| deadline <= self.now_s) {
                self.fail(index, 0);
            }
        }
    }

    /// Messages whose time is over and that nobody has.
    fn expire(&mut self) {
        for entry in &mut self.entries {
            let idle = entry.holder.is_none() && entry.dead.is_none();
            entry.done |= idle && entry.expires_s.is_some_and(|expires| expires <= self.now_s);
        }
    }
}

/// The real queue and the model, side by side.
struct Pair {
    bench: Bench,
    model: Model,
}

impl Pair {
    fn new(ordering: Ordering, read_ahead_messages: usize, delayed_messages_kept: usize) -> Self {
        let mut options = QueueOptions { deliveries_max: DELIVERIES_MAX, ..QueueOptions::new(ordering) };
        (options.read_ahead_messages, options.delayed_messages_kept) = (read_ahead_messages, delayed_messages_kept);
        let priorities = ordering == Ordering::Priority;
        Self { bench: Bench::new(options), model: Model { priorities, ..Model::default() } }
    }

    fn run(&mut self, step: Step) {
        match step {
            Step::Append { priority, delay_s, expiry_s } => self.append(priority, delay_s, expiry_s),
            Step::Join { in_flight_max } => {
                let id = self.bench.join(in_flight_max);
                self.model.consumers.push((id, Some(in_flight_max), Vec::new()));
            }
            Step::Room { which, in_flight_max } => {
                if let Some((id, Some(room), _)) = self.model.consumers.get_mut(which) {
                    *room = in_flight_max;
                    self.bench.queue.handle_room(*id, in_flight_max);
                }
            }
            Step::Leave { which, retire } => self.leave(which, retire),
            Step::Acknowledge { which } => self.settle(which, None),
            Step::Nack { which, nack } => self.settle(which, Some(nack)),
            Step::Purge => self.purge(),
            Step::TakeLetters(taken) => self.bench.letters_taken = taken,
            Step::Pass { seconds } => {
                self.bench.pass(seconds);
                self.model.pass(seconds);
            }
            Step::Restart => self.restart(),
        }
        self.see();
    }

    fn append(&mut self, priority: u8, delay_s: u64, expiry_s: Option<u32>) {
        let (priority_text, delay) = (priority.to_string(), delay_s.to_string());
        self.bench.append_message(&[(PRIORITY, &priority_text), (DELAY, &delay)], expiry_s);
        let ready_s = self.model.now_s + delay_s;
        self.model.entries.push(Entry {
            priority,
            expires_s: expiry_s.map(|expiry| self.model.now_s + u64::from(expiry)),
            ready_s,
            published_ready_s: ready_s,
            has_delay: delay_s > 0,
            deliveries: 0,
            holder: None,
            dead: None,
            letter_s: 0,
            done: false,
        });
    }

    fn leave(&mut self, which: usize, retire: bool) {
        if which >= self.model.consumers.len() {
            return;
        }
        let (id, room, _) = &mut self.model.consumers[which];
        let id = *id;
        if retire {
            *room = None;
            self.bench.queue.handle_retired(id);
        } else {
            self.model.consumers.remove(which);
            let now = self.bench.now();
            self.bench.queue.handle_left(now, id);
            for index in 0..self.model.entries.len() {
                if self.model.entries[index].holder.is_some_and(|(holder, _)| holder == id) {
                    self.model.fail(index, 0);
                }
            }
        }
    }

    /// Some consumer says something about the oldest delivery that it has not spoken of.
    fn settle(&mut self, which: usize, nack: Option<Nack>) {
        let Some((consumer, _, has)) = self.model.consumers.get_mut(which) else { return };
        if has.is_empty() {
            return;
        }
        let (consumer, tag) = (*consumer, has.remove(0));
        let now = self.bench.now();
        let result = match nack {
            None => self.bench.acknowledge(consumer, tag),
            Some(nack) => self.bench.queue.handle_nack(now, consumer, tag, nack, &mut self.bench.backlog),
        };
        let index = usize::try_from(tag.ordinal.0).unwrap();
        let now_s = self.model.now_s;
        let entry = &mut self.model.entries[index];
        // The queue finds out that a message expired when it is about to deliver it, the model at once.
        let expired = entry.expires_s.is_some_and(|expires| expires <= now_s);
        entry.done &= !(expired && result.is_ok());
        let current = entry.deliveries == tag.delivery && !entry.done && entry.dead.is_none();
        let holds = entry.holder.is_some_and(|(holder, _)| holder == consumer);
        if !current || (entry.holder.is_some() && !holds) {
            assert!(result.is_err());
            return;
        }
        if result.is_err() {
            assert!(!holds, "a holder may always speak");
            return;
        }
        match nack {
            None => entry.done = true,
            Some(Nack::Retry { delay }) => self.model.fail(index, delay.as_secs()),
            Some(Nack::Reject) => {
                (entry.dead, entry.letter_s, entry.holder) = (Some(DeathReason::Rejected), now_s, None);
            }
            Some(Nack::Return) => {
                entry.deliveries -= 1;
                (entry.holder, entry.ready_s) = (None, now_s);
            }
            Some(Nack::PassOn) => unreachable!("who may have a message is for other tests"),
        }
    }

    fn purge(&mut self) {
        let until = self.bench.backlog.next();
        while self.bench.queue.handle_purge(until, &mut self.bench.backlog).unwrap().more {}
        for entry in &mut self.model.entries {
            entry.done |= entry.holder.is_none();
        }
    }

    fn restart(&mut self) {
        self.bench.restart();
        self.model.consumers.clear();
        for entry in &mut self.model.entries {
            let worn_out = entry.deliveries >= DELIVERIES_MAX;
            // What a consumer had or gave back is ready at once; what its publisher delayed still is not.
            (entry.holder, entry.ready_s) = (None, entry.published_ready_s);
            entry.letter_s = 0;
            entry.dead = worn_out.then_some(DeathReason::Deliveries);
        }
    }

    /// Lets the queue do all it wants and checks each of it.
    fn see(&mut self) {
        let taken = self.bench.letters_taken;
        let ready_before = self.model.is_anyone_ready();
        for seen in self.bench.see() {
            match seen {
                Seen::Delivered(consumer, tag) => {
                    self.model.expire();
                    self.model.delivered(consumer, tag);
                }
                Seen::DeadLetter(ordinal, reason, deliveries) => {
                    let entry = &mut self.model.entries[usize::try_from(ordinal.0).unwrap()];
                    assert_eq!((entry.dead, entry.deliveries), (Some(reason), deliveries));
                    assert!(!entry.done && entry.letter_s <= self.model.now_s);
                    entry.done = taken;
                    entry.letter_s = self.model.now_s + 1;
                }
                Seen::Expired(_) => assert!(ready_before, "nobody looked"),
            }
        }
        if self.model.is_anyone_ready() {
            self.model.expire();
            assert_eq!(self.model.next(), None, "something could go out");
            let waits = |entry: &Entry| !entry.done && entry.dead.is_some() && entry.letter_s <= self.model.now_s;
            assert!(!self.model.entries.iter().any(waits), "a dead letter could go out");
        }
        self.delayed_ones_are_counted();
        self.nothing_is_lost();
    }

    /// As many as the consumers made it read; all, when someone has room. Those that expired, or that are due and were not
    /// found in the log again, are counted until then.
    fn delayed_ones_are_counted(&self) {
        let left = self.bench.backlog.left();
        let (mut least, mut most) = (0, 0);
        for (index, entry) in self.model.entries.iter().enumerate() {
            let (idle, waits) = (entry.dead.is_none() && entry.holder.is_none(), entry.ready_s > self.model.now_s);
            least += u64::from(idle && waits && !entry.done);
            most += u64::from(idle && (waits || entry.has_delay) && left.contains(&Ordinal(index as u64)));
        }
        let counted = self.bench.queue.figures().delayed;
        let is_enough = counted >= least || !self.model.is_anyone_ready();
        assert!(counted <= most && is_enough, "{counted} are delayed, not {least} to {most}");
    }

    /// The log holds every message that is not done, and, but for expired ones that nobody looked at, no other.
    fn nothing_is_lost(&self) {
        let left = self.bench.backlog.left();
        for (index, entry) in self.model.entries.iter().enumerate() {
            let is_left = left.contains(&Ordinal(index as u64));
            let expired = entry.expires_s.is_some_and(|expires| expires <= self.model.now_s);
            assert!(expired || is_left != entry.done, "message {index}: {entry:?}");
        }
    }
}

fn check(mut pair: Pair, steps: Vec<Step>) {
    steps.into_iter().for_each(|step| pair.run(step));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_queue_by_arrival_does_what_the_model_does(
        steps in prop::collection::vec(any_step(), 1..120),
        read_ahead in 1..6_usize,
        kept in 1..6_usize,
    ) {
        check(Pair::new(Ordering::Arrival, read_ahead, kept), steps);
    }

    #[test]
    fn a_queue_by_priority_does_what_the_model_does(
        steps in prop::collection::vec(any_step(), 1..120),
        kept in 1..6_usize,
    ) {
        check(Pair::new(Ordering::Priority, 1_000, kept), steps);
    }
}
