//! The subscription tree: a trie with one node per topic level. A tree is a value that never changes once published;
//! a change makes a new one that shares all but the changed path, so readers need no lock.

mod node;
mod route;

use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::quality::FixedState;
use message::{TopicFilter, TopicName};

use crate::mailbox::Mailbox;
use crate::subscription::{SubscribeOptions, SubscriberId};
use node::{Change, Node};
pub(crate) use route::{Grant, Group, Route, Target};

/// One subscription in the tree: where to, and how.
#[derive(Debug, Clone)]
pub(crate) struct Binding {
    pub(crate) mailbox: Arc<Mailbox>,
    pub(crate) options: SubscribeOptions,
}

/// Space to begin with when matching; more is taken when needed.
const LEVELS_USUAL: usize = 12;
const FILTERS_USUAL: usize = 16;

#[derive(Debug, Clone)]
pub(crate) struct Tree {
    root: Arc<Node>,
    hasher: FixedState,
    /// Counts the published versions: whoever keeps the result of a match keeps this beside it.
    pub(crate) generation: u64,
    pub(crate) subscriptions: usize,
    /// Those among them that are shared.
    pub(crate) shared_subscriptions: usize,
}

impl Tree {
    pub(crate) fn new(hasher: FixedState) -> Self {
        Self { root: Arc::default(), hasher, generation: 1, subscriptions: 0, shared_subscriptions: 0 }
    }

    /// Adds or replaces the subscription of `binding`'s subscriber at `filter`. Returns whether it had one there.
    pub(crate) fn insert(&mut self, filter: &TopicFilter, binding: Binding) -> bool {
        let existed = self.change(filter, Change::Insert(binding));
        self.subscriptions += usize::from(!existed);
        self.shared_subscriptions += usize::from(!existed && filter.share_group().is_some());
        existed
    }

    /// Removes one subscription. Returns whether it was there.
    pub(crate) fn remove(&mut self, filter: &TopicFilter, subscriber: SubscriberId) -> bool {
        let existed = self.change(filter, Change::Remove(subscriber));
        self.subscriptions -= usize::from(existed);
        self.shared_subscriptions -= usize::from(existed && filter.share_group().is_some());
        existed
    }

    fn change(&mut self, filter: &TopicFilter, change: Change) -> bool {
        let levels: Vec<&str> = filter.levels().collect();
        let mut edit = node::Edit { hasher: &self.hasher, filter, change: Some(change), existed: false };
        self.root = Arc::new(self.root.changed(&levels, &mut edit));
        edit.existed
    }

    /// Everyone whom a message to `topic` reaches.
    pub(crate) fn route(&self, topic: &TopicName) -> Route {
        let mut levels = Vec::with_capacity(LEVELS_USUAL);
        levels.extend(topic.levels().map(|level| (level, self.hasher.hash_one(level))));
        let mut found = Vec::with_capacity(FILTERS_USUAL);
        self.root.collect(&levels, topic.is_reserved(), &mut found);
        Route::of(&found)
    }

    /// The members of one shared subscription as they are now.
    pub(crate) fn group(&self, filter: &TopicFilter) -> Option<Group> {
        let levels: Vec<&str> = filter.levels().collect();
        let name = filter.share_group()?;
        let subscribers = self.root.find(&levels, &self.hasher)?;
        Some(Group::of(subscribers.groups.get(self.hasher.hash_one(name), name)?))
    }
}

#[cfg(test)]
mod tests;
