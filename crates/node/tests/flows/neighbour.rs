//! A flow that must not notice what happens to others.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::flow_text::script_flow;
use crate::mosquitto::{Publisher, Subscriber};
use crate::node::Node;
use crate::patience::pause;

/// Makes trouble on a node while a flow has steady work there, and checks that this flow did all of it, in order.
pub(crate) fn undisturbed_while(node: &Node, trouble: impl FnOnce()) {
    node.deploy("neighbour", &script_flow("neighbour", "neighbour/in", "message.data += 1;", "neighbour/out"));
    let subscriber = Subscriber::start(node, &["neighbour/out"]);
    let stop = AtomicBool::new(false);
    let mut publisher = Publisher::start(node, "neighbour/in");
    let sent = std::thread::scope(|scope| {
        let sending = scope.spawn(|| {
            let mut sent = 0;
            while !stop.load(Ordering::Relaxed) {
                publisher.send(&sent.to_string());
                sent += 1;
                pause(Duration::from_millis(5));
            }
            publisher.finish();
            sent
        });
        let stopping = StopAtEnd(&stop);
        trouble();
        drop(stopping);
        sending.join().unwrap()
    });
    let received = subscriber.await_payloads("neighbour/out", sent);
    assert_eq!(received, (1..=sent).map(|number| number.to_string()).collect::<Vec<_>>());
    let state = node.flow("neighbour");
    assert_eq!((&state["status"], &state["figures"]["failed"]), (&"running".into(), &0.into()));
    assert_eq!((&state["figures"]["crashes"], &state["figures"]["dropped"]), (&0.into(), &0.into()));
}

/// Tells a sender to stop, also when the test has failed meanwhile.
pub(crate) struct StopAtEnd<'a>(pub(crate) &'a AtomicBool);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
