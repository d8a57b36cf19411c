//! What the node says of its broker under `$SYS/broker`, in mosquitto's names and words, so that what watches mosquitto
//! can watch this: `figures` is what is told, `load` its moving averages, here is when.

mod figures;
mod load;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use message::{Moment, Now, Publication, QoS, TopicName};

use self::figures::Figures;
use self::load::Loads;
use crate::clock;
use crate::mqtt::Mqtt;

/// Tells the figures now and then once an interval. Runs until it is dropped.
pub(crate) async fn tell_system_topics(mqtt: Arc<Mqtt>, interval: Duration) {
    let mut routes = mqtt.router.route_cache();
    let mut told = Told::default();
    loop {
        let now = clock::now();
        for message in told.changes(now, &Figures::of(&mqtt)) {
            // Nobody is there whom a full subscriber could ask to wait.
            drop(mqtt.router.publish(message, None, &mut routes));
        }
        tokio::time::sleep(interval).await;
    }
}

/// What was told last.
#[derive(Debug, Default)]
struct Told {
    texts: HashMap<String, String>,
    loads: Loads,
    /// When, and with which figures.
    before: Option<(Moment, Figures)>,
}

impl Told {
    /// The messages for every topic whose text is another than the one told last.
    fn changes(&mut self, now: Now, figures: &Figures) -> Vec<Publication> {
        let before = self.before.replace((now.moment, *figures));
        if let Some((moment, before)) = before {
            self.loads.add(now.moment.since(moment), &before, figures);
        }
        let mut changed = Vec::new();
        let uptime_s = now.moment.as_nanos() / 1_000_000_000;
        let all = figures.texts(uptime_s).into_iter().map(|(name, text)| (name.to_owned(), text));
        for (name, text) in all.chain(self.loads.texts()) {
            if self.texts.get(&name) != Some(&text) {
                changed.extend(message(&name, &text, now));
                self.texts.insert(name, text);
            }
        }
        changed
    }
}

/// QoS 0: what is kept for the topic is as good as what a client missed.
fn message(name: &str, text: &str, now: Now) -> Option<Publication> {
    let topic = TopicName::parse(&format!("$SYS/broker/{name}")).ok()?;
    let payload = Bytes::copy_from_slice(text.as_bytes());
    Some(Publication { retain: true, ..Publication::new(topic, payload, QoS::AtMostOnce, now.wall) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use message::Timestamp;

    fn told(told: &mut Told, second: u64, figures: &Figures) -> Vec<(String, String)> {
        let now = Now { moment: Moment::since_start(Duration::from_secs(second)), wall: Timestamp::default() };
        let text = |payload: &Bytes| String::from_utf8(payload.to_vec()).unwrap();
        let messages = told.changes(now, figures);
        assert!(messages.iter().all(|message| message.retain && message.qos == QoS::AtMostOnce));
        messages.iter().map(|message| (message.topic.as_str().to_owned(), text(&message.payload))).collect()
    }

    #[test]
    fn all_is_told_once_then_only_what_changed() {
        let mut before = Told::default();
        let mut figures = Figures::default();
        let first = told(&mut before, 1, &figures);
        for expected in [
            ("$SYS/broker/uptime", "1 seconds"),
            ("$SYS/broker/retained messages/count", "0"),
            ("$SYS/broker/load/messages/received/1min", "0.00"),
        ] {
            assert!(first.iter().any(|(topic, text)| (topic.as_str(), text.as_str()) == expected), "{first:?}");
        }
        assert_eq!(told(&mut before, 1, &figures), []);
        figures.retained_messages = 7;
        let changed = told(&mut before, 2, &figures);
        let expected = [("retained messages/count", "7"), ("uptime", "2 seconds")]
            .map(|(name, text)| (format!("$SYS/broker/{name}"), text.to_owned()));
        assert_eq!(changed.len(), expected.len(), "{changed:?}");
        assert!(expected.iter().all(|one| changed.contains(one)), "{changed:?}");
    }
}
