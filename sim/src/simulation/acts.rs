//! What a story lets its devices and its administrator do.

use std::sync::Arc;

use message::{Bytes, QoS, TopicFilter, TopicName};
use mqtt::{Version, Will};

use super::{Device, Simulation};
use crate::flow_run::FlowRun;
use crate::link::{Link, Loss};
use crate::services::{Attachment, services};

impl Simulation {
    /// Opens a connection; nothing happens when the device has one.
    pub fn connect(&mut self, device: Device) {
        self.connect_with_will(device, None);
    }

    /// Opens a connection that leaves a will on a topic, with its delay in seconds.
    pub fn connect_with_will(&mut self, device: Device, will: Option<(&str, QoS, u32)>) {
        let Device(place) = device;
        if !self.devices[place].is_away() {
            return;
        }
        // A new connection that overtakes the goodbye of the one before finds it open, and its will is due.
        let overtakes = self.links.values().any(|link| link.device == place);
        if let Some(number) = self.farewells.get(&place).filter(|_| overtakes) {
            self.ledger.withdraw(*number, false);
        }
        self.wills.remove(&place);
        let will = will.map(|(topic, qos, delay_s)| {
            let topic = topic_name(topic);
            let letter = self.ledger.publish(place, topic.clone(), qos, false);
            self.wills.insert(place, letter.number);
            let payload = Bytes::from(letter.number.to_string());
            Will { topic, payload, qos, retain: false, delay_s, properties: None }
        });
        self.devices[place].connect(will);
        self.links_opened += 1;
        let link = Link::open(place, &self.mqtt, &self.clock);
        self.links.insert(self.links_opened, link);
        let (name, number) = (self.devices[place].options.id.clone(), self.links_opened);
        self.note(format_args!("{name} connects as #{number}"));
    }

    /// Says goodbye, if the device is connected. With `session_expiry_s` it changes its mind about its session.
    pub fn disconnect(&mut self, device: Device, session_expiry_s: Option<u32>) {
        let Device(place) = device;
        if !self.devices[place].is_open() {
            return;
        }
        self.note(format_args!("{} says goodbye", self.devices[place].options.id.clone()));
        let options = &self.devices[place].options;
        let kept_s = options.session_expiry_s;
        // A session that was to end with its connection cannot be kept after all (MQTT 5.0 section 3.14.2.2.2).
        let session_expiry_s = session_expiry_s.filter(|_| options.version == Version::V5 && kept_s > 0);
        self.devices[place].disconnect(session_expiry_s);
        let expiry_s = session_expiry_s.unwrap_or(kept_s);
        if let Some(number) = self.wills.remove(&place) {
            self.ledger.withdraw(number, true);
            self.farewells.insert(place, number);
        }
        let last_words = self.devices[place].output.split().freeze();
        let due = self.clock.moment() + self.chance.span(self.weather.delay_max);
        if let Some(link) = self.link_of(place) {
            link.to_node.send(last_words, due);
            link.to_node.close(due);
            link.attached = false;
        }
        self.detach(place, expiry_s);
    }

    /// Loses the device's connection, if it has one. A beginning of what was under way may still arrive.
    pub fn lose(&mut self, device: Device, loss: Loss) {
        let Device(place) = device;
        if self.devices[place].is_away() {
            return;
        }
        self.note(format_args!("{} is lost: {loss:?}", self.devices[place].options.id.clone()));
        let due = self.clock.moment() + self.chance.span(self.weather.delay_max);
        let under_way = self.link_of(place).map_or(0, |link| link.to_node.len());
        let keep = self.chance.between(0, under_way);
        if let Some(link) = self.link_of(place) {
            link.to_node.lose(keep);
            if loss == Loss::Broken {
                link.to_node.close(due);
            }
            link.attached = false;
        }
        let expiry_s = self.devices[place].options.session_expiry_s;
        self.detach(place, expiry_s);
    }

    /// Publishes a message, now or when the device is connected again. Returns its number, which is its payload.
    pub fn publish(&mut self, device: Device, topic: &str, qos: QoS, retain: bool) -> u64 {
        let Device(place) = device;
        let letter = self.ledger.publish(place, topic_name(topic), qos, retain);
        let number = letter.number;
        let name = self.devices[place].options.id.clone();
        self.note(format_args!("{name} publishes {number} to {topic} {qos:?} retain {retain}"));
        self.devices[place].publish(letter);
        number
    }

    /// Subscribes, if the device is connected.
    pub fn subscribe(&mut self, device: Device, filter: &str, qos: QoS) {
        let Device(place) = device;
        if !self.devices[place].is_open() {
            return;
        }
        self.note(format_args!("{} subscribes to {filter} {qos:?}", self.devices[place].options.id.clone()));
        let number = self.ledger.subscribe(place, topic_filter(filter), qos);
        self.devices[place].subscribe(number, filter, qos);
    }

    /// Unsubscribes, if the device is connected.
    pub fn unsubscribe(&mut self, device: Device, filter: &str) {
        let Device(place) = device;
        if !self.devices[place].is_open() {
            return;
        }
        self.note(format_args!("{} unsubscribes from {filter}", self.devices[place].options.id.clone()));
        let numbers = self.ledger.unsubscribe(place, &topic_filter(filter));
        self.devices[place].unsubscribe(numbers, filter);
    }

    /// Deploys a flow, or its next version: builds it, switches to it in one step, and lets the one before drain.
    pub fn deploy(&mut self, text: &str) {
        self.flow_versions += 1;
        let version = self.flow_versions;
        let attachment = Attachment::new(&self.mqtt.router, &self.clock, self.flow_mailbox_messages_max);
        let services = services(&attachment, &self.stores, &self.timers);
        let run = FlowRun::build(text, version, Arc::clone(&attachment), &services, &self.clock);
        attachment.take_over_from(self.flows.last().map(|before| &*before.attachment));
        if let Some(before) = self.flows.last_mut() {
            before.close();
        }
        self.flows.push(run);
        self.note(format_args!("version {version} of the flow is live"));
    }

    /// Versions of the flow that have not drained.
    pub fn versions_at_work(&self) -> Vec<u64> {
        self.flows.iter().map(|run| run.version).collect()
    }

    pub(super) fn detach(&mut self, place: usize, session_expiry_s: u32) {
        let now = self.clock.moment();
        let device = &mut self.devices[place];
        self.ledger.lose(&device.options, device.is_open(), session_expiry_s, now);
        device.lose_connection();
    }

    fn link_of(&mut self, place: usize) -> Option<&mut Link> {
        self.links.values_mut().find(|link| link.device == place && link.attached)
    }
}

fn topic_name(text: &str) -> TopicName {
    TopicName::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn topic_filter(text: &str) -> TopicFilter {
    TopicFilter::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}
