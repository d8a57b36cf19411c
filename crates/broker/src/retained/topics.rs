//! A trie of topics with a message each, looked through with a filter: the subscription tree turned round.

use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::quality::FixedState;
use message::{Publication, TopicFilter, TopicName};
use smol_str::SmolStr;

use crate::shared_map::SharedMap;

/// Topics with their retained message. A clone shares all and stays as it is.
#[derive(Debug, Clone, Default)]
pub(crate) struct RetainedTopics {
    root: Arc<Level>,
}

#[derive(Debug, Clone, Default)]
struct Level {
    children: SharedMap<(SmolStr, Arc<Level>)>,
    message: Option<Arc<Publication>>,
}

impl RetainedTopics {
    pub(super) fn get(&self, topic: &TopicName, hasher: &FixedState) -> Option<Arc<Publication>> {
        let mut level = &self.root;
        for name in topic.levels() {
            level = &level.children.get(hasher.hash_one(name), name)?.1;
        }
        level.message.clone()
    }

    pub(super) fn insert(&mut self, publication: Arc<Publication>, hasher: &FixedState) {
        let topic = publication.topic.clone();
        self.change(&topic, Some(publication), hasher);
    }

    pub(super) fn remove(&mut self, topic: &TopicName, hasher: &FixedState) -> Option<Arc<Publication>> {
        let previous = self.get(topic, hasher)?;
        self.change(topic, None, hasher);
        Some(previous)
    }

    fn change(&mut self, topic: &TopicName, message: Option<Arc<Publication>>, hasher: &FixedState) {
        let levels: Vec<&str> = topic.levels().collect();
        self.root = Arc::new(self.root.changed(&levels, message, hasher));
    }

    /// Calls `found` with the message of every topic that the filter matches.
    pub(crate) fn for_each_match(
        &self,
        filter: &TopicFilter,
        hasher: &FixedState,
        found: &mut dyn FnMut(&Arc<Publication>),
    ) {
        let levels: Vec<&str> = filter.levels().collect();
        self.root.look(&levels, true, hasher, found);
    }
}

impl Level {
    fn changed(&self, levels: &[&str], message: Option<Arc<Publication>>, hasher: &FixedState) -> Self {
        let mut level = self.clone();
        let Some((name, rest)) = levels.split_first() else {
            level.message = message;
            return level;
        };
        let hash = hasher.hash_one(name);
        let child = match self.children.get(hash, *name) {
            Some((_, child)) => child.changed(rest, message, hasher),
            None => Self::default().changed(rest, message, hasher),
        };
        if child.message.is_none() && child.children.is_empty() {
            level.children.remove(hash, *name);
        } else {
            level.children.insert(hash, (SmolStr::new(name), Arc::new(child)));
        }
        level
    }

    /// `first` keeps wildcards of the first level away from topics that begin with `$`.
    fn look(&self, levels: &[&str], first: bool, hasher: &FixedState, found: &mut dyn FnMut(&Arc<Publication>)) {
        match levels {
            [] => self.message.iter().for_each(found),
            ["#"] => self.all(first, found),
            ["+", rest @ ..] => self.children.for_each(&mut |(name, child)| {
                if !(first && name.starts_with('$')) {
                    child.look(rest, false, hasher, found);
                }
            }),
            [name, rest @ ..] => {
                if let Some((_, child)) = self.children.get(hasher.hash_one(name), *name) {
                    child.look(rest, false, hasher, found);
                }
            }
        }
    }

    fn all(&self, first: bool, found: &mut dyn FnMut(&Arc<Publication>)) {
        self.message.iter().for_each(&mut *found);
        self.children.for_each(&mut |(name, child)| {
            if !(first && name.starts_with('$')) {
                child.all(false, found);
            }
        });
    }
}
