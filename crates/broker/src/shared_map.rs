//! A hash map that shares its parts between versions: cloning costs one reference count, a change copies only the
//! path to what changed (a hash array mapped trie, 32 ways a level). It keeps 100,000 subscriptions below one node
//! of the tree from costing 100,000 copies each. The caller brings the hash, so that a topic level is hashed once.

use std::borrow::Borrow;
use std::iter;
use std::sync::Arc;

/// Bits of the hash that choose a slot in one branch.
const BITS: u32 = 5;
/// Below this depth the hash is used up: what still collides lies in a plain list.
const DEPTH_MAX: u32 = 64 / BITS;

#[derive(Debug)]
pub(crate) struct SharedMap<K, V> {
    /// A map of one entry, which is most of them, lies here whole.
    root: Option<Slot<K, V>>,
}

#[derive(Debug)]
struct Branch<K, V> {
    /// Which of the 32 slots are taken; `slots` holds only those.
    bitmap: u32,
    slots: Arc<[Slot<K, V>]>,
}

#[derive(Debug, Clone)]
enum Slot<K, V> {
    Entry(Entry<K, V>),
    Branch(Branch<K, V>),
    Collision(Arc<[Entry<K, V>]>),
}

#[derive(Debug, Clone)]
struct Entry<K, V> {
    hash: u64,
    key: K,
    value: V,
}

impl<K, V> Default for SharedMap<K, V> {
    fn default() -> Self {
        Self { root: None }
    }
}

impl<K: Clone, V: Clone> Clone for SharedMap<K, V> {
    fn clone(&self) -> Self {
        Self { root: self.root.clone() }
    }
}

impl<K, V> Clone for Branch<K, V> {
    fn clone(&self) -> Self {
        Self { bitmap: self.bitmap, slots: Arc::clone(&self.slots) }
    }
}

impl<K, V> SharedMap<K, V> {
    pub(crate) fn is_empty(&self) -> bool {
        self.root.is_none()
    }

    pub(crate) fn get<Q>(&self, hash: u64, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
        Q: Eq + ?Sized,
    {
        let mut slot = self.root.as_ref()?;
        let mut depth = 0;
        loop {
            match slot {
                Slot::Entry(entry) => return entry.is(hash, key).then_some(&entry.value),
                Slot::Branch(branch) => slot = branch.slot(bit(hash, depth))?,
                Slot::Collision(entries) => {
                    return entries.iter().find(|entry| entry.is(hash, key)).map(|entry| &entry.value);
                }
            }
            depth += 1;
        }
    }

    /// Visits every entry, in an order that depends on the hashes alone.
    pub(crate) fn for_each<'m>(&'m self, visit: &mut impl FnMut(&'m K, &'m V)) {
        if let Some(root) = &self.root {
            root.for_each(visit);
        }
    }
}

impl<K: Clone + Eq, V: Clone> SharedMap<K, V> {
    /// Puts `value` at `key` and returns what was there.
    pub(crate) fn insert(&mut self, hash: u64, key: K, value: V) -> Option<V> {
        let entry = Entry { hash, key, value };
        match &mut self.root {
            None => {
                self.root = Some(Slot::Entry(entry));
                None
            }
            Some(root) => root.insert(0, entry),
        }
    }

    /// Takes the entry at `key` out.
    pub(crate) fn remove<Q>(&mut self, hash: u64, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Eq + ?Sized,
    {
        // Looked up first, so that a miss copies nothing.
        let value = self.get(hash, key)?.clone();
        if self.root.as_mut()?.remove(0, hash, key) {
            self.root = None;
        }
        Some(value)
    }
}

impl<K, V> Branch<K, V> {
    fn slot(&self, bit: u32) -> Option<&Slot<K, V>> {
        if self.bitmap & bit == 0 { None } else { self.slots.get(self.position(bit)) }
    }

    fn position(&self, bit: u32) -> usize {
        (self.bitmap & (bit - 1)).count_ones() as usize
    }
}

impl<K, V> Slot<K, V> {
    fn for_each<'m>(&'m self, visit: &mut impl FnMut(&'m K, &'m V)) {
        match self {
            Self::Entry(entry) => visit(&entry.key, &entry.value),
            Self::Branch(branch) => branch.slots.iter().for_each(|slot| slot.for_each(visit)),
            Self::Collision(entries) => entries.iter().for_each(|entry| visit(&entry.key, &entry.value)),
        }
    }
}

impl<K: Clone + Eq, V: Clone> Branch<K, V> {
    fn of_one(depth: u32, entry: Entry<K, V>) -> Self {
        Self { bitmap: bit(entry.hash, depth), slots: Arc::from([Slot::Entry(entry)]) }
    }

    fn insert(&mut self, depth: u32, entry: Entry<K, V>) -> Option<V> {
        let bit = bit(entry.hash, depth);
        let position = self.position(bit);
        if self.bitmap & bit == 0 {
            let before = self.slots.iter().take(position).cloned();
            let after = self.slots.iter().skip(position).cloned();
            self.slots = before.chain(iter::once(Slot::Entry(entry))).chain(after).collect();
            self.bitmap |= bit;
            return None;
        }
        Arc::make_mut(&mut self.slots).get_mut(position)?.insert(depth + 1, entry)
    }

    fn remove<Q>(&mut self, depth: u32, hash: u64, key: &Q)
    where
        K: Borrow<Q>,
        Q: Eq + ?Sized,
    {
        let bit = bit(hash, depth);
        let position = self.position(bit);
        let Some(slot) = Arc::make_mut(&mut self.slots).get_mut(position) else { return };
        if slot.remove(depth + 1, hash, key) {
            let before = self.slots.iter().take(position).cloned();
            let after = self.slots.iter().skip(position + 1).cloned();
            self.slots = before.chain(after).collect();
            self.bitmap &= !bit;
        }
    }
}

impl<K: Clone + Eq, V: Clone> Slot<K, V> {
    fn insert(&mut self, depth: u32, entry: Entry<K, V>) -> Option<V> {
        match self {
            Self::Entry(held) if held.hash == entry.hash && held.key == entry.key => {
                Some(std::mem::replace(&mut held.value, entry.value))
            }
            Self::Entry(held) => {
                let held = held.clone();
                *self = if depth > DEPTH_MAX {
                    Self::Collision(Arc::from([held, entry]))
                } else {
                    let mut branch = Branch::of_one(depth, held);
                    branch.insert(depth, entry);
                    Self::Branch(branch)
                };
                None
            }
            Self::Branch(branch) => branch.insert(depth, entry),
            Self::Collision(entries) => {
                if let Some(held) =
                    Arc::make_mut(entries).iter_mut().find(|held| held.hash == entry.hash && held.key == entry.key)
                {
                    return Some(std::mem::replace(&mut held.value, entry.value));
                }
                *entries = entries.iter().cloned().chain(iter::once(entry)).collect();
                None
            }
        }
    }

    /// Takes the entry at `key`, which is there, out. Returns whether nothing is left.
    fn remove<Q>(&mut self, depth: u32, hash: u64, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Eq + ?Sized,
    {
        match self {
            Self::Entry(_) => true,
            Self::Branch(branch) => {
                branch.remove(depth, hash, key);
                match &*branch.slots {
                    [] => true,
                    [Self::Entry(last)] => {
                        *self = Self::Entry(last.clone());
                        false
                    }
                    _ => false,
                }
            }
            Self::Collision(entries) => {
                *entries = entries.iter().filter(|entry| !entry.is(hash, key)).cloned().collect();
                entries.is_empty()
            }
        }
    }
}

impl<K, V> Entry<K, V> {
    fn is<Q>(&self, hash: u64, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Eq + ?Sized,
    {
        self.hash == hash && self.key.borrow() == key
    }
}

/// The slot that `hash` chooses at `depth`, as one bit of 32.
fn bit(hash: u64, depth: u32) -> u32 {
    1 << (hash.checked_shr(depth * BITS).unwrap_or(0) & 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn contents(map: &SharedMap<u16, u32>) -> BTreeMap<u16, u32> {
        let mut found = BTreeMap::new();
        map.for_each(&mut |key, value| {
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
                    prop_assert_eq!(map.insert(hash(key), key, value), model.insert(key, value));
                } else {
                    prop_assert_eq!(map.remove(hash(key), &key), model.remove(&key));
                }
                prop_assert_eq!(map.get(hash(key), &key), model.get(&key));
                prop_assert_eq!(map.is_empty(), model.is_empty());
                versions.push((map.clone(), model.clone()));
            }
            for (map, model) in versions.iter().rev().step_by(17) {
                prop_assert_eq!(&contents(map), model);
            }
        }
    }
}
