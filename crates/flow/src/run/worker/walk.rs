//! The walk of one itinerary through the graph: depth first, branch by branch, without a task or a channel in between.

use std::sync::atomic::Ordering;

use message::{Now, limits};

use super::{Work, Worker};
use crate::module::Failure;
use crate::run::Itinerary;
use crate::run::figures::add;

impl Worker {
    /// Walks until every branch on the stack has ended or waits. With a `clock` each step is timed.
    pub(super) fn walk(&mut self, now: Now, clock: Option<&dyn Fn() -> Now>) {
        while let Some((place, itinerary)) = self.stack.pop() {
            if self.halted.is_some() || self.cancelled.load(Ordering::Relaxed) {
                super::failure::end_failed(&itinerary);
                continue;
            }
            match clock {
                None => self.step(now, place, itinerary),
                Some(clock) => {
                    let before = clock();
                    self.step(before, place, itinerary);
                    if let Some(module) = self.modules.get(place)
                        && matches!(module.work, Work::Step(_))
                    {
                        module.figures.latency.record(clock().moment.since(before.moment));
                    }
                }
            }
        }
    }

    fn step(&mut self, now: Now, place: usize, mut itinerary: Itinerary) {
        let steps = itinerary.take_step();
        self.at_work = Some(place);
        let Some(module) = self.modules.get_mut(place) else { return };
        add(&module.figures.messages_in, 1);
        if steps > limits::ITINERARY_STEPS_MAX as u32 {
            let what = format!(
                "the itinerary has taken {} steps: look for a cycle that never ends",
                limits::ITINERARY_STEPS_MAX
            );
            self.end_with_fault(now, place, &itinerary, &what);
            return;
        }
        let result = match &mut module.work {
            Work::Step(step) => step.process(now, itinerary, &mut self.emitter),
            Work::Waiting(waiting) => {
                let dropped = waiting.push(itinerary);
                if let Some(itinerary) = dropped {
                    add(&module.figures.dropped, 1);
                    super::failure::end_failed(&itinerary);
                }
                Ok(())
            }
            // The check refuses a connection into an inbound module, and a disabled one passes nothing on.
            Work::Inbound(_) | Work::Disabled => Ok(()),
        };
        match result {
            Ok(()) => self.pass_on_emitted(place),
            Err(failure) => {
                // What the step passed on before it failed still goes its way.
                self.pass_on_emitted(place);
                self.fail(now, place, failure);
            }
        }
    }

    /// Passes on what a step has emitted, keeping its order: the stack gives back the last one pushed first.
    pub(super) fn pass_on_emitted(&mut self, place: usize) {
        self.hold_backs.extend(self.emitter.take_hold_backs());
        if self.emitter.is_empty() {
            return;
        }
        if let Some(module) = self.modules.get(place) {
            add(&module.figures.messages_out, self.emitter.len() as u64);
        }
        let mut emitter = std::mem::take(&mut self.emitter);
        for (port, mut itinerary) in emitter.drain().rev() {
            super::failure::mark_success(&mut itinerary);
            itinerary.set_attempt(1);
            self.pass_on(place, port, itinerary);
        }
        self.emitter = emitter;
    }

    /// A failure of the engine itself, which no connection can handle.
    pub(super) fn end_with_fault(&mut self, now: Now, place: usize, itinerary: &Itinerary, what: &str) {
        if let Some(module) = self.modules.get(place) {
            module.figures.record_error(what);
            self.services.debug.log(now, &module.id, crate::services::LogLevel::Error, what);
        }
        super::failure::end_failed(itinerary);
        add(&self.figures.failed, 1);
    }

    /// Fails a step for good or for another try.
    pub(super) fn fail(&mut self, now: Now, place: usize, failure: Failure) {
        let (itinerary, what) = failure.into_parts();
        self.handle_failure(now, place, itinerary, &what);
    }
}
