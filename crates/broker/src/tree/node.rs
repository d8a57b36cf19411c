//! One level of the subscription tree.

use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::quality::FixedState;
use message::TopicFilter;
use smol_str::SmolStr;

use super::Binding;
use crate::share::Share;
use crate::shared_map::SharedMap;
use crate::subscription::SubscriberId;

#[derive(Debug, Clone, Default)]
pub(super) struct Node {
    children: SharedMap<SmolStr, Arc<Node>>,
    /// Below `+`.
    plus: Option<Arc<Node>>,
    /// Whose filter ends at this level.
    here: Option<Arc<Subscribers>>,
    /// Whose filter goes on with `#`: they also match this level itself.
    below: Option<Arc<Subscribers>>,
}

/// The subscriptions of one filter.
#[derive(Debug, Clone, Default)]
pub(crate) struct Subscribers {
    pub(super) direct: SharedMap<SubscriberId, Binding>,
    /// By the group's name.
    pub(super) groups: SharedMap<SmolStr, Members>,
}

#[derive(Debug, Clone)]
pub(crate) struct Members {
    pub(super) share: Arc<Share>,
    pub(super) bindings: SharedMap<SubscriberId, Binding>,
}

pub(super) enum Change {
    Insert(Binding),
    Remove(SubscriberId),
}

/// A change on its way down the tree; afterwards `existed` tells whether the subscription was there before.
pub(super) struct Edit<'a> {
    pub(super) hasher: &'a FixedState,
    pub(super) filter: &'a TopicFilter,
    pub(super) change: Option<Change>,
    pub(super) existed: bool,
}

impl Node {
    /// A copy of this node in which the subscription at `levels` is changed; branches left empty are cut.
    pub(super) fn changed(&self, levels: &[&str], edit: &mut Edit<'_>) -> Self {
        let mut node = self.clone();
        match levels {
            [] => node.here = edit.apply(self.here.as_deref()),
            ["#"] => node.below = edit.apply(self.below.as_deref()),
            ["+", rest @ ..] => node.plus = changed_child(self.plus.as_deref(), rest, edit),
            [level, rest @ ..] => {
                let hash = edit.hasher.hash_one(level);
                let child = self.children.get(hash, *level);
                match changed_child(child.map(Arc::as_ref), rest, edit) {
                    Some(child) => node.children.insert(hash, SmolStr::new(level), child),
                    None => node.children.remove(hash, *level),
                };
            }
        }
        node
    }

    /// Gathers the subscriptions of every filter that matches the rest of a topic, each level with its hash.
    /// `hidden` keeps wildcards at the first level away from topics that begin with `$`.
    pub(super) fn collect<'t>(&'t self, levels: &[(&str, u64)], hidden: bool, found: &mut Vec<&'t Subscribers>) {
        if !hidden && let Some(below) = &self.below {
            found.push(below);
        }
        let Some(((level, hash), rest)) = levels.split_first() else {
            found.extend(self.here.as_deref());
            return;
        };
        if let Some(child) = self.children.get(*hash, *level) {
            child.collect(rest, false, found);
        }
        if !hidden && let Some(plus) = &self.plus {
            plus.collect(rest, false, found);
        }
    }

    /// The subscriptions of exactly this filter.
    pub(super) fn find(&self, levels: &[&str], hasher: &FixedState) -> Option<&Subscribers> {
        match levels {
            [] => self.here.as_deref(),
            ["#"] => self.below.as_deref(),
            ["+", rest @ ..] => self.plus.as_ref()?.find(rest, hasher),
            [level, rest @ ..] => self.children.get(hasher.hash_one(level), *level)?.find(rest, hasher),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.children.is_empty() && self.plus.is_none() && self.here.is_none() && self.below.is_none()
    }
}

fn changed_child(child: Option<&Node>, levels: &[&str], edit: &mut Edit<'_>) -> Option<Arc<Node>> {
    let changed = match child {
        Some(child) => child.changed(levels, edit),
        None => Node::default().changed(levels, edit),
    };
    (!changed.is_empty()).then(|| Arc::new(changed))
}

impl Edit<'_> {
    fn apply(&mut self, subscribers: Option<&Subscribers>) -> Option<Arc<Subscribers>> {
        let mut subscribers = subscribers.cloned().unwrap_or_default();
        match self.filter.share_group() {
            None => self.apply_to(&mut subscribers.direct),
            Some(group) => {
                let hash = self.hasher.hash_one(group);
                let mut members = subscribers.groups.get(hash, group).cloned().unwrap_or_else(|| Members {
                    share: Arc::new(Share::new(self.filter.detach())),
                    bindings: SharedMap::default(),
                });
                self.apply_to(&mut members.bindings);
                if members.bindings.is_empty() {
                    subscribers.groups.remove(hash, group);
                } else {
                    subscribers.groups.insert(hash, SmolStr::new(group), members);
                }
            }
        }
        let left = !subscribers.direct.is_empty() || !subscribers.groups.is_empty();
        left.then(|| Arc::new(subscribers))
    }

    fn apply_to(&mut self, bindings: &mut SharedMap<SubscriberId, Binding>) {
        let previous = match self.change.take() {
            Some(Change::Insert(binding)) => {
                let id = binding.mailbox.id();
                bindings.insert(self.hasher.hash_one(id), id, binding)
            }
            Some(Change::Remove(id)) => bindings.remove(self.hasher.hash_one(id), &id),
            None => None,
        };
        self.existed = previous.is_some();
    }
}
