//! Identifiers, each a type of its own and valid by construction.

use std::fmt;
use std::sync::Arc;

use crate::limits;

/// Why a text is no identifier of the kind asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no {what}: {rule}")]
pub struct IdError {
    what: &'static str,
    text: String,
    rule: &'static str,
}

const SLUG_RULE: &str = "use 1 to 64 of a-z, A-Z, 0-9, `-`, `_`, and begin with a letter or digit";

fn is_slug(text: &str) -> bool {
    text.len() <= limits::ID_BYTES_MAX
        && text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

macro_rules! slug {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks and copies a text.
            pub fn parse(text: &str) -> Result<Self, IdError> {
                if is_slug(text) {
                    Ok(Self(Arc::from(text)))
                } else {
                    Err(IdError { what: $what, text: text.chars().take(80).collect(), rule: SLUG_RULE })
                }
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;

            fn try_from(text: String) -> Result<Self, IdError> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.as_str().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", self.as_str())
            }
        }
    };
}

slug! {
    /// Names a flow within a node, as in `line-1-acquisition`; it stands in URLs, topics and file names.
    FlowId, "flow id"
}
slug! {
    /// Names a module within its flow.
    ModuleId, "module id"
}
slug! {
    /// Names a key/value store.
    StoreName, "store name"
}
slug! {
    /// Names a queue, as in `$queue/orders`.
    QueueName, "queue name"
}
slug! {
    /// Names a stream, as in `$stream/telemetry`.
    StreamName, "stream name"
}
slug! {
    /// Names a durable cursor of a stream, or the group that shares it.
    ConsumerName, "consumer name"
}

/// What stands between the parts of the name of a queue that belongs to a flow. No other name holds it.
const OF_FLOW: char = '.';
const DEAD_LETTERS: &str = "dead";

impl QueueName {
    /// Names the queue behind the durable subscription of a module, as in `line.readings`. Nobody can give that name to
    /// a queue of his own.
    pub fn of_subscription(flow: &FlowId, module: &ModuleId) -> Self {
        Self(Arc::from(format!("{flow}{OF_FLOW}{module}")))
    }

    /// Names the queue for the dead letters of that subscription, as in `line.readings.dead`.
    pub fn of_dead_letters(flow: &FlowId, module: &ModuleId) -> Self {
        Self(Arc::from(format!("{flow}{OF_FLOW}{module}{OF_FLOW}{DEAD_LETTERS}")))
    }

    /// As [`parse`](Self::parse), but takes also names of queues that belong to flows.
    pub fn parse_any(text: &str) -> Result<Self, IdError> {
        let name = Self(Arc::from(text));
        if name.owner().is_some() { Ok(name) } else { Self::parse(text) }
    }

    /// The flow that the queue belongs to, and which of its modules, if it belongs to one.
    pub fn owner(&self) -> Option<(FlowId, ModuleId)> {
        let (flow, rest) = self.0.split_once(OF_FLOW)?;
        let module = match rest.split_once(OF_FLOW) {
            Some((module, DEAD_LETTERS)) => module,
            Some(_) => return None,
            None => rest,
        };
        Some((FlowId::parse(flow).ok()?, ModuleId::parse(module).ok()?))
    }

    /// Whether the queue is a durable subscription itself, not the place of its dead letters.
    pub fn is_subscription(&self) -> bool {
        self.0.matches(OF_FLOW).count() == 1
    }
}

/// An MQTT client identifier: any UTF-8 text of up to [`limits::CLIENT_ID_BYTES_MAX`] bytes without NUL.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientId(Arc<str>);

impl ClientId {
    /// Checks and copies a text. The empty text is refused: whoever accepts it from a client assigns an id instead.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let error = |rule| IdError { what: "client id", text: text.chars().take(80).collect(), rule };
        if text.is_empty() {
            return Err(error("it is empty"));
        }
        if text.len() > limits::CLIENT_ID_BYTES_MAX {
            return Err(error("it is longer than 65,535 bytes"));
        }
        if text.contains('\0') {
            return Err(error("it holds a NUL character"));
        }
        Ok(Self(Arc::from(text)))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

/// Names a place where messages wait durably: a session or a queue. Given by the node's tables, from 1 on, and never
/// given twice, so that what is left on disk of one that is gone is never taken for another's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DestinationId(u64);

impl DestinationId {
    /// The id with this number, as a table or a log holds it.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number, to be written down.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for DestinationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_can_stand_in_urls_topics_and_file_names() {
        for good in ["a", "line-1", "A_b", "0", &"x".repeat(64)] {
            assert_eq!(FlowId::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", "-a", "_a", "a b", "a/b", "..", "ä", "a+", &"x".repeat(65)] {
            assert!(FlowId::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(
            FlowId::parse("a/b").unwrap_err().to_string(),
            "`a/b` is no flow id: use 1 to 64 of a-z, A-Z, 0-9, `-`, `_`, and begin with a letter or digit"
        );
    }

    #[test]
    fn queues_of_flows_have_names_that_no_other_queue_can_have() {
        let (flow, module) = (FlowId::parse("line-1").unwrap(), ModuleId::parse("in").unwrap());
        let owner = Some((flow.clone(), module.clone()));
        for (name, text, is_subscription) in [
            (QueueName::of_subscription(&flow, &module), "line-1.in", true),
            (QueueName::of_dead_letters(&flow, &module), "line-1.in.dead", false),
        ] {
            assert_eq!((name.as_str(), name.owner(), name.is_subscription()), (text, owner.clone(), is_subscription));
            assert_eq!(QueueName::parse_any(text), Ok(name));
            assert!(QueueName::parse(text).is_err());
        }
        let plain = QueueName::parse_any("orders").unwrap();
        assert_eq!((plain.owner(), plain.is_subscription()), (None, false));
        for bad in ["", ".", "a.", ".a", "a.b.c", "a.b.dead.dead", "a.b/c", "-a.b"] {
            assert!(QueueName::parse_any(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_client_id_may_be_almost_anything() {
        assert!(ClientId::parse("ä/+ #").is_ok());
        assert!(ClientId::parse("").is_err());
        assert!(ClientId::parse("a\0").is_err());
    }
}
