//! A QuickJS runtime and context, readied for scripts, and the functions compiled into it.

use std::fmt;
use std::rc::Rc;

use message::Object;
use rquickjs::{Context, Ctx, Function, Object as JsObject, Persistent, Runtime, Value as JsValue};

use super::checker::Syntax;
use super::engine::ScriptLimits;
use super::failure::{Failure, RunError};
use super::from_js::Outlet;
use super::heartbeat::Deadline;
use super::into_js::{Builtins, into_js};
use super::log_lines::LogLines;
use super::rejections::Rejections;
use super::wrapping::Wrapped;

const BOOTSTRAP: &str = include_str!("bootstrap.js");

pub(super) struct Realm {
    // Dropped in this order: values before the context, the context before the runtime.
    slots: Vec<Slot>,
    log: Persistent<JsObject<'static>>,
    context: Context,
    runtime: Runtime,
    rejections: Rc<Rejections>,
    limits: ScriptLimits,
    deadline: Rc<Deadline>,
}

/// A compiled text.
struct Slot {
    run: Persistent<Function<'static>>,
    script: Option<ScriptSlot>,
}

struct ScriptSlot {
    take: Persistent<Function<'static>>,
    state: Persistent<JsObject<'static>>,
}

/// A compiled text, ready to be called.
pub(super) struct Compiled<'js> {
    pub(super) run: Function<'js>,
    /// Of a script: collects what it left in `message` and the variables.
    pub(super) take: Option<Function<'js>>,
}

impl Realm {
    pub(super) fn new(limits: &ScriptLimits, deadline: &Rc<Deadline>, lines: &Rc<LogLines>) -> Result<Self, RunError> {
        let engine = |error: rquickjs::Error| RunError::Engine { what: error.to_string() };
        let runtime = Runtime::new().map_err(engine)?;
        runtime.set_memory_limit(limits.heap_bytes);
        runtime.set_max_stack_size(limits.stack_bytes);
        let context = Context::full(&runtime).map_err(engine)?;
        let lines = lines.clone();
        let log = context.with(|ctx| {
            let ready = || -> rquickjs::Result<Persistent<JsObject<'static>>> {
                Builtins::keep(&ctx)?;
                let write = Function::new(ctx.clone(), move |level: u8, text: String| lines.write(level, &text))?;
                let bootstrap: Function<'_> = ctx.eval(BOOTSTRAP)?;
                Ok(Persistent::save(&ctx, bootstrap.call::<_, JsObject<'_>>((write,))?))
            };
            ready().map_err(|error| Failure::from(error).explain(&ctx, deadline, limits))
        })?;
        let watched = deadline.clone();
        runtime.set_interrupt_handler(Some(Box::new(move || watched.is_over())));
        let rejections = Rc::<Rejections>::default();
        runtime.set_host_promise_rejection_tracker(Some(rejections.tracker(*limits)));
        Ok(Self { slots: Vec::new(), log, context, runtime, rejections, limits: *limits, deadline: deadline.clone() })
    }

    pub(super) fn with<R>(&self, run: impl for<'js> FnOnce(&Ctx<'js>) -> R) -> R {
        self.context.with(|ctx| run(&ctx))
    }

    /// How many texts were added.
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Ends a run that otherwise went well.
    pub(super) fn end_run(&self) -> Result<(), RunError> {
        self.rejections.end()
    }

    pub(super) fn has_jobs(&self) -> bool {
        self.runtime.is_job_pending()
    }

    /// Compiles a text behind those that are there; a script begins with the members of `state`.
    pub(super) fn add(&mut self, syntax: Syntax, text: &Wrapped, state: &Object) -> Result<(), RunError> {
        let log = self.log.clone();
        let slot = self.context.with(|ctx| {
            let make = || -> rquickjs::Result<Slot> {
                let function = text.evaluate(&ctx)?;
                if syntax != Syntax::Script {
                    return Ok(Slot { run: Persistent::save(&ctx, function), script: None });
                }
                let held = JsObject::new(ctx.clone())?;
                for (name, value) in state {
                    held.set(name.as_str(), into_js(&ctx, value)?)?;
                }
                let (run, take): (Function<'_>, Function<'_>) = function
                    .call::<_, rquickjs::Array<'_>>((held.clone(), log.restore(&ctx)?))
                    .and_then(|pair| Ok((pair.get(0)?, pair.get(1)?)))?;
                let script = ScriptSlot { take: Persistent::save(&ctx, take), state: Persistent::save(&ctx, held) };
                Ok(Slot { run: Persistent::save(&ctx, run), script: Some(script) })
            };
            make().map_err(|error| Failure::from(error).explain(&ctx, &self.deadline, &self.limits))
        })?;
        self.slots.push(slot);
        Ok(())
    }

    pub(super) fn compiled<'js>(&self, ctx: &Ctx<'js>, place: usize) -> Result<Compiled<'js>, Failure> {
        let missing = || RunError::Engine { what: "a compiled text is missing".to_owned() };
        let slot = self.slots.get(place).ok_or_else(missing)?;
        let take = slot.script.as_ref().map(|script| script.take.clone().restore(ctx)).transpose()?;
        Ok(Compiled { run: slot.run.clone().restore(ctx)?, take })
    }

    /// What a script holds in its `state`; nothing if that cannot be taken out.
    pub(super) fn state(&self, place: usize, bytes_max: usize) -> Object {
        let Some(script) = self.slots.get(place).and_then(|slot| slot.script.as_ref()) else { return Object::new() };
        let state = self.context.with(|ctx| {
            let held: JsValue<'_> = script.state.clone().restore(&ctx)?.into_value();
            let taken = Outlet::new(&ctx, bytes_max)?.take(&held, None, 0);
            if taken.is_err() {
                let _dropped = ctx.catch();
            }
            taken
        });
        state.ok().and_then(|state| state.as_object().cloned()).unwrap_or_default()
    }
}

impl fmt::Debug for Realm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Realm").field("texts", &self.slots.len()).finish_non_exhaustive()
    }
}
