//! Routes that all publishers of a node share: what one of them found in the tree, the others need not look for, and a
//! publisher with more topics than it remembers itself finds them here. Matching a topic among very many subscriptions asks
//! for memory that no cache holds; a route lies in one place.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::quality::FixedState;
use message::{TopicName, limits};
use parking_lot::Mutex;

use crate::tree::{Route, Tree};

/// Parts that publishers lock one at a time.
const PARTS: usize = 16;

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
}

impl KnownRoutes {
    pub(super) fn new(hasher: &FixedState) -> Self {
        let part = |_| Part { generation: 0, targets: 0, by_hash: HashMap::with_hasher(hasher.clone()) };
        Self { parts: std::array::from_fn(|index| Mutex::new(part(index))) }
    }

    fn part(&self, hash: u64) -> Option<&Mutex<Part>> {
        // The low bits choose a place in the memory of a publisher, and the map mixes all of them.
        self.parts.get((hash >> 60) as usize % PARTS)
    }

    /// The route of a topic, found here or in the tree that `read` brings.
    pub(super) fn find<T: AsRef<Tree>>(
        &self,
        hash: u64,
        topic: &TopicName,
        generation: u64,
        read: impl FnOnce() -> T,
    ) -> Arc<KnownRoute> {
        let held = self.part(hash).and_then(|part| part.lock().by_hash.get(&hash).cloned());
        if let Some(known) = held.filter(|known| known.is(hash, generation, topic)) {
            return known;
        }
        let tree = read();
        let tree = tree.as_ref();
        let (generation, route) = (tree.generation, tree.route(topic));
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

    #[test]
    fn a_route_is_read_once_a_version_for_all() {
        let hasher = FixedState::with_seed(1);
        let (known, mut tree) = (KnownRoutes::new(&hasher), Tree::new(hasher));
        let mut reads = 0;
        for generation in [1, 2, 2, 3] {
            tree.generation = generation;
            for _ in 0..3 {
                let found = known.find(7, &topic(1), generation, || {
                    reads += 1;
                    Arc::new(tree.clone())
                });
                assert_eq!(found.generation, generation);
            }
        }
        assert_eq!(reads, 3);
        let overtaken = known.find(7, &topic(1), 2, || -> Arc<Tree> { panic!("it is known") });
        assert_eq!(overtaken.generation, 3);
    }

    #[test]
    fn topics_with_the_same_hash_do_not_get_each_others_routes() {
        let hasher = FixedState::with_seed(1);
        let (known, tree) = (KnownRoutes::new(&hasher), Arc::new(Tree::new(hasher)));
        for number in [1, 2, 1] {
            assert_eq!(known.find(7, &topic(number), 1, || Arc::clone(&tree)).topic, topic(number));
        }
        assert_eq!(known.len(), 1);
    }

    #[test]
    fn it_grows_to_its_limit_and_forgets_what_a_change_made_old() {
        let hasher = FixedState::with_seed(1);
        let (known, mut tree) = (KnownRoutes::new(&hasher), Tree::new(hasher));
        for number in 0..limits::ROUTES_KNOWN_TOPICS_MAX * 2 {
            let hash = (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            known.find(hash, &topic(number), 1, || Arc::new(tree.clone()));
        }
        assert!(known.len() <= limits::ROUTES_KNOWN_TOPICS_MAX);
        assert!(known.len() > limits::ROUTES_KNOWN_TOPICS_MAX / 4);
        tree.generation = 2;
        for part in 0..PARTS as u64 {
            known.find(part << 60, &topic(0), 2, || Arc::new(tree.clone()));
        }
        assert_eq!(known.len(), PARTS);
    }
}
