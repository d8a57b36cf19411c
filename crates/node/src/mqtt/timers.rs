//! Lets wills be sent, sessions end and retained messages expire in time.

use std::sync::Arc;
use std::time::Duration;

use super::Mqtt;
use crate::clock;

/// A session that a connection gives back may have a timer that is due before all others: so this looks once a second.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Runs until it is dropped.
pub async fn run_timers(mqtt: Arc<Mqtt>) {
    loop {
        let now = clock::now();
        mqtt.sessions.handle_timeout(now);
        mqtt.router.handle_timeout(now);
        let next = mqtt.sessions.poll_timeout().map_or(LOOK_EVERY, |due| due.since(now.moment).min(LOOK_EVERY));
        // Never in a tight loop, whatever the timers say.
        tokio::time::sleep(next.max(Duration::from_millis(10))).await;
    }
}
