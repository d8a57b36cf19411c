//! Persistent key/value stores.

use super::*;
use crate::table::value::tests::any_value;
use crate::table::{KeyPage, WriteError};
use message::limits;
use proptest::prelude::*;
use std::collections::BTreeMap;

#[test]
fn a_value_is_there_once_its_write_is_done_and_after_opening_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tables.redb");
    let (tables, condition) = Tables::open(&path).unwrap();
    assert_eq!(condition, Condition::New);
    assert!(!set(&tables, "machines", "m1", 7));
    assert!(set(&tables, "machines", "m1", 8));
    assert_eq!(get(&tables, "machines", "m1"), Some(Value::from(8)));
    assert_eq!(get(&tables, "machines", "m2"), None);
    assert_eq!(get(&tables, "other", "m1"), None);
    drop(tables);
    let (tables, condition) = Tables::open(&path).unwrap();
    assert_eq!(condition, Condition::Closed);
    assert_eq!(get(&tables, "machines", "m1"), Some(Value::from(8)));
}

#[test]
fn a_file_that_is_open_already_is_refused_with_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tables.redb");
    let _first = Tables::open(&path).unwrap();
    let error = Tables::open(&path).unwrap_err().to_string();
    assert!(error.contains("tables.redb` is in use by another process"), "{error}");
}

#[test]
fn a_missing_folder_is_refused_with_its_name() {
    let error = Tables::open(std::path::Path::new("/nowhere/tables.redb")).unwrap_err().to_string();
    assert!(error.contains("/nowhere/tables.redb") && error.contains("data folder"), "{error}");
}

#[test]
fn expired_keys_are_not_seen_and_go_with_a_sweep() {
    let tables = in_memory();
    let stores = tables.key_values();
    let name = store("s");
    let set = |key: &str, expiry| stores.set(&name, key, &Value::from(1), expiry, at(0)).wait().unwrap();
    set("a", Some(at(10)));
    set("b", Some(at(20)));
    set("c", None);
    // A key that is set anew forgets its old expiry.
    set("d", Some(at(10)));
    assert!(set("d", None));
    assert_eq!(stores.get(&name, "a", at(9)).unwrap(), Some(Value::from(1)));
    assert_eq!(stores.get(&name, "a", at(10)).unwrap(), None);
    assert!(!stores.delete(&name, "a", at(10)).wait().unwrap());
    set("a", Some(at(10)));
    assert_eq!(stores.keys(&name, "", None, 10, at(15)).unwrap().keys, ["b", "c", "d"]);
    assert_eq!(stores.stores().unwrap()[0].keys, 4);
    assert_eq!(stores.sweep(at(15)).wait(), Ok(1));
    assert_eq!(stores.sweep(at(15)).wait(), Ok(0));
    assert_eq!(stores.stores().unwrap()[0].keys, 3);
    assert_eq!(stores.sweep(at(20)).wait(), Ok(1));
    assert_eq!(stores.keys(&name, "", None, 10, at(0)).unwrap().keys, ["c", "d"]);
}

#[test]
fn keys_are_listed_page_by_page_by_prefix() {
    let tables = in_memory();
    for key in ["a", "b/1", "b/2", "b/3", "ü"] {
        set(&tables, "s", key, 1);
    }
    set(&tables, "s2", "b/9", 1);
    let page = |prefix, from, max| tables.key_values().keys(&store("s"), prefix, from, max, at(0)).unwrap();
    let expect = |keys: &[&str], next: Option<&str>| KeyPage {
        keys: keys.iter().map(|key| (*key).to_owned()).collect(),
        next: next.map(str::to_owned),
    };
    assert_eq!(page("", None, 10), expect(&["a", "b/1", "b/2", "b/3", "ü"], None));
    assert_eq!(page("b/", None, 2), expect(&["b/1", "b/2"], Some("b/3")));
    assert_eq!(page("b/", Some("b/3"), 2), expect(&["b/3"], None));
    assert_eq!(page("x", None, 2), expect(&[], None));
}

#[test]
fn a_dropped_store_is_gone_with_its_keys_and_expiries_and_no_other() {
    let tables = in_memory();
    let stores = tables.key_values();
    drop(stores.set(&store("a"), "k", &Value::from(1), Some(at(5)), at(0)));
    set(&tables, "a", "l", 1);
    set(&tables, "ab", "k", 2);
    assert_eq!(stores.drop_store(&store("a")).wait(), Ok(true));
    assert_eq!(stores.drop_store(&store("a")).wait(), Ok(false));
    assert_eq!(get(&tables, "a", "k"), None);
    assert_eq!(get(&tables, "ab", "k"), Some(Value::from(2)));
    assert_eq!(stores.sweep(at(9)).wait(), Ok(0));
    let names: Vec<_> =
        stores.stores().unwrap().into_iter().map(|store| (store.name.to_string(), store.keys)).collect();
    assert_eq!(names, [("ab".to_owned(), 1)]);
}

#[test]
fn what_cannot_be_stored_is_refused_and_the_others_of_its_group_are_not() {
    let tables = in_memory();
    let long = "k".repeat(limits::STORE_KEY_BYTES_MAX + 1);
    let refused = tables.key_values().set(&store("s"), &long, &Value::Null, None, at(0)).wait().unwrap_err();
    assert!(matches!(&refused, WriteError::Refused(what) if what.contains("at most 1024")), "{refused}");
    for number in 0..limits::STORES_MAX {
        drop(tables.key_values().set(&store(&format!("s{number}")), "k", &Value::Null, None, at(0)));
    }
    let error = tables.key_values().set(&store("more"), "k", &Value::Null, None, at(0)).wait().unwrap_err();
    assert!(error.to_string().contains("store `more` cannot be made"), "{error}");
    assert!(set(&tables, "s1", "k", 2));
    assert_eq!(tables.key_values().stores().unwrap().len(), limits::STORES_MAX);
}

#[test]
fn many_writers_share_commits_and_all_are_told() {
    let tables = in_memory();
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            let tables = tables.clone();
            std::thread::spawn(move || {
                for number in 0..50 {
                    let key = format!("{writer}/{number}");
                    set(&tables, "s", &key, number);
                    assert_eq!(get(&tables, "s", &key), Some(Value::from(number)), "a write that is done is seen");
                }
            })
        })
        .collect();
    writers.into_iter().for_each(|writer| writer.join().unwrap());
    assert_eq!(tables.key_values().stores().unwrap()[0].keys, 400);
}

#[test]
fn facts_about_the_node_are_kept() {
    let tables = in_memory();
    assert_eq!(tables.meta().get("name").unwrap(), None);
    tables.meta().put("name", b"edge-1").wait().unwrap();
    assert_eq!(tables.meta().get("name").unwrap().as_deref(), Some(&b"edge-1"[..]));
    let error = tables.meta().put("name", &vec![0; limits::TABLE_META_BYTES_MAX + 1]).wait().unwrap_err();
    assert!(error.to_string().contains("at most"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_store_does_what_a_map_does(
        steps in prop::collection::vec((0_u8..3, 0_u8..12, any_value(), prop::option::of(1_i64..40)), 1..60)
    ) {
        let tables = in_memory();
        let stores = tables.key_values();
        let name = store("s");
        let mut model: BTreeMap<String, (Value, i64)> = BTreeMap::new();
        for (now, (step, key, value, ttl)) in (0_i64..).zip(steps) {
            let key = format!("k{key}");
            let live = |model: &BTreeMap<String, (Value, i64)>| {
                model.get(&key).filter(|(_, expiry)| *expiry > now).map(|(value, _)| value.clone())
            };
            match step {
                0 => prop_assert_eq!(stores.get(&name, &key, at(now)).unwrap(), live(&model)),
                1 => {
                    let expiry = ttl.map(|ttl| at(now + ttl));
                    let was = stores.set(&name, &key, &value, expiry, at(now)).wait().unwrap();
                    prop_assert_eq!(was, live(&model).is_some());
                    model.insert(key, (value, ttl.map_or(i64::MAX, |ttl| now + ttl)));
                }
                _ => {
                    let was = stores.delete(&name, &key, at(now)).wait().unwrap();
                    prop_assert_eq!(was, live(&model).is_some());
                    model.remove(&key);
                }
            }
        }
        let known = stores.stores().unwrap().first().map_or(0, |store| store.keys);
        prop_assert_eq!(known, model.len() as u64);
    }
}
