//! Routes that all publishers of a node share: what one of them found in the tree, the others need not look for, and a
//! publisher with more topics than it remembers itself finds them here. Matching a topic among very many subscriptions asks
//! for memory that no cache holds; a route lies in one place. A topic that came once may never come again: its route is
//! kept from the second time on.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::quality::FixedState;
use message::{TopicName, limits};
use parking_lot::Mutex;

use crate::tree::Route;

/// Parts that publishers lock one at a time.
const PARTS: usize = 16;
/// Marks of topics that came before that share a place: of two that come in turn, neither may push the other out.
const MARKS: usize = 4;
/// As many marks as topics that are kept.
const MARK_PLACES: usize = limits::ROUTES_KNOWN_TOPICS_MAX / PARTS / MARKS;

/// The route of a topic in one version of the tree.
#[derive(Debug)]
pub(super) struct KnownRoute {
    pub(super) hash: u64,
    /// The version of the tree that it was read from.
    pub(super) generation: u64,
    pub(super) topic: TopicName,
    pub(super) route: Route,
}

impl KnownRoute {
    /// Whether this is the route of a topic as of a version of the tree. One of a later version is as good: the asker was
    /// overtaken by a change.
    pub(super) fn is(&self, hash: u64, generation: u64, topic: &TopicName) -> bool {
        self.hash == hash && self.generation >= generation && self.topic == *topic
    }
}

#[derive(Debug)]
pub(super) struct KnownRoutes {
    parts: [Mutex<Part>; PARTS],
}

#[derive(Debug)]
struct Part {
    generation: u64,
    targets: usize,
    by_hash: HashMap<u64, Arc<KnownRoute>, FixedState>,
    /// Some bits of the hashes of those that came last, the newest first: a topic that is taken for another is kept too
    /// early, which does no harm. Empty as long as no topic came.
    marks: Vec<[u16; MARKS]>,
}

/// A topic whose route is to be read from the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unknown {
    pub(super) hash: u64,
    /// Not for the first time, so that its route is worth keeping.
    pub(super) came_before: bool,
}

impl KnownRoutes {
    pub(super) fn new(hasher: &FixedState) -> Self {
        let part =
            |_| Part { generation: 0, targets: 0, by_hash: HashMap::with_hasher(hasher.clone()), marks: Vec::new() };
        Self { parts: std::array::from_fn(|index| Mutex::new(part(index))) }
    }

    fn part(&self, hash: u64) -> Option<&Mutex<Part>> {
        // The low bits choose a place in the memory of a publisher, and the map mixes all of them.
        self.parts.get((hash >> 60) as usize % PARTS)
    }

    /// The route of a topic, or what to do about it.
    pub(super) fn find(&self, hash: u64, topic: &TopicName, generation: u64) -> Result<Arc<KnownRoute>, Unknown> {
        let Some(part) = self.part(hash) else { return Err(Unknown { hash, came_before: false }) };
        let mut part = part.lock();
        match part.by_hash.get(&hash).filter(|known| known.is(hash, generation, topic)) {
            Some(known) => Ok(Arc::clone(known)),
            None => Err(Unknown { hash, came_before: part.mark(hash) }),
        }
    }

    /// Keeps what was read from the tree.
    pub(super) fn keep(&self, hash: u64, topic: &TopicName, generation: u64, route: Route) -> Arc<KnownRoute> {
        let known = Arc::new(KnownRoute { hash, generation, topic: topic.detach(), route });
        if let Some(part) = self.part(hash) {
            part.lock().keep(&known);
        }
        known
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.parts.iter().map(|part| part.lock().by_hash.len()).sum()
    }
}

impl Part {
    /// Marks a topic. Whether it was marked already.
    fn mark(&mut self, hash: u64) -> bool {
        if self.marks.is_empty() {
            self.marks = vec![[0; MARKS]; MARK_PLACES];
        }
        // Neither bits that chose the part nor all that choose a publisher's place. Zero means none.
        let mark = ((hash >> 44) as u16) | 1;
        let Some(place) = self.marks.get_mut((hash >> 20) as usize % MARK_PLACES) else { return false };
        if place.contains(&mark) {
            return true;
        }
        place.rotate_right(1);
        place[0] = mark;
        false
    }

    fn keep(&mut self, known: &Arc<KnownRoute>) {
        if known.generation < self.generation {
            return;
        }
        let is_full = self.by_hash.len() >= limits::ROUTES_KNOWN_TOPICS_MAX / PARTS
            || self.targets + known.route.weight() > limits::ROUTES_KNOWN_TARGETS_MAX / PARTS;
        // Routes of an older version hold mailboxes that may be gone.
        if is_full || known.generation > self.generation {
            self.by_hash.clear();
            self.targets = 0;
            self.generation = known.generation;
        }
        self.targets += known.route.weight();
        if let Some(replaced) = self.by_hash.insert(known.hash, Arc::clone(known)) {
            self.targets -= replaced.route.weight();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(number: usize) -> TopicName {
        TopicName::parse(&format!("plc/{number}")).unwrap()
    }

    /// What a publisher does; whether it read the tree.
    fn find(known: &KnownRoutes, hash: u64, topic: &TopicName, generation: u64) -> (Option<Arc<KnownRoute>>, bool) {
        match known.find(hash, topic, generation) {
            Ok(found) => (Some(found), false),
            Err(unknown) if unknown.came_before => (Some(known.keep(hash, topic, generation, Route::nowhere())), true),
            Err(_) => (None, true),
        }
    }

    #[test]
    fn a_route_is_kept_from_the_second_time_on_and_read_once_a_version_for_all() {
        let known = KnownRoutes::new(&FixedState::with_seed(1));
        for (generation, reads_expected) in [(1, 2), (2, 1), (2, 0), (3, 1)] {
            let reads = (0..3).filter(|_| find(&known, 7, &topic(1), generation).1).count();
            assert_eq!(reads, reads_expected, "version {generation}");
        }
        let (overtaken, read) = find(&known, 7, &topic(1), 2);
        assert_eq!((overtaken.unwrap().generation, read), (3, false));
    }

    #[test]
    fn topics_with_the_same_hash_do_not_get_each_others_routes() {
        let known = KnownRoutes::new(&FixedState::with_seed(1));
        assert!(find(&known, 7, &topic(1), 1).0.is_none());
        for number in [1, 2, 1] {
            assert_eq!(find(&known, 7, &topic(number), 1).0.unwrap().topic, topic(number));
        }
        assert_eq!(known.len(), 1);
    }

    fn hash(number: u64) -> u64 {
        number.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    #[test]
    fn it_grows_to_its_limit_and_forgets_what_a_change_made_old() {
        let known = KnownRoutes::new(&FixedState::with_seed(1));
        for number in 0..limits::ROUTES_KNOWN_TOPICS_MAX * 2 {
            known.keep(hash(number as u64), &topic(number), 1, Route::nowhere());
        }
        assert!(known.len() <= limits::ROUTES_KNOWN_TOPICS_MAX);
        assert!(known.len() > limits::ROUTES_KNOWN_TOPICS_MAX / 4);
        for part in 0..PARTS as u64 {
            known.keep(part << 60, &topic(0), 2, Route::nowhere());
        }
        assert_eq!(known.len(), PARTS);
    }

    #[test]
    fn very_many_topics_that_come_in_turn_are_kept() {
        let known = KnownRoutes::new(&FixedState::with_seed(1));
        for number in (0..10_000).chain(0..10_000) {
            find(&known, hash(number as u64), &topic(number), 1);
        }
        assert!(known.len() > 9_900, "only {} were kept", known.len());
    }

    #[test]
    fn topics_that_come_once_are_not_kept() {
        let known = KnownRoutes::new(&FixedState::with_seed(1));
        for number in 0..10_000 {
            find(&known, hash(number as u64), &topic(number), 1);
        }
        assert!(known.len() < 10, "{} were kept", known.len());
    }
}
