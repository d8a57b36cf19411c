//! Conditions and expressions as flows use them: by the tree where it suffices, by the script engine where not.

use std::cell::OnceCell;

use message::{Text, Value};

use super::parse::{Parsed, parse_condition, parse_expression};
use super::problem::SourceProblem;
use super::scope::{Evaluation, Scope};
use super::tree::Node;
use crate::script::{Function, RunError, ScriptEngine};

/// A route condition: `message.temperature > limit`, or statements that set `route`, such as
/// `var route = message.temperature > 30;`. What it writes to message or variables is dropped.
#[derive(Debug)]
pub struct Condition(Evaluator);

/// A bare expression, for its value.
#[derive(Debug)]
pub struct Expression(Evaluator);

#[derive(Debug)]
enum Evaluator {
    Tree { tree: Node, fallback: Fallback },
    Engine(Function),
}

/// The engine's form of a text that has a tree, compiled when the tree first leaves a case to it.
#[derive(Debug)]
struct Fallback {
    engine: ScriptEngine,
    source: String,
    names: Vec<Text>,
    compile: Compile,
    function: OnceCell<Function>,
}

type Compile = fn(&ScriptEngine, &str, &[Text]) -> Result<Function, SourceProblem>;

impl Condition {
    /// Compiles a condition over the variables `names`.
    pub fn new(engine: &ScriptEngine, source: &str, names: &[Text]) -> Result<Self, SourceProblem> {
        let parsed = parse_condition(source, names);
        Evaluator::new(engine, source, names, parsed, ScriptEngine::compile_condition).map(Self)
    }

    /// Whether the connection is taken: the truth of the result by the rules of JavaScript.
    pub fn is_true(&self, scope: &dyn Scope) -> Result<bool, RunError> {
        let evaluation = Evaluation::new(scope);
        match &self.0 {
            Evaluator::Engine(function) => function.is_true(&evaluation),
            Evaluator::Tree { tree, fallback } => match tree.evaluate(&evaluation) {
                Some(result) => Ok(result.is_true()),
                None => fallback.function()?.is_true(&evaluation),
            },
        }
    }

    /// Whether it is evaluated without the script engine.
    pub fn is_native(&self) -> bool {
        self.0.is_native()
    }
}

impl Expression {
    /// Compiles an expression over the variables `names`.
    pub fn new(engine: &ScriptEngine, source: &str, names: &[Text]) -> Result<Self, SourceProblem> {
        let parsed = parse_expression(source, names);
        Evaluator::new(engine, source, names, parsed, ScriptEngine::compile_expression).map(Self)
    }

    /// The value of the expression; undefined is null.
    pub fn evaluate(&self, scope: &dyn Scope) -> Result<Value, RunError> {
        let evaluation = Evaluation::new(scope);
        match &self.0 {
            Evaluator::Engine(function) => function.evaluate(&evaluation),
            Evaluator::Tree { tree, fallback } => match tree.evaluate(&evaluation) {
                Some(result) => Ok(result.into_value()),
                None => fallback.function()?.evaluate(&evaluation),
            },
        }
    }

    /// Whether it is evaluated without the script engine.
    pub fn is_native(&self) -> bool {
        self.0.is_native()
    }
}

impl Evaluator {
    fn new(
        engine: &ScriptEngine,
        source: &str,
        names: &[Text],
        parsed: Parsed,
        compile: Compile,
    ) -> Result<Self, SourceProblem> {
        match parsed {
            Parsed::Tree(tree) => {
                let (engine, source, names) = (engine.clone(), source.to_owned(), names.to_vec());
                let fallback = Fallback { engine, source, names, compile, function: OnceCell::new() };
                Ok(Self::Tree { tree, fallback })
            }
            Parsed::Undeclared((name, place), _) => Err(SourceProblem::undeclared(place, &name)),
            Parsed::Outside => compile(engine, source, names).map(Self::Engine),
        }
    }

    fn is_native(&self) -> bool {
        matches!(self, Self::Tree { .. })
    }
}

impl Fallback {
    fn function(&self) -> Result<&Function, RunError> {
        if let Some(function) = self.function.get() {
            return Ok(function);
        }
        let compiled = (self.compile)(&self.engine, &self.source, &self.names);
        let compiled = compiled.map_err(|problem| RunError::Engine { what: problem.to_string() })?;
        Ok(self.function.get_or_init(|| compiled))
    }
}
