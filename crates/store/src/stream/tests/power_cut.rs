//! The power goes at every write, sync and change of a name of a scenario. What was promised holds, and nothing else is read.

use super::*;

fn options() -> StreamOptions {
    small(DestinationLimits { messages_max: 40, ..DestinationLimits::NONE })
}

/// In files that grow, or in such that are laid out beforehand.
fn scenario(bench: &Bench, laid_out: bool) -> Vec<(u64, String, CommitPoint)> {
    let mut appended = Vec::new();
    for number in 0..80 {
        if laid_out && number % 9 == 4 {
            bench.lay_out();
        }
        let payload = format!("message {number}");
        let Ok((offset, point)) = bench.try_append(number, &payload) else { break };
        appended.push((offset, payload, point));
        if number % 5 == 4 {
            bench.commit();
        }
    }
    appended
}

#[test]
fn what_was_promised_survives_a_loss_of_power_at_every_step() {
    survives_at_every_step(false);
}

#[test]
fn it_does_so_too_where_files_are_laid_out_beforehand() {
    survives_at_every_step(true);
}

fn survives_at_every_step(laid_out: bool) {
    let whole = Bench::open(SimulatedDisk::new(0), options());
    scenario(&whole, laid_out);
    let steps = whole.disk.steps();
    assert!(steps > 40, "{steps}");
    for seed in 0..10 {
        for step in 1..=steps {
            let context = format!("seed {seed}, step {step}");
            let bench = Bench::open(SimulatedDisk::new(seed * 1000 + step), options());
            bench.disk.cut_power_at(step);
            let appended = scenario(&bench, laid_out);
            let earliest = bench.stream.state().earliest.0;
            let mut disk = bench.disk.power_cut();
            for _ in 0..3 {
                let after = Bench::open(disk, options());
                assert_eq!(after.recovery.damage, [], "{context}");
                let (found, _) = after.read(0);
                for (offset, payload) in &found {
                    let expected = appended.iter().find(|(at, ..)| at == offset).map(|(_, payload, _)| payload);
                    assert_eq!(expected, Some(payload), "{context}");
                }
                assert!(found.windows(2).all(|pair| pair[0].0 < pair[1].0), "{context}");
                // What came before something that is there is there too.
                let (first, last) = (found.first().map_or(0, |it| it.0), found.last().map_or(0, |it| it.0));
                let between = appended.iter().filter(|(at, ..)| (first.max(earliest)..last).contains(at));
                let missing: Vec<_> = between.filter(|(at, ..)| found.iter().all(|(it, _)| it != at)).collect();
                assert!(missing.is_empty(), "{context}: {missing:?} is missing before {last}");
                for (offset, ..) in appended.iter().filter(|(_, _, point)| bench.stream.committed(*point)) {
                    let is_there = found.iter().any(|(at, _)| at == offset);
                    assert!(is_there || *offset < earliest, "{context}: {offset} is lost");
                    assert!(after.stream.state().next.0 > *offset, "{context}: {offset} is given twice");
                }
                after.disk.cut_power_at(1 + seed);
                after.commit();
                disk = after.disk.power_cut();
            }
        }
    }
}
