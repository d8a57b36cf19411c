//! A sector that the disk cannot read, under a node and under `headwater store`: what lies elsewhere is there.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::Queue;
use crate::harness::{Node, NodeOptions, headwater, http};
use crate::remains::{filled, in_session, segments, stream_log};

/// Answers reads of one page of one file with an input/output error.
const SHIM: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

ssize_t pread64(int file, void *into, size_t bytes, off64_t at) {
    ssize_t (*next)(int, void *, size_t, off64_t) = dlsym(RTLD_NEXT, "pread64");
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    path[length > 0 ? length : 0] = 0;
    off64_t bad = atoll(getenv("BAD_PAGE")) * 4096;
    if (strcmp(path, getenv("BAD_FILE")) == 0 && at < bad + 4096 && at + (off64_t)bytes > bad) {
        errno = EIO;
        return -1;
    }
    return next(file, into, bytes, at);
}
"#;

const MESSAGES: usize = 60;

fn payload(number: usize) -> String {
    format!("message {number:04} {}", ".".repeat(2000))
}

/// `None` where there is no C compiler.
fn shim(folder: &Path) -> Option<PathBuf> {
    let (source, library) = (folder.join("shim.c"), folder.join("shim.so"));
    std::fs::write(&source, SHIM).unwrap();
    let built =
        Command::new("cc").args(["-shared", "-fPIC", "-o"]).args([&library, &source]).arg("-ldl").output().ok()?;
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    Some(library)
}

/// The newest file of a log, and the messages that lie in one of its pages.
fn newest(folder: &Path, page: usize) -> (PathBuf, Vec<usize>) {
    let path = segments(folder).pop().unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let lies_there = |number: &usize| {
        let text = payload(*number);
        let at = bytes.windows(text.len()).position(|window| window == text.as_bytes()).unwrap();
        // The head of the record is a part of it.
        at < (page + 1) * 4096 + 100 && at + text.len() > page * 4096
    };
    (path.canonicalize().unwrap(), (0..MESSAGES).filter(lies_there).collect())
}

#[test]
fn a_bad_sector_costs_the_messages_in_it_and_no_others() {
    let folder = tempfile::tempdir().unwrap();
    let Some(shim) = shim(folder.path()) else {
        println!("skipped: failing the reads of a node asks for a C compiler");
        return;
    };
    for log in ["spool", "stream"] {
        let data = folder.path().join(log);
        let all: Vec<String> = (0..MESSAGES).map(payload).collect();
        assert!(filled(&data, &all).stop().success());
        let folder = if log == "spool" { data.join("spool") } else { stream_log(&data) };
        let (file, lost) = newest(&folder, 5);
        assert!((1..5).contains(&lost.len()), "{lost:?}");
        let environment: Vec<(String, String)> = [
            ("LD_PRELOAD", shim.display().to_string()),
            ("BAD_FILE", file.display().to_string()),
            ("BAD_PAGE", "5".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        let verified = headwater()
            .envs(environment.iter().cloned())
            .args(["store", "verify", "--json", "--data-dir"])
            .arg(&data)
            .output()
            .unwrap();
        let found: Value = serde_json::from_slice(&verified.stdout).unwrap();
        assert_eq!((verified.status.code(), &found["whole"]), (Some(1), &json!(false)), "{found:#}");
        let kept: Vec<String> = (0..MESSAGES).filter(|number| !lost.contains(number)).map(payload).collect();
        let node = Node::start_in(&data, &NodeOptions { environment, ..NodeOptions::default() });
        assert_eq!(http(node.web, "GET", "/readyz", &[], b"").status, 200);
        assert!(node.log().contains("is damaged"), "{}", node.log());
        let (in_spool, in_stream) = if log == "spool" { (&kept, &all) } else { (&all, &kept) };
        assert_eq!(Queue::of(&node, "orders").payloads(100), *in_spool);
        assert_eq!(in_session(&node, in_spool.len()), *in_spool);
        let read = node.api("GET", "/streams/history/messages?offset=earliest&max=100").json();
        let messages = read["messages"].as_array().unwrap();
        let payloads: Vec<&str> = messages.iter().map(|it| it["message"]["payload"].as_str().unwrap()).collect();
        assert_eq!(payloads, *in_stream);
        assert!(node.stop().success());
    }
}
