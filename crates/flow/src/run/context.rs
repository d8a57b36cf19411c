//! Where an itinerary comes from and what it runs in: the `context` that scripts and templates read.

use std::fmt;

use bytestring::ByteString;
use message::{FlowId, ModuleId, Object, Text, Value};

use crate::expression::Scope;

/// What all itineraries of one running flow version share.
#[derive(Debug, Clone, PartialEq)]
pub struct FlowContext {
    pub flow: FlowId,
    /// The immutable version that the itinerary began on and ends on.
    pub version: u64,
    /// The node's name.
    pub node: Text,
    /// The node as its hub knows it; empty on a plain node.
    pub site: Text,
    /// Tells runs of the same version apart; part of every itinerary id.
    pub run: u64,
    /// The parameters as they are resolved on this node, for `context.parameters`.
    pub parameters: Object,
    /// The variables that the flow declares.
    pub variables: super::VariableNames,
}

/// Names one itinerary on its node: the run of the flow and a number within it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ItineraryId {
    pub run: u64,
    pub number: u64,
}

impl fmt::Display for ItineraryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{}", self.run, self.number)
    }
}

/// The inbound module that started an itinerary, and the topic or path it came in by.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    pub module: ModuleId,
    /// A topic, an HTTP path; empty for timers and generators.
    pub address: ByteString,
}

impl super::Itinerary {
    /// The `context` object as scripts and templates see it. Made on demand: most itineraries never ask.
    pub fn context_value(&self) -> Value {
        let flow = self.flow();
        let mut source = Object::with_capacity(2);
        source.insert("module", Value::from(self.source().module.as_str()));
        source.insert("address", Value::from(&*self.source().address));
        let mut context = Object::with_capacity(10);
        context.insert("itinerary", Value::from(self.id().to_string()));
        context.insert("branch", Value::from(self.branch()));
        context.insert("flow", Value::from(flow.flow.as_str()));
        context.insert("version", Value::from(flow.version));
        context.insert("node", Value::from(flow.node.clone()));
        context.insert("site", Value::from(flow.site.clone()));
        context.insert("started", Value::from(self.started().wall));
        context.insert("attempt", Value::from(self.attempt()));
        context.insert("source", Value::from(source));
        context.insert("parameters", Value::from(flow.parameters.clone()));
        Value::from(context)
    }
}

/// What the names in a route condition or an expression stand for.
impl Scope for super::Itinerary {
    fn message(&self) -> &Value {
        &self.message
    }

    fn variables(&self) -> &[Value] {
        self.variables.as_slice()
    }

    fn context(&self) -> Value {
        self.context_value()
    }
}
