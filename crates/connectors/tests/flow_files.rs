//! The flow files that are published: the examples are free of problems and written as the product itself would leave
//! them, and the schema in `docs` is the one that the code makes. Here, because here all module types are known.

#![expect(clippy::unwrap_used, reason = "a test shall fail where it stands")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use flow::Catalog;

fn catalog() -> Catalog {
    Catalog::new(&[flow::modules::MODULES, connectors::MODULES])
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The flow files below a folder, in order.
fn flow_files(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            flow_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "toml") {
            found.push(path);
        }
    }
}

fn examples() -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    flow_files(&root().join("examples"), &mut files);
    assert!(files.len() >= 10, "{files:?}");
    files.into_iter().map(|path| (path.clone(), std::fs::read_to_string(&path).unwrap())).collect()
}

#[test]
fn every_example_is_free_of_problems() {
    for (path, text) in examples() {
        let flow = flow::file::read(&text).unwrap_or_else(|problems| panic!("{}: {problems:?}", path.display()));
        let checked = flow::check::check(&flow, &catalog(), &BTreeMap::new());
        let problems: Vec<String> = checked.problems.iter().map(ToString::to_string).collect();
        assert!(problems.is_empty(), "{}: {problems:#?}", path.display());
    }
}

#[test]
fn an_example_is_left_alone_when_nothing_changes() {
    for (path, text) in examples() {
        let flow = flow::file::read(&text).unwrap();
        assert_eq!(flow::file::update(&text, &flow).unwrap(), text, "{}", path.display());
        let written = flow::file::write(&flow).unwrap();
        assert_eq!(flow::file::read(&written).unwrap(), flow, "{}", path.display());
    }
}

/// With `HEADWATER_BLESS=1` in the environment the file is written anew.
#[test]
fn the_published_schema_is_the_one_that_the_code_makes() {
    let path = root().join("docs/flow.schema.json");
    let made = format!("{:#}\n", flow::schema::flow_schema(&catalog()));
    if std::env::var_os("HEADWATER_BLESS").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    let published = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(made == published, "docs/flow.schema.json is out of date: run this test with HEADWATER_BLESS=1");
}
