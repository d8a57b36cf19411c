//! The script engine of one flow version: one QuickJS runtime and context, within limits of heap, stack and time.
//! It belongs to one thread. Conditions, expressions and scripts are compiled into it once and then run many times.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use message::{Object, Text, Value, limits};
use rquickjs::{Ctx, Value as JsValue};

use super::failure::{Failure, RunError};
use super::from_js::Outlet;
use super::heartbeat::{Deadline, Heartbeat};
use super::log_lines::LogLines;
use super::realm::{Compiled, Realm};
use super::wrapping::{self, Mentions, Wrapped};
use crate::expression::SourceProblem;
use crate::model::ScriptOptions;

/// What the scripts of one flow may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScriptLimits {
    /// All scripts and conditions of the flow together.
    pub heap_bytes: usize,
    /// The thread that runs the engine needs this much and half a megabyte more.
    pub stack_bytes: usize,
    /// One run of one script or condition.
    pub time: Duration,
}

impl Default for ScriptLimits {
    fn default() -> Self {
        Self {
            heap_bytes: limits::SCRIPT_HEAP_BYTES_MAX,
            stack_bytes: limits::SCRIPT_STACK_BYTES_MAX,
            time: limits::SCRIPT_TIME_MAX,
        }
    }
}

impl From<&ScriptOptions> for ScriptLimits {
    fn from(options: &ScriptOptions) -> Self {
        let heap_bytes = usize::try_from(options.heap_max_mib).unwrap_or(usize::MAX).saturating_mul(1024 * 1024);
        Self { heap_bytes, time: Duration::from_millis(options.time_max_ms), ..Self::default() }
    }
}

/// The engine of one flow version; a clone is the same engine.
///
/// A failed run leaves it ready for the next. After a run that filled the heap or had to be stopped midway it is
/// built anew, unseen, before the next run: compiled texts and the scripts' `state` are carried over, but after a
/// full heap the `state` begins empty, as it may be what filled it.
#[derive(Debug, Clone)]
pub struct ScriptEngine(Rc<Inner>);

#[derive(Debug)]
struct Inner {
    heartbeat: Arc<Heartbeat>,
    limits: ScriptLimits,
    deadline: Rc<Deadline>,
    log: Rc<LogLines>,
    texts: RefCell<Vec<(Kind, Wrapped)>>,
    realm: RefCell<Realm>,
    /// What must be done to the realm before its next run.
    repair: Cell<Repair>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Repair {
    None,
    /// Leftovers of the failed run may be about; the state is sound.
    Rebuild,
    /// The heap was full.
    RebuildEmpty,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Function,
    Script,
}

/// A text that the engine holds, and which names it wants at each run.
#[derive(Debug, Clone)]
pub(super) struct Handle {
    pub(super) place: usize,
    pub(super) mentions: Mentions,
}

impl ScriptEngine {
    pub fn new(limits: impl Into<ScriptLimits>) -> Result<Self, RunError> {
        let limits = limits.into();
        let heartbeat = Arc::new(Heartbeat::new(limits.time));
        let deadline = Rc::new(Deadline::new(heartbeat.clone()));
        let log = Rc::new(LogLines::default());
        let realm = Realm::new(&limits, &deadline, &log)?;
        Ok(Self(Rc::new(Inner {
            heartbeat,
            limits,
            deadline,
            log,
            texts: RefCell::default(),
            realm: RefCell::new(realm),
            repair: Cell::new(Repair::None),
        })))
    }

    /// What the watchdog of the engine's thread looks at.
    pub fn heartbeat(&self) -> Arc<Heartbeat> {
        self.0.heartbeat.clone()
    }

    pub(super) fn log(&self) -> &LogLines {
        &self.0.log
    }

    /// Compiles a text into the engine, where it stays as long as the engine.
    pub(super) fn compile(
        &self,
        kind: Kind,
        source: &str,
        names: &[Text],
        wrap: fn(&Ctx<'_>, &str, &[Text]) -> Result<Wrapped, SourceProblem>,
    ) -> Result<Handle, SourceProblem> {
        wrapping::check_size(source)?;
        self.mend().map_err(|error| SourceProblem::new(wrapping::START, error.to_string()))?;
        let mut realm = self.0.realm.borrow_mut();
        self.0.deadline.begin();
        let wrapped = realm.with(|ctx| wrap(ctx, source, names));
        let added = wrapped.and_then(|wrapped| {
            let added = realm.add(kind, &wrapped, &Object::new());
            added.map(|()| wrapped).map_err(|error| SourceProblem::new(wrapping::START, error.to_string()))
        });
        self.0.deadline.end();
        let mut texts = self.0.texts.borrow_mut();
        texts.push((kind, added?));
        Ok(Handle { place: texts.len() - 1, mentions: Mentions::of(source, names) })
    }

    /// Runs a compiled text within the limits.
    pub(super) fn run<R>(
        &self,
        handle: &Handle,
        body: impl for<'js> FnOnce(&mut Run<'_, 'js>) -> Result<R, Failure>,
    ) -> Result<R, RunError> {
        self.mend()?;
        let realm = self.0.realm.borrow();
        let limits = &self.0.limits;
        self.0.deadline.begin();
        let result = realm.with(|ctx| {
            let run = realm.compiled(ctx, handle.place).and_then(|compiled| {
                let mut run =
                    Run { ctx, compiled, limits, deadline: &self.0.deadline, jobs_left: limits::SCRIPT_JOBS_MAX };
                let result = body(&mut run)?;
                run.pump()?;
                Ok(result)
            });
            run.map_err(|failure| failure.explain(ctx, &self.0.deadline, limits))
        });
        self.0.deadline.end();
        match &result {
            Err(RunError::HeapFull { .. }) => self.0.repair.set(Repair::RebuildEmpty),
            Err(RunError::TimedOut { .. } | RunError::TooManyJobs { .. }) => self.0.repair.set(Repair::Rebuild),
            Err(_) if realm.has_jobs() => self.0.repair.set(Repair::Rebuild),
            _ => {}
        }
        result
    }

    /// Builds the realm anew if the last run left it unfit.
    fn mend(&self) -> Result<(), RunError> {
        let inner = &self.0;
        let repair = inner.repair.get();
        if repair == Repair::None {
            return Ok(());
        }
        let texts = inner.texts.borrow();
        let mut realm = inner.realm.borrow_mut();
        inner.deadline.begin();
        let states: Vec<Object> = match repair {
            Repair::Rebuild => (0..texts.len()).map(|place| realm.state(place, inner.limits.heap_bytes)).collect(),
            Repair::None | Repair::RebuildEmpty => vec![Object::new(); texts.len()],
        };
        let rebuilt = Realm::new(&inner.limits, &inner.deadline, &inner.log).and_then(|mut rebuilt| {
            for ((kind, wrapped), state) in texts.iter().zip(&states) {
                rebuilt.add(*kind, wrapped, state)?;
            }
            Ok(rebuilt)
        });
        inner.deadline.end();
        *realm = rebuilt?;
        inner.repair.set(Repair::None);
        Ok(())
    }
}

/// One run of a compiled text.
pub(super) struct Run<'r, 'js> {
    pub(super) ctx: &'r Ctx<'js>,
    pub(super) compiled: Compiled<'js>,
    limits: &'r ScriptLimits,
    deadline: &'r Deadline,
    jobs_left: usize,
}

impl<'js> Run<'_, 'js> {
    /// A way out for values, together no larger than the heap.
    pub(super) fn outlet(&self) -> Result<Outlet<'js>, Failure> {
        Outlet::new(self.ctx, self.limits.heap_bytes)
    }

    /// The result of a promise, once the jobs that are pending have run; any other value as it is.
    pub(super) fn settled(&mut self, value: JsValue<'js>) -> Result<JsValue<'js>, Failure> {
        let Some(promise) = value.as_promise() else { return Ok(value) };
        self.pump()?;
        promise.result::<JsValue<'js>>().ok_or(RunError::Unsettled)?.map_err(Failure::from)
    }

    fn pump(&mut self) -> Result<(), Failure> {
        while self.ctx.execute_pending_job() {
            if self.deadline.is_over() {
                return Err(RunError::TimedOut { limit: self.limits.time }.into());
            }
            self.jobs_left =
                self.jobs_left.checked_sub(1).ok_or(RunError::TooManyJobs { limit: limits::SCRIPT_JOBS_MAX })?;
        }
        Ok(())
    }

    /// The arguments that every text takes first: message, context and the variables that it mentions.
    pub(super) fn arguments(
        &self,
        mentions: &Mentions,
        message: &Value,
        variables: &[Value],
        context: impl FnOnce() -> Value,
    ) -> Result<rquickjs::function::Args<'js>, Failure> {
        let into_js = |value: &Value| super::into_js::into_js(self.ctx, value);
        let mut arguments = rquickjs::function::Args::new(self.ctx.clone(), 2 + mentions.variables.len());
        arguments.push_arg(into_js(message)?)?;
        if mentions.context {
            arguments.push_arg(into_js(&context())?)?;
        } else {
            arguments.push_arg(rquickjs::Undefined)?;
        }
        for place in &mentions.variables {
            arguments.push_arg(into_js(variables.get(*place).unwrap_or(&Value::Null))?)?;
        }
        Ok(arguments)
    }
}
