//! A step that waits on the world, with its bounded queue and the work that it has under way.

use std::collections::VecDeque;
use std::fmt;
use std::task::{Context, Poll};
use std::time::Duration;

use message::{Moment, Now};

use crate::model::{QueueFull, QueueSpec};
use crate::module::{Failure, Waiting, WaitingStep};
use crate::run::Itinerary;

/// A waiting step at work. Results leave in the order in which their itineraries came.
pub(super) struct WaitingModule {
    step: Box<dyn WaitingStep>,
    spec: QueueSpec,
    queue: VecDeque<Itinerary>,
    under_way: VecDeque<UnderWay>,
}

type Finished = Result<Vec<(usize, Itinerary)>, Failure>;

struct UnderWay {
    began: Moment,
    is_first_try: bool,
    state: State,
}

enum State {
    Running(Waiting),
    Finished(Finished, Duration),
}

impl WaitingModule {
    pub(super) fn new(step: Box<dyn WaitingStep>, spec: QueueSpec) -> Self {
        Self { step, spec, queue: VecDeque::new(), under_way: VecDeque::new() }
    }

    /// How many more may come before the sender has to wait; `None` when the queue drops instead.
    pub(super) fn room(&self) -> Option<usize> {
        (self.spec.when_full == QueueFull::Wait).then(|| (self.spec.max as usize).saturating_sub(self.queue.len()))
    }

    /// Queues an itinerary and gives back the one that was dropped for it, if the queue is full and drops.
    /// A queue that waits takes it all the same: the worker begins nothing new until there is room.
    pub(super) fn push(&mut self, itinerary: Itinerary) -> Option<Itinerary> {
        if self.queue.len() < self.spec.max as usize {
            self.queue.push_back(itinerary);
            return None;
        }
        match self.spec.when_full {
            QueueFull::Wait => {
                self.queue.push_back(itinerary);
                None
            }
            QueueFull::DropWrite => Some(itinerary),
            QueueFull::DropNewest => self.queue.back_mut().map(|newest| std::mem::replace(newest, itinerary)),
            QueueFull::DropOldest => {
                self.queue.push_back(itinerary);
                self.queue.pop_front()
            }
        }
    }

    /// Begins what may begin, moves on what is under way, and gives the oldest one when it has finished.
    pub(super) fn poll_finished(&mut self, cx: &mut Context<'_>, now: Now) -> Poll<(Finished, Duration)> {
        while self.under_way.len() < self.step.in_flight_max().max(1) {
            let Some(itinerary) = self.queue.pop_front() else { break };
            let is_first_try = itinerary.attempt() == 1;
            let waiting = self.step.begin(now, itinerary);
            self.under_way.push_back(UnderWay { began: now.moment, is_first_try, state: State::Running(waiting) });
        }
        for work in &mut self.under_way {
            if let State::Running(waiting) = &mut work.state
                && let Poll::Ready(finished) = waiting.as_mut().poll(cx)
            {
                work.state = State::Finished(finished, now.moment.since(work.began));
            }
        }
        if !matches!(self.under_way.front(), Some(UnderWay { state: State::Finished(..), .. })) {
            return Poll::Pending;
        }
        match self.under_way.pop_front() {
            Some(UnderWay { state: State::Finished(finished, span), .. }) => Poll::Ready((finished, span)),
            _ => Poll::Pending,
        }
    }

    /// Itineraries that wait or are under way.
    pub(super) fn len(&self) -> usize {
        self.queue.len() + self.under_way.len()
    }

    /// Whether any of them has not failed yet.
    pub(super) fn has_first_tries(&self) -> bool {
        self.queue.iter().any(|itinerary| itinerary.attempt() == 1)
            || self.under_way.iter().any(|work| work.is_first_try)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl fmt::Debug for WaitingModule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitingModule").field("queued", &self.queue.len()).finish_non_exhaustive()
    }
}
