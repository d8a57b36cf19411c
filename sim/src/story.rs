//! Stories that the seed makes up: a few devices that come and go, publish and subscribe, while a flow is deployed anew
//! in the middle of it; then everyone comes back, and the node is held to its word.

use std::time::Duration;

use message::QoS;
use mqtt::Version;

use crate::{Chance, Crash, Device, DeviceOptions, Loss, Simulation};

const TOPICS: [&str; 5] = ["a", "a/b", "b/c", "in/x", "in/y/z"];
const FILTERS: [&str; 9] = ["a", "a/+", "a/#", "#", "+/+", "b/c", "out/#", "state/+", "will/+"];
const QOS: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];

/// A flow that publishes to `out/…` what comes in by `in/…`.
pub const RELAY: &str = r#"
id = "relay"

[modules.take]
type = "mqtt-sub-broker"
with = { topic = "in/#", qos = 2 }

[modules.one]
type = "mqtt-pub-broker"
with = { topic = "out/x", qos = 2 }

[modules.other]
type = "mqtt-pub-broker"
with = { topic = "out/y/z", qos = 2 }

[[connections]]
from = "take"
to = "one"
route = "message.topic === 'in/x'"

[[connections]]
from = "take"
to = "other"
route = "var route = message.topic !== 'in/x';"
"#;

/// Tells the story of a seed, with about as many acts as `acts` says.
pub fn tell(seed: u64, acts: usize, keep_text: bool) -> Simulation {
    let mut simulation = Simulation::new(seed, keep_text);
    let count = simulation.chance.between(2, 4);
    let devices: Vec<Device> = (0..count)
        .map(|place| {
            let options = any_device(&mut simulation.chance, place);
            simulation.add(options)
        })
        .collect();
    simulation.deploy(RELAY);
    for _ in 0..acts {
        let device = simulation.chance.pick(&devices);
        act(&mut simulation, device);
        if !simulation.chance.one_in(3) {
            let longest = Duration::from_millis(simulation.chance.pick(&[1, 30, 600]));
            let pause = simulation.chance.span(longest);
            simulation.run_for(pause);
        }
    }
    for device in devices {
        simulation.connect(device);
    }
    simulation.run_until_settled();
    // What is still on its way to devices that wait for nothing themselves.
    simulation.run_for(Duration::from_secs(10));
    simulation.run_until_settled();
    simulation
}

/// Tells the story of a seed on a node that has a disk and crashes now and then, and once more when all is done: what was
/// promised is then there all the same.
pub fn tell_with_crashes(seed: u64, acts: usize, keep_text: bool) -> Simulation {
    let mut simulation = Simulation::with_disk(seed, keep_text);
    let count = simulation.chance.between(2, 4);
    let devices: Vec<Device> = (0..count)
        .map(|place| {
            let chance = &mut simulation.chance;
            let version = chance.pick(&[Version::V3_1_1, Version::V5]);
            let options = DeviceOptions {
                receive_max: chance.pick(&[1, 3, 50]),
                first_packet_id: chance.pick(&[1, 65_530]),
                ..DeviceOptions::persistent(&format!("device-{place}"), version)
            };
            simulation.add(options)
        })
        .collect();
    for _ in 0..acts {
        let device = simulation.chance.pick(&devices);
        match simulation.chance.below(12) {
            0 => crash(&mut simulation),
            1..4 => simulation.connect(device),
            _ => act(&mut simulation, device),
        }
        if !simulation.chance.one_in(3) {
            let longest = Duration::from_millis(simulation.chance.pick(&[1, 30, 600]));
            let pause = simulation.chance.span(longest);
            simulation.run_for(pause);
        }
    }
    for _ in 0..2 {
        devices.iter().for_each(|device| simulation.connect(*device));
        simulation.run_until_settled();
        // What is still on its way to devices that wait for nothing themselves.
        simulation.run_for(Duration::from_secs(10));
        simulation.run_until_settled();
        crash(&mut simulation);
    }
    devices.iter().for_each(|device| simulation.connect(*device));
    simulation.run_until_settled();
    simulation.run_for(Duration::from_secs(60));
    simulation.run_until_settled();
    simulation
}

/// Tells the story of messages that are to come exactly once, from many devices to one, while the node crashes again and
/// again with most of them under way.
pub fn tell_exactly_once(seed: u64, acts: usize, keep_text: bool) -> Simulation {
    let mut simulation = Simulation::with_disk(seed, keep_text);
    let devices: Vec<Device> = (0..4)
        .map(|place| simulation.add(DeviceOptions::persistent(&format!("device-{place}"), Version::V5)))
        .collect();
    devices.iter().for_each(|device| simulation.connect(*device));
    simulation.run_until_settled();
    simulation.subscribe(devices[0], "#", QoS::ExactlyOnce);
    simulation.run_until_settled();
    for _ in 0..acts {
        let device = simulation.chance.pick(&devices[1..]);
        let topic = simulation.chance.pick(&TOPICS);
        simulation.publish(device, topic, QoS::ExactlyOnce, false);
        if simulation.chance.one_in(5) {
            let longest = Duration::from_millis(simulation.chance.pick(&[1, 30, 600]));
            let pause = simulation.chance.span(longest);
            simulation.run_for(pause);
        }
        if simulation.chance.one_in(8) {
            crash(&mut simulation);
            // In any order, so that messages get other places than before.
            let first = simulation.chance.below(devices.len());
            (0..devices.len()).for_each(|next| simulation.connect(devices[(first + next) % devices.len()]));
        }
    }
    simulation.run_until_settled();
    // One message at a time, each with several steps over a slow network and disk.
    simulation.run_for(Duration::from_secs(600));
    simulation.run_until_settled();
    simulation
}

/// Tells the story of retained messages of sessions on disk, which most often someone else on disk gets too, while the node
/// crashes again and again with most of them under way.
pub fn tell_of_retained_messages(seed: u64, acts: usize, keep_text: bool) -> Simulation {
    let mut simulation = Simulation::with_disk(seed, keep_text);
    let devices: Vec<Device> = (0..4)
        .map(|place| simulation.add(DeviceOptions::persistent(&format!("device-{place}"), Version::V5)))
        .collect();
    devices.iter().for_each(|device| simulation.connect(*device));
    simulation.run_until_settled();
    for act in 0..acts {
        if act == 0 || simulation.chance.one_in(20) {
            simulation.subscribe(devices[0], "#", QoS::ExactlyOnce);
        } else if simulation.chance.one_in(40) {
            simulation.unsubscribe(devices[0], "#");
        }
        let device = simulation.chance.pick(&devices[1..]);
        // One quality of service for each topic, as above.
        let (qos, name) = simulation.chance.pick(&[(2, "a"), (2, "b"), (1, "c")]);
        let topic = format!("state/{}/{name}", simulation.device_place(device));
        simulation.publish(device, &topic, QOS[qos], true);
        if simulation.chance.one_in(5) {
            let longest = Duration::from_millis(simulation.chance.pick(&[1, 30, 600]));
            let pause = simulation.chance.span(longest);
            simulation.run_for(pause);
        }
        if simulation.chance.one_in(8) {
            crash(&mut simulation);
            devices.iter().for_each(|device| simulation.connect(*device));
        }
    }
    for _ in 0..2 {
        simulation.run_until_settled();
        // One message at a time, each with several steps over a slow network and disk.
        simulation.run_for(Duration::from_secs(600));
        simulation.run_until_settled();
        crash(&mut simulation);
    }
    simulation.run_until_settled();
    simulation
}

/// Tells the story of a queue with consumers that come and go, refuse some of what they get and are lost with the rest,
/// while the node crashes again and again.
pub fn tell_of_a_queue(seed: u64, acts: usize, keep_text: bool) -> (Simulation, [Device; 3]) {
    let mut simulation = Simulation::with_disk(seed, keep_text);
    let publishers = [0, 1].map(|place| {
        let version = simulation.chance.pick(&[Version::V3_1_1, Version::V5]);
        simulation.add(DeviceOptions::persistent(&format!("publisher-{place}"), version))
    });
    let consumers = [0, 1, 2].map(|place| {
        let chance = &mut simulation.chance;
        let options = DeviceOptions {
            clean_start: chance.one_in(3),
            receive_max: chance.pick(&[1, 3, 50]),
            keep_alive_s: chance.pick(&[0, 30]),
            refuses_each: chance.pick(&[None, Some(3), Some(1)]).filter(|_| place > 0),
            ..DeviceOptions::persistent(&format!("consumer-{place}"), Version::V5)
        };
        simulation.add(options)
    });
    for _ in 0..acts {
        let publisher = simulation.chance.pick(&publishers);
        let consumer = simulation.chance.pick(&consumers);
        match simulation.chance.below(20) {
            0 => crash(&mut simulation),
            1 => simulation.lose(publisher, Loss::Broken),
            2 => {
                let loss = simulation.chance.pick(&[Loss::Broken, Loss::Silent]);
                simulation.lose(consumer, loss);
            }
            3 => simulation.disconnect(consumer, None),
            4 => simulation.unsubscribe(consumer, "$queue/work"),
            5..8 => simulation.subscribe(consumer, "$queue/work", QoS::AtLeastOnce),
            8..11 => simulation.connect(publisher),
            11..14 => simulation.connect(consumer),
            _ => {
                let (topic, qos) = (simulation.chance.pick(&TOPICS[..3]), simulation.chance.pick(&QOS));
                for _ in 0..simulation.chance.pick(&[1, 1, 5]) {
                    simulation.publish(publisher, topic, qos, false);
                }
            }
        }
        if !simulation.chance.one_in(3) {
            // Longer than a refused message waits, and now and then longer than a consumer may keep one.
            let longest = Duration::from_millis(simulation.chance.pick(&[30, 600, 3_000, 120_000]));
            let pause = simulation.chance.span(longest);
            simulation.run_for(pause);
        }
    }
    for _ in 0..2 {
        simulation.run_until_settled();
        crash(&mut simulation);
    }
    simulation.run_until_settled();
    simulation.subscribe(consumers[0], "$queue/work", QoS::AtLeastOnce);
    simulation.run_until_settled();
    // What was refused, or went out to someone who was lost, comes to the one who refuses nothing, or is dead.
    simulation.run_for(Duration::from_secs(900));
    simulation.run_until_settled();
    (simulation, consumers)
}

fn crash(simulation: &mut Simulation) {
    let crashes = [Crash::Killed, Crash::KilledAtWork, Crash::PowerCut, Crash::PowerCutAtWork];
    let crash = simulation.chance.pick(&crashes);
    simulation.crash(crash);
}

fn any_device(chance: &mut Chance, place: usize) -> DeviceOptions {
    let version = chance.pick(&[Version::V3_1_1, Version::V5]);
    let clean_start = chance.one_in(4);
    let session_expiry_s = match version {
        Version::V3_1_1 if clean_start => 0,
        Version::V3_1_1 => u32::MAX,
        Version::V5 => chance.pick(&[0, 2, u32::MAX, u32::MAX]),
    };
    DeviceOptions {
        clean_start,
        session_expiry_s,
        keep_alive_s: chance.pick(&[0, 2, 30]),
        receive_max: chance.pick(&[1, 3, 50]),
        topic_alias_max: chance.pick(&[0, 1, 5]),
        // Some devices have published for long: their identifiers begin anew soon.
        first_packet_id: chance.pick(&[1, 65_530]),
        ..DeviceOptions::persistent(&format!("device-{place}"), version)
    }
}

fn act(simulation: &mut Simulation, device: Device) {
    match simulation.chance.below(24) {
        0..4 => {
            let most = if simulation.has_disk() { 2 } else { 3 };
            // A will of QoS 2 may come twice from a node that crashes: that it was sent may be forgotten.
            let qos = simulation.chance.pick(QOS.get(..most).unwrap_or(&QOS));
            let delay_s = simulation.chance.pick(&[0, 0, 3]);
            let topic = format!("will/{}", simulation.chance.below(2));
            let will = simulation.chance.one_in(3).then_some((topic.as_str(), qos, delay_s));
            simulation.connect_with_will(device, will);
        }
        4 => {
            let expiry_s = simulation.chance.pick(&[None, None, Some(1)]);
            simulation.disconnect(device, expiry_s);
        }
        5 => simulation.lose(device, Loss::Broken),
        6 => simulation.lose(device, Loss::Silent),
        7..10 => {
            let (filter, qos) = (simulation.chance.pick(&FILTERS), simulation.chance.pick(&QOS));
            simulation.subscribe(device, filter, qos);
        }
        10 => {
            let filter = simulation.chance.pick(&FILTERS);
            simulation.unsubscribe(device, filter);
        }
        11 => {
            if simulation.chance.one_in(3) && !simulation.has_disk() {
                simulation.deploy(RELAY);
            }
        }
        12..14 => {
            // One quality of service for each topic: a repeated QoS 1 message may follow a QoS 2 one that is not
            // repeated, and then the older one is what is kept.
            let place = simulation.device_place(device);
            let qos = if place.is_multiple_of(2) { QoS::AtLeastOnce } else { QoS::ExactlyOnce };
            let topic = format!("state/{place}");
            simulation.publish(device, &topic, qos, true);
        }
        _ => {
            let (topic, qos) = (simulation.chance.pick(&TOPICS), simulation.chance.pick(&QOS));
            for _ in 0..simulation.chance.pick(&[1, 1, 5]) {
                simulation.publish(device, topic, qos, false);
            }
        }
    }
}
