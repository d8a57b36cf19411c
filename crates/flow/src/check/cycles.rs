//! Cycles that nothing brakes: a message in them would go round for ever.
//!
//! A cycle has a brake when one of its connections has a condition or leaves by an output of its own choice (any but
//! `out`), or when one of its modules passes on later or less than it takes in: a window, a batch, a delay, a filter.

use std::collections::BTreeMap;

use super::inspection::{Findings, Inspection};
use super::{Place, Problem};
use crate::model::Connection;

pub(super) fn check(inspection: &Inspection<'_>, findings: &mut Findings) {
    let mut open: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (from, to, connection) in inspection.live_connections() {
        let braked_by_module = findings.brakes.contains(&connection.from) || findings.brakes.contains(&connection.to);
        if !braked_by_module && !chooses(connection) {
            open.entry(from).or_default().push(to);
        }
    }
    // What is left has no brake anywhere: every cycle in it runs away.
    for cycle in cycles(inspection.modules.len(), &open) {
        let names: Vec<&str> = cycle
            .iter()
            .chain(cycle.first())
            .filter_map(|place| inspection.modules.get_index(*place))
            .map(|(id, _)| id.as_str())
            .collect();
        let Some((first, _)) = cycle.first().and_then(|place| inspection.modules.get_index(*place)) else { continue };
        let what = format!("the cycle {} has no brake: its messages would go round for ever", names.join(" -> "));
        let hint = "give one of its connections a condition, or put in a module that filters, batches or delays";
        findings.push(Problem::error(Place::module(first), what, hint));
    }
}

/// Whether the connection lets only some messages pass.
fn chooses(connection: &Connection) -> bool {
    connection.port() != Connection::OUT || connection.route.as_deref().is_some_and(|route| !always(route))
}

/// Whether a condition is one only in name.
fn always(route: &str) -> bool {
    let bare = route.trim().trim_end_matches(';').trim_end();
    let bare =
        bare.strip_prefix("var route").map_or(bare, |rest| rest.trim_start().trim_start_matches('=').trim_start());
    bare.is_empty() || bare == "true"
}

/// Cycles of the graph, no module in two of them, each begun with the module that stands first in the flow.
fn cycles(nodes: usize, next: &BTreeMap<usize, Vec<usize>>) -> Vec<Vec<usize>> {
    let mut cycles: Vec<Vec<usize>> = Vec::new();
    let mut finished = vec![false; nodes];
    for start in 0..nodes {
        // The way from `start` to where the walk stands, each with the number of arrows already followed.
        let mut way: Vec<(usize, usize)> = vec![(start, 0)];
        while let Some((node, followed)) = way.last_mut() {
            let target = next.get(node).and_then(|targets| targets.get(*followed)).copied();
            *followed += 1;
            match target {
                _ if finished.get(*node).copied().unwrap_or(true) => drop(way.pop()),
                None => {
                    let node = *node;
                    way.pop();
                    finish(&mut finished, node);
                }
                Some(target) => {
                    if let Some(begin) = way.iter().position(|(node, _)| *node == target) {
                        let cycle = way.split_off(begin);
                        cycle.iter().for_each(|(node, _)| finish(&mut finished, *node));
                        cycles.push(begin_with_first(cycle.into_iter().map(|(node, _)| node).collect()));
                    } else if !finished.get(target).copied().unwrap_or(true) {
                        way.push((target, 0));
                    }
                }
            }
        }
    }
    cycles
}

fn finish(finished: &mut [bool], node: usize) {
    if let Some(flag) = finished.get_mut(node) {
        *flag = true;
    }
}

fn begin_with_first(mut cycle: Vec<usize>) -> Vec<usize> {
    let first = cycle.iter().enumerate().min_by_key(|(_, node)| **node).map_or(0, |(place, _)| place);
    cycle.rotate_left(first);
    cycle
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::test_catalog::{expect_clean, expect_problems};

    /// A flow with the arrows `a>b`; `in` starts, `w` is windowed, all others are plain steps.
    fn flow(arrows: &[&str]) -> String {
        let mut text = String::from("[modules.in]\ntype = \"test-in\"\nwith = { topic = \"a\" }\n");
        for id in ["a", "b", "c", "w"] {
            let kind = if id == "w" { "test-window" } else { "test-step" };
            text.push_str(&format!("[modules.{id}]\ntype = \"{kind}\"\nwith = {{ name = \"x\" }}\n"));
            text.push_str(&format!("[[connections]]\nfrom = \"in\"\nto = \"{id}\"\n"));
        }
        for arrow in arrows {
            let (ends, rest) = arrow.split_once(' ').unwrap_or((arrow, ""));
            let (from, to) = ends.split_once('>').unwrap();
            text.push_str(&format!("[[connections]]\nfrom = \"{from}\"\nto = \"{to}\"\n{rest}\n"));
        }
        text
    }

    fn problem(first: &str, cycle: &str) -> String {
        format!(
            "modules.{first}: the cycle {cycle} has no brake: its messages would go round for ever (give one of its connections a condition, or put in a module that filters, batches or delays)"
        )
    }

    #[test]
    fn a_cycle_without_a_brake_is_refused() {
        expect_problems(&flow(&["a>a"]), &[&problem("a", "a -> a")]);
        expect_problems(&flow(&["b>c", "c>a", "a>b"]), &[&problem("a", "a -> b -> c -> a")]);
        expect_problems(
            &flow(&["a>b route = \"true\"", "b>a route = \"var route = true;\""]),
            &[&problem("a", "a -> b -> a")],
        );
    }

    #[test]
    fn a_condition_an_output_or_a_window_is_a_brake() {
        expect_clean(&flow(&["a>b", "b>a route = \"message.x < 3\""]));
        expect_clean(&flow(&["a>b", "b>a port = \"error\""]));
        expect_clean(&flow(&["a>w", "w>a"]));
        expect_clean(&flow(&["a>b", "b>c", "a>c"]));
    }

    #[test]
    fn each_cycle_is_reported_once() {
        let next = BTreeMap::from([(0, vec![1, 2]), (1, vec![0]), (2, vec![3]), (3, vec![2])]);
        assert_eq!(cycles(4, &next), [vec![0, 1], vec![2, 3]]);
        assert!(cycles(3, &BTreeMap::from([(0, vec![1, 2]), (1, vec![2])])).is_empty());
    }
}
