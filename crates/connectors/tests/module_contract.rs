//! What holds for every module of this crate's list: see the contract in `flow::module`.

use connectors::MODULES;
use flow::module::{Built, ModuleKind};

#[path = "../../flow/tests/contract/mod.rs"]
mod contract;

#[path = "../../flow/src/modules/harness.rs"]
#[expect(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    reason = "shared with the tests of `flow`, which use all of it"
)]
mod harness;

use contract::{check_result, odd_messages};
use harness::{World, now};

/// The example of a module, with what it talks to replaced: a file in `folder`, a server that is not there.
fn built(kind: &dyn ModuleKind, folder: &std::path::Path) -> Built {
    let elsewhere = |line: &str| match line.split_once(" = ").map(|(key, _)| key) {
        Some("database") => format!("database = 'sqlite:{}'", folder.join("line.db").display()),
        // Port 1 of this machine: the connection is refused at once.
        Some("url") => "url = 'http://127.0.0.1:1/{line}'".to_owned(),
        _ => line.to_owned(),
    };
    let settings: Vec<String> = kind.example().lines().map(elsewhere).collect();
    World::new().build(kind, &settings.join("\n"))
}

#[tokio::test]
async fn odd_messages_go_on_or_fail_in_words() {
    let folder = tempfile::tempdir().unwrap();
    for kind in MODULES {
        let Built::Waiting(mut step) = built(*kind, folder.path()) else { panic!("{}", kind.type_name()) };
        let ports = kind.ports(&kind.parse(&harness::settings(kind.example())).unwrap()).len();
        for message in odd_messages() {
            let result = step.begin(now(0), harness::itinerary_of(message.clone())).await;
            check_result(*kind, ports, &message, result);
        }
    }
}
