//! Whose turn it is: all that could happen now is listed, the seed chooses, and when nothing can happen the clock jumps.

use std::time::Duration;

use message::Moment;

use super::{Device, Simulation, TURNS_MAX};
use crate::device::Seen;
use crate::ground::Ground;
use crate::link::LinkTurn;
use crate::trace::fingerprint;

/// One thing that can happen now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    Link(u64, LinkTurn),
    DeviceWrites(u64),
    DevicePings(usize),
    Flow(usize),
    /// Wills, sessions and retained messages whose time has come.
    BrokerTimers,
    FlowTimers,
    /// What waits for the log, and for the tables, goes to the disk.
    CommitLog,
    CommitTables,
    /// The task of the queue.
    Queue,
}

impl Simulation {
    /// Lets everything happen that happens within `span`.
    pub fn run_for(&mut self, span: Duration) {
        let until = self.clock.moment() + span;
        loop {
            while self.take_turn() {}
            match self.next_due().filter(|due| *due <= until) {
                Some(due) => self.clock.advance_to(due),
                None => break,
            }
        }
        self.clock.advance_to(until);
    }

    /// Lets everything happen until all devices are connected and wait for nothing, and old versions of the flow have
    /// ended. A device that is away comes back: an older CONNECT of its own that comes late may have pushed it out.
    /// Panics when that takes more than an hour of the story.
    pub fn run_until_settled(&mut self) {
        let until = self.clock.moment() + Duration::from_secs(3600);
        loop {
            while self.take_turn() {}
            if self.is_settled() {
                return;
            }
            (0..self.devices.len()).for_each(|place| self.connect(Device(place)));
            while self.take_turn() {}
            // Where nothing takes time, they have come back by now.
            if self.is_settled() {
                return;
            }
            let due = self.next_due().filter(|due| *due <= until);
            let Some(due) = due else { panic!("the devices do not come to rest: {:?}", self.devices) };
            self.clock.advance_to(due);
        }
    }

    fn is_settled(&self) -> bool {
        let quiet = self.links.values().all(|link| !link.attached || link.to_node.len() + link.to_device.len() == 0);
        quiet && self.devices.iter().all(crate::device::Device::is_settled) && self.flows.len() <= 1
    }

    /// Does one thing that can be done now; false when there is none.
    fn take_turn(&mut self) -> bool {
        self.list_turns();
        if self.turns.is_empty() {
            return false;
        }
        self.turns_taken += 1;
        assert!(self.turns_taken < TURNS_MAX, "the story does not come to an end");
        let turn = self.chance.below(self.turns.len());
        let turn = self.turns[turn];
        match turn {
            Turn::Link(number, turn) => self.take_link_turn(number, turn),
            Turn::DeviceWrites(number) => self.write(number),
            Turn::DevicePings(place) => {
                let now = self.clock.moment();
                self.devices[place].ping(now);
            }
            Turn::Flow(place) => {
                if self.flows[place].run(&self.clock) {
                    let drained = self.flows.remove(place);
                    let dropped = drained.attachment.dropped();
                    self.note(format_args!("version {} of the flow has drained, {dropped} dropped", drained.version));
                }
            }
            Turn::BrokerTimers => {
                let now = self.clock.now();
                self.mqtt.sessions.handle_timeout(now);
                self.mqtt.router.handle_timeout(now);
            }
            Turn::FlowTimers => self.timers.wake_due(),
            Turn::CommitLog => self.ground.iter_mut().for_each(Ground::commit_log),
            Turn::CommitTables => self.ground.iter_mut().for_each(Ground::commit_tables),
            Turn::Queue => self.ground.iter().for_each(|ground| ground.queue.run()),
        }
        true
    }

    fn list_turns(&mut self) {
        let now = self.clock.moment();
        self.turns.clear();
        for (number, link) in &mut self.links {
            link.turns(now, &self.weather, &mut self.link_turns);
            self.turns.extend(self.link_turns.drain(..).map(|turn| Turn::Link(*number, turn)));
            let wants_to_write = link.attached && !self.devices[link.device].output.is_empty();
            if wants_to_write && link.to_node.len() < self.weather.window_bytes {
                self.turns.push(Turn::DeviceWrites(*number));
            }
        }
        let due = |due: Option<Moment>| due.is_some_and(|due| due <= now);
        let pinging = self.devices.iter().enumerate().filter(|(_, device)| due(device.next_ping()));
        self.turns.extend(pinging.map(|(place, _)| Turn::DevicePings(place)));
        for (place, run) in self.flows.iter().enumerate() {
            if run.is_due(now) {
                self.turns.push(Turn::Flow(place));
            }
            // The next version begins when those before have ended what must come first.
            if !run.is_in_order() {
                break;
            }
        }
        if due(self.mqtt.sessions.poll_timeout()) || due(self.retained_due()) {
            self.turns.push(Turn::BrokerTimers);
        }
        if due(self.timers.next_due()) {
            self.turns.push(Turn::FlowTimers);
        }
        if let Some(ground) = &mut self.ground {
            self.turns.extend(due(ground.log_due(now, &mut self.chance)).then_some(Turn::CommitLog));
            self.turns.extend(due(ground.tables_due(now, &mut self.chance)).then_some(Turn::CommitTables));
            self.turns.extend(due(ground.queue.due()).then_some(Turn::Queue));
        }
    }

    /// When something more will be possible.
    fn next_due(&self) -> Option<Moment> {
        let now = self.clock.moment();
        let links = self.links.values().filter_map(|link| link.next_due(now));
        let pings = self.devices.iter().filter_map(crate::device::Device::next_ping);
        let flows = self.flows.iter().filter_map(|run| run.next_due(now));
        let disk = self.ground.as_ref().and_then(Ground::next_due);
        let queue = self.ground.as_ref().and_then(|ground| ground.queue.due());
        let timers = [self.mqtt.sessions.poll_timeout(), self.retained_due(), self.timers.next_due(), disk, queue];
        links.chain(pings).chain(flows).chain(timers.into_iter().flatten()).filter(|due| *due > now).min()
    }

    fn retained_due(&self) -> Option<Moment> {
        self.mqtt.router.poll_timeout().map(|wall| self.clock.moment_of(wall))
    }

    fn take_link_turn(&mut self, number: u64, turn: LinkTurn) {
        if turn == LinkTurn::DeviceReads {
            return self.read(number);
        }
        let Some(link) = self.links.get_mut(&number) else { return };
        let sent = link.run(turn, &self.clock, &mut self.chance, &self.weather);
        let over = link.is_over();
        if turn == LinkTurn::NodeWrites {
            self.note(format_args!("node sends #{number} {} bytes {:08x}", sent.len(), fingerprint(&sent)));
        } else {
            self.note(format_args!("#{number} {turn:?}"));
        }
        if over {
            self.links.remove(&number);
        }
    }

    /// A device gives some of its bytes to the network.
    fn write(&mut self, number: u64) {
        let Some(link) = self.links.get_mut(&number) else { return };
        let output = &mut self.devices[link.device].output;
        let piece = self.chance.between(1, self.weather.piece_bytes_max).min(output.len());
        let piece = output.split_to(piece).freeze();
        link.to_node.send(piece.clone(), self.clock.moment() + self.chance.span(self.weather.delay_max));
        self.note(format_args!("#{number} sends {} bytes {:08x}", piece.len(), fingerprint(&piece)));
    }

    /// A device takes what has arrived, or learns that its connection has ended.
    fn read(&mut self, number: u64) {
        let now = self.clock.moment();
        let Some(link) = self.links.get_mut(&number) else { return };
        let place = link.device;
        let device = &mut self.devices[place];
        let piece = self.chance.between(1, self.weather.piece_bytes_max);
        if link.to_device.receive(now, piece, &mut device.input) == 0 && link.to_device.has_ended(now) {
            link.attached = false;
            link.to_node.close(now);
            let over = link.is_over();
            let expiry_s = device.options.session_expiry_s;
            self.detach(place, expiry_s);
            self.note(format_args!("#{number} has ended"));
            if over {
                self.links.remove(&number);
            }
            return;
        }
        for seen in device.receive(now) {
            let options = self.devices[place].options.clone();
            match &seen {
                Seen::Dismissed(reason) => {
                    self.dismissals.insert(place, *reason);
                }
                // What went before is on disk, and so is the goodbye.
                Seen::Connected { .. } => {
                    self.farewells.remove(&place);
                }
                _ => {}
            }
            self.note(format_args!("{} sees {seen:?}", options.id));
            self.ledger.see(place, &options, now, &seen);
        }
    }
}
