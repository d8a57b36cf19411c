//! A problem of a flow file as the command line tells it: file, line and column first, as compilers do, so that
//! terminals and editors lead there.

use std::path::Path;

use flow::check::{Place, Problem, Severity};
use serde_json::Value;

use super::api_client::problem_line;

/// One problem of the flow file with this text, in one line.
pub(super) fn told(file: &Path, text: &str, problem: &Problem) -> String {
    let file = file.display();
    let Place::File { line, column } = flow::file::locate(text, &problem.at) else {
        return format!("{file}: {problem}");
    };
    let mark = if problem.is_error() { "" } else { "warning: " };
    let hint = if problem.hint.is_empty() { String::new() } else { format!(" ({})", problem.hint) };
    let at = match problem.at {
        Place::File { .. } => String::new(),
        _ => format!("{}: ", problem.at),
    };
    format!("{file}:{line}:{column}: {mark}{at}{}{hint}", problem.what)
}

/// The same for a problem as the API writes it.
pub(super) fn told_by_api(file: &Path, text: &str, problem: &Value) -> String {
    match read(problem) {
        Some(problem) => told(file, text, &problem),
        // The node may be of another version, and know other places.
        None => format!("{}: {}", file.display(), problem_line(problem)),
    }
}

fn read(problem: &Value) -> Option<Problem> {
    let word = |name: &str| Some(problem.get(name)?.as_str()?.to_owned());
    let severity = if word("severity")? == "warning" { Severity::Warning } else { Severity::Error };
    let at = serde_json::from_value(problem.get("place")?.clone()).ok()?;
    Some(Problem { severity, at, what: word("what")?, hint: word("hint")? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use message::ModuleId;

    const TEXT: &str = "id = \"f\"\n\n[modules.plc]\ntype = \"mqtt-sub-broker\"\nwith = { topic = \"a/#/b\" }\n";

    fn problem(at: Place) -> Problem {
        Problem::error(at, "is no topic filter", "put # last")
    }

    #[test]
    fn a_problem_names_line_and_column_where_the_file_says_it() {
        let file = Path::new("f.toml");
        let module = ModuleId::parse("plc").unwrap();
        for (at, expected) in [
            (Place::setting(&module, "topic"), "f.toml:5:10: modules.plc.with.topic: is no topic filter (put # last)"),
            (Place::File { line: 2, column: 3 }, "f.toml:2:3: is no topic filter (put # last)"),
            (Place::flow("options.queue"), "f.toml: options.queue: is no topic filter (put # last)"),
        ] {
            let problem = problem(at);
            assert_eq!(told(file, TEXT, &problem), expected);
            let json = serde_json::to_value(crate::api::FlowProblem::list(&[problem])).unwrap();
            assert_eq!(told_by_api(file, TEXT, &json[0]), expected);
        }
    }

    #[test]
    fn warnings_and_unknown_places_are_told_as_well() {
        let file = Path::new("f.toml");
        let warning = Problem { severity: Severity::Warning, ..problem(Place::File { line: 1, column: 1 }) };
        assert_eq!(told(file, TEXT, &warning), "f.toml:1:1: warning: is no topic filter (put # last)");
        let unknown =
            serde_json::json!({ "severity": "error", "at": "the sky", "what": "fell", "hint": "", "place": {} });
        assert_eq!(told_by_api(file, TEXT, &unknown), "f.toml: the sky: fell");
    }
}
