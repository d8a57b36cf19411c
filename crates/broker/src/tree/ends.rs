//! Whom one filter reaches.

use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::quality::FixedState;
use message::TopicFilter;

use super::Binding;
use super::few::End;
use super::route::{Group, Matched, Target};
use crate::share::Share;
use crate::shared_map::{Element, SharedMap};
use crate::subscription::SubscriberId;

/// Where a filter ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// At its last level.
    Here,
    /// It goes on with `#`, and also matches the level before.
    Below,
}

/// The levels before `#`, and whether there is one.
pub(super) fn split<'l, 's>(levels: &'l [&'s str]) -> (&'l [&'s str], Place) {
    match levels {
        [path @ .., "#"] => (path, Place::Below),
        path => (path, Place::Here),
    }
}

/// The subscriptions of one filter.
#[derive(Debug, Clone, Default)]
pub(super) struct Subscribers {
    direct: SharedMap<Binding>,
    groups: SharedMap<Arc<Members>>,
}

/// A shared subscription.
#[derive(Debug, Clone)]
pub(super) struct Members {
    pub(super) share: Arc<Share>,
    pub(super) bindings: SharedMap<Binding>,
}

impl Members {
    pub(super) fn group(&self) -> &str {
        self.share.filter.share_group().unwrap_or_default()
    }
}

impl Element for Binding {
    type Key = SubscriberId;

    fn key(&self) -> &SubscriberId {
        &self.subscriber
    }
}

impl Element for Arc<Members> {
    type Key = str;

    fn key(&self) -> &str {
        self.group()
    }
}

#[derive(Debug)]
pub(super) enum Change {
    Insert(Binding),
    Remove(SubscriberId),
}

/// A change on its way down the tree; afterwards `existed` tells whether the subscription was there before.
#[derive(Debug)]
pub(super) struct Edit<'a> {
    pub(super) hasher: &'a FixedState,
    pub(super) filter: &'a TopicFilter,
    pub(super) change: Option<Change>,
    pub(super) existed: bool,
}

impl Subscribers {
    pub(super) fn is_empty(&self) -> bool {
        self.direct.is_empty() && self.groups.is_empty()
    }

    pub(super) fn add_to<'t>(&'t self, route: &mut Matched<'t>) {
        self.direct.for_each(&mut |binding| route.targets.push(Target::of(binding)));
        self.groups.for_each(&mut |members| route.groups.push(Group::of(members)));
    }

    pub(super) fn group(&self, name: &str, hasher: &FixedState) -> Option<&Members> {
        self.groups.get(hasher.hash_one(name), name).map(Arc::as_ref)
    }

    pub(super) fn put(&mut self, end: End, hasher: &FixedState) {
        match end {
            End::One(binding) => drop(self.direct.insert(hasher.hash_one(binding.subscriber), binding)),
            End::Shared(members) => drop(self.groups.insert(hasher.hash_one(members.group()), members)),
        }
    }

    pub(super) fn change(&mut self, edit: &mut Edit<'_>) {
        let Some(group) = edit.filter.share_group() else {
            return edit.apply_to(&mut self.direct);
        };
        let hash = edit.hasher.hash_one(group);
        match edit.members(self.groups.get(hash, group).map(Arc::as_ref)) {
            Some(members) => self.groups.insert(hash, members),
            None => self.groups.remove(hash, group),
        };
    }
}

impl Edit<'_> {
    pub(super) fn is_removal(&self) -> bool {
        matches!(self.change, Some(Change::Remove(_)))
    }

    /// What the change makes of a shared subscription; nothing if nobody is left.
    pub(super) fn members(&mut self, held: Option<&Members>) -> Option<Arc<Members>> {
        let mut members = held.cloned().unwrap_or_else(|| Members {
            share: Arc::new(Share::new(self.filter.detach())),
            bindings: SharedMap::default(),
        });
        self.apply_to(&mut members.bindings);
        (!members.bindings.is_empty()).then(|| Arc::new(members))
    }

    fn apply_to(&mut self, bindings: &mut SharedMap<Binding>) {
        let previous = match self.change.take() {
            Some(Change::Insert(binding)) => bindings.insert(self.hasher.hash_one(binding.subscriber), binding),
            Some(Change::Remove(id)) => bindings.remove(self.hasher.hash_one(id), &id),
            None => None,
        };
        self.existed = previous.is_some();
    }
}
