//! Reads a condition or an expression into a tree, if it keeps to the subset that runs without the script engine:
//! literals, `message`, `context` and declared variables, members, comparison, logic, arithmetic, a few methods of
//! texts and of `Math`. Precedence and refusals are those of ECMAScript, so that no text means two things.

use message::Text;

use super::names::{is_bare_name, is_global, is_inherited, is_offered, is_reserved, is_symbol};
use super::problem::Place;
use super::token::{Outside, Token, Tokens};
use super::tree::{Assignment, BinaryOperator, Change, Link, MathFunction, Node, Search, Step};

/// Nesting that the parser follows before it leaves a text to the engine, which has a limit of its own.
const DEPTH_MAX: usize = 32;
/// Tokens of a text in the subset: a long sum is a deep tree, too.
const TOKENS_MAX: usize = 400;

/// What reading a text in the subset came to.
#[derive(Debug)]
pub(super) enum Parsed {
    Tree(Node),
    /// In the subset, but these names, a first and perhaps others, are neither declared nor known to JavaScript.
    Undeclared((String, Place), Vec<(String, Place)>),
    Outside,
}

/// Reads a bare expression.
pub(super) fn parse_expression(source: &str, names: &[Text]) -> Parsed {
    Parser::read(source, names, |parser| parser.expression(0)).into()
}

/// Reads a script that does nothing but set members of the message, one statement after another; `None` for all others.
/// A semicolon has to stand between two statements, so that no line break has to be thought about.
pub(super) fn parse_assignments(source: &str, names: &[Text]) -> Option<Vec<Assignment>> {
    let read = Parser::read(source, names, |parser| {
        let mut assignments = vec![parser.assignment()?];
        while parser.token != Token::End {
            parser.expect(";")?;
            if parser.token != Token::End {
                assignments.push(parser.assignment()?);
            }
        }
        Ok(assignments)
    });
    match read {
        Ok((assignments, undeclared)) if undeclared.is_empty() => Some(assignments),
        Ok(_) | Err(Outside) => None,
    }
}

/// Reads a bare expression, or a single statement that sets `route`; a semicolon may follow.
pub(super) fn parse_condition(source: &str, names: &[Text]) -> Parsed {
    Parser::read(source, names, |parser| {
        let declares = matches!(parser.token, Token::Name("var" | "let" | "const"));
        if declares {
            parser.step()?;
        }
        if parser.token == Token::Name("route") {
            parser.step()?;
            parser.expect("=")?;
        } else if declares {
            return Err(Outside);
        }
        let node = parser.expression(0)?;
        while parser.takes(";")? {}
        Ok(node)
    })
    .into()
}

type Undeclared = Vec<(String, Place)>;

impl From<Result<(Node, Undeclared), Outside>> for Parsed {
    fn from(read: Result<(Node, Undeclared), Outside>) -> Self {
        let Ok((node, undeclared)) = read else { return Self::Outside };
        let mut undeclared = undeclared.into_iter();
        match undeclared.next() {
            None => Self::Tree(node),
            Some(first) => Self::Undeclared(first, undeclared.collect()),
        }
    }
}

struct Parser<'s, 'n> {
    tokens: Tokens<'s>,
    token: Token<'s>,
    /// Where the token begins.
    at: usize,
    /// Tokens that may still be read.
    left: usize,
    names: &'n [Text],
    undeclared: Vec<(String, usize)>,
}

impl<'s, 'n> Parser<'s, 'n> {
    /// Reads the whole text; with what it read come the names that are neither declared nor known.
    fn read<T>(
        source: &'s str,
        names: &'n [Text],
        read: impl FnOnce(&mut Self) -> Result<T, Outside>,
    ) -> Result<(T, Undeclared), Outside> {
        let mut tokens = Tokens::new(source);
        let (token, at) = tokens.next()?;
        let mut parser = Self { tokens, token, at, left: TOKENS_MAX, names, undeclared: Vec::new() };
        let found = read(&mut parser)?;
        if parser.token != Token::End {
            return Err(Outside);
        }
        Ok((found, parser.undeclared.into_iter().map(|(name, at)| (name, Place::of(source, at))).collect()))
    }

    /// `message.a.b = c`, or with an operator before the sign of equality.
    fn assignment(&mut self) -> Result<Assignment, Outside> {
        if self.step()? != Token::Name("message") {
            return Err(Outside);
        }
        let mut path = Vec::new();
        loop {
            let name = if self.takes("[")? {
                let Token::Text(name) = self.step()? else { return Err(Outside) };
                self.expect("]")?;
                Text::from(name)
            } else if self.takes(".")? {
                let Token::Name(name) = self.step()? else { return Err(Outside) };
                Text::new(name)
            } else {
                break;
            };
            if is_inherited(&name) || is_symbol(&name) {
                return Err(Outside);
            }
            path.push(name);
        }
        let member = path.pop().ok_or(Outside)?;
        if path.len() > DEPTH_MAX {
            return Err(Outside);
        }
        let Token::Sign(sign) = self.step()? else { return Err(Outside) };
        let operator = match sign {
            "=" => None,
            "+=" => Some(BinaryOperator::Add),
            "-=" => Some(BinaryOperator::Subtract),
            "*=" => Some(BinaryOperator::Multiply),
            "%=" => Some(BinaryOperator::Remainder),
            _ => return Err(Outside),
        };
        let mut value = self.expression(0)?;
        if let Some(operator) = operator {
            let links = path.iter().chain([&member]).cloned();
            let links = links.map(|name| Link { step: Step::Member(name), optional: false }).collect();
            let before = Node::Chain(Box::new(Node::Message), links);
            value = Node::Binary(operator, Box::new(before), Box::new(value));
        }
        Ok(Assignment { path, member, value })
    }

    fn step(&mut self) -> Result<Token<'s>, Outside> {
        self.left = self.left.checked_sub(1).ok_or(Outside)?;
        let (token, at) = self.tokens.next()?;
        self.at = at;
        Ok(std::mem::replace(&mut self.token, token))
    }

    fn takes(&mut self, sign: &'static str) -> Result<bool, Outside> {
        let found = self.token == Token::Sign(sign);
        if found {
            self.step()?;
        }
        Ok(found)
    }

    fn expect(&mut self, sign: &'static str) -> Result<(), Outside> {
        if self.takes(sign)? { Ok(()) } else { Err(Outside) }
    }

    /// `a ? b : c` and all that binds tighter.
    fn expression(&mut self, depth: usize) -> Result<Node, Outside> {
        if depth > DEPTH_MAX {
            return Err(Outside);
        }
        let test = self.coalesce(depth)?;
        if !self.takes("?")? {
            return Ok(test);
        }
        let then = self.expression(depth + 1)?;
        self.expect(":")?;
        let otherwise = self.expression(depth + 1)?;
        Ok(Node::Choice(Box::new(test), Box::new(then), Box::new(otherwise)))
    }

    /// `a ?? b`, which may not be mixed with `&&` and `||` unless in parentheses.
    fn coalesce(&mut self, depth: usize) -> Result<Node, Outside> {
        let mut node = self.or(depth)?;
        if self.token == Token::Sign("??") && matches!(node, Node::And(..) | Node::Or(..)) {
            // Parentheses leave no trace in the tree: both ways of writing are left to the engine.
            return Err(Outside);
        }
        while self.takes("??")? {
            let right = self.binary(depth, 0)?;
            if matches!(self.token, Token::Sign("&&" | "||")) {
                return Err(Outside);
            }
            node = Node::Coalesce(Box::new(node), Box::new(right));
        }
        Ok(node)
    }

    fn or(&mut self, depth: usize) -> Result<Node, Outside> {
        let mut node = self.and(depth)?;
        while self.takes("||")? {
            node = Node::Or(Box::new(node), Box::new(self.and(depth)?));
        }
        Ok(node)
    }

    fn and(&mut self, depth: usize) -> Result<Node, Outside> {
        let mut node = self.binary(depth, 0)?;
        while self.takes("&&")? {
            node = Node::And(Box::new(node), Box::new(self.binary(depth, 0)?));
        }
        Ok(node)
    }

    /// Operators between two values, those of the lowest precedence at level 0.
    fn binary(&mut self, depth: usize, level: usize) -> Result<Node, Outside> {
        let Some(operators) = LEVELS.get(level) else { return self.unary(depth) };
        let mut node = self.binary(depth, level + 1)?;
        while let Token::Sign(sign) = self.token
            && let Some((_, operator)) = operators.iter().find(|(written, _)| *written == sign)
        {
            self.step()?;
            let right = self.binary(depth, level + 1)?;
            node = Node::Binary(*operator, Box::new(node), Box::new(right));
        }
        Ok(node)
    }

    fn unary(&mut self, depth: usize) -> Result<Node, Outside> {
        if depth > DEPTH_MAX {
            return Err(Outside);
        }
        let wrap: fn(Box<Node>) -> Node = match self.token {
            Token::Sign("!") => Node::Not,
            Token::Sign("-") => Node::Negative,
            Token::Sign("+") => Node::ToNumber,
            Token::Name("typeof") => Node::TypeOf,
            _ => return self.chain(depth),
        };
        self.step()?;
        Ok(wrap(Box::new(self.unary(depth + 1)?)))
    }

    /// A value and the members taken from it.
    fn chain(&mut self, depth: usize) -> Result<Node, Outside> {
        let base = self.value(depth)?;
        let mut links = Vec::new();
        loop {
            let optional = self.takes("?.")?;
            let step = if self.takes("[")? {
                let element = self.expression(depth + 1)?;
                self.expect("]")?;
                match element {
                    Node::Text(name) => member(name)?,
                    element => Step::Element(element),
                }
            } else if optional || self.takes(".")? {
                self.dotted(depth)?
            } else {
                break;
            };
            links.push(Link { step, optional });
        }
        if matches!(self.token, Token::Sign("(")) {
            return Err(Outside);
        }
        Ok(if links.is_empty() { base } else { Node::Chain(Box::new(base), links) })
    }

    /// What stands behind a dot: a member, or one of the methods of texts with its argument.
    fn dotted(&mut self, depth: usize) -> Result<Step, Outside> {
        let Token::Name(name) = self.step()? else { return Err(Outside) };
        if !self.takes("(")? {
            return member(Text::new(name));
        }
        let step = match name {
            "includes" => Step::Search(Search::Includes, self.expression(depth + 1)?),
            "startsWith" => Step::Search(Search::StartsWith, self.expression(depth + 1)?),
            "endsWith" => Step::Search(Search::EndsWith, self.expression(depth + 1)?),
            "toLowerCase" => Step::Change(Change::ToLowerCase),
            "toUpperCase" => Step::Change(Change::ToUpperCase),
            "trim" => Step::Change(Change::Trim),
            _ => return Err(Outside),
        };
        self.expect(")")?;
        Ok(step)
    }

    fn value(&mut self, depth: usize) -> Result<Node, Outside> {
        let at = self.at;
        match self.step()? {
            Token::Number(number) => Ok(Node::Number(number)),
            Token::Text(text) => Ok(Node::Text(Text::from(text))),
            Token::Name(name) => self.named(name, at, depth),
            Token::Sign("(") => {
                let node = self.expression(depth + 1)?;
                self.expect(")")?;
                Ok(node)
            }
            Token::Sign(_) | Token::End => Err(Outside),
        }
    }

    fn named(&mut self, name: &str, at: usize, depth: usize) -> Result<Node, Outside> {
        Ok(match name {
            "true" => Node::Bool(true),
            "false" => Node::Bool(false),
            "null" => Node::Null,
            "undefined" => Node::Undefined,
            "NaN" => Node::Number(f64::NAN),
            "Infinity" => Node::Number(f64::INFINITY),
            "message" => Node::Message,
            "context" => Node::Context,
            "Math" => return self.math(depth),
            "variables" => {
                // Only by a name that is written out: then it is known here whether it is declared.
                self.expect(".")?;
                let Token::Name(name) = self.token else { return Err(Outside) };
                let at = self.at;
                self.step()?;
                if is_inherited(name) {
                    return Err(Outside);
                }
                self.variable(name, at)
            }
            _ if is_reserved(name) || is_offered(name) || is_global(name) => return Err(Outside),
            _ if is_bare_name(name) => self.variable(name, at),
            _ => return Err(Outside),
        })
    }

    fn variable(&mut self, name: &str, at: usize) -> Node {
        if let Some(index) = self.names.iter().position(|declared| declared == name) {
            return Node::Variable(index);
        }
        self.undeclared.push((name.to_owned(), at));
        Node::Undefined
    }

    fn math(&mut self, depth: usize) -> Result<Node, Outside> {
        self.expect(".")?;
        let Token::Name(name) = self.step()? else { return Err(Outside) };
        let function = MathFunction::named(name).ok_or(Outside)?;
        self.expect("(")?;
        let mut arguments = Vec::new();
        while !self.takes(")")? {
            arguments.push(self.expression(depth + 1)?);
            if self.token != Token::Sign(")") {
                self.expect(",")?;
            }
        }
        if function.takes(arguments.len()) { Ok(Node::Math(function, arguments)) } else { Err(Outside) }
    }
}

/// A member by name; what every object inherits is left to the engine.
fn member(name: Text) -> Result<Step, Outside> {
    if is_inherited(&name) { Err(Outside) } else { Ok(Step::Member(name)) }
}

type Level = &'static [(&'static str, BinaryOperator)];

const LEVELS: [Level; 4] = [
    &[
        ("===", BinaryOperator::StrictEqual),
        ("!==", BinaryOperator::StrictUnequal),
        ("==", BinaryOperator::Equal),
        ("!=", BinaryOperator::Unequal),
    ],
    &[
        ("<=", BinaryOperator::LessOrEqual),
        (">=", BinaryOperator::GreaterOrEqual),
        ("<", BinaryOperator::Less),
        (">", BinaryOperator::Greater),
    ],
    &[("+", BinaryOperator::Add), ("-", BinaryOperator::Subtract)],
    &[("*", BinaryOperator::Multiply), ("/", BinaryOperator::Divide), ("%", BinaryOperator::Remainder)],
];
