//! Runs the scenarios of a section against a server that is started for them: each in every version and over every
//! transport, many at once, as most of them wait. What fails is told by the name of the scenario.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, Once};
use std::thread;
use std::time::Duration;

use super::case::Case;
use super::list::List;
use super::server::{Kind, Over, Server};
use super::write::Version;

/// A story with a server, named after what it shows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) versions: &'static [Version],
    pub(crate) run: fn(&Case<'_>),
}

/// The scenarios of one module.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Section {
    pub(crate) name: &'static str,
    pub(crate) scenarios: &'static [Scenario],
}

/// Lists the scenarios of a module by the versions that they are about.
macro_rules! scenarios {
    ($($versions:ident: $($name:ident),*;)*) => {
        pub(crate) const SCENARIOS: &[$crate::harness::pool::Scenario] = &[
            $($($crate::harness::pool::Scenario {
                name: stringify!($name),
                versions: $crate::harness::pool::$versions,
                run: $name,
            },)*)*
        ];
    };
}
pub(crate) use scenarios;

/// Versions that a scenario is about.
pub(crate) const BOTH: &[Version] = &[Version::V3, Version::V5];
pub(crate) const ONLY_5: &[Version] = &[Version::V5];
pub(crate) const ONLY_3: &[Version] = &[Version::V3];

/// How long a server may take to do what it must; never waited for when all is well.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long mosquitto may take where it is known to do something else.
const PATIENCE_WITH_DEVIANTS: Duration = Duration::from_secs(3);
/// Scenarios at one time: they mostly wait.
const AT_ONCE: usize = 24;

thread_local! {
    /// What the scenario of this thread said when it failed; nothing on threads that run none.
    static LAST_WORDS: RefCell<Option<String>> = const { RefCell::new(None) };
}

struct Run {
    scenario: Scenario,
    version: Version,
    over: Over,
    /// It is written down that the server does something else here.
    deviates: bool,
}

/// Runs a section and fails with the names of all scenarios that went wrong.
pub(crate) fn run(section: &Section, kind: Kind) {
    keep_last_words();
    let list = List::read();
    let runs: Vec<Run> = runs(section, kind, &list);
    let server = Server::start(kind);
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(runs.len()) {
            scope.spawn(|| {
                while let Some(run) = runs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(failure) = run.judge(section.name, &server) {
                        failures.lock().unwrap().push(failure);
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{} of {} runs failed:\n\n{}\n", failures.len(), runs.len(), failures.join("\n\n"));
    server.assert_sound();
}

/// Lets scenarios fail without a word: many are expected to, and the others are reported together.
fn keep_last_words() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let is_kept = LAST_WORDS.with_borrow_mut(|words| words.as_mut().map(|words| *words = info.to_string()));
            if is_kept.is_none() {
                usual(info);
            }
        }));
    });
}

fn runs(section: &Section, kind: Kind, list: &List) -> Vec<Run> {
    let mut runs = Vec::new();
    for scenario in section.scenarios {
        for &version in scenario.versions {
            let test = format!("{}::{}", section.name, scenario.name);
            let deviates = kind == Kind::Mosquitto && list.mosquitto_deviates(version, &test);
            runs.extend(kind.transports().iter().map(|&over| Run { scenario: *scenario, version, over, deviates }));
        }
    }
    runs
}

impl Run {
    /// What went wrong, if anything did: a scenario that fails, or one that passes where it is said not to.
    fn judge(&self, section: &str, server: &Server) -> Result<(), String> {
        let Self { scenario, version, over, deviates } = self;
        let patience = if *deviates { PATIENCE_WITH_DEVIANTS } else { PATIENCE };
        let prefix = format!("{section}/{}/{}/{over:?}", scenario.name, version.name());
        let case = Case::new(server, *version, *over, patience, prefix);
        LAST_WORDS.set(Some(String::new()));
        let outcome = catch_unwind(AssertUnwindSafe(|| (scenario.run)(&case)));
        let words = LAST_WORDS.take().unwrap_or_default();
        match (outcome, deviates) {
            (Ok(()), false) | (Err(_), true) => Ok(()),
            (Err(_), false) => Err(format!("{}: {words}", case.prefix)),
            (Ok(()), true) => {
                Err(format!("{}: passes, although conformance.toml says that mosquitto deviates", case.prefix))
            }
        }
    }
}
