//! A stream whose files cannot be opened: the node runs without it, says so, and promises nothing for it.

use serde_json::json;

use crate::Stream;
use crate::harness::{Node, NodeOptions, http};

#[test]
fn a_stream_that_cannot_be_opened_is_not_available_and_all_else_is() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let node = Node::start_in(&data, &NodeOptions::default());
    for name in ["broken", "whole"] {
        Stream::made(&node, name, &json!({ "bindings": [format!("{name}/#")] })).append("before");
    }
    let broken = (1..20).map(|id| data.join(format!("streams/{id}"))).find(|path| path.exists()).unwrap();
    assert!(node.stop().success());
    // A folder stands where a file was.
    let file = broken.join("00000000000000000000.0.log");
    let aside = folder.path().join("aside");
    std::fs::rename(&file, &aside).unwrap();
    std::fs::create_dir(&file).unwrap();

    // What the configuration wants of it has to wait.
    let config = folder.path().join("headwater.toml");
    std::fs::write(&config, "[streams.broken]\nbindings = [\"broken/#\"]\nmessages_max = 7\n").unwrap();
    let options = NodeOptions { config: Some(config), ..NodeOptions::default() };
    let node = Node::start_in(&data, &options);
    assert!(node.log().contains("stream `broken` is not available"), "{}", node.log());
    let ready = http(node.web, "GET", "/readyz", &[], b"");
    assert_eq!(ready.status, 200);
    assert!(ready.text().contains("stream `broken` is not available"), "{}", ready.text());
    node.expect_metrics(&[
        r#"headwater_stream_failed{stream="broken"} 1"#,
        r#"headwater_stream_failed{stream="whole"} 0"#,
    ]);
    let shown = Stream::of(&node, "broken").show();
    assert!(shown["failure"].as_str().unwrap().contains("is not available"), "{shown}");
    assert!(Stream::of(&node, "broken").post("", "refused").problem(503).contains("is not available"));
    // Whoever publishes to what it is bound to is told, too.
    let (code, _, said) = node.command(&["pub", "broken/1", "refused", "--qos", "1"]);
    assert_ne!(code, 0, "{said}");
    assert_eq!(Stream::of(&node, "whole").append("after"), 1);
    assert!(node.stop().success());

    // It is as it was when its file can be read.
    std::fs::remove_dir(&file).unwrap();
    std::fs::rename(&aside, &file).unwrap();
    let node = Node::start_in(&data, &options);
    assert_eq!(Stream::of(&node, "broken").append("after"), 1);
    assert_eq!(Stream::of(&node, "broken").show()["settings"]["messages_max"], 7);
    assert_eq!(http(node.web, "GET", "/readyz", &[], b"").text(), "ok\n");
    assert!(node.stop().success());

    // Or it is given up.
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    let node = Node::start_in(&data, &NodeOptions::default());
    assert_eq!(node.api("DELETE", "/streams/broken").status, 204);
    assert_eq!(node.api("GET", "/streams/broken").status, 404);
    assert!(!broken.exists());
    Stream::made(&node, "broken", &json!({})).append("new");
}
