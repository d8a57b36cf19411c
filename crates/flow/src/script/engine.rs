//! The script engine of one flow version: one QuickJS runtime and context, within limits of heap, stack and time.
//! It belongs to one thread. Conditions, expressions and scripts are compiled into it once and then run many times.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use message::{Object, Text, Value, limits};
use rquickjs::{Ctx, Value as JsValue};

use super::checker::{self, Syntax};
use super::failure::{Failure, RunError};
use super::from_js::Outlet;
use super::heartbeat::{Deadline, Heartbeat};
use super::log_lines::LogLines;
use super::realm::{Compiled, Realm};
use super::wrapping::{Mentions, Wrapped};
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
/// QuickJS itself is started by the first run that needs it: a flow whose conditions are all simple never pays for
/// it. A failed run leaves the engine ready for the next. After a run that filled the heap or had to be stopped
/// midway QuickJS is started anew, unseen, before the next run: compiled texts and the scripts' `state` are carried
/// over, but after a full heap the `state` begins empty, as it may be what filled it.
#[derive(Debug, Clone)]
pub struct ScriptEngine(Rc<Inner>);

#[derive(Debug)]
struct Inner {
    limits: ScriptLimits,
    heartbeat: Arc<Heartbeat>,
    deadline: Rc<Deadline>,
    log: Rc<LogLines>,
    texts: RefCell<Vec<(Syntax, Wrapped)>>,
    realm: RefCell<Option<Realm>>,
    /// Whether leftovers of a stopped run may be about: then a new realm takes over the state of the old one.
    stale: Cell<bool>,
}

/// A text that the engine holds, and which names it wants at each run.
#[derive(Debug, Clone)]
pub(super) struct Handle {
    place: usize,
    pub(super) mentions: Mentions,
}

impl ScriptEngine {
    pub fn new(limits: impl Into<ScriptLimits>) -> Self {
        let limits = limits.into();
        let heartbeat = Arc::new(Heartbeat::new(limits.time));
        Self(Rc::new(Inner {
            limits,
            deadline: Rc::new(Deadline::new(heartbeat.clone())),
            heartbeat,
            log: Rc::default(),
            texts: RefCell::default(),
            realm: RefCell::default(),
            stale: Cell::new(false),
        }))
    }

    /// What the watchdog of the engine's thread looks at.
    pub fn heartbeat(&self) -> Arc<Heartbeat> {
        self.0.heartbeat.clone()
    }

    pub(super) fn log(&self) -> &LogLines {
        &self.0.log
    }

    /// Takes a text in, where it stays as long as the engine.
    pub(super) fn compile(&self, syntax: Syntax, source: &str, names: &[Text]) -> Result<Handle, SourceProblem> {
        let wrapped = checker::wrap(syntax, source, names)?;
        let mut texts = self.0.texts.borrow_mut();
        texts.push((syntax, wrapped));
        Ok(Handle { place: texts.len() - 1, mentions: Mentions::of(source, names) })
    }

    /// Runs a text within the limits.
    pub(super) fn run<R>(
        &self,
        handle: &Handle,
        body: impl for<'js> FnOnce(&mut Run<'_, 'js>) -> Result<R, Failure>,
    ) -> Result<R, RunError> {
        let inner = &self.0;
        let mut place = inner.realm.borrow_mut();
        inner.deadline.begin();
        let result = inner.ready(&mut place).and_then(|realm| {
            let result = realm.with(|ctx| {
                let run = realm.compiled(ctx, handle.place).and_then(|compiled| {
                    let jobs_left = limits::SCRIPT_JOBS_MAX;
                    let mut run = Run { ctx, compiled, limits: &inner.limits, deadline: &inner.deadline, jobs_left };
                    let result = body(&mut run)?;
                    run.pump()?;
                    Ok(result)
                });
                run.map_err(|failure| failure.explain(ctx, &inner.deadline, &inner.limits))
            });
            inner.stale.set(result.is_err() && realm.has_jobs());
            let rejected = realm.end_run();
            result.and_then(|result| rejected.map(|()| result))
        });
        inner.deadline.end();
        match &result {
            Err(RunError::HeapFull { .. }) => *place = None,
            Err(RunError::TimedOut { .. } | RunError::TooManyJobs { .. }) => inner.stale.set(true),
            _ => {}
        }
        result
    }
}

impl Inner {
    /// The realm, started if need be, with all texts.
    fn ready<'a>(&self, place: &'a mut Option<Realm>) -> Result<&'a Realm, RunError> {
        let texts = self.texts.borrow();
        let mut states = Vec::new();
        if self.stale.take()
            && let Some(realm) = place.take()
        {
            states = (0..texts.len()).map(|text| realm.state(text, self.limits.heap_bytes)).collect();
        }
        let realm = match place {
            Some(realm) => realm,
            None => place.insert(Realm::new(&self.limits, &self.deadline, &self.log)?),
        };
        let nothing = Object::new();
        while let Some((syntax, wrapped)) = texts.get(realm.len()) {
            let state = states.get(realm.len()).unwrap_or(&nothing);
            realm.add(*syntax, wrapped, state)?;
        }
        Ok(realm)
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

    /// Runs the jobs that the text has left behind. If its result is a promise, that must be settled now.
    pub(super) fn settled(&mut self, value: JsValue<'js>) -> Result<JsValue<'js>, Failure> {
        self.pump()?;
        let Some(promise) = value.as_promise() else { return Ok(value) };
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
