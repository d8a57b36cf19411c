//! The tree that a text of the subset is compiled to. It is walked for every message, so names are resolved to
//! places when it is built.

use message::Text;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    Undefined,
    Null,
    Bool(bool),
    Number(f64),
    Text(Text),
    Message,
    /// By its place among the declared variables.
    Variable(usize),
    Context,
    /// A value and the members taken from it, in order.
    Chain(Box<Self>, Vec<Link>),
    Not(Box<Self>),
    Negative(Box<Self>),
    ToNumber(Box<Self>),
    TypeOf(Box<Self>),
    Binary(BinaryOperator, Box<Self>, Box<Self>),
    And(Box<Self>, Box<Self>),
    Or(Box<Self>, Box<Self>),
    /// `a ?? b`
    Coalesce(Box<Self>, Box<Self>),
    /// `a ? b : c`
    Choice(Box<Self>, Box<Self>, Box<Self>),
    Math(MathFunction, Vec<Self>),
}

/// A statement that sets a member of the message, or of an object in it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Assignment {
    /// The members on the way to the object whose member is set.
    pub(super) path: Vec<Text>,
    pub(super) member: Text,
    pub(super) value: Node,
}

/// One step of a chain.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Link {
    pub(super) step: Step,
    /// Written `?.`: the whole chain is undefined when nothing stands before.
    pub(super) optional: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Step {
    Member(Text),
    Element(Node),
    Search(Search, Node),
    Change(Change),
}

/// Methods of texts that look for another text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Search {
    Includes,
    StartsWith,
    EndsWith,
}

/// Methods of texts without arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    ToLowerCase,
    ToUpperCase,
    Trim,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BinaryOperator {
    StrictEqual,
    StrictUnequal,
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MathFunction {
    Abs,
    Min,
    Max,
    Round,
    Floor,
    Ceil,
}

impl MathFunction {
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "abs" => Self::Abs,
            "min" => Self::Min,
            "max" => Self::Max,
            "round" => Self::Round,
            "floor" => Self::Floor,
            "ceil" => Self::Ceil,
            _ => return None,
        })
    }

    /// Whether the function takes so many arguments in the subset.
    pub(super) fn takes(self, arguments: usize) -> bool {
        match self {
            Self::Min | Self::Max => arguments > 0,
            Self::Abs | Self::Round | Self::Floor | Self::Ceil => arguments == 1,
        }
    }
}
