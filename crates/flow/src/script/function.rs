//! A condition or an expression that runs in the script engine.

use message::{Text, Value};

use super::checker::Syntax;
use super::engine::{Handle, ScriptEngine};
use super::failure::RunError;
use crate::expression::{Evaluation, SourceProblem};

/// A compiled text that yields a value and changes nothing: what it writes to message or variables is dropped.
#[derive(Debug, Clone)]
pub(crate) struct Function {
    engine: ScriptEngine,
    handle: Handle,
}

impl ScriptEngine {
    /// Compiles a route condition over the variables `names`: a bare expression, or statements that set `route`.
    pub(crate) fn compile_condition(&self, source: &str, names: &[Text]) -> Result<Function, SourceProblem> {
        let handle = self.compile(Syntax::Condition, source, names)?;
        Ok(Function { engine: self.clone(), handle })
    }

    /// Compiles a bare expression over the variables `names`.
    pub(crate) fn compile_expression(&self, source: &str, names: &[Text]) -> Result<Function, SourceProblem> {
        let handle = self.compile(Syntax::Expression, source, names)?;
        Ok(Function { engine: self.clone(), handle })
    }
}

impl Function {
    /// Whether the value is true by the rules of JavaScript.
    pub(crate) fn is_true(&self, scope: &Evaluation<'_>) -> Result<bool, RunError> {
        self.engine.run(&self.handle, |run| {
            let result = run.evaluate(&self.handle, scope)?;
            Ok(result.get::<rquickjs::Coerced<bool>>()?.0)
        })
    }

    /// The value; undefined is null.
    pub(crate) fn evaluate(&self, scope: &Evaluation<'_>) -> Result<Value, RunError> {
        self.engine.run(&self.handle, |run| {
            let result = run.evaluate(&self.handle, scope)?;
            run.outlet()?.take(&result, None, 0)
        })
    }
}

impl<'js> super::engine::Run<'_, 'js> {
    fn evaluate(
        &mut self,
        handle: &Handle,
        scope: &Evaluation<'_>,
    ) -> Result<rquickjs::Value<'js>, super::failure::Failure> {
        let context = || scope.context().clone();
        let arguments = self.arguments(&handle.mentions, scope.message(), scope.variables(), context)?;
        let result = self.compiled.run.call_arg(arguments)?;
        self.settled(result)
    }
}
