//! The engine of one flow version. It takes itineraries from the inbound modules in batches and walks each through the
//! graph in one go; steps that wait on the world have a bounded queue of their own. It reads no clock but the one it is
//! given, and never blocks: whoever drives it calls [`Worker::poll`] when woken, and not before the time that it names.

mod build;
mod failure;
mod route;
mod waiting;
mod walk;

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use message::{ModuleId, Moment, Now, limits};

pub use build::WorkerError;
use failure::Delayed;
use route::Outputs;
use waiting::WaitingModule;

use super::figures::add;
use super::receipt::break_down;
use super::{Emitter, FlowContext, FlowFigures, Itinerary, ModuleFigures};
use crate::model::{QueueFull, QueueSpec, RetrySpec};
use crate::module::{Inbound, Step};
use crate::services::{Answer, ServiceError, Services};

/// Itineraries that begin before the first of them walks. Allocators keep some seven pieces of a size for a thread to use
/// again without a lock.
const STRIDE_ITINERARIES: usize = 6;

/// The engine of one flow version, on the thread of its flow.
pub struct Worker {
    context: Arc<FlowContext>,
    services: Services,
    figures: Arc<FlowFigures>,
    modules: Vec<WorkingModule>,
    /// Itineraries that have begun and wait for their walk, with the module that began them.
    entrance: VecDeque<(usize, Itinerary)>,
    entrance_spec: QueueSpec,
    /// Failed steps that are tried again later.
    delayed: Delayed,
    hold_backs: Vec<Answer<Result<(), ServiceError>>>,
    halted: Option<Halt>,
    halt_on_error: bool,
    closing: Closing,
    cancelled: Arc<AtomicBool>,
    /// The module whose turn it is, to be named when it panics.
    at_work: Option<usize>,
    /// Numbers branches; unique within the run, and so within each itinerary.
    branches: u32,
    walks: u64,
    arrivals: Vec<Itinerary>,
    emitter: Emitter,
    stack: Vec<(usize, Itinerary)>,
}

/// One module at work.
struct WorkingModule {
    id: ModuleId,
    work: Work,
    outputs: Outputs,
    retry: RetrySpec,
    halt_on_error: bool,
    figures: Arc<ModuleFigures>,
}

enum Work {
    Inbound(Box<dyn Inbound>),
    Step(Box<dyn Step>),
    Waiting(WaitingModule),
    /// Passes nothing on.
    Disabled,
}

/// What the one who drives a worker has to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// There is more to do now: look after other things, then poll again.
    Busy,
    /// Poll again when woken, or at the given moment.
    Idle { until: Option<Moment> },
    /// Closed, and everything has ended.
    Drained,
    /// An error brought the flow to a halt.
    Halted(Halt),
}

/// An error that stops the flow because it or one of its modules says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Halt {
    /// Whether the node starts the flow again.
    pub restart: bool,
    pub what: String,
}

/// How far a worker is on its way to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Closing {
    No,
    /// Takes nothing new; what it has goes on.
    Closed,
    /// Open windows have been passed on too.
    Flushed,
    /// Something was at work since, which may have opened a window again.
    WorkedSince,
}

impl Worker {
    /// Does what there is to do, within a budget of one batch. `clock` is asked a few times per batch.
    pub fn poll(&mut self, cx: &mut Context<'_>, clock: &dyn Fn() -> Now) -> Progress {
        let now = clock();
        let mut worked = self.poll_waiting(cx, now);
        worked |= self.handle_timeouts(now);
        if self.halted.is_none() && !self.is_held_back(cx) {
            worked |= self.take_and_walk(cx, now, clock);
        }
        if let Some(halt) = self.halted.clone() {
            return Progress::Halted(halt);
        }
        if worked {
            if self.closing == Closing::Flushed {
                self.closing = Closing::WorkedSince;
            }
            // Work begun in this round may wait on the world: it is polled in the next, so that its waker is known.
            return Progress::Busy;
        }
        let passes_on = match self.closing {
            Closing::No => false,
            Closing::Closed => !self.has_first_tries(),
            Closing::Flushed if self.is_empty() => return Progress::Drained,
            Closing::Flushed => false,
            Closing::WorkedSince => self.is_empty(),
        };
        if passes_on {
            self.closing = Closing::Flushed;
            self.flush(now);
            return Progress::Busy;
        }
        Progress::Idle { until: self.poll_timeout() }
    }

    /// Whether it was closed and all has ended that must come before what begins later elsewhere: then another version
    /// may begin, and messages stay in order. What failed and waits for another try has lost its place; it goes on.
    pub fn is_in_order(&self) -> bool {
        matches!(self.closing, Closing::Flushed | Closing::WorkedSince) && !self.has_first_tries()
    }

    /// Takes nothing new from now on; `poll` says `Drained` when all that began has ended.
    pub fn close(&mut self) {
        if self.closing == Closing::No {
            self.closing = Closing::Closed;
        }
        for module in &mut self.modules {
            if let Work::Inbound(inbound) = &mut module.work {
                inbound.close();
            }
        }
    }

    /// The module that was at work when a poll panicked.
    pub fn at_work(&self) -> Option<&ModuleId> {
        self.modules.get(self.at_work?).map(|module| &module.id)
    }

    /// Itineraries that have begun but whose walk has not: what a worker that takes over after a crash goes on with. All
    /// others that it has under way have failed.
    pub fn into_unwalked(mut self) -> Vec<(usize, Itinerary)> {
        let unwalked = std::mem::take(&mut self.entrance);
        self.break_down();
        unwalked.into()
    }

    /// Ends at once. Everything that it has under way has failed.
    pub fn break_down(self) {
        break_down(|| drop(self));
    }

    /// Goes on with itineraries that a crashed worker of the same plan has left.
    pub fn take_over(&mut self, unwalked: Vec<(usize, Itinerary)>) {
        self.entrance.extend(unwalked);
    }

    fn is_empty(&self) -> bool {
        self.delayed.is_empty()
            && !self.has_first_tries()
            && self.modules.iter().all(|module| match &module.work {
                Work::Waiting(waiting) => waiting.is_empty(),
                Work::Inbound(_) | Work::Step(_) | Work::Disabled => true,
            })
    }

    /// Whether anything is left to do that has not failed yet.
    fn has_first_tries(&self) -> bool {
        !self.entrance.is_empty()
            || !self.hold_backs.is_empty()
            || self.modules.iter().any(|module| match &module.work {
                Work::Inbound(inbound) => !inbound.is_drained(),
                Work::Waiting(waiting) => waiting.has_first_tries(),
                Work::Step(_) | Work::Disabled => false,
            })
    }

    fn is_held_back(&mut self, cx: &mut Context<'_>) -> bool {
        self.hold_backs.retain_mut(|answer| answer.as_mut().poll(cx).is_pending());
        !self.hold_backs.is_empty()
    }

    /// How many itineraries may begin now, so that no queue with `wait` runs over.
    fn room(&self) -> usize {
        let waiting = self.modules.iter().filter_map(|module| match &module.work {
            Work::Waiting(waiting) => waiting.room(),
            _ => None,
        });
        waiting.min().unwrap_or(usize::MAX)
    }

    /// Takes a batch and walks it in strides of a few: what came in is let go of shortly before what goes out is made, so
    /// that the allocator gives the one's memory to the other. A queue that drops sees all that has come, as it may.
    fn take_and_walk(&mut self, cx: &mut Context<'_>, now: Now, clock: &dyn Fn() -> Now) -> bool {
        let waits = self.entrance_spec.when_full == QueueFull::Wait;
        let stride = if waits { STRIDE_ITINERARIES } else { limits::FLOW_BATCH_ITINERARIES_MAX };
        let mut walked = 0;
        while walked < limits::FLOW_BATCH_ITINERARIES_MAX {
            self.take_arrivals(cx, now, stride);
            let more = self.walk_batch(clock, limits::FLOW_BATCH_ITINERARIES_MAX - walked);
            walked += more;
            if more == 0 || self.halted.is_some() || !self.hold_backs.is_empty() {
                break;
            }
        }
        walked > 0
    }

    fn take_arrivals(&mut self, cx: &mut Context<'_>, now: Now, stride: usize) {
        let max = self.entrance_spec.max as usize;
        let waits = self.entrance_spec.when_full == QueueFull::Wait;
        for place in 0..self.modules.len() {
            let room = if waits { max.saturating_sub(self.entrance.len()) } else { stride };
            let Some(module) = self.modules.get_mut(place) else { break };
            let Work::Inbound(inbound) = &mut module.work else { continue };
            if room == 0 {
                continue;
            }
            self.at_work = Some(place);
            inbound.poll_arrivals(cx, now, room.min(stride), &mut self.arrivals);
            add(&module.figures.messages_in, self.arrivals.len() as u64);
            let begun = self.figures.begun.load(Ordering::Relaxed);
            add(&self.figures.begun, self.arrivals.len() as u64);
            for (number, mut itinerary) in (begun.wrapping_add(1)..).zip(self.arrivals.drain(..)) {
                itinerary.set_number(number);
                failure::mark_begun(&mut itinerary);
                self.entrance.push_back((place, itinerary));
            }
        }
        self.drop_what_does_not_fit(max);
        self.figures.queued.store(self.entrance.len() as u64, Ordering::Relaxed);
    }

    fn drop_what_does_not_fit(&mut self, max: usize) {
        while self.entrance.len() > max {
            let dropped = match self.entrance_spec.when_full {
                QueueFull::Wait => break,
                QueueFull::DropOldest => self.entrance.pop_front(),
                QueueFull::DropNewest | QueueFull::DropWrite => self.entrance.pop_back(),
            };
            if let Some((_, itinerary)) = dropped {
                add(&self.figures.dropped, 1);
                failure::end_failed(&itinerary);
            }
        }
    }

    /// Walks what stands at the entrance, up to `most`; how many it were.
    fn walk_batch(&mut self, clock: &dyn Fn() -> Now, most: usize) -> usize {
        let batch = self.room().min(most).min(self.entrance.len());
        for _ in 0..batch {
            let Some((place, itinerary)) = self.entrance.pop_front() else { break };
            // One walk in 16 is timed step by step: two looks at the clock cost as much as a cheap step.
            let timed = self.walks.is_multiple_of(16);
            self.walks = self.walks.wrapping_add(1);
            let now = clock();
            let started = itinerary.started();
            if let Some(module) = self.modules.get(place) {
                add(&module.figures.messages_out, 1);
            }
            self.pass_on(place, 0, itinerary);
            self.walk(now, timed.then_some(clock));
            self.figures.latency.record(now.moment.since(started.moment));
            if self.halted.is_some() {
                break;
            }
        }
        batch
    }

    fn poll_timeout(&self) -> Option<Moment> {
        let modules = self.modules.iter().filter_map(|module| match &module.work {
            Work::Inbound(inbound) => inbound.poll_timeout(),
            Work::Step(step) => step.poll_timeout(),
            // Steps that wait on the world wake the worker themselves.
            Work::Waiting(_) | Work::Disabled => None,
        });
        modules.chain(self.delayed.poll_timeout()).min()
    }

    /// Lets steps pass on what is due, and tries failed steps again.
    fn handle_timeouts(&mut self, now: Now) -> bool {
        let mut worked = false;
        for place in 0..self.modules.len() {
            let Some(module) = self.modules.get_mut(place) else { break };
            let Work::Step(step) = &mut module.work else { continue };
            if step.poll_timeout().is_some_and(|due| due <= now.moment) {
                self.at_work = Some(place);
                step.handle_timeout(now, &mut self.emitter);
                worked = true;
                self.pass_on_emitted(place);
                self.walk(now, None);
            }
        }
        while let Some((place, itinerary)) = self.delayed.take_due(now.moment) {
            worked = true;
            self.stack.push((place, itinerary));
            self.walk(now, None);
        }
        worked
    }

    /// Lets steps pass on what they still hold, upstream ones first, so that a window feeds the batch behind it.
    fn flush(&mut self, now: Now) {
        for place in 0..self.modules.len() {
            if let Some(WorkingModule { work: Work::Step(step), .. }) = self.modules.get_mut(place) {
                self.at_work = Some(place);
                step.drain(now, &mut self.emitter);
                self.pass_on_emitted(place);
                self.walk(now, None);
            }
        }
    }

    /// Moves the steps that wait on the world along, and passes on what they have finished.
    fn poll_waiting(&mut self, cx: &mut Context<'_>, now: Now) -> bool {
        let mut worked = false;
        for place in 0..self.modules.len() {
            while let Some(WorkingModule { work: Work::Waiting(waiting), figures, .. }) = self.modules.get_mut(place) {
                self.at_work = Some(place);
                let finished = waiting.poll_finished(cx, now);
                figures.queued.store(waiting.len() as u64, Ordering::Relaxed);
                let Poll::Ready((result, span)) = finished else { break };
                figures.latency.record(span);
                worked = true;
                match result {
                    Ok(passed) => {
                        for (port, itinerary) in passed {
                            self.emitter.emit_to(port, itinerary);
                        }
                        self.pass_on_emitted(place);
                    }
                    Err(failure) => self.fail(now, place, failure),
                }
                self.walk(now, None);
            }
        }
        worked
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker")
            .field("flow", &self.context.flow)
            .field("version", &self.context.version)
            .finish_non_exhaustive()
    }
}
