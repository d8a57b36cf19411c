//! What a module is given when it is made ready for work.

use std::rc::Rc;
use std::sync::Arc;

use message::{ModuleId, Now};

use crate::run::{FlowContext, Source};
use crate::script::ScriptEngine;
use crate::services::Services;

/// What a module is given when it is made ready for work, on the thread of its flow.
#[derive(Debug)]
pub struct BuildContext<'a> {
    pub now: Now,
    pub module: &'a ModuleId,
    pub flow: &'a Arc<FlowContext>,
    pub services: &'a Services,
    /// The flow's one script engine; expressions and scripts of all its modules live in it.
    pub scripts: &'a Rc<ScriptEngine>,
}

impl BuildContext<'_> {
    /// The source of itineraries that this module begins, without an address.
    pub fn source(&self) -> Arc<Source> {
        Arc::new(Source { module: self.module.clone(), address: bytestring::ByteString::new() })
    }
}

/// Why a module cannot be made ready: a lowercase fragment that names the thing and says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct BuildError {
    what: String,
}

impl BuildError {
    pub fn new(what: impl ToString) -> Self {
        Self { what: what.to_string() }
    }
}
