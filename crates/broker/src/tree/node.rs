//! One node of the subscription tree. A chain of levels on which nothing else stands is one node, and what is small
//! below a node lies in one piece.

use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::quality::FixedState;

use super::ends::{Edit, Members, Place, Subscribers};
use super::few::{self, Entry, FEW_MAX};
use super::path::{Levels, Path};
use super::route::Matched;
use crate::prefetch::prefetch;
use crate::shared_map::{Element, SharedMap};

/// Space to begin with for the branches that a topic visits; more is taken when needed.
const BRANCHES_USUAL: usize = 16;

#[derive(Debug, Clone, Default)]
pub(super) struct Node {
    /// Leads here from the node above.
    path: Path,
    /// By the first levels of their paths.
    children: SharedMap<Branch>,
    /// The one whose paths begin with `+`.
    plus: Option<Branch>,
    /// Whose filter ends at this node.
    here: Subscribers,
    /// Whose filter goes on with `#`: they also match the node itself.
    below: Subscribers,
}

/// What stands below a node, behind one first level.
#[derive(Debug, Clone)]
enum Branch {
    Few(Arc<[Entry]>),
    Node(Arc<Node>),
}

impl Element for Branch {
    type Key = str;

    fn key(&self) -> &str {
        match self {
            Self::Few(entries) => entries.first().map_or("", |entry| entry.path.first()),
            Self::Node(node) => node.path.first(),
        }
    }
}

impl Branch {
    fn of(entries: Vec<Entry>, hasher: &FixedState) -> Option<Self> {
        match entries.len() {
            0 => None,
            1..=FEW_MAX => Some(Self::Few(entries.into())),
            _ => Some(Self::Node(Arc::new(Node::of(entries, hasher)))),
        }
    }

    /// A copy in which the subscription at `levels`, seen from the node above, is changed; nothing if nothing is left.
    fn changed(&self, levels: &[&str], edit: &mut Edit<'_>) -> Option<Self> {
        let node = match self {
            Self::Few(entries) => return Self::of(few::changed(entries, levels, edit), edit.hasher),
            Self::Node(node) => node,
        };
        let common = node.path.common(levels);
        let rest = levels.get(common..).unwrap_or_default();
        if common == node.path.len() {
            return node.changed(rest, edit).trimmed();
        }
        if edit.is_removal() {
            return Some(self.clone());
        }
        let (upper, lower) = node.path.split_at(common);
        let below = Node { path: lower.clone(), ..Node::clone(node) };
        let mut fork = Node { path: upper, ..Node::default() };
        fork.put(lower.first(), Some(Self::Node(Arc::new(below))), edit.hasher);
        Some(Self::Node(Arc::new(fork.changed(rest, edit))))
    }

    /// The same branch behind more levels.
    fn behind(&self, path: &Path) -> Self {
        match self {
            Self::Few(entries) => {
                let longer = |entry: &Entry| Entry { path: path.joined(&entry.path), ..entry.clone() };
                Self::Few(entries.iter().map(longer).collect())
            }
            Self::Node(node) => Self::Node(Arc::new(Node { path: path.joined(&node.path), ..Node::clone(node) })),
        }
    }

    fn prefetch(&self) {
        match self {
            Self::Few(entries) => prefetch(&**entries),
            Self::Node(node) => prefetch(&**node),
        }
    }
}

impl Node {
    /// All these filters, which begin with the same level.
    fn of(entries: Vec<Entry>, hasher: &FixedState) -> Self {
        let first = entries.first().map(|entry| entry.path.clone()).unwrap_or_default();
        let commons = entries.iter().map(|entry| entry.path.common(&first.levels().collect::<Vec<_>>()));
        let common = commons.min().unwrap_or(0);
        let mut node = Self { path: first.split_at(common).0, ..Self::default() };
        let mut groups: Vec<Vec<Entry>> = Vec::new();
        for entry in entries {
            let path = entry.path.split_at(common).1;
            if path.len() == 0 {
                node.subscribers(entry.place).put(entry.end, hasher);
                continue;
            }
            let entry = Entry { path, ..entry };
            let is_beside = |held: &&mut Vec<Entry>| held.iter().all(|held| held.path.first() == entry.path.first());
            match groups.iter_mut().find(is_beside) {
                Some(group) => group.push(entry),
                None => groups.push(vec![entry]),
            }
        }
        for group in groups {
            if let Some(branch) = Branch::of(group, hasher) {
                let first = branch.key().to_owned();
                node.put(&first, Some(branch), hasher);
            }
        }
        node
    }

    /// A copy of this node in which the subscription at `levels`, seen from here, is changed.
    pub(super) fn changed(&self, levels: &[&str], edit: &mut Edit<'_>) -> Self {
        let mut node = self.clone();
        match levels {
            [] => node.here.change(edit),
            ["#"] => node.below.change(edit),
            [first, ..] => {
                let branch = match self.branch(first, edit.hasher) {
                    Some(branch) => branch.changed(levels, edit),
                    None => Branch::of(few::changed(&[], levels, edit), edit.hasher),
                };
                node.put(first, branch, edit.hasher);
            }
        }
        node
    }

    /// Without what a removal left over: a node where nothing stands, or a fork with one way.
    fn trimmed(self) -> Option<Branch> {
        let stays = |node: Self| Some(Branch::Node(Arc::new(node)));
        if !self.here.is_empty() || !self.below.is_empty() {
            return stays(self);
        }
        match (&self.plus, self.children.only()) {
            (Some(only), None) | (None, Some(only)) if self.plus.is_none() || self.children.is_empty() => {
                Some(only.behind(&self.path))
            }
            (None, None) if self.children.is_empty() => None,
            _ => stays(self),
        }
    }

    fn subscribers(&mut self, place: Place) -> &mut Subscribers {
        match place {
            Place::Here => &mut self.here,
            Place::Below => &mut self.below,
        }
    }

    fn branch(&self, first: &str, hasher: &FixedState) -> Option<&Branch> {
        if first == "+" { self.plus.as_ref() } else { self.children.get(hasher.hash_one(first), first) }
    }

    fn put(&mut self, first: &str, branch: Option<Branch>, hasher: &FixedState) {
        if first == "+" {
            self.plus = branch;
            return;
        }
        let hash = hasher.hash_one(first);
        match branch {
            Some(branch) => self.children.insert(hash, branch),
            None => self.children.remove(hash, first),
        };
    }

    /// Gathers the subscriptions of every filter that matches a topic, seen from the root. Level by level: so that the
    /// processor fetches the branches of one level together, not one after the other.
    pub(super) fn collect<'t>(&'t self, topic: &Levels<'_>, route: &mut Matched<'t>) {
        let mut visited: Vec<(&Branch, usize)> = Vec::with_capacity(BRANCHES_USUAL);
        self.visit(topic, 0, route, &mut visited);
        let mut next = 0;
        while let Some((branch, at)) = visited.get(next).copied() {
            next += 1;
            match branch {
                Branch::Few(entries) => few::collect(entries, topic, at, route),
                Branch::Node(node) => {
                    if let Some(at) = node.path.follow(topic, at) {
                        node.visit(topic, at, route, &mut visited);
                    }
                }
            }
        }
    }

    /// Gathers what ends at this node, which the topic reaches with its level `at`, and notes where it goes on.
    fn visit<'t>(
        &'t self,
        topic: &Levels<'_>,
        at: usize,
        route: &mut Matched<'t>,
        next: &mut Vec<(&'t Branch, usize)>,
    ) {
        let may_be_wild = at > 0 || !topic.is_reserved;
        if may_be_wild {
            self.below.add_to(route);
        }
        let Some(hash) = topic.hash(at) else { return self.here.add_to(route) };
        let plus = self.plus.as_ref().filter(|_| may_be_wild);
        for branch in self.children.candidates(hash).chain(plus) {
            branch.prefetch();
            next.push((branch, at));
        }
    }

    /// The members of the shared subscription `name` at exactly this filter.
    pub(super) fn group(&self, levels: &[&str], name: &str, hasher: &FixedState) -> Option<&Members> {
        match levels {
            [] => self.here.group(name, hasher),
            ["#"] => self.below.group(name, hasher),
            [first, ..] => match self.branch(first, hasher)? {
                Branch::Few(entries) => few::group(entries, levels, name),
                Branch::Node(node) => {
                    let common = node.path.common(levels);
                    let rest = levels.get(common..).filter(|_| common == node.path.len())?;
                    node.group(rest, name, hasher)
                }
            },
        }
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.children.is_empty() && self.plus.is_none() && self.here.is_empty() && self.below.is_empty()
    }

    /// Whether no node below this one could be left out.
    #[cfg(test)]
    pub(super) fn is_compact(&self) -> bool {
        let mut below: Vec<&Branch> = self.plus.iter().collect();
        self.children.for_each(&mut |branch| below.push(branch));
        below.into_iter().all(|branch| match branch {
            Branch::Few(entries) => (1..=FEW_MAX).contains(&entries.len()),
            Branch::Node(node) => {
                let mut ways = usize::from(node.plus.is_some());
                node.children.for_each(&mut |_| ways += 1);
                let ends = !node.here.is_empty() || !node.below.is_empty();
                (ways > 1 || ends) && node.path.len() > 0 && node.is_compact()
            }
        })
    }
}
