//! A small part of the tree in one piece of memory: some filters that begin with the same levels, each with whom it
//! reaches. One by one, their nodes would lie in places that no cache holds.

use std::sync::Arc;

use super::ends::{Change, Edit, Members};
use super::path::{Levels, Path};
use super::route::{Group, Matched, Target};
use super::{Binding, ends};

/// More than this become a node: to hold each against a topic would cost more than to go down.
pub(super) const FEW_MAX: usize = 16;

/// What a filter reaches.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// Its levels from the node above on, without `#`.
    pub(super) path: Path,
    pub(super) place: ends::Place,
    pub(super) end: End,
}

#[derive(Debug, Clone)]
pub(super) enum End {
    One(Binding),
    Shared(Arc<Members>),
}

impl End {
    pub(super) fn add_to<'t>(&'t self, route: &mut Matched<'t>) {
        match self {
            Self::One(binding) => route.targets.push(Target::of(binding)),
            Self::Shared(members) => route.groups.push(Group::of(members)),
        }
    }
}

/// A copy in which the subscription at `levels` is changed.
pub(super) fn changed(entries: &[Entry], levels: &[&str], edit: &mut Edit<'_>) -> Vec<Entry> {
    let mut entries = entries.to_vec();
    let (path, place) = ends::split(levels);
    let is_of_filter = |entry: &Entry| entry.place == place && entry.path.is(path);
    let filter_end = entries.iter().rposition(is_of_filter).map_or(entries.len(), |last| last + 1);
    let group = edit.filter.share_group();
    let held = entries.iter().position(|entry| {
        is_of_filter(entry)
            && match &entry.end {
                End::One(binding) => group.is_none() && edit.subscriber() == Some(binding.subscriber),
                End::Shared(members) => group == Some(members.group()),
            }
    });
    match edit.end(held.and_then(|held| entries.get(held)).map(|entry| &entry.end)) {
        Some(end) => match held.and_then(|held| entries.get_mut(held)) {
            Some(held) => held.end = end,
            // Beside others of the same filter, which is looked at once for all.
            None => entries.insert(filter_end, Entry { path: Path::of(path), place, end }),
        },
        None => {
            held.map(|held| entries.remove(held));
        }
    }
    entries
}

/// Gathers what matches the rest of a topic from its level `at` on.
pub(super) fn collect<'t>(entries: &'t [Entry], topic: &Levels<'_>, at: usize, route: &mut Matched<'t>) {
    let mut last: Option<(&Path, Option<usize>)> = None;
    for entry in entries {
        let reached = match last {
            Some((path, reached)) if *path == entry.path => reached,
            _ => entry.path.follow(topic, at),
        };
        last = Some((&entry.path, reached));
        if reached.is_some_and(|end| end == topic.len() || entry.place == ends::Place::Below) {
            entry.end.add_to(route);
        }
    }
}

/// The members of the shared subscription `name` at exactly this filter.
pub(super) fn group<'t>(entries: &'t [Entry], levels: &[&str], name: &str) -> Option<&'t Members> {
    let (path, place) = ends::split(levels);
    entries.iter().filter(|entry| entry.place == place && entry.path.is(path)).find_map(|entry| match &entry.end {
        End::Shared(members) if members.group() == name => Some(&**members),
        _ => None,
    })
}

impl Edit<'_> {
    fn subscriber(&self) -> Option<crate::subscription::SubscriberId> {
        match self.change.as_ref()? {
            Change::Insert(binding) => Some(binding.subscriber),
            Change::Remove(subscriber) => Some(*subscriber),
        }
    }

    /// What the change makes of what is there; nothing if it is to go.
    fn end(&mut self, held: Option<&End>) -> Option<End> {
        if self.filter.share_group().is_some() {
            let held = if let Some(End::Shared(members)) = held { Some(&**members) } else { None };
            return self.members(held).map(End::Shared);
        }
        self.existed = held.is_some();
        match self.change.take() {
            Some(Change::Insert(binding)) => Some(End::One(binding)),
            Some(Change::Remove(_)) | None => None,
        }
    }
}
