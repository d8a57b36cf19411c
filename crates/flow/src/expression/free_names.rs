//! Finds names in any text of JavaScript that are neither declared nor known: a misspelt variable is seen before it
//! runs. It looks at words and what stands around them, not at the grammar, so it stays silent wherever a word might
//! be declared in the text itself, and about texts that it cannot split into words for certain.

use std::collections::HashSet;

use message::Text;

use super::names::{is_global, is_offered, is_reserved};
use super::problem::{Place, SourceProblem};
use super::token::is_name_sign;

/// So many names are reported at most.
const FOUND_MAX: usize = 20;

/// The undeclared names of a text that has no syntax errors, each where it first stands.
pub(super) fn undeclared_names(source: &str, names: &[Text]) -> Vec<SourceProblem> {
    let Some(words) = Words::split(source) else { return Vec::new() };
    let maybe_declared: HashSet<&str> = words.iter().filter(|word| word.may_declare()).map(|word| word.name).collect();
    let mut found: Vec<&Word<'_>> = Vec::new();
    for word in words.iter().filter(|word| word.is_use()) {
        let is_known = maybe_declared.contains(word.name)
            || names.iter().any(|name| name == word.name)
            || is_reserved(word.name)
            || is_offered(word.name)
            || is_global(word.name)
            || WORDS_IN_PLACES.contains(&word.name);
        if !is_known && found.iter().all(|earlier| earlier.name != word.name) && found.len() < FOUND_MAX {
            found.push(word);
        }
    }
    found.iter().map(|word| SourceProblem::undeclared(Place::of(source, word.at), word.name)).collect()
}

/// Words that mean something in some places and are plain names in others.
const WORDS_IN_PLACES: [&str; 8] = ["as", "async", "from", "get", "of", "set", "static", "target"];

/// Words behind which a value begins, so that `/` begins a pattern.
const BEFORE_VALUES: [&str; 14] = [
    "await",
    "case",
    "delete",
    "do",
    "else",
    "in",
    "instanceof",
    "new",
    "of",
    "return",
    "throw",
    "typeof",
    "void",
    "yield",
];

/// A word and its neighbours: the sign or word before it, and the sign behind it.
#[derive(Debug)]
struct Word<'s> {
    name: &'s str,
    at: usize,
    before: Neighbour<'s>,
    behind: &'s str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Neighbour<'s> {
    Nothing,
    Word(&'s str),
    Sign(char),
    /// A number, a text or a pattern.
    Value,
}

impl Word<'_> {
    fn is_member(&self) -> bool {
        self.before == Neighbour::Sign('.')
    }

    /// A key of an object, a label, or the middle of a choice.
    fn is_key(&self) -> bool {
        self.behind.starts_with(':')
    }

    /// Whether the word may be declared here: as a parameter, in a pattern, in a list of declarations.
    fn may_declare(&self) -> bool {
        let declares = match self.before {
            Neighbour::Sign(sign) => matches!(sign, ',' | '(' | '{' | '[' | '*' | ':' | '…'),
            Neighbour::Word(word) => matches!(word, "var" | "let" | "const" | "function" | "async" | "get" | "set"),
            Neighbour::Nothing | Neighbour::Value => false,
        };
        declares || self.behind.starts_with("=>")
    }

    fn is_use(&self) -> bool {
        let names_something_else = matches!(self.before, Neighbour::Word("typeof" | "break" | "continue"));
        !self.is_member() && !self.is_key() && !self.may_declare() && !names_something_else
    }
}

/// Splits a text into words, leaving out comments, texts and patterns.
struct Words<'s> {
    source: &'s str,
    at: usize,
    before: Neighbour<'s>,
    /// How many braces are open within each `${` of a template.
    templates: Vec<usize>,
    words: Vec<Word<'s>>,
}

impl<'s> Words<'s> {
    /// `None` where the splitting is in doubt.
    fn split(source: &'s str) -> Option<Vec<Word<'s>>> {
        let mut split = Self { source, at: 0, before: Neighbour::Nothing, templates: Vec::new(), words: Vec::new() };
        while split.step()? {}
        // The fields of a class stand like statements.
        split.words.iter().all(|word| word.name != "class").then_some(split.words)
    }

    fn rest(&self) -> &'s str {
        self.source.get(self.at..).unwrap_or_default()
    }

    /// Passes one piece of the text; `false` at its end.
    fn step(&mut self) -> Option<bool> {
        let rest = self.rest();
        let Some(sign) = rest.chars().next() else { return Some(false) };
        match sign {
            _ if sign.is_whitespace() => self.at += sign.len_utf8(),
            'a'..='z' | 'A'..='Z' | '_' | '$' => self.word(rest),
            '0'..='9' => {
                self.at += rest.find(|sign| !is_name_sign(sign) && sign != '.').unwrap_or(rest.len());
                self.before = Neighbour::Value;
            }
            '"' | '\'' => self.quoted(sign)?,
            '`' => {
                self.at += 1;
                self.template()?;
            }
            '/' => self.slash(rest)?,
            '.' if rest.starts_with("...") => self.sign('…', 3),
            '{' => {
                if let Some(open) = self.templates.last_mut() {
                    *open += 1;
                }
                self.sign(sign, 1);
            }
            '}' => self.close_brace()?,
            _ if sign.is_ascii() && !matches!(sign, '\\' | '#' | '@') => self.sign(sign, 1),
            _ => return None,
        }
        Some(true)
    }

    fn sign(&mut self, sign: char, bytes: usize) {
        self.at += bytes;
        self.before = Neighbour::Sign(sign);
    }

    fn word(&mut self, rest: &'s str) {
        let end = rest.find(|sign| !is_name_sign(sign)).unwrap_or(rest.len());
        let (name, behind) = rest.split_at(end);
        self.words.push(Word { name, at: self.at, before: self.before, behind: behind.trim_start() });
        self.at += end;
        self.before = if self.before == Neighbour::Sign('.') { Neighbour::Value } else { Neighbour::Word(name) };
    }

    fn quoted(&mut self, quote: char) -> Option<()> {
        let mut signs = self.rest().char_indices().skip(1);
        while let Some((at, sign)) = signs.next() {
            if sign == '\\' {
                signs.next()?;
            } else if sign == quote {
                self.at += at + 1;
                self.before = Neighbour::Value;
                return Some(());
            }
        }
        None
    }

    /// Passes the text of a template, up to its end or to a value in it.
    fn template(&mut self) -> Option<()> {
        let rest = self.rest();
        let mut signs = rest.char_indices();
        while let Some((at, sign)) = signs.next() {
            match sign {
                '\\' => {
                    signs.next()?;
                }
                '`' => {
                    self.at += at + 1;
                    self.before = Neighbour::Value;
                    return Some(());
                }
                '$' if rest.get(at + 1..).is_some_and(|next| next.starts_with('{')) => {
                    self.templates.push(0);
                    // What stands in there is a value, not a pattern that declares.
                    self.sign('=', at + 2);
                    return Some(());
                }
                _ => {}
            }
        }
        None
    }

    fn close_brace(&mut self) -> Option<()> {
        match self.templates.last_mut() {
            Some(0) => {
                self.templates.pop();
                self.at += 1;
                self.template()?;
            }
            open => {
                if let Some(open) = open {
                    *open -= 1;
                }
                self.sign('}', 1);
            }
        }
        Some(())
    }

    /// A comment, a division or a pattern.
    fn slash(&mut self, rest: &'s str) -> Option<()> {
        if rest.starts_with("//") {
            self.at += rest.find('\n').unwrap_or(rest.len());
            return Some(());
        }
        if rest.starts_with("/*") {
            self.at += rest.find("*/")? + 2;
            return Some(());
        }
        match self.before {
            // Behind these may stand either.
            Neighbour::Sign(')' | '}') => return None,
            Neighbour::Nothing | Neighbour::Sign(_) if self.before != Neighbour::Sign(']') => self.pattern(rest)?,
            Neighbour::Word(word) if BEFORE_VALUES.contains(&word) => self.pattern(rest)?,
            _ => self.sign('/', 1),
        }
        Some(())
    }

    fn pattern(&mut self, rest: &'s str) -> Option<()> {
        let mut in_class = false;
        let mut signs = rest.char_indices().skip(1);
        while let Some((at, sign)) = signs.next() {
            match sign {
                '\n' => return None,
                '\\' => {
                    signs.next()?;
                }
                '[' => in_class = true,
                ']' => in_class = false,
                '/' if !in_class => {
                    let behind = rest.get(at + 1..).unwrap_or_default();
                    self.at += at + 1 + behind.find(|sign| !is_name_sign(sign)).unwrap_or(behind.len());
                    self.before = Neighbour::Value;
                    return Some(());
                }
                _ => {}
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(source: &str, expect: &[&str]) {
        let names = ["limit", "alarms"].map(Text::new);
        let found: Vec<String> = undeclared_names(source, &names).iter().map(ToString::to_string).collect();
        let expect: Vec<String> = expect.iter().map(|name| format!("undeclared variable {name}")).collect();
        assert_eq!(found, expect, "{source}");
    }

    #[test]
    fn misspelt_names_are_found() {
        check("if (message.a > lmit) { alarms += 1; }", &["`lmit` at line 1, column 17"]);
        check("message.a = 1;\nalrms = 2;\nalrms = 3", &["`alrms` at line 2, column 1"]);
        check("return message.list.map(x => x + ofset)", &["`ofset` at line 1, column 34"]);
        check("message.text = `a ${'b' + nme} c`", &["`nme` at line 1, column 27"]);
        check("message.a = /lmit/.test(message.b) / lmit", &[]);
        check("message.a = message.b / lmit / 2", &["`lmit` at line 1, column 25"]);
    }

    #[test]
    fn what_may_be_declared_is_not_found() {
        for source in [
            "let a = 1, b = 2; const { c, d: e, ...f } = message; message.x = a + b + c + e + f",
            "function add(a, b = 2) { return a + b } message.x = add(1) + limit",
            "for (const [key, value] of Object.entries(message)) { log.info(key + value) }",
            "outer: for (;;) { for (;;) { break outer } }",
            "try { alarms += 1 } catch (error) { throw error }",
            "const f = async x => await x; return { limit, twice: x => x * 2, get three() { return 3 } }",
            "class A { x = 1; y = this.x } message.y = new A().y",
            "message.a = typeof console === 'undefined' ? 1 : 2",
            "message.lmit = message?.lmit; message.t = 'lmit'; // lmit\n/* lmit */",
            "const r = message.a.replace(/[/'\"]lmit/g, '`'); message.s = r",
            "message.n = 0x1f + 1e5 + 1_000 + .5",
            "if (message.a) /lmit/.test('')",
        ] {
            check(source, &[]);
        }
    }
}
