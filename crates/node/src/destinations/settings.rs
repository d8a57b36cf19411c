//! How queues are set, and what streams have in common with them, as people write it: in the configuration, in the API and on the command line alike.

use std::time::Duration;

use broker::queue::{Ordering, QueueOptions};
use message::{QueueName, TopicFilter, limits};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::table;
use store::{DestinationLimits, Durability, FullPolicy};

/// How a queue is set. A queue gives each message to one consumer, and keeps it until that has acknowledged it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct QueueSettings {
    /// Topic filters: what is published to a topic that one of them matches goes into the queue.
    pub bindings: Vec<String>,
    /// What an acknowledgement of a publish promises: `fsync`, the message survives a loss of power; `os`, it survives the
    /// end of the process; `memory`, nothing: it waits for no disk, and what is there when the node ends is gone.
    pub durability: DurabilityWord,
    /// Messages that may wait.
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub messages_max: u64,
    /// Bytes that may wait: topics and payloads, with some bytes for each message.
    #[schemars(range(min = 1, max = 1_099_511_627_776_u64))]
    pub bytes_max: u64,
    /// Seconds after which a message is dropped; never when absent.
    #[schemars(range(min = 1, max = 316_224_000))]
    pub age_max_s: Option<u64>,
    /// What happens to a message that finds the queue full: `refuse`, its publisher is told; `drop-oldest`, the oldest make
    /// room; `drop-newest`, it is dropped; `keep-last`, of each topic only the last message is kept, full or not.
    pub policy: PolicyWord,
    /// Seconds that a consumer may keep a message before another gets it.
    #[schemars(range(min = 1, max = 86_400))]
    pub ack_timeout_s: u32,
    /// Deliveries of one message; after the last one it is a dead letter. 0: as many as it takes.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub deliveries_max: u32,
    /// The queue for dead letters. When absent, the name of this queue with `-dead` at its end; when empty, there is none
    /// and they are dropped. It is made when it is missing.
    pub dead_letter: Option<String>,
    /// Whether messages with a higher user property `priority` (0 to 9) go first.
    pub priority: bool,
}

/// How safe a message is when its publisher is told that it was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum DurabilityWord {
    #[default]
    Fsync,
    Os,
    Memory,
}

/// What happens to a message that finds its destination full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PolicyWord {
    #[default]
    Refuse,
    DropOldest,
    DropNewest,
    KeepLast,
}

/// Why a queue or a stream cannot be set so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub(crate) struct SettingsError {
    what: String,
}

impl Default for QueueSettings {
    fn default() -> Self {
        Self {
            bindings: Vec::new(),
            durability: DurabilityWord::Fsync,
            messages_max: limits::QUEUE_MESSAGES_MAX,
            bytes_max: limits::QUEUE_BYTES_MAX,
            age_max_s: None,
            policy: PolicyWord::Refuse,
            ack_timeout_s: u32::try_from(limits::QUEUE_ACK_TIMEOUT.as_secs()).unwrap_or(u32::MAX),
            deliveries_max: limits::QUEUE_DELIVERIES_MAX,
            dead_letter: None,
            priority: false,
        }
    }
}

impl QueueSettings {
    /// For a queue that is made to keep the dead letters of another: nothing in it dies once more.
    pub(super) fn for_dead_letters() -> Self {
        Self { deliveries_max: 0, dead_letter: Some(String::new()), ..Self::default() }
    }

    /// The settings as the tables keep them.
    pub(super) fn resolve(&self, name: &QueueName) -> Result<table::QueueOptions, SettingsError> {
        check_range("messages_max", self.messages_max, 1, 1_000_000_000)?;
        check_range("bytes_max", self.bytes_max, 1, 1 << 40)?;
        check_range("age_max_s", self.age_max_s.unwrap_or(1), 1, AGE_MOST_S)?;
        check_range("ack_timeout_s", u64::from(self.ack_timeout_s), 1, 86_400)?;
        check_range("deliveries_max", u64::from(self.deliveries_max), 0, 1_000_000)?;
        Ok(table::QueueOptions {
            bindings: filters(&self.bindings)?,
            limits: DestinationLimits {
                messages_max: self.messages_max,
                bytes_max: self.bytes_max,
                age_max: self.age_max_s.map(Duration::from_secs),
            },
            policy: self.policy.into(),
            durability: self.durability.into(),
            ack_timeout: Duration::from_secs(u64::from(self.ack_timeout_s)),
            deliveries_max: self.deliveries_max,
            dead_letter: self.dead_letter_of(name)?,
            has_priority: self.priority,
            has_delay: true,
        })
    }

    /// What is wrong with the settings by themselves.
    pub(crate) fn check(&self, name: &QueueName) -> Result<(), SettingsError> {
        self.resolve(name).map(|_| ())
    }

    pub(crate) fn dead_letter_of(&self, name: &QueueName) -> Result<Option<QueueName>, SettingsError> {
        let text = match self.dead_letter.as_deref() {
            Some("") => return Ok(None),
            Some(text) => text.to_owned(),
            None => format!("{name}-dead"),
        };
        let letters = QueueName::parse(&text).map_err(|error| refuse(format!("dead_letter: {error}")))?;
        if letters == *name {
            return Err(refuse("dead_letter: a queue cannot be its own dead letter queue".to_owned()));
        }
        Ok(Some(letters))
    }
}

impl From<&table::QueueOptions> for QueueSettings {
    fn from(options: &table::QueueOptions) -> Self {
        Self {
            bindings: options.bindings.iter().map(ToString::to_string).collect(),
            durability: options.durability.into(),
            messages_max: options.limits.messages_max,
            bytes_max: options.limits.bytes_max,
            age_max_s: options.limits.age_max.map(|age| age.as_secs()),
            policy: match options.policy {
                FullPolicy::Refuse => PolicyWord::Refuse,
                FullPolicy::DropOldest => PolicyWord::DropOldest,
                FullPolicy::DropNewest => PolicyWord::DropNewest,
                FullPolicy::KeepLastPerKey => PolicyWord::KeepLast,
            },
            ack_timeout_s: u32::try_from(options.ack_timeout.as_secs()).unwrap_or(u32::MAX),
            deliveries_max: options.deliveries_max,
            dead_letter: Some(options.dead_letter.as_ref().map(ToString::to_string).unwrap_or_default()),
            priority: options.has_priority,
        }
    }
}

/// The rules for handing out, from what the tables keep.
pub(super) fn hand_out(options: &table::QueueOptions) -> QueueOptions {
    let ordering = if options.has_priority { Ordering::Priority } else { Ordering::Arrival };
    QueueOptions {
        ack_timeout: options.ack_timeout,
        deliveries_max: options.deliveries_max,
        has_delay: options.has_delay,
        ..QueueOptions::new(ordering)
    }
}

impl From<DurabilityWord> for Durability {
    fn from(word: DurabilityWord) -> Self {
        match word {
            DurabilityWord::Fsync => Self::Fsync,
            DurabilityWord::Os => Self::Os,
            DurabilityWord::Memory => Self::Memory,
        }
    }
}

impl From<Durability> for DurabilityWord {
    fn from(durability: Durability) -> Self {
        match durability {
            Durability::Fsync => Self::Fsync,
            Durability::Os => Self::Os,
            Durability::Memory => Self::Memory,
        }
    }
}

impl DurabilityWord {
    /// The word in the configuration.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Fsync => "fsync",
            Self::Os => "os",
            Self::Memory => "memory",
        }
    }
}

impl From<PolicyWord> for FullPolicy {
    fn from(word: PolicyWord) -> Self {
        match word {
            PolicyWord::Refuse => Self::Refuse,
            PolicyWord::DropOldest => Self::DropOldest,
            PolicyWord::DropNewest => Self::DropNewest,
            PolicyWord::KeepLast => Self::KeepLastPerKey,
        }
    }
}

/// What may be bound: any filter but one of queues and streams, as messages would go in a circle, and no shared one.
pub(super) fn filters(texts: &[String]) -> Result<Vec<TopicFilter>, SettingsError> {
    if texts.len() > limits::DESTINATION_BINDINGS_MAX {
        return Err(refuse(format!(
            "bindings: there are {}, at most {} are allowed",
            texts.len(),
            limits::DESTINATION_BINDINGS_MAX
        )));
    }
    let filter = |text: &String| {
        let filter = TopicFilter::parse(text).map_err(|error| refuse(format!("bindings: {error}")))?;
        if ["$queue", "$stream", "$share"].contains(&text.split('/').next().unwrap_or_default()) {
            return Err(refuse(format!("bindings: `{text}` cannot be bound: bind a filter of plain topics")));
        }
        Ok(filter)
    };
    texts.iter().map(filter).collect()
}

/// The longest age that can be set: ten years.
pub(super) const AGE_MOST_S: u64 = 316_224_000;

/// Checks a number from the API as the configuration's schema does.
pub(super) fn check_range(name: &str, number: u64, least: u64, most: u64) -> Result<(), SettingsError> {
    if (least..=most).contains(&number) {
        return Ok(());
    }
    Err(refuse(format!("{name}: takes a whole number from {least} to {most}, not {number}")))
}

fn refuse(what: String) -> SettingsError {
    SettingsError { what }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn orders() -> QueueName {
        QueueName::parse("orders").unwrap()
    }

    fn resolve(change: impl FnOnce(&mut QueueSettings)) -> Result<table::QueueOptions, String> {
        let mut settings = QueueSettings::default();
        change(&mut settings);
        settings.resolve(&orders()).map_err(|error| error.to_string())
    }

    #[test]
    fn dead_letters_go_to_a_queue_of_their_own_unless_told_otherwise() {
        let letters = |text: Option<&str>| {
            let settings = resolve(|settings| settings.dead_letter = text.map(str::to_owned));
            settings.map(|options| options.dead_letter.map(|name| name.to_string()))
        };
        assert_eq!(letters(None), Ok(Some("orders-dead".to_owned())));
        assert_eq!(letters(Some("")), Ok(None));
        assert_eq!(letters(Some("graveyard")), Ok(Some("graveyard".to_owned())));
        assert_eq!(letters(Some("orders")).unwrap_err(), "dead_letter: a queue cannot be its own dead letter queue");
        assert!(letters(Some("a/b")).unwrap_err().starts_with("dead_letter: `a/b` is no queue name"));
    }

    #[test]
    fn what_would_go_in_a_circle_is_not_bound() {
        for (binding, good) in
            [("orders/#", true), ("#", true), ("$SYS/#", true), ("$queue/a", false), ("$stream/+", false), ("", false)]
        {
            assert_eq!(resolve(|it| it.bindings = vec![binding.to_owned()]).is_ok(), good, "{binding}");
        }
        assert!(resolve(|it| it.bindings = vec!["$share/a/b".to_owned()]).is_err());
    }

    #[test]
    fn numbers_are_within_the_bounds_of_the_schema() {
        let told = |change: fn(&mut QueueSettings)| resolve(change).unwrap_err();
        assert!(
            told(|it| it.messages_max = 0)
                .starts_with("messages_max: takes a whole number from 1 to 1000000000, not 0")
        );
        assert!(told(|it| it.bytes_max = (1 << 40) + 1).starts_with("bytes_max: "));
        assert!(told(|it| it.age_max_s = Some(u64::MAX)).starts_with("age_max_s: "));
        assert!(told(|it| it.ack_timeout_s = 86_401).starts_with("ack_timeout_s: "));
        assert!(told(|it| it.deliveries_max = u32::MAX).starts_with("deliveries_max: "));
    }

    #[test]
    fn settings_come_back_from_the_tables_as_they_were() {
        let settings = QueueSettings {
            bindings: vec!["orders/+".to_owned()],
            durability: DurabilityWord::Memory,
            messages_max: 10,
            bytes_max: 20,
            age_max_s: Some(30),
            policy: PolicyWord::KeepLast,
            ack_timeout_s: 40,
            deliveries_max: 5,
            dead_letter: Some("graveyard".to_owned()),
            priority: true,
        };
        assert_eq!(QueueSettings::from(&settings.resolve(&orders()).unwrap()), settings);
    }
}
