//! What happens when a step fails: another try, a halt, or the message goes on as failed.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::LazyLock;
use std::time::Duration;

use message::{Moment, Now, Object, Value, limits};

use super::route::Handled;
use super::{Halt, Worker};
use crate::model::RetrySpec;
use crate::run::Itinerary;
use crate::run::figures::add;
use crate::services::LogLevel;

/// The member that tells how the last module did.
const RESULT: &str = "headwater";

static SUCCESS: LazyLock<Value> = LazyLock::new(|| Value::Object(Object::from_iter([("success", Value::Bool(true))])));

/// Leaves `headwater: { success: true }` beside the payload. Shared, so that a second time costs a look.
pub(super) fn mark_success(itinerary: &mut Itinerary) {
    if let Value::Object(object) = &mut itinerary.message
        && object.get(RESULT) != Some(&*SUCCESS)
    {
        object.insert(RESULT, SUCCESS.clone());
    }
}

/// The same for an itinerary that has just begun, unless its inbound module has already told of a failure.
pub(super) fn mark_begun(itinerary: &mut Itinerary) {
    if itinerary.message.get(RESULT).is_none() {
        mark_success(itinerary);
    }
}

fn mark_failure(itinerary: &mut Itinerary, module: &str, what: &str) {
    if let Value::Object(object) = &mut itinerary.message {
        let result = [("success", Value::Bool(false)), ("message", Value::from(what)), ("module", Value::from(module))];
        object.insert(RESULT, Value::Object(result.into_iter().collect()));
    }
}

/// Tells the source of an itinerary, if it wants to know, that a branch came to no good end.
pub(super) fn end_failed(itinerary: &Itinerary) {
    if let Some(receipt) = itinerary.receipt() {
        receipt.fail();
    }
}

impl Worker {
    pub(super) fn handle_failure(&mut self, now: Now, place: usize, mut itinerary: Itinerary, what: &str) {
        let Some(module) = self.modules.get(place) else { return };
        module.figures.record_error(what);
        let attempt = itinerary.attempt();
        if attempt <= module.retry.max && self.delayed.len() < limits::FLOW_DELAYED_ITINERARIES_MAX {
            itinerary.set_attempt(attempt + 1);
            let due = now.moment + delay(&module.retry, attempt);
            self.delayed.push(due, place, itinerary);
            return;
        }
        itinerary.set_attempt(1);
        self.services.debug.log(now, &module.id, LogLevel::Warn, what);
        if self.halt_on_error || module.halt_on_error {
            let what = format!("module `{}` failed: {what}", module.id);
            self.halted = Some(Halt { restart: !self.halt_on_error, what });
            add(&self.figures.failed, 1);
            end_failed(&itinerary);
            return;
        }
        mark_failure(&mut itinerary, module.id.as_str(), what);
        let receipt = itinerary.receipt().cloned();
        let port = if module.outputs.errors.is_empty() { Some(0) } else { None };
        if self.take_arrows(place, port, itinerary) == Handled::No {
            add(&self.figures.failed, 1);
            if let Some(receipt) = receipt {
                receipt.fail();
            }
        }
    }
}

/// How long to wait before the try that follows `attempt`: doubled each time, up to a cap.
fn delay(retry: &RetrySpec, attempt: u32) -> Duration {
    let doubled = retry.delay_ms.saturating_mul(1_u64.checked_shl(attempt - 1).unwrap_or(u64::MAX));
    Duration::from_millis(doubled.min(retry.delay_max_ms))
}

/// Failed steps that are tried again later, the next one first.
#[derive(Debug, Default)]
pub(super) struct Delayed {
    heap: BinaryHeap<Reverse<Try>>,
    count: u64,
}

#[derive(Debug)]
struct Try {
    due: Moment,
    /// Keeps the order of those that are due at the same moment.
    number: u64,
    place: usize,
    itinerary: Itinerary,
}

impl Delayed {
    fn push(&mut self, due: Moment, place: usize, itinerary: Itinerary) {
        self.count += 1;
        self.heap.push(Reverse(Try { due, number: self.count, place, itinerary }));
    }

    pub(super) fn take_due(&mut self, now: Moment) -> Option<(usize, Itinerary)> {
        if self.poll_timeout()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse(next)| (next.place, next.itinerary))
    }

    pub(super) fn poll_timeout(&self) -> Option<Moment> {
        self.heap.peek().map(|Reverse(next)| next.due)
    }

    pub(super) fn len(&self) -> usize {
        self.heap.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }
}

impl Ord for Try {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.due, self.number).cmp(&(other.due, other.number))
    }
}

impl PartialOrd for Try {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Try {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Try {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_cap() {
        let retry = RetrySpec { max: 10, delay_ms: 100, delay_max_ms: 1_000 };
        let delays: Vec<u128> = (1..=5).map(|attempt| delay(&retry, attempt).as_millis()).collect();
        assert_eq!(delays, [100, 200, 400, 800, 1_000]);
        assert_eq!(delay(&retry, 200).as_millis(), 1_000);
    }
}
