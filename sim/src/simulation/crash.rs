//! The node ends without a word and starts again on what its disk has.

use std::sync::Arc;

use message::limits;

use super::{Simulation, mqtt};
use crate::ground::{Broker, Crash};

impl Simulation {
    /// Whether anything outlives the node's process.
    pub fn has_disk(&self) -> bool {
        self.ground.is_some()
    }

    /// Ends the process in the middle of whatever it does, and starts the next one. Nothing happens on a node without a disk.
    pub fn crash(&mut self, crash: Crash) {
        let Some(ground) = self.ground.take() else { return };
        self.note(format_args!("the node crashes: {crash:?}"));
        for place in 0..self.devices.len() {
            if !self.devices[place].is_away() {
                let expiry_s = self.devices[place].options.session_expiry_s;
                self.detach(place, expiry_s);
            }
        }
        // Whether a goodbye was heard, the next process may not know: then the will is sent.
        for number in std::mem::take(&mut self.farewells).into_values() {
            self.ledger.withdraw(number, false);
        }
        for device in &self.devices {
            self.ledger.doubt_end(&device.options);
        }
        self.links.clear();
        let hash_seed = self.chance.bits();
        let Broker { ground, router, sessions, found } =
            ground.crash(crash, &mut self.chance, &self.clock, hash_seed, limits::SESSIONS_MAX);
        let before = Arc::clone(&self.mqtt);
        self.mqtt = mqtt(router, sessions, Some(&ground), before.settings, before.keep_alive_s_max);
        self.ground = Some(ground);
        let now = self.clock.now();
        self.mqtt.sessions.restore(now, self.mqtt.mailbox, found);
    }
}
