//! Guards files of the repository that are generated from the code: a test fails when they differ.

use std::path::Path;

/// Compares a published file with what the code says. `HEADWATER_BLESS=1` writes it.
pub(crate) fn check(path: &str, expected: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path);
    if std::env::var_os("HEADWATER_BLESS").is_some() {
        std::fs::write(&file, expected).unwrap();
    }
    let published = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(published == expected, "{path} is not up to date: run the tests once with HEADWATER_BLESS=1");
}
