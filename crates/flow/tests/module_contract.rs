//! What holds for every module of the list, whatever it does: see the contract in `flow::module`.

use std::task::{Context, Waker};

use flow::module::{Built, Direction};
use flow::modules::MODULES;
use flow::run::Emitter;

#[path = "../src/modules/harness.rs"]
#[expect(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    reason = "shared with the tests of the crate, which use all of it"
)]
mod harness;

mod contract;

use contract::{check_result, odd_messages};
use harness::{World, now};

#[test]
fn odd_messages_go_on_end_or_fail_in_words() {
    for kind in MODULES {
        let world = World::new();
        world.stores.gate.open();
        world.queues.gate.open();
        let mut built = world.build(*kind, kind.example());
        let ports = kind.ports(&kind.parse(&harness::settings(kind.example())).unwrap()).len();
        for (place, message) in odd_messages().into_iter().enumerate() {
            let itinerary = harness::itinerary_of(message.clone());
            let now = now(place as u64 * 1_000);
            let result = match &mut built {
                Built::Inbound(_) => break,
                Built::Step(step) => {
                    let mut out = Emitter::default();
                    step.process(now, itinerary, &mut out).map(|()| out.drain().collect())
                }
                Built::Waiting(step) => {
                    let mut work = step.begin(now, itinerary);
                    match work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                        std::task::Poll::Ready(result) => result,
                        std::task::Poll::Pending => panic!("{} waits for nothing", kind.type_name()),
                    }
                }
            };
            check_result(*kind, ports, &message, result);
        }
        if let Built::Step(step) = &mut built {
            let mut out = Emitter::default();
            step.handle_timeout(now(100_000_000), &mut out);
            step.drain(now(100_000_000), &mut out);
            assert!(out.drain().all(|(port, _)| port < ports), "{}", kind.type_name());
            assert_eq!(step.poll_timeout(), None, "{} still holds something after a drain", kind.type_name());
        }
    }
}

#[test]
fn inbound_modules_keep_to_their_room_and_fall_silent_when_closed() {
    for kind in MODULES.iter().filter(|kind| kind.direction() == Direction::Inbound) {
        let world = World::new();
        let Built::Inbound(mut inbound) = world.build(*kind, kind.example()) else { unreachable!("built above") };
        for second in 0..10_000 {
            assert!(harness::arrivals(&mut *inbound, now(second * 1_000), 0).is_empty(), "{}", kind.type_name());
        }
        inbound.close();
        assert!(inbound.is_drained(), "{} holds something though nothing came", kind.type_name());
        assert!(harness::arrivals(&mut *inbound, now(20_000_000), 9).is_empty(), "{}", kind.type_name());
    }
}
