//! JavaScript in QuickJS.

/// One runtime and context per flow version.
#[derive(Debug)]
pub struct ScriptEngine;
