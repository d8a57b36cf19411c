//! Finds syntax errors, and readies a text for the engine, in a context that is made for the moment and runs nothing.

use message::Text;
use rquickjs::context::intrinsic::{Eval, RegExpCompiler};
use rquickjs::{Context, Ctx, Runtime};

use super::engine::ScriptLimits;
use super::wrapping::{self, Wrapped};
use crate::expression::SourceProblem;

/// What a text is meant to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Syntax {
    Condition,
    Expression,
    Script,
}

/// The first syntax error of a text, if there is one.
pub(crate) fn check_syntax(syntax: Syntax, source: &str, names: &[Text]) -> Result<(), SourceProblem> {
    wrap(syntax, source, names).map(|_| ())
}

/// The function around a text without syntax errors.
pub(super) fn wrap(syntax: Syntax, source: &str, names: &[Text]) -> Result<Wrapped, SourceProblem> {
    wrapping::check_size(source)?;
    let wrap: fn(&Ctx<'_>, &str, &[Text]) -> Result<Wrapped, SourceProblem> = match syntax {
        Syntax::Condition => wrapping::condition,
        Syntax::Expression => wrapping::expression,
        Syntax::Script => wrapping::script,
    };
    let engine = |error: rquickjs::Error| SourceProblem::new(wrapping::START, format!("cannot be checked: {error}"));
    let runtime = Runtime::new().map_err(engine)?;
    let limits = ScriptLimits::default();
    runtime.set_memory_limit(limits.heap_bytes);
    runtime.set_max_stack_size(limits.stack_bytes);
    let context = Context::builder().with::<Eval>().with::<RegExpCompiler>().build(&runtime).map_err(engine)?;
    context.with(|ctx| wrap(&ctx, source, names))
}
