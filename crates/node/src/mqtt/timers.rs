//! Lets wills be sent, sessions end and retained messages expire in time.

use std::sync::Arc;
use std::time::Duration;

use message::Now;

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
        if let Some(span_max) = mqtt.slow_client_max {
            dismiss_slow(&mqtt, now, span_max);
        }
        let next = mqtt.sessions.poll_timeout().map_or(LOOK_EVERY, |due| due.since(now.moment).min(LOOK_EVERY));
        // Never in a tight loop, whatever the timers say.
        tokio::time::sleep(next.max(Duration::from_millis(10))).await;
    }
}

fn dismiss_slow(mqtt: &Mqtt, now: Now, span_max: Duration) {
    for client_id in mqtt.sessions.dismiss_slow(now, span_max) {
        if mqtt.figures.complaints.0.lets_through(now) {
            let client = client_id.as_str();
            tracing::warn!(client, "a client is too slow for what it subscribed to; it is disconnected");
        }
    }
}
