//! Flow drafts, versions and marks.

use super::*;
use crate::table::{FlowDraft, FlowFormat, FlowMarks, FlowVersion};
use message::{FlowId, limits};

fn flow(id: &str) -> FlowId {
    FlowId::parse(id).unwrap()
}

fn version(text: &str) -> FlowVersion {
    FlowVersion {
        format: FlowFormat::Toml,
        text: text.to_owned(),
        created: at(5),
        author: "ann".to_owned(),
        note: "first".to_owned(),
    }
}

#[test]
fn a_draft_is_kept_as_it_was_written() {
    let flows = in_memory().flows();
    let draft = FlowDraft { format: FlowFormat::Json, text: "{}".to_owned(), changed: at(1), author: "bob".to_owned() };
    assert_eq!(flows.draft(&flow("a")).unwrap(), None);
    flows.put_draft(&flow("a"), &draft).wait().unwrap();
    assert_eq!(flows.draft(&flow("a")).unwrap(), Some(draft));
    assert_eq!(flows.remove_draft(&flow("a")).wait(), Ok(true));
    assert_eq!(flows.remove_draft(&flow("a")).wait(), Ok(false));
}

#[test]
fn versions_are_numbered_from_one_and_apart_for_each_flow() {
    let flows = in_memory().flows();
    assert_eq!(flows.add_version(&flow("a"), version("a1")).wait(), Ok(1));
    assert_eq!(flows.add_version(&flow("a"), version("a2")).wait(), Ok(2));
    assert_eq!(flows.add_version(&flow("ab"), version("ab1")).wait(), Ok(1));
    assert_eq!(flows.version(&flow("a"), 2).unwrap(), Some(version("a2")));
    assert_eq!(flows.version(&flow("a"), 3).unwrap(), None);
    let numbers: Vec<_> = flows.versions(&flow("a")).unwrap().iter().map(|version| version.number).collect();
    assert_eq!(numbers, [1, 2]);
}

#[test]
fn old_versions_go_but_never_the_deployed_one() {
    let flows = in_memory().flows();
    flows.add_version(&flow("a"), version("first")).wait().unwrap();
    let marks = FlowMarks { deployed: Some(1), running: true };
    flows.set_marks(&flow("a"), marks).wait().unwrap();
    for _ in 0..limits::FLOW_VERSIONS_KEPT + 5 {
        drop(flows.add_version(&flow("a"), version("more")));
    }
    let last = flows.add_version(&flow("a"), version("last")).wait().unwrap();
    let numbers: Vec<_> = flows.versions(&flow("a")).unwrap().iter().map(|version| version.number).collect();
    assert_eq!(numbers.len(), limits::FLOW_VERSIONS_KEPT);
    assert_eq!((numbers[0], numbers[1], *numbers.last().unwrap()), (1, 9, last));
    assert_eq!(flows.flows().unwrap()[&flow("a")], marks);
}

#[test]
fn only_a_version_that_is_kept_can_be_deployed() {
    let flows = in_memory().flows();
    let marks = FlowMarks { deployed: Some(4), running: true };
    let error = flows.set_marks(&flow("a"), marks).wait().unwrap_err();
    assert_eq!(error.to_string(), "flow `a` has no version 4");
    assert!(flows.flows().unwrap().is_empty());
}

#[test]
fn a_removed_flow_leaves_nothing_behind() {
    let flows = in_memory().flows();
    flows.add_version(&flow("a"), version("x")).wait().unwrap();
    flows.add_version(&flow("b"), version("x")).wait().unwrap();
    assert_eq!(flows.remove(&flow("a")).wait(), Ok(true));
    assert_eq!(flows.remove(&flow("a")).wait(), Ok(false));
    assert!(flows.versions(&flow("a")).unwrap().is_empty());
    assert_eq!(flows.flows().unwrap().into_keys().collect::<Vec<_>>(), [flow("b")]);
}

#[test]
fn a_flow_beyond_the_limit_is_refused() {
    let flows = in_memory().flows();
    let text = "x".repeat(limits::FLOW_FILE_BYTES_MAX + 1);
    let error = flows.add_version(&flow("a"), version(&text)).wait().unwrap_err();
    assert!(error.to_string().contains("at most 1048576 are allowed"), "{error}");
}
