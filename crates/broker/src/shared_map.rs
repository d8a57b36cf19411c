//! A hash map that shares its parts between versions: cloning costs one reference count, a change copies only the
//! path to what changed (a hash array mapped trie, 32 ways a level). It keeps 100,000 subscriptions below one node
//! of the tree from costing 100,000 copies each. The caller brings the hash, so that a topic level is hashed once, and
//! an element holds its own key.

use std::borrow::Borrow;
use std::iter;
use std::sync::Arc;

/// Bits of the hash that choose a slot in one branch.
const BITS: u32 = 5;
/// Below this depth the hash is used up: what still collides lies in a plain list.
const DEPTH_MAX: u32 = 64 / BITS;

/// What a map holds.
pub(crate) trait Element: Clone {
    type Key: Eq + ?Sized;

    fn key(&self) -> &Self::Key;
}

impl<K: Eq + Clone, V: Clone> Element for (K, V) {
    type Key = K;

    fn key(&self) -> &K {
        &self.0
    }
}

#[derive(Debug, Clone)]
pub(crate) struct SharedMap<E> {
    /// A map of one element, which is most of them, lies here whole.
    root: Option<Slot<E>>,
}

#[derive(Debug, Clone)]
enum Slot<E> {
    Entry(Entry<E>),
    /// Which of the 32 slots are taken, and only those.
    Branch(u32, Arc<[Slot<E>]>),
    Collision(Arc<[Entry<E>]>),
}

#[derive(Debug, Clone)]
struct Entry<E> {
    hash: u64,
    element: E,
}

impl<E> Default for SharedMap<E> {
    fn default() -> Self {
        Self { root: None }
    }
}

impl<E: Element> SharedMap<E> {
    pub(crate) fn is_empty(&self) -> bool {
        self.root.is_none()
    }

    /// The element, if there is exactly one.
    pub(crate) fn only(&self) -> Option<&E> {
        match &self.root {
            Some(Slot::Entry(entry)) => Some(&entry.element),
            _ => None,
        }
    }

    pub(crate) fn get<Q>(&self, hash: u64, key: &Q) -> Option<&E>
    where
        E::Key: Borrow<Q>,
        Q: Eq + ?Sized,
    {
        self.with_hash(hash).iter().find(|entry| entry.is(hash, key)).map(|entry| &entry.element)
    }

    /// The elements whose keys have this hash, not looked at: nearly always the one that is sought.
    pub(crate) fn candidates(&self, hash: u64) -> impl Iterator<Item = &E> {
        self.with_hash(hash).iter().filter(move |entry| entry.hash == hash).map(|entry| &entry.element)
    }

    /// Where the path of a hash ends.
    fn with_hash(&self, hash: u64) -> &[Entry<E>] {
        let Some(mut slot) = self.root.as_ref() else { return &[] };
        let mut rest = hash;
        loop {
            match slot {
                Slot::Entry(entry) => return std::slice::from_ref(entry),
                Slot::Branch(bitmap, slots) => {
                    let bit = 1 << (rest & 31);
                    let inner = if bitmap & bit == 0 { None } else { slots.get(position(*bitmap, bit)) };
                    let Some(inner) = inner else { return &[] };
                    slot = inner;
                }
                Slot::Collision(entries) => return entries,
            }
            rest >>= BITS;
        }
    }

    /// Visits every element, in an order that depends on the hashes alone.
    pub(crate) fn for_each<'m>(&'m self, visit: &mut impl FnMut(&'m E)) {
        if let Some(root) = &self.root {
            root.for_each(visit);
        }
    }

    /// Puts an element in and returns the one that had its key.
    pub(crate) fn insert(&mut self, hash: u64, element: E) -> Option<E> {
        let entry = Entry { hash, element };
        match &mut self.root {
            None => {
                self.root = Some(Slot::Entry(entry));
                None
            }
            Some(root) => root.insert(0, entry),
        }
    }

    /// Takes the element with this key out.
    pub(crate) fn remove<Q>(&mut self, hash: u64, key: &Q) -> Option<E>
    where
        E::Key: Borrow<Q>,
        Q: Eq + ?Sized,
    {
        // Looked up first, so that a miss copies nothing.
        let element = self.get(hash, key)?.clone();
        if self.root.as_mut()?.remove(0, hash, key) {
            self.root = None;
        }
        Some(element)
    }
}

impl<E: Element> Slot<E> {
    fn for_each<'m>(&'m self, visit: &mut impl FnMut(&'m E)) {
        match self {
            Self::Entry(entry) => visit(&entry.element),
            Self::Branch(_, slots) => slots.iter().for_each(|slot| slot.for_each(visit)),
            Self::Collision(entries) => entries.iter().for_each(|entry| visit(&entry.element)),
        }
    }

    fn insert(&mut self, depth: u32, entry: Entry<E>) -> Option<E> {
        match self {
            Self::Entry(held) if held.is(entry.hash, entry.element.key()) => {
                Some(std::mem::replace(&mut held.element, entry.element))
            }
            Self::Entry(held) if depth > DEPTH_MAX => {
                *self = Self::Collision(Arc::from([held.clone(), entry]));
                None
            }
            Self::Entry(held) => {
                *self = Self::Branch(bit(held.hash, depth), Arc::from([Self::Entry(held.clone())]));
                self.insert(depth, entry)
            }
            Self::Branch(bitmap, slots) => {
                let bit = bit(entry.hash, depth);
                let position = position(*bitmap, bit);
                if *bitmap & bit != 0 {
                    return Arc::make_mut(slots).get_mut(position)?.insert(depth + 1, entry);
                }
                let before = slots.iter().take(position).cloned();
                let after = slots.iter().skip(position).cloned();
                *slots = before.chain(iter::once(Self::Entry(entry))).chain(after).collect();
                *bitmap |= bit;
                None
            }
            Self::Collision(entries) => {
                let mut held = Arc::make_mut(entries).iter_mut();
                if let Some(held) = held.find(|held| held.is(entry.hash, entry.element.key())) {
                    return Some(std::mem::replace(&mut held.element, entry.element));
                }
                *entries = entries.iter().cloned().chain(iter::once(entry)).collect();
                None
            }
        }
    }

    /// Takes the element with this key, which is there, out. Returns whether nothing is left.
    fn remove<Q>(&mut self, depth: u32, hash: u64, key: &Q) -> bool
    where
        E::Key: Borrow<Q>,
        Q: Eq + ?Sized,
    {
        match self {
            Self::Entry(_) => true,
            Self::Branch(bitmap, slots) => {
                let bit = bit(hash, depth);
                let position = position(*bitmap, bit);
                let inner = Arc::make_mut(slots).get_mut(position);
                if inner.is_some_and(|slot| slot.remove(depth + 1, hash, key)) {
                    let before = slots.iter().take(position).cloned();
                    let after = slots.iter().skip(position + 1).cloned();
                    *slots = before.chain(after).collect();
                    *bitmap &= !bit;
                }
                match &**slots {
                    [] => true,
                    [Self::Entry(last)] => {
                        *self = Self::Entry(last.clone());
                        false
                    }
                    _ => false,
                }
            }
            Self::Collision(entries) => {
                let left: Vec<_> = entries.iter().filter(|entry| !entry.is(hash, key)).cloned().collect();
                *self = match &*left {
                    [last] => Self::Entry(last.clone()),
                    _ => Self::Collision(left.into()),
                };
                false
            }
        }
    }
}

impl<E: Element> Entry<E> {
    fn is<Q>(&self, hash: u64, key: &Q) -> bool
    where
        E::Key: Borrow<Q>,
        Q: Eq + ?Sized,
    {
        self.hash == hash && self.element.key().borrow() == key
    }
}

/// The slot that `hash` chooses at `depth`, as one bit of 32.
fn bit(hash: u64, depth: u32) -> u32 {
    1 << (hash.checked_shr(depth * BITS).unwrap_or(0) & 31)
}

/// Where the slot of a bit stands among those that are taken.
fn position(bitmap: u32, bit: u32) -> usize {
    (bitmap & (bit - 1)).count_ones() as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn contents(map: &SharedMap<(u16, u32)>) -> BTreeMap<u16, u32> {
        let mut found = BTreeMap::new();
        map.for_each(&mut |(key, value)| {
            assert!(found.insert(*key, *value).is_none(), "{key} was visited twice");
        });
        found
    }

    proptest! {
        #[test]
        fn it_holds_what_a_plain_map_holds_and_old_versions_stay(
            steps in prop::collection::vec((any::<bool>(), 0u16..60, any::<u32>()), 0..200),
            spread in prop::sample::select(vec![1u64, 7, 1 << 30, 1 << 60, 0]),
        ) {
            // Hashes that collide in all, some or none of their bits.
            let hash = |key: u16| u64::from(key).wrapping_mul(spread);
            let mut map = SharedMap::default();
            let mut model = BTreeMap::new();
            let mut versions = Vec::new();
            for (insert, key, value) in steps {
                if insert {
                    prop_assert_eq!(map.insert(hash(key), (key, value)), model.insert(key, value).map(|old| (key, old)));
                } else {
                    prop_assert_eq!(map.remove(hash(key), &key), model.remove(&key).map(|old| (key, old)));
                }
                prop_assert_eq!(map.get(hash(key), &key).map(|(_, value)| value), model.get(&key));
                prop_assert_eq!(map.candidates(hash(key)).any(|held| held.0 == key), model.contains_key(&key));
                prop_assert_eq!(map.only().is_some(), model.len() == 1);
                prop_assert_eq!(map.is_empty(), model.is_empty());
                versions.push((map.clone(), model.clone()));
            }
            for (map, model) in versions.iter().rev().step_by(17) {
                prop_assert_eq!(&contents(map), model);
            }
        }
    }
}
