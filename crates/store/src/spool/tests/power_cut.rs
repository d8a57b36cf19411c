//! The power goes at every write, sync and change of a name of a scenario, and the disk keeps what it likes of what was not
//! synced. What was promised holds.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

/// What was promised before the power went, and what was merely tried.
#[derive(Default)]
struct Promises {
    /// By destination and ordinal: the payload, and the point of its message.
    appended: BTreeMap<(u64, u64), (String, CommitPoint)>,
    acknowledged: Vec<((u64, u64), CommitPoint)>,
    received: Vec<((u64, u64), CommitPoint)>,
    inbound: Vec<(u16, CommitPoint)>,
    released: Vec<(u16, CommitPoint)>,
}

/// Appends, acknowledges and commits; segments are sealed, begun and removed on the way, in files that grow or in such that
/// are laid out beforehand.
fn scenario(bench: &Bench, laid_out: bool, promises: &mut Promises) {
    for index in 0..60u64 {
        if laid_out && index % 9 == 4 {
            bench.lay_out();
        }
        let payload = format!("message {index} {}", "x".repeat(index as usize * 3));
        let to: &[u64] = if index % 3 == 0 { &[1, 2] } else { &[1] };
        let packet = index as u16 + 1;
        let origin = (index % 4 == 0).then_some((9, packet));
        let Ok((point, results)) = bench.append_at(1, &payload, to, origin) else { return };
        for (id, result) in to.iter().zip(results) {
            let Placed::At(ordinal) = result else { panic!("{result:?}") };
            promises.appended.insert((*id, ordinal.0), (payload.clone(), point));
        }
        if origin.is_some() {
            promises.inbound.push((packet, point));
            if index % 8 == 0 {
                let point = bench.spool.release(DestinationId::new(9), NonZeroU16::new(packet).unwrap());
                promises.released.push((packet, point));
            }
        }
        if index % 2 == 1 {
            let ordinal = index / 2 + index % 3;
            let point = bench.acknowledge(1, &[ordinal]);
            promises.acknowledged.push(((1, ordinal), point));
        }
        if index % 7 == 6 {
            let point = bench.spool.mark_received(DestinationId::new(2), Ordinal(index / 7));
            promises.received.push(((2, index / 7), point));
        }
        if index % 5 == 4 {
            bench.commit();
        }
    }
    bench.commit();
}

/// What the next process finds is what was promised, and nothing that was never appended.
fn check(promises: &Promises, before: &Spool, after: &Bench, context: &str) {
    let safe = |point: CommitPoint| before.committed(point);
    assert_eq!(after.recovery.damage, [], "{context}");
    assert_eq!(after.recovery.lost_messages, 0, "{context}");
    let acknowledged: BTreeSet<(u64, u64)> = promises.acknowledged.iter().map(|(at, _)| *at).collect();
    for id in [1, 2] {
        let found: BTreeMap<u64, String> = after
            .spool
            .state(DestinationId::new(id))
            .map(|_| after.waiting(id).into_iter().collect())
            .unwrap_or_default();
        for ((_, ordinal), (payload, point)) in promises.appended.range((id, 0)..(id + 1, 0)) {
            if safe(*point) && !acknowledged.contains(&(id, *ordinal)) {
                assert_eq!(found.get(ordinal), Some(payload), "{context}: {id} {ordinal} is lost");
            }
        }
        // What came before something that is there is there too.
        let end = found.keys().next_back().copied().unwrap_or_default();
        for ((_, ordinal), _) in promises.appended.range((id, 0)..(id, end)) {
            let is_there = found.contains_key(ordinal) || acknowledged.contains(&(id, *ordinal));
            assert!(is_there, "{context}: {id} {ordinal} is missing before {end}");
        }
        for (ordinal, payload) in &found {
            let appended = promises.appended.get(&(id, *ordinal)).map(|(payload, _)| payload);
            assert_eq!(appended, Some(payload), "{context}: {id} {ordinal}");
        }
        for ((_, ordinal), _) in promises.acknowledged.iter().filter(|((to, _), point)| *to == id && safe(*point)) {
            assert!(!found.contains_key(ordinal), "{context}: {id} {ordinal} comes back");
        }
        let Some(state) = after.spool.state(DestinationId::new(id)) else { continue };
        for ((_, ordinal), _) in promises.received.iter().filter(|((to, _), point)| *to == id && safe(*point)) {
            assert!(state.received.contains(&Ordinal(*ordinal)), "{context}: receipt of {ordinal}");
        }
        let promised = promises.appended.iter().filter(|((to, _), (_, point))| *to == id && safe(*point));
        let next = promised.map(|((_, ordinal), _)| ordinal + 1).max().unwrap_or_default();
        assert!(state.next.0 >= next, "{context}: an ordinal is given twice");
    }
    let released: BTreeSet<u16> = promises.released.iter().map(|(packet, _)| *packet).collect();
    let inbound = after.spool.state(DestinationId::new(9)).map(|state| state.inbound).unwrap_or_default();
    for (packet, _) in promises.inbound.iter().filter(|(packet, point)| safe(*point) && !released.contains(packet)) {
        assert!(inbound.contains(packet), "{context}: packet {packet} is forgotten");
    }
    for (packet, _) in promises.released.iter().filter(|(_, point)| safe(*point)) {
        assert!(!inbound.contains(packet), "{context}: packet {packet} comes back");
    }
}

fn steps_of_scenario(laid_out: bool) -> u64 {
    let bench = Bench::new();
    scenario(&bench, laid_out, &mut Promises::default());
    bench.disk.steps()
}

#[test]
fn what_was_promised_survives_a_loss_of_power_at_every_step() {
    let steps = steps_of_scenario(false);
    assert!(steps > 60, "{steps}");
    survives_at_every_step(false, steps);
}

#[test]
fn it_does_so_too_where_files_are_laid_out_beforehand() {
    let steps = steps_of_scenario(true);
    assert!(steps > steps_of_scenario(false), "{steps}");
    survives_at_every_step(true, steps);
}

fn survives_at_every_step(laid_out: bool, steps: u64) {
    for seed in 0..10 {
        for step in 1..=steps {
            let context = format!("seed {seed}, step {step}");
            let disk = SimulatedDisk::new(seed * 1000 + step);
            let bench = Bench::open(disk);
            bench.disk.cut_power_at(step);
            let mut promises = Promises::default();
            scenario(&bench, laid_out, &mut promises);
            let mut after = Bench::open(bench.disk.power_cut());
            check(&promises, &bench.spool, &after, &context);
            // The power goes again before or while the repairs are written.
            after.disk.cut_power_at(1 + seed);
            after.commit();
            after = Bench::open(after.disk.power_cut());
            check(&promises, &bench.spool, &after, &format!("{context}, again"));
            if laid_out {
                after.lay_out();
            }
            let (point, _) = after.append("goes on", &[1]).unwrap();
            after.commit();
            assert!(after.spool.committed(point), "{context}: {:?}", after.spool.failure());
            let last = Bench::open(after.disk.power_cut());
            assert_eq!(last.payloads(1).pop().as_deref(), Some("goes on"), "{context}");
        }
    }
}

#[test]
fn what_the_next_process_finds_is_safe_from_then_on() {
    let bench = Bench::new();
    bench.append("before", &[1]).unwrap();
    bench.commit();
    bench.disk.plan(crate::disk::Fault::SyncFails);
    bench.append("written only", &[1]).unwrap();
    bench.commit();
    let bench = bench.kill();
    let found = bench.payloads(1);
    assert_eq!(found, ["before", "written only"]);
    // A publisher that sends it again is told that it was received.
    let bench = Bench::open(bench.disk.power_cut());
    assert_eq!(bench.payloads(1), found);
}

#[test]
fn at_a_sync_point_all_is_on_the_disk_whatever_its_durability() {
    let bench = Bench::new();
    bench.add(1, DestinationOptions { durability: crate::Durability::Os, ..DestinationOptions::default() });
    // With the first a segment is begun, which is synced.
    bench.append("a", &[1]).unwrap();
    bench.commit();
    let (written, _) = bench.append("b", &[1]).unwrap();
    bench.commit();
    assert!(bench.spool.committed(written));
    let point = bench.spool.sync_point();
    assert!(!bench.spool.committed(point));
    bench.commit();
    assert!(bench.spool.committed(point));
    assert!(bench.spool.committed(bench.spool.sync_point()));
    assert_eq!(Bench::open(bench.disk.power_cut()).payloads(1), ["a", "b"]);
}
