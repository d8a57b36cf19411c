//! The subscription tree: a trie of topic levels. A tree is a value that never changes once published; a change makes a
//! new one that shares all but the changed path, so readers need no lock.

mod ends;
mod few;
mod node;
mod path;
mod route;

use std::sync::Arc;

use foldhash::quality::FixedState;
use message::{TopicFilter, TopicName};

use crate::mailbox::Mailbox;
use crate::subscription::{SubscribeOptions, SubscriberId};
use ends::{Change, Edit};
use node::Node;
use path::Levels;
pub(crate) use route::{Grant, Group, Matched, Route, Target};

/// One subscription in the tree: where to, and how.
#[derive(Debug, Clone)]
pub(crate) struct Binding {
    mailbox: Arc<Mailbox>,
    /// The mailbox's: matching looks at no mailbox.
    subscriber: SubscriberId,
    options: SubscribeOptions,
}

impl Binding {
    pub(crate) fn new(mailbox: &Arc<Mailbox>, options: SubscribeOptions) -> Self {
        Self { mailbox: Arc::clone(mailbox), subscriber: mailbox.id(), options }
    }
}

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
        let mut edit = Edit { hasher: &self.hasher, filter, change: Some(change), existed: false };
        self.root = Arc::new(self.root.changed(&levels, &mut edit));
        edit.existed
    }

    /// Everyone whom a message to `topic` reaches.
    pub(crate) fn route(&self, topic: &TopicName) -> Matched<'_> {
        let mut route = Matched::with_space();
        self.root.collect(&Levels::of(topic, &self.hasher), &mut route);
        route.merge();
        route
    }

    /// The members of one shared subscription as they are now.
    pub(crate) fn group(&self, filter: &TopicFilter) -> Option<Group<&Arc<Mailbox>>> {
        let levels: Vec<&str> = filter.levels().collect();
        Some(Group::of(self.root.group(&levels, filter.share_group()?, &self.hasher)?))
    }
}

#[cfg(test)]
mod tests;
