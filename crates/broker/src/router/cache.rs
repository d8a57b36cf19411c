//! What one publisher remembers: the routes of its recent topics. It belongs to the publisher's connection, so that
//! a repeated topic costs one hash and no lock.

use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::quality::FixedState;
use message::{TopicName, limits};

use super::known::{KnownRoute, KnownRoutes, Unknown};
use super::placing::Placing;
use super::wakes::Wakes;
use crate::counters::PublisherTally;
use crate::tree::Route;

/// A publisher's memory of routes, and its counters. Make one per connection with
/// [`Router::route_cache`](crate::Router::route_cache) and bring it to every publish.
#[derive(Debug)]
pub struct RouteCache {
    pub(super) routes: Routes,
    /// From the first message on: most subscribers never publish.
    pub(super) tally: Option<PublisherTally>,
    pub(super) wakes: Wakes,
    pub(super) placing: Placing,
}

/// Each topic has one place, given by its hash; another topic with the same place pushes it out. The table grows
/// while that happens, up to its limit.
#[derive(Debug)]
pub(super) struct Routes {
    hasher: FixedState,
    places: Vec<Option<Arc<KnownRoute>>>,
    targets: usize,
}

/// Most devices publish to a few topics.
const PLACES_MIN: usize = 2;
static NOWHERE: Route = Route::nowhere();

impl RouteCache {
    pub(super) fn new(hasher: FixedState) -> Self {
        Self {
            routes: Routes { hasher, places: Vec::new(), targets: 0 },
            tally: None,
            wakes: Wakes::default(),
            placing: Placing::default(),
        }
    }

    /// From now on subscribers are woken only by [`release_wakes`](Self::release_wakes): for a publisher that has a batch
    /// of messages and does not wait in between.
    pub fn hold_wakes(&mut self) {
        self.wakes.hold();
    }

    /// Whether nothing was ever published with it, so that a new one is as good.
    pub fn is_unused(&self) -> bool {
        self.tally.is_none()
    }

    /// Wakes the subscribers that have got messages since [`hold_wakes`](Self::hold_wakes), and from now on at once.
    pub fn release_wakes(&mut self) {
        self.wakes.release();
    }
}

impl Routes {
    /// The route of `topic` in the version `generation` of the tree, from memory or from what all publishers know.
    pub(super) fn recall(
        &mut self,
        topic: &TopicName,
        generation: u64,
        known: &KnownRoutes,
    ) -> Result<&Route, Unknown> {
        let hash = self.hasher.hash_one(topic);
        if !self.holds(hash, generation, topic) {
            let known = known.find(hash, topic, generation)?;
            // Who publishes to more topics than fit here has their subscribers far away.
            known.route.prefetch();
            self.put(known);
        }
        let index = self.index(hash);
        Ok(self.places.get(index).and_then(Option::as_ref).map_or(&NOWHERE, |place| &place.route))
    }

    fn holds(&self, hash: u64, generation: u64, topic: &TopicName) -> bool {
        let place = self.places.get(self.index(hash)).and_then(Option::as_ref);
        place.is_some_and(|place| place.is(hash, generation, topic))
    }

    pub(super) fn put(&mut self, place: Arc<KnownRoute>) {
        if self.targets + place.route.weight() > limits::ROUTE_CACHE_TARGETS_MAX {
            self.places.iter_mut().for_each(|held| *held = None);
            self.targets = 0;
        }
        if self.places.is_empty() {
            self.places.resize_with(PLACES_MIN, || None);
        }
        while self.is_taken(&place) && self.places.len() < limits::ROUTE_CACHE_TOPICS_MAX {
            self.grow();
        }
        self.targets += place.route.weight();
        let index = self.index(place.hash);
        if let Some(held) = self.places.get_mut(index)
            && let Some(pushed_out) = held.replace(place)
        {
            self.targets -= pushed_out.route.weight();
        }
    }

    /// Whether another topic has the place and its route still holds.
    fn is_taken(&self, place: &KnownRoute) -> bool {
        let held = self.places.get(self.index(place.hash)).and_then(Option::as_ref);
        held.is_some_and(|held| held.generation == place.generation && held.topic != place.topic)
    }

    fn grow(&mut self) {
        let mut places = Vec::new();
        places.resize_with(self.places.len() * 2, || None);
        let old = std::mem::replace(&mut self.places, places);
        for place in old.into_iter().flatten() {
            let index = self.index(place.hash);
            if let Some(free) = self.places.get_mut(index) {
                *free = Some(place);
            }
        }
    }

    /// The number of places is a power of two.
    fn index(&self, hash: u64) -> usize {
        usize::try_from(hash & (self.places.len() as u64).wrapping_sub(1)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory() -> (Routes, KnownRoutes) {
        let hasher = FixedState::with_seed(1);
        let known = KnownRoutes::new(&hasher);
        (RouteCache::new(hasher).routes, known)
    }

    fn topic(number: usize) -> TopicName {
        TopicName::parse(&format!("plc/{number}")).unwrap()
    }

    /// What a router does; whether it read the tree.
    fn find(routes: &mut Routes, known: &KnownRoutes, topic: &TopicName, generation: u64) -> bool {
        let Err(unknown) = routes.recall(topic, generation, known) else { return false };
        if unknown.came_before {
            routes.put(known.keep(unknown.hash, topic, generation, Route::nowhere()));
        }
        true
    }

    #[test]
    fn a_topic_that_comes_again_is_not_read_again_until_the_tree_changes() {
        let (mut routes, known) = memory();
        for (generation, reads_expected) in [(1, 2), (2, 1), (3, 1)] {
            let reads = (0..5).filter(|_| find(&mut routes, &known, &topic(1), generation)).count();
            assert_eq!(reads, reads_expected, "version {generation}");
        }
    }

    #[test]
    fn it_grows_to_its_limit_and_no_further() {
        let (mut routes, known) = memory();
        for number in (0..20_000).flat_map(|number| [number, number]) {
            find(&mut routes, &known, &topic(number), 1);
        }
        assert_eq!(routes.places.len(), limits::ROUTE_CACHE_TOPICS_MAX);
    }
}
