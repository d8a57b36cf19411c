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
    let mut backlog = SpoolBacklog { spool, destination };
    let mut deliveries = Vec::new();
    // Each life of the queue hands out what it can and has no word of it.
    for seconds in [0, 10, 20] {
        let mut queue = Queue::new(QueueOptions::default(), Ordinal(0));
        queue.handle_joined(10).unwrap();
        while let Some(output) = queue.poll_output(now(seconds), &mut backlog).unwrap() {
            let QueueOutput::Deliver { tag, .. } = output else { panic!("{output:?}") };
            deliveries.push((tag.ordinal.0, tag.delivery));
        }
    }
    assert_eq!(deliveries, [(1, 1), (2, 1), (1, 2), (2, 2), (0, 1), (1, 3), (2, 3), (0, 2)]);
}
