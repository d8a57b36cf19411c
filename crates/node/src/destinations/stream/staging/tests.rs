//! The power goes at every step while messages are on their way; their publisher sends again what was not received.

use std::num::NonZeroU16;
use std::path::Path;
use std::sync::Arc;

use message::{Bytes, Publication, QoS, TopicName};
use store::disk::SimulatedDisk;
use store::log::Committer;
use store::spool::{ExactlyOnce, Placement, SpoolOptions};
use store::stream::{Offset, StreamOptions};

use super::*;

const PUBLISHER: DestinationId = DestinationId::new(1);
const STREAM: DestinationId = DestinationId::new(2);
const MESSAGES: u16 = 40;
/// Far more looks than moving what waits takes; a disk without power ends no moving.
const LOOKS_MAX: u32 = 200;

struct World {
    disk: SimulatedDisk,
    committer: Committer,
    spool: Spool,
    stream: Stream,
    staging: Staging,
}

impl World {
    fn open(disk: SimulatedDisk) -> Self {
        let shared = || Arc::new(disk.clone());
        let committer = Committer::stepped();
        let options = SpoolOptions { segment_bytes: 2048, bytes_max: u64::MAX };
        let (spool, _) = Spool::open(shared(), Path::new("/data/spool"), options, &committer).unwrap();
        spool.add(PUBLISHER, DestinationOptions::default()).unwrap();
        let options = StreamOptions { segment_bytes: 1024, ..StreamOptions::default() };
        let (stream, _) = Stream::open(shared(), Path::new("/data/streams/2"), options, &committer).unwrap();
        let staging = Staging::open(&spool, STREAM, Durability::Fsync, &stream).unwrap();
        Self { disk, committer, spool, stream, staging }
    }

    /// The publisher sends a message; the point is its promise.
    fn publish(&self, number: u16) -> Option<CommitPoint> {
        let (topic, now) = (TopicName::parse("plant").unwrap(), clock::now().wall);
        let publication = Publication::new(topic, Bytes::from(number.to_string()), QoS::ExactlyOnce, now);
        let to = [Placement { destination: STREAM, qos: QoS::ExactlyOnce, retain: false, identifiers: Vec::new() }];
        let origin =
            NonZeroU16::new(number + 1).map(|packet| ExactlyOnce { session: PUBLISHER, packet, revision: None });
        let point = self.spool.append(now, &publication, origin, &to, |_, _, _| {}).ok();
        self.staging.notify();
        point
    }

    fn commit(&self) {
        // On a full disk it has always something left to do.
        for _ in 0..16 {
            if !self.committer.commit_once() {
                break;
            }
        }
    }

    /// Lets all come to rest, as far as the disk lets it.
    fn settle(&self) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let name = StreamName::parse("telemetry").unwrap();
        runtime.block_on(async {
            let look = async {
                for _ in 0..LOOKS_MAX {
                    self.commit();
                    if self.waiting() == 0 {
                        break;
                    }
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            };
            tokio::select! {
                () = self.staging.run(&name) => {}
                () = look => {}
            }
        });
        self.commit();
    }

    fn waiting(&self) -> u64 {
        self.spool.waiting(STREAM).0
    }

    fn received(&self, number: u16) -> bool {
        self.spool.state(PUBLISHER).unwrap().inbound.contains(&(number + 1))
    }

    fn streamed(&self) -> Vec<u16> {
        let mut messages = Vec::new();
        self.stream.read(Offset(0), usize::MAX, usize::MAX, &mut messages).unwrap();
        let text = |payload: &Bytes| String::from_utf8(payload.to_vec()).unwrap();
        messages.iter().map(|message| text(&message.publication.payload).parse().unwrap()).collect()
    }
}

/// The numbers that were promised.
fn scenario(world: &World) -> Vec<u16> {
    let mut promises = Vec::new();
    for number in 0..MESSAGES {
        promises.extend(world.publish(number).map(|point| (number, point)));
        if number % 5 == 4 {
            world.committer.commit_once();
        }
        if number % 11 == 10 {
            world.settle();
        }
    }
    world.settle();
    promises.into_iter().filter(|(_, point)| world.spool.committed(*point)).map(|(number, _)| number).collect()
}

#[test]
fn messages_come_into_the_stream_in_their_order_and_leave_the_spool() {
    let world = World::open(SimulatedDisk::new(1));
    let promised = scenario(&world);
    let all: Vec<u16> = (0..MESSAGES).collect();
    assert_eq!((&promised, &world.streamed(), world.waiting()), (&all, &all, 0));
}

#[test]
fn a_loss_of_power_at_any_step_neither_loses_nor_repeats_a_message() {
    let whole = World::open(SimulatedDisk::new(0));
    scenario(&whole);
    let steps = whole.disk.steps();
    assert!(steps > 40, "{steps}");
    let mut found = 0;
    for seed in 0..2 {
        for step in 1..=steps {
            let context = format!("seed {seed}, step {step}");
            let world = World::open(SimulatedDisk::new(seed * 1000 + step));
            world.disk.cut_power_at(step);
            let promised = scenario(&world);
            // The power goes once more while the next process puts things in order.
            let again = World::open(world.disk.power_cut());
            again.disk.cut_power_at(1 + (seed + step) % 9);
            again.settle();
            let after = World::open(again.disk.power_cut());
            found += usize::from(after.staging.moving.try_lock().is_ok_and(|moving| !moving.in_stream.is_empty()));
            after.settle();
            for number in promised {
                assert!(after.received(number), "{context}: {number} is not known as received");
                assert!(after.streamed().contains(&number), "{context}: {number} is lost");
            }
            for number in (0..MESSAGES).filter(|number| !after.received(*number)) {
                after.publish(number).unwrap();
            }
            after.settle();
            let mut streamed = after.streamed();
            assert_eq!(after.waiting(), 0, "{context}");
            streamed.sort_unstable();
            assert_eq!(streamed, (0..MESSAGES).collect::<Vec<_>>(), "{context}");
        }
    }
    assert!(found > 10, "the power rarely went between the two logs: {found} times");
}

#[test]
fn what_a_full_disk_kept_out_of_the_stream_comes_when_there_is_room() {
    let world = World::open(SimulatedDisk::new(1));
    world.publish(0).unwrap();
    world.commit();
    world.disk.set_capacity(Some(0));
    world.committer.commit_once();
    world.settle();
    assert_eq!((world.streamed(), world.waiting()), (vec![], 1));
    world.disk.set_capacity(None);
    world.settle();
    world.publish(1).unwrap();
    world.settle();
    assert_eq!((world.streamed(), world.waiting()), (vec![0, 1], 0));
}
