//! Puts an author's text into the function that is run. All that stands before the text is on one line of its own,
//! so a place in the author's text is the engine's less one line.

use message::{Text, limits};
use rquickjs::context::EvalOptions;
use rquickjs::{Ctx, Exception, Function, Module};

use crate::expression::{Place, SourceProblem, is_bare_name};

/// The name that the engine gives the text in its stacks.
const FILE: &str = "script";

/// Where problems of a text as a whole are shown.
pub(super) const START: Place = Place { line: 1, column: 1 };

/// Refuses a text that is too long or says nothing.
pub(super) fn check_size(source: &str) -> Result<(), SourceProblem> {
    if source.len() > limits::SCRIPT_SOURCE_BYTES_MAX {
        let what = format!("the text is longer than {} bytes", limits::SCRIPT_SOURCE_BYTES_MAX);
        return Err(SourceProblem::new(START, what));
    }
    if source.contains('\0') {
        return Err(SourceProblem::new(START, "the text holds a NUL character"));
    }
    Ok(())
}

/// A function of JavaScript around an author's text.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Wrapped {
    code: String,
}

/// Which of the names that a text can use it mentions: only those are handed over at each run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mentions {
    pub(super) context: bool,
    /// Places of the mentioned variables among the declared ones.
    pub(super) variables: Vec<usize>,
    /// The object `variables` itself.
    object: bool,
}

impl Mentions {
    /// A word in a comment counts as well: that costs time but is never wrong.
    pub(super) fn of(source: &str, names: &[Text]) -> Self {
        let escaped = source.contains("\\u");
        let mentions = |name: &str| escaped || mentions_word(source, name);
        let object = mentions("variables");
        let variables = names.iter().enumerate().filter(|(_, name)| object || (is_bare_name(name) && mentions(name)));
        Self { context: mentions("context"), variables: variables.map(|(place, _)| place).collect(), object }
    }

    /// The names under which the mentioned variables stand in the function.
    fn locals(&self, names: &[Text]) -> Vec<String> {
        let local = |place: &usize| match names.get(*place) {
            Some(name) if is_bare_name(name) => name.to_string(),
            _ => format!("$${place}"),
        };
        self.variables.iter().map(local).collect()
    }

    /// Declares `variables`, whose members are the locals.
    fn object(&self, names: &[Text]) -> String {
        if !self.object {
            return String::new();
        }
        let mut members = String::new();
        for (place, local) in self.variables.iter().zip(self.locals(names)) {
            let name = message::Value::Text(names.get(*place).cloned().unwrap_or_default()).to_json();
            members.push_str(&format!("get [{name}](){{return {local}}},set [{name}]($$v){{{local}=$$v}},"));
        }
        format!("const variables=$$declared({{{members}}});")
    }
}

fn mentions_word(source: &str, word: &str) -> bool {
    let is_word = |sign: char| sign.is_alphanumeric() || matches!(sign, '_' | '$');
    source.match_indices(word).any(|(at, _)| {
        let before = source.get(..at).and_then(|before| before.chars().next_back());
        let after = source.get(at + word.len()..).and_then(|after| after.chars().next());
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}

/// A bare expression, as a function of what it mentions.
pub(super) fn expression(ctx: &Ctx<'_>, source: &str, names: &[Text]) -> Result<Wrapped, SourceProblem> {
    if source.trim().is_empty() {
        return Err(SourceProblem::new(START, "the text is empty"));
    }
    let (parameters, object) = parameters(source, names);
    let text = source.trim_end_matches([';', ' ', '\t', '\r', '\n']);
    let wrapped = Wrapped::try_new(
        ctx,
        source,
        &format!("(function({parameters}){{\"use strict\";{object}return("),
        text,
        ")})",
    )?;
    // What is one expression in parentheses and in brackets does not break out of either.
    Wrapped::try_new(ctx, source, "(function(){\"use strict\";return[", text, "]})")?;
    Ok(wrapped)
}

/// A condition: a bare expression, or statements that set `route`.
pub(super) fn condition(ctx: &Ctx<'_>, source: &str, names: &[Text]) -> Result<Wrapped, SourceProblem> {
    let as_expression = expression(ctx, source, names);
    if source.trim().is_empty() || (as_expression.is_ok() && !assigns_route(source)) {
        return as_expression;
    }
    let as_statements = statements(ctx, source, names);
    if mentions_word(source, "route") {
        return as_statements;
    }
    match as_statements {
        Ok(_) => {
            let hint = Some("write an expression, or set it: `var route = message.temperature > 30;`".to_owned());
            Err(SourceProblem { hint, ..SourceProblem::new(START, "sets no `route`") })
        }
        Err(_) => as_expression,
    }
}

fn statements(ctx: &Ctx<'_>, source: &str, names: &[Text]) -> Result<Wrapped, SourceProblem> {
    let (parameters, object) = parameters(source, names);
    let head = |more: &str| format!("(function({parameters}{more}){{\"use strict\";{object}");
    let tail = ";return route})";
    let wrapped = match Wrapped::try_new(ctx, source, &head(",route"), source, tail) {
        Ok(wrapped) => wrapped,
        // `let route` and `const route` cannot stand beside a parameter of that name.
        Err(problem) => Wrapped::try_new(ctx, source, &head(""), source, tail).map_err(|_| problem)?,
    };
    stays_within(ctx, source, "")?;
    Ok(wrapped)
}

/// A script: a function that makes the pair of functions which run it and collect what it changed.
pub(super) fn script(ctx: &Ctx<'_>, source: &str, names: &[Text]) -> Result<Wrapped, SourceProblem> {
    match script_of(ctx, source, names, "") {
        Err(_) if mentions_word(source, "await") => script_of(ctx, source, names, "async "),
        wrapped => wrapped,
    }
}

fn script_of(ctx: &Ctx<'_>, source: &str, names: &[Text], kind: &str) -> Result<Wrapped, SourceProblem> {
    let mentions = Mentions::of(source, names);
    let object = mentions.object(names);
    let locals = mentions.locals(names);
    let listed: String = locals.iter().map(|local| format!(",{local}")).collect();
    let given: String = (0..locals.len()).map(|place| format!(",$$g{place}")).collect();
    let taken: String = locals.iter().enumerate().map(|(place, local)| format!("{local}=$$g{place};")).collect();
    let cleared: String = locals.iter().map(|local| format!("{local}=")).collect();
    let head = format!(
        "(function($$state,log){{\"use strict\";let message,context{listed};const state=$$state;{object}\
         const $$body={kind}function(){{"
    );
    let tail = format!(
        "}};const $$take=function($$r){{const $$out=[$$r,message{listed}];message=context={cleared}undefined;return $$out}};\
         return[function($$m,$$c{given}){{message=$$m;context=$$c;{taken}return $$body()}},$$take]}})"
    );
    let wrapped = Wrapped::try_new(ctx, source, &head, source, &tail)?;
    stays_within(ctx, source, kind)?;
    Ok(wrapped)
}

/// Refuses a text that closes the function which it stands in and opens another: what continues a function cannot
/// continue a class.
fn stays_within(ctx: &Ctx<'_>, source: &str, kind: &str) -> Result<(), SourceProblem> {
    Wrapped::try_new(ctx, source, &format!("(class{{{kind}m(){{"), source, "}})").map(|_| ())
}

/// The parameters of a condition or an expression, in the order in which a run gives them, and the
/// declaration of `variables`.
fn parameters(source: &str, names: &[Text]) -> (String, String) {
    let mentions = Mentions::of(source, names);
    let locals: String = mentions.locals(names).iter().map(|local| format!(",{local}")).collect();
    (format!("message,context{locals}"), mentions.object(names))
}

/// Whether `route` is set anywhere: then an expression such as `route = a > b` is meant as a statement.
fn assigns_route(source: &str) -> bool {
    source.match_indices("route").any(|(at, word)| {
        let after = source.get(at + word.len()..).unwrap_or_default().trim_start();
        after.starts_with('=') && !after.starts_with("==") && !after.starts_with("=>")
    })
}

impl Wrapped {
    /// Compiles without running anything, so that a text which closes its function does no harm before it is found.
    fn try_new(ctx: &Ctx<'_>, source: &str, head: &str, text: &str, tail: &str) -> Result<Self, SourceProblem> {
        let code = format!("{head}\n{text}\n{tail}");
        match Module::declare(ctx.clone(), FILE, code.as_str()) {
            Ok(_) => Ok(Self { code }),
            Err(error) => Err(problem(ctx, source, &error)),
        }
    }

    /// Makes the function; doing so again makes another, in whatever context.
    pub(super) fn evaluate<'js>(&self, ctx: &Ctx<'js>) -> rquickjs::Result<Function<'js>> {
        let mut options = EvalOptions::default();
        options.filename = Some(FILE.to_owned());
        ctx.eval_with_options(self.code.as_str(), options)
    }
}

/// Reads the engine's syntax error.
fn problem(ctx: &Ctx<'_>, source: &str, error: &rquickjs::Error) -> SourceProblem {
    let thrown = ctx.catch();
    let Some(exception) = thrown.as_object().cloned().and_then(Exception::from_object) else {
        return SourceProblem::new(START, error.to_string());
    };
    let what = exception.message().filter(|what| !what.is_empty()).unwrap_or_else(|| "not valid JavaScript".to_owned());
    let place = exception.stack().and_then(|stack| place_in_stack(&stack)).unwrap_or(START);
    // What stands behind the text is not the author's.
    let what = if place > Place::of(source, source.len()) { "unexpected end of the text".to_owned() } else { what };
    SourceProblem::new(place.within(source), what)
}

/// The first place of a stack that lies in the author's text.
pub(super) fn place_in_stack(stack: &str) -> Option<Place> {
    stack.lines().find_map(|line| {
        let (before, place) = line.rsplit_once("script:")?;
        if !before.ends_with([' ', '(']) {
            return None;
        }
        let (line, column) = place.trim_end_matches(')').split_once(':')?;
        let line = line.parse::<u32>().ok()?.checked_sub(1).filter(|line| *line > 0)?;
        Some(Place { line, column: column.parse().ok()? })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_words_are_mentioned() {
        let names = ["limit", "a", "my-var"].map(Text::new);
        let places = |source: &str| Mentions::of(source, &names).variables;
        assert_eq!(places("message.limits > alimit"), Vec::<usize>::new());
        assert_eq!(places("limit+a"), [0, 1]);
        assert_eq!(places("variables.x"), [0, 1, 2]);
        assert_eq!(places("$a + a_"), Vec::<usize>::new());
    }
}
