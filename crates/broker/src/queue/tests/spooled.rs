//! A queue over a spool, where counts of deliveries are partly kept as a mark.

use std::path::Path;
use std::sync::Arc;

use message::DestinationId;
use store::disk::SimulatedDisk;
use store::log::Committer;
use store::spool::{DestinationOptions, Placement, Spool, SpoolOptions};

use super::*;

#[test]
fn a_delayed_message_that_others_overtook_does_not_count_as_delivered() {
    let disk = Arc::new(SimulatedDisk::new(1));
    let committer = Committer::stepped();
    let (spool, _) = Spool::open(disk, Path::new("spool"), SpoolOptions::default(), &committer).unwrap();
    let destination = DestinationId::new(1);
    spool.add(destination, DestinationOptions::default()).unwrap();
    let now = |seconds| Now {
        moment: Moment::since_start(Duration::from_secs(seconds)),
        wall: Timestamp::from_millis(1_000_000).saturating_add(Duration::from_secs(seconds)),
    };
    for user_properties in [&[(DELAY, "10")][..], &[], &[]] {
        let placement = Placement { destination, qos: QoS::AtLeastOnce, retain: false, identifiers: Vec::new() };
        let publication = message(user_properties, None, now(0).wall);
        spool.append(now(0).wall, &publication, None, &[placement], |_, _, _| {}).unwrap();
    }
    let mut backlog = SpoolBacklog::new(spool, destination);
    let mut deliveries = Vec::new();
    // Each life of the queue hands out what it can and has no word of it.
    for seconds in [0, 10, 20] {
        let mut queue = Queue::new(QueueOptions::default(), Ordinal(0));
        queue.handle_joined(10).unwrap();
        while let Some(output) = queue.poll_output(now(seconds), &mut backlog).unwrap() {
            let QueueOutput::Deliver { tag, .. } = output else { panic!("{output:?}") };
            deliveries.push((tag.ordinal.0, tag.delivery));
        }
        backlog.tell_handed_out();
    }
    assert_eq!(deliveries, [(1, 1), (2, 1), (1, 2), (2, 2), (0, 1), (1, 3), (2, 3), (0, 2)]);
}

#[test]
fn a_message_whose_consumers_end_with_the_process_is_a_dead_letter_after_its_deliveries() {
    let destination = DestinationId::new(1);
    let mut disk = SimulatedDisk::new(1);
    let mut outputs = Vec::new();
    for life in 0..4 {
        let committer = Committer::stepped();
        let options = SpoolOptions::default();
        let (spool, _) = Spool::open(Arc::new(disk.clone()), Path::new("spool"), options, &committer).unwrap();
        spool.add(destination, DestinationOptions::default()).unwrap();
        let now = Now { moment: Moment::default(), wall: Timestamp::from_millis(1_000_000) };
        if life == 0 {
            let placement = Placement { destination, qos: QoS::AtLeastOnce, retain: false, identifiers: Vec::new() };
            let poison = message(&[], None, now.wall);
            spool.append(now.wall, &poison, None, &[placement], |_, _, _| {}).unwrap();
        }
        let mut backlog = SpoolBacklog::new(spool, destination);
        let mut queue = Queue::new(QueueOptions { deliveries_max: 3, ..QueueOptions::default() }, Ordinal(0));
        queue.handle_joined(10).unwrap();
        outputs.push(match queue.poll_output(now, &mut backlog).unwrap() {
            Some(QueueOutput::Deliver { tag, .. }) => Some(tag.delivery),
            Some(QueueOutput::DeadLetter { deliveries: 3, .. }) => None,
            other => panic!("{other:?}"),
        });
        backlog.tell_handed_out();
        // The disk is given what is told, and the process is killed.
        while committer.commit_once() {}
        disk = disk.after_kill();
    }
    assert_eq!(outputs, [Some(1), Some(2), Some(3), None]);
}
