//! Every normative statement of MQTT 5.0 and 3.1.1, shown on the wire: `conformance.toml` says which scenario shows
//! which statement. The scenarios run against the binary over each of its transports, and against mosquitto to test
//! the scenarios; where mosquitto is known to deviate they have to fail there.
//!
//! `cargo nextest run -p node --test mqtt` runs all of it, `… --test mqtt connect` one section.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod agreement;
mod harness;
#[expect(dead_code, reason = "only nodes are started, nothing is asked of their API")]
#[path = "../../crates/node/tests/harness/mod.rs"]
mod node;

mod connect;
mod delivery;
mod ending;
mod malformed;
mod publish;
mod retained;
mod session;
mod subscribe;
mod topics;
mod websocket;
mod will;

use harness::pool::{Section, run};
use harness::server::Kind;

/// Names the sections once: for the list, and as one test for each server.
macro_rules! sections {
    ($($name:ident,)*) => {
        /// All scenarios, by module.
        const SECTIONS: &[Section] = &[$(Section { name: stringify!($name), scenarios: $name::SCENARIOS },)*];

        mod headwater {
            $(#[test]
            fn $name() {
                super::run_section(stringify!($name), super::Kind::Headwater);
            })*
        }

        mod mosquitto {
            $(#[test]
            fn $name() {
                super::run_section(stringify!($name), super::Kind::Mosquitto);
            })*
        }
    };
}

sections! {
    connect,
    will,
    session,
    publish,
    retained,
    delivery,
    subscribe,
    topics,
    ending,
    malformed,
    websocket,
}

fn run_section(name: &str, kind: Kind) {
    let section = SECTIONS.iter().find(|section| section.name == name).expect("the section exists");
    run(section, kind);
}
