//! What the names in a condition or an expression stand for.

use std::cell::OnceCell;

use message::Value;

/// What one evaluation reads; an itinerary is the usual one.
pub trait Scope {
    fn message(&self) -> &Value;

    /// The values of the declared variables, in the order of the names that the text was compiled over.
    fn variables(&self) -> &[Value];

    /// Makes the `context` object. Called once in an evaluation if the text reads `context`, else never.
    fn context(&self) -> Value;
}

/// One evaluation, with the context that was made for it.
pub(crate) struct Evaluation<'a> {
    scope: &'a dyn Scope,
    context: OnceCell<Value>,
}

impl<'a> Evaluation<'a> {
    pub(crate) fn new(scope: &'a dyn Scope) -> Self {
        Self { scope, context: OnceCell::new() }
    }

    pub(crate) fn message(&self) -> &Value {
        self.scope.message()
    }

    pub(crate) fn variables(&self) -> &[Value] {
        self.scope.variables()
    }

    pub(crate) fn context(&self) -> &Value {
        self.context.get_or_init(|| self.scope.context())
    }
}
