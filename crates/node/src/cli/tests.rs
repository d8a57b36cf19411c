//! What the command line takes and refuses.

use clap::CommandFactory;

use super::*;

fn refusal(arguments: &[&str]) -> String {
    let all = std::iter::once("headwater").chain(arguments.iter().copied());
    CommandLine::try_parse_from(all).err().map(|error| error.to_string()).unwrap_or_default()
}

#[test]
fn the_definition_is_sound() {
    CommandLine::command().debug_assert();
}

#[test]
fn what_the_manual_says_is_taken() {
    for line in [
        "run",
        "run --config a.toml --data-dir data --set log.level=debug --set node.name=press --ready-json",
        "config check --config a.toml",
        "config show --json --set log.level=debug",
        "config example",
        "config schema",
        "flow check a.toml b.toml --offline",
        "flow deploy a.toml --note why --token t --url http://127.0.0.1:8080",
        "flow list --json",
        "flow show line-1 --toml",
        "flow start line-1 line-2",
        "flow stop line-1 --data-dir data",
        "flow remove line-1",
        "kv get meta line-1",
        "kv set meta line-1 {} --ttl 60",
        "kv list",
        "kv list meta --prefix line",
        "kv delete meta line-1",
        "pub plc/1 {} -q 1 -r",
        "pub plc/1 -f -",
        "sub # -v",
        "sub a/+ b/# -q 2 --json -n 3 --address 127.0.0.1:1883",
    ] {
        assert_eq!(refusal(&line.split(' ').collect::<Vec<_>>()), "", "{line}");
    }
}

#[test]
fn what_makes_no_sense_is_refused_with_a_reason() {
    for (line, reason) in [
        ("run --set log.level", "write KEY=VALUE, as in log.level=debug"),
        ("flow deploy", "required arguments were not provided"),
        ("pub a b -q 3", "3 is not in 0..=2"),
        ("pub a b -f c", "cannot be used with"),
        ("sub # -v --json", "cannot be used with"),
        ("flow shwo a", "unrecognized subcommand 'shwo'"),
    ] {
        let refusal = refusal(&line.split(' ').collect::<Vec<_>>());
        assert!(refusal.contains(reason), "{line}: {refusal}");
    }
}
