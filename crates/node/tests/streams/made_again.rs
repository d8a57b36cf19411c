//! Streams that are removed while they are read, and made again.

use serde_json::json;

use crate::Stream;
use crate::harness::{Node, eventually};
use crate::mqtt::{Client, consumer, filled, told};

const GROUP: &str = "$share/workers/$stream/telemetry";
const ALONE: &str = "$stream/telemetry";

fn remove(node: &Node) {
    assert_eq!(node.api("DELETE", "/streams/telemetry").status, 204);
}

#[test]
fn readers_get_all_of_a_stream_that_is_made_again() {
    let node = Node::start();
    filled(&node, &json!({}), &["0"]);
    let mut readers =
        [("member", GROUP, 0), ("alone", ALONE, 0), ("session", ALONE, 200)].map(|(id, filter, session_s)| {
            let mut client = Client::connected(&node, id, session_s, 10);
            client.subscribe(filter, 1, Some("earliest"));
            assert_eq!(client.take_many(), [told(0, "0")], "{id}");
            client
        });
    let mut fast = Client::connected(&node, "fast", 0, 10);
    fast.subscribe(ALONE, 0, None);
    for round in ["one", "two"] {
        remove(&node);
        let stream = filled(&node, &json!({}), &[round, "more"]);
        for client in &mut readers {
            assert_eq!(client.take_many(), [told(0, round), told(1, "more")]);
        }
        assert_eq!([fast.next().payload, fast.next().payload], [round, "more"]);
        for name in ["workers", "session-"] {
            let shown = eventually(|| consumer(&stream, name), |shown| shown["lag"] == 0);
            assert_eq!((&shown["offset"], &shown["members"]), (&json!(2), &json!(1)), "{name}");
        }
    }
    assert!(node.log().contains("a stream was removed that is read"), "{}", node.log());
}

#[test]
fn a_session_that_comes_back_reads_all_of_a_stream_that_was_made_again_or_will_be() {
    let node = Node::start();
    filled(&node, &json!({}), &["0"]);
    for (filter, id) in [(ALONE, "alone"), (GROUP, "member")] {
        let mut client = Client::connected(&node, id, 200, 10);
        client.subscribe(filter, 1, Some("earliest"));
        assert_eq!(client.take_many(), [told(0, "0")]);
    }
    remove(&node);
    // One comes back while there is none, one when there is one again.
    let mut alone = Client::connected_with(&node, "alone", 0, 200, 10);
    eventually(
        || node.log(),
        |log| log.contains("a client has nothing to consume, and waits: there is no stream `telemetry`"),
    );
    filled(&node, &json!({}), &["new"]);
    assert_eq!(alone.take_many(), [told(0, "new")]);
    let mut member = Client::connected_with(&node, "member", 0, 200, 10);
    assert_eq!(member.take_many(), [told(0, "new")]);
}

#[test]
fn readers_of_a_consumer_that_is_forgotten_begin_anew() {
    let node = Node::start();
    let stream = filled(&node, &json!({}), &["0", "1"]);
    let mut client = Client::connected(&node, "reader", 0, 10);
    client.subscribe(GROUP, 1, Some("earliest"));
    assert_eq!(client.take_many(), [told(0, "0"), told(1, "1")]);
    assert_eq!(node.api("DELETE", &stream.path("/consumers/workers")).status, 204);
    let shown = eventually(|| consumer(&stream, "workers"), |shown| shown["members"] == 1);
    assert_eq!((&shown["offset"], &shown["lag"]), (&json!(2), &json!(0)));
    stream.append("2");
    assert_eq!(client.take_many(), [told(2, "2")]);
}

#[test]
fn a_new_subscription_to_a_stream_that_is_not_there_is_refused_and_the_one_that_stands_goes_on() {
    let node = Node::start();
    filled(&node, &json!({}), &[]);
    let mut client = Client::connected(&node, "reader", 0, 10);
    client.subscribe(ALONE, 1, None);
    remove(&node);
    let mut other = Client::connected(&node, "other", 0, 10);
    for client in [&mut client, &mut other] {
        assert_eq!(client.ask_for(ALONE, 1, None).last(), Some(&0x8F));
    }
    let stream = Stream::made(&node, "telemetry", &json!({}));
    stream.append("new");
    assert_eq!(client.take_many(), [told(0, "new")]);
    // The other has no subscription: an answer to its ping is all that comes.
    other.ping();
}
