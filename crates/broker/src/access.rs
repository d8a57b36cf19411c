//! Who may do what: the point where every publish and subscribe of the outside asks first.

use message::{ClientId, FlowId, TopicFilter, TopicName};

/// On whose behalf something is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// The node itself.
    Node,
    /// A client of a listener, with the user name that it proved to have.
    Client {
        client_id: ClientId,
        user: Option<Box<str>>,
    },
    Flow(FlowId),
}

/// Decides. Whoever lets a principal in (a listener, a flow's module) asks before it calls the router.
pub trait Access: Send + Sync + std::fmt::Debug {
    fn may_publish(&self, principal: &Principal, topic: &TopicName) -> Result<(), Denied>;

    fn may_subscribe(&self, principal: &Principal, filter: &TopicFilter) -> Result<(), Denied>;
}

/// What is refused; MQTT says "not authorized" (0x87), HTTP 403.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    #[error("`{topic}` belongs to the node: publish to a topic that does not begin with `$SYS/`")]
    SystemTopic { topic: TopicName },
}

/// Lets everyone do everything, except that only the node itself publishes under `$SYS/`.
#[derive(Debug, Clone, Copy, Default)]
pub struct OpenAccess;

impl Access for OpenAccess {
    fn may_publish(&self, principal: &Principal, topic: &TopicName) -> Result<(), Denied> {
        let system = topic.as_str().starts_with("$SYS/") || topic.as_str() == "$SYS";
        if system && *principal != Principal::Node {
            return Err(Denied::SystemTopic { topic: topic.detach() });
        }
        Ok(())
    }

    fn may_subscribe(&self, _principal: &Principal, _filter: &TopicFilter) -> Result<(), Denied> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_node_publishes_under_sys() {
        let client = Principal::Client { client_id: ClientId::parse("plc").unwrap(), user: None };
        let flow = Principal::Flow(FlowId::parse("a").unwrap());
        for (topic, principal, allowed) in [
            ("$SYS/broker/uptime", &client, false),
            ("$SYS", &client, false),
            ("$SYS/x", &flow, false),
            ("$SYS/x", &Principal::Node, true),
            ("$SYSTEM/x", &client, true),
            ("a/$SYS/b", &client, true),
        ] {
            let topic = TopicName::parse(topic).unwrap();
            assert_eq!(OpenAccess.may_publish(principal, &topic).is_ok(), allowed, "{topic}");
        }
        let all = TopicFilter::parse("$SYS/#").unwrap();
        assert_eq!(OpenAccess.may_subscribe(&client, &all), Ok(()));
        assert_eq!(
            OpenAccess.may_publish(&client, &TopicName::parse("$SYS/x").unwrap()).unwrap_err().to_string(),
            "`$SYS/x` belongs to the node: publish to a topic that does not begin with `$SYS/`"
        );
    }
}
