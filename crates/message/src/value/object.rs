//! A shared map from names to values that remembers the order of insertion.

use std::sync::Arc;

use foldhash::fast::RandomState;
use indexmap::IndexMap;

use super::{Text, Value};
use crate::limits;

/// An object; cloning shares it. Small ones are scanned, larger ones keep an index. A key that is given again
/// takes the last value and keeps its first place.
#[derive(Debug, Clone, Default)]
pub struct Object(Arc<Members>);

#[derive(Debug, Clone)]
enum Members {
    Scanned(Vec<(Text, Value)>),
    Indexed(IndexMap<Text, Value, RandomState>),
}

impl Default for Members {
    fn default() -> Self {
        Self::Scanned(Vec::new())
    }
}

impl Object {
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty object with room for `members`, for readers that know how many will come.
    pub fn with_capacity(members: usize) -> Self {
        if members > limits::OBJECT_SCAN_MAX {
            Self(Arc::new(Members::Indexed(IndexMap::with_capacity_and_hasher(members, RandomState::default()))))
        } else {
            Self(Arc::new(Members::Scanned(Vec::with_capacity(members))))
        }
    }

    pub fn len(&self) -> usize {
        match &*self.0 {
            Members::Scanned(members) => members.len(),
            Members::Indexed(members) => members.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn get(&self, key: &str) -> Option<&Value> {
        match &*self.0 {
            Members::Scanned(members) => members.iter().find(|(name, _)| name == key).map(|(_, value)| value),
            Members::Indexed(members) => members.get(key),
        }
    }

    pub fn contains_key(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    pub fn get_mut(&mut self, key: &str) -> Option<&mut Value> {
        match Arc::make_mut(&mut self.0) {
            Members::Scanned(members) => members.iter_mut().find(|(name, _)| name == key).map(|(_, value)| value),
            Members::Indexed(members) => members.get_mut(key),
        }
    }

    /// Sets a member and gives back the value that it had.
    pub fn insert(&mut self, key: impl Into<Text>, value: Value) -> Option<Value> {
        let key = key.into();
        let members = Arc::make_mut(&mut self.0);
        match members {
            Members::Scanned(scanned) => {
                if let Some((_, old)) = scanned.iter_mut().find(|(name, _)| *name == key) {
                    return Some(std::mem::replace(old, value));
                }
                scanned.push((key, value));
                if scanned.len() > limits::OBJECT_SCAN_MAX {
                    *members = Members::Indexed(std::mem::take(scanned).into_iter().collect());
                }
                None
            }
            Members::Indexed(indexed) => indexed.insert(key, value),
        }
    }

    /// Takes a member out; the others keep their order.
    pub fn remove(&mut self, key: &str) -> Option<Value> {
        if !self.contains_key(key) {
            return None;
        }
        match Arc::make_mut(&mut self.0) {
            Members::Scanned(members) => {
                let place = members.iter().position(|(name, _)| name == key)?;
                Some(members.remove(place).1)
            }
            Members::Indexed(members) => members.shift_remove(key),
        }
    }

    /// The members in the order of their first insertion.
    pub fn iter(&self) -> Iter<'_> {
        match &*self.0 {
            Members::Scanned(members) => Iter::Scanned(members.iter()),
            Members::Indexed(members) => Iter::Indexed(members.iter()),
        }
    }

    pub fn keys(&self) -> impl Iterator<Item = &Text> {
        self.iter().map(|(key, _)| key)
    }
}

/// Two objects are equal when they have the same members in whatever order.
impl PartialEq for Object {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
            || (self.len() == other.len() && self.iter().all(|(key, value)| other.get(key) == Some(value)))
    }
}

impl<K: Into<Text>> FromIterator<(K, Value)> for Object {
    fn from_iter<I: IntoIterator<Item = (K, Value)>>(members: I) -> Self {
        let mut object = Self::new();
        for (key, value) in members {
            object.insert(key, value);
        }
        object
    }
}

/// The members of an object in order.
#[derive(Debug, Clone)]
pub enum Iter<'a> {
    Scanned(std::slice::Iter<'a, (Text, Value)>),
    Indexed(indexmap::map::Iter<'a, Text, Value>),
}

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a Text, &'a Value);

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Scanned(members) => members.next().map(|(key, value)| (key, value)),
            Self::Indexed(members) => members.next(),
        }
    }
}

impl<'a> IntoIterator for &'a Object {
    type Item = (&'a Text, &'a Value);
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_object_does_what_a_list_of_pairs_does(steps in prop::collection::vec((any::<bool>(), 0_u8..40, any::<i64>()), 0..200)) {
            let mut object = Object::new();
            let mut model: Vec<(String, i64)> = Vec::new();
            for (insert, key, value) in steps {
                let key = format!("k{key}");
                let place = model.iter().position(|(name, _)| *name == key);
                if insert {
                    let old = object.insert(key.as_str(), Value::Int(value));
                    prop_assert_eq!(old, place.map(|place| Value::Int(model[place].1)));
                    match place {
                        Some(place) => model[place].1 = value,
                        None => model.push((key, value)),
                    }
                } else {
                    let old = object.remove(&key);
                    prop_assert_eq!(old, place.map(|place| Value::Int(model.remove(place).1)));
                }
            }
            let members: Vec<(String, i64)> =
                object.iter().map(|(key, value)| (key.to_string(), value.as_i64().unwrap())).collect();
            prop_assert_eq!(members, model);
        }
    }
}
