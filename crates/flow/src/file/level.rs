//! The shape of a flow file: which tables it has, what their absence means, how each is written when it is new.

use serde_json::{Map, Value as Json, json};

use crate::model::{FlowOptions, QueueSpec, RetrySpec, ScriptOptions};

/// A table of the flow file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    Flow,
    Options,
    /// `[parameters]`, `[variables]`: a line for each entry.
    Entries,
    Modules,
    Module,
    Connections,
    Connection,
    Layout,
    Point,
    Queue,
    Retry,
    Script,
    /// Settings and whatever stands in them.
    Free,
}

/// How a new table is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// `[name]` and a line for each key.
    Section,
    /// No line of its own: `[name.key]` for each key.
    Parent,
    /// `[[name]]` for each element.
    Sections,
    /// Between braces if it fits in a line, else `name.key = …` in lines of its own.
    Line,
}

impl Level {
    pub(super) fn below(self, key: &str) -> Self {
        match (self, key) {
            (Self::Flow, "options") => Self::Options,
            (Self::Flow, "parameters" | "variables") => Self::Entries,
            (Self::Flow, "modules") => Self::Modules,
            (Self::Flow, "connections") => Self::Connections,
            (Self::Flow, "layout") => Self::Layout,
            (Self::Modules, _) => Self::Module,
            (Self::Layout, _) => Self::Point,
            (Self::Options | Self::Module, "queue") => Self::Queue,
            (Self::Options, "script") => Self::Script,
            (Self::Module, "retry") => Self::Retry,
            _ => Self::Free,
        }
    }

    pub(super) fn style(self) -> Style {
        match self {
            Self::Options | Self::Entries | Self::Layout | Self::Module => Style::Section,
            Self::Flow | Self::Modules => Style::Parent,
            Self::Connections => Style::Sections,
            Self::Connection | Self::Point | Self::Queue | Self::Retry | Self::Script | Self::Free => Style::Line,
        }
    }

    /// What a key means that is not there: who wrote it all the same may keep it.
    pub(super) fn default_of(self, key: &str) -> Option<Json> {
        match (self, key) {
            (Self::Flow, "name" | "description") => Some(json!("")),
            (Self::Flow, "connections") => Some(json!([])),
            (Self::Flow, "parameters" | "variables" | "modules" | "layout") => Some(json!({})),
            (Self::Flow, "options") => serde_json::to_value(FlowOptions::default()).ok(),
            (Self::Options, _) => serde_json::to_value(FlowOptions::default()).ok()?.get(key).cloned(),
            (Self::Module, "disabled" | "halt_on_error") => Some(json!(false)),
            (Self::Module, "with") => Some(json!({})),
            (Self::Script, _) => serde_json::to_value(ScriptOptions::default()).ok()?.get(key).cloned(),
            (Self::Queue, _) => serde_json::to_value(QueueSpec::default()).ok()?.get(key).cloned(),
            (Self::Retry, _) => serde_json::to_value(RetrySpec::default()).ok()?.get(key).cloned(),
            _ => None,
        }
    }

    /// `wanted` without the members that only say the default: those of options, queues and retries.
    pub(super) fn prune(self, wanted: &Map<String, Json>) -> Map<String, Json> {
        let members = wanted.iter().filter_map(|(key, value)| {
            let level = self.below(key);
            let value = match value {
                Json::Object(inner) if level != Self::Free => Json::Object(level.prune(inner)),
                value => value.clone(),
            };
            let says_default = matches!(self, Self::Options | Self::Queue | Self::Retry | Self::Script)
                && (self.default_of(key).as_ref() == Some(&value) || self == Self::Options && value == json!({}));
            (!says_default).then(|| (key.clone(), value))
        });
        members.collect()
    }
}
