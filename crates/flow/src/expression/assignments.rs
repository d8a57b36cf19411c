//! Scripts that only set members of the message, as `message.celsius = (message.fahrenheit - 32) * 5 / 9;`, run by the
//! tree. What they make of a message is what the script engine makes of it.

use message::{Object, Text, Value, limits};

use super::operand::Operand;
use super::parse::parse_assignments;
use super::scope::{Evaluation, Scope};
use super::tree::{Assignment, Node};

/// The statements of such a script, in order.
#[derive(Debug, Clone)]
pub(crate) struct Assignments(Vec<Assignment>);

/// What a script other than its message reads.
pub(crate) struct Surroundings<'a> {
    pub(crate) variables: &'a [Value],
    pub(crate) context: &'a dyn Fn() -> Value,
}

impl Assignments {
    /// Reads a script over the variables `names`; `None` when it is of another kind.
    pub(crate) fn parse(source: &str, names: &[Text]) -> Option<Self> {
        parse_assignments(source, names).map(Self)
    }

    /// Changes the message. Where that is not settled here, gives false and leaves the message as it was: the engine has
    /// to run the script.
    pub(crate) fn apply(&self, message: &mut Value, around: &Surroundings<'_>) -> bool {
        match self.0.as_slice() {
            // Nothing has been changed when the only statement cannot be settled: no copy is needed.
            [only] => only.apply(None, message, around).is_some(),
            all => {
                let original = message.clone();
                let done = all.iter().try_for_each(|one| one.apply(Some(&original), message, around));
                if done.is_none() {
                    *message = original;
                }
                done.is_some()
            }
        }
    }
}

impl Assignment {
    /// Without an `original` the message itself is as it came.
    fn apply(&self, original: Option<&Value>, message: &mut Value, around: &Surroundings<'_>) -> Option<()> {
        let base = object_at(message, &self.path)?;
        let before = match original {
            None => base.get(&self.member),
            Some(original) => object_at(original, &self.path).and_then(|base| base.get(&self.member)),
        };
        let after = evaluate(&self.value, message, around)?;
        // What comes out the same stays as it was written, as `1.0` does, which JavaScript cannot tell from `1`.
        let after = match before {
            Some(before) if is_same_number(before, &after) => before.clone(),
            _ => after,
        };
        let mut base = message;
        for name in &self.path {
            base = base.as_object_mut()?.get_mut(name)?;
        }
        base.as_object_mut()?.insert(self.member.clone(), after);
        Some(())
    }
}

/// The value of an assignment, if it is one that is simply put in place: not an object, which two members would share
/// from then on, not `undefined`, which takes the member away, and no text of a size that the engine's heap shall bound.
fn evaluate(value: &Node, message: &Value, around: &Surroundings<'_>) -> Option<Value> {
    let scope = Script { message, around };
    let evaluation = Evaluation::new(&scope);
    match value.evaluate(&evaluation)? {
        Operand::Undefined | Operand::Object(_) => None,
        Operand::Text(text) if text.len() > limits::EXPRESSION_TEXT_BYTES_MAX => None,
        settled => Some(settled.into_value()),
    }
}

fn object_at<'a>(message: &'a Value, path: &[Text]) -> Option<&'a Object> {
    path.iter().try_fold(message, |value, name| value.get(name))?.as_object()
}

fn is_same_number(before: &Value, after: &Value) -> bool {
    match (before.as_f64(), after.as_f64()) {
        (Some(before), Some(after)) => before.to_bits() == after.to_bits(),
        _ => false,
    }
}

struct Script<'a> {
    message: &'a Value,
    around: &'a Surroundings<'a>,
}

impl Scope for Script<'_> {
    fn message(&self) -> &Value {
        self.message
    }

    fn variables(&self) -> &[Value] {
        self.around.variables
    }

    fn context(&self) -> Value {
        (self.around.context)()
    }
}
