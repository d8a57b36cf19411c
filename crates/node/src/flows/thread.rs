//! The thread of one flow version: it builds the flow's worker and drives it, rests after a crash and starts it again.
//! Each flow has a thread of its own, so that what one does with its time, its stack or its scripts is no other's concern.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use flow::plan::Plan;
use flow::run::{Halt, Itinerary, Progress, Worker};
use flow::script::ScriptEngine;
use flow::services::Services;
use message::Moment;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Sleep;

use super::attachment::Attachment;
use super::backoff::Backoff;
use super::pulse::Pulse;
use crate::clock;

/// What the node tells a flow's thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Control {
    /// The version is live: begin.
    Go,
    /// Take nothing new, end what has begun, then end.
    Close,
}

/// What a flow's thread tells the node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event {
    /// Runs again after a crash.
    Recovered,
    /// Crashed, and rests before it starts again.
    Crashed { what: String, rest: Duration },
    /// Came to an end for which it was not asked, and does not start again.
    Failed { what: String },
    /// Closed, and all that is left has failed once: another version may begin.
    InOrder,
    /// The thread has ended: what was closed has ended what it had begun.
    Ended,
}

/// Called on the flow's thread.
pub(super) type OnEvent = Box<dyn Fn(Event) + Send>;

/// What a flow's thread needs.
pub(super) struct FlowThread {
    pub(super) plan: Arc<Plan>,
    pub(super) services: Services,
    pub(super) attachment: Arc<Attachment>,
    pub(super) pulse: Arc<Pulse>,
    pub(super) control: mpsc::Receiver<Control>,
    pub(super) on_event: OnEvent,
}

/// How a worker's run ended.
enum End {
    Drained,
    Halted(Halt),
    Panicked(String),
    Cancelled,
}

/// The stack that a script may use, and as much again for the walk and the conversions around it.
const STACK_BYTES: usize = 1024 * 1024;

impl FlowThread {
    /// Starts the thread. `built` hears once whether the version could be built.
    pub(super) fn spawn(self, built: oneshot::Sender<Result<(), String>>) -> std::io::Result<()> {
        let runtime = tokio::runtime::Handle::current();
        // The kernel shows 15 signs of a thread's name.
        let name: String = format!("f:{}", self.plan.flow.id).chars().take(15).collect();
        std::thread::Builder::new().name(name).stack_size(STACK_BYTES).spawn(move || {
            self.pulse.set_thread(rustix::thread::gettid().as_raw_nonzero().get());
            runtime.block_on(tokio::task::unconstrained(self.run(built)));
        })?;
        Ok(())
    }

    async fn run(mut self, built: oneshot::Sender<Result<(), String>>) {
        self.work(built).await;
        self.pulse.end();
        (self.on_event)(Event::Ended);
    }

    async fn work(&mut self, built: oneshot::Sender<Result<(), String>>) {
        let mut worker = match self.build() {
            Ok(worker) => worker,
            Err(what) => {
                // Whoever asked may have gone: then nobody wants to know.
                let _ = built.send(Err(what));
                return;
            }
        };
        if built.send(Ok(())).is_err() {
            return;
        }
        loop {
            match self.control.recv().await {
                Some(Control::Go) => break,
                // Replaced or stopped before its turn came: it still has its turn, for what nobody took over.
                Some(Control::Close) => worker.close(),
                None => return,
            }
        }
        let mut backoff = Backoff::default();
        loop {
            let end = self.drive(&mut worker).await;
            let what = match end {
                // Another thread has taken its place, however this one ended.
                _ if self.pulse.is_cancelled() => return break_down(worker),
                End::Cancelled => return break_down(worker),
                End::Drained => return,
                End::Halted(Halt { restart: false, what }) => {
                    break_down(worker);
                    (self.on_event)(Event::Failed { what });
                    return;
                }
                End::Halted(Halt { restart: true, what }) | End::Panicked(what) => what,
            };
            let unwalked = discard(worker);
            let rest = backoff.next(clock::now().moment);
            (self.on_event)(Event::Crashed { what, rest });
            worker = match self.rest_and_build(rest, &mut backoff).await {
                Some(worker) => worker,
                None => {
                    let lost = unwalked.len();
                    tracing::error!(flow = %self.plan.flow.id, lost, "the flow cannot be built to end what it had begun");
                    return flow::run::break_down(|| drop(unwalked));
                }
            };
            worker.take_over(unwalked);
            (self.on_event)(Event::Recovered);
        }
    }

    /// Rests, then builds the worker anew. A flow that is closed meanwhile is built at once, to end what it had begun;
    /// `None` if it cannot be.
    async fn rest_and_build(&mut self, mut rest: Duration, backoff: &mut Backoff) -> Option<Worker> {
        loop {
            let told = tokio::time::timeout(rest, self.control.recv()).await;
            let closed = matches!(told, Ok(Some(Control::Close) | None));
            match self.build() {
                Ok(mut worker) => {
                    if closed {
                        worker.close();
                    }
                    return Some(worker);
                }
                Err(_) if closed => return None,
                Err(what) => {
                    rest = backoff.next(clock::now().moment);
                    (self.on_event)(Event::Crashed { what, rest });
                }
            }
        }
    }

    fn build(&self) -> Result<Worker, String> {
        let scripts = ScriptEngine::new(self.plan.script_options());
        let scripts = Rc::new(scripts);
        self.pulse.set_script(scripts.heartbeat());
        let built = catch_unwind(AssertUnwindSafe(|| {
            Worker::build(&self.plan, &self.services, &scripts, self.pulse.cancelled(), clock::now())
        }));
        match built {
            Ok(result) => result.map_err(|error| error.to_string()),
            Err(panic) => Err(format!("the flow panicked while it was built: {}", panic_text(panic.as_ref()))),
        }
    }

    async fn drive(&mut self, worker: &mut Worker) -> End {
        let mut timer = Timer::default();
        std::future::poll_fn(|cx| {
            loop {
                while let Poll::Ready(control) = self.control.poll_recv(cx) {
                    match control {
                        Some(Control::Go) => {}
                        Some(Control::Close) => worker.close(),
                        // The node has given this thread up.
                        None => return Poll::Ready(End::Cancelled),
                    }
                }
                let progress = self.poll_worker(worker, cx);
                if self.pulse.is_cancelled() {
                    return Poll::Ready(End::Cancelled);
                }
                match progress {
                    Ok(Progress::Busy) => {}
                    Ok(Progress::Drained) => return Poll::Ready(End::Drained),
                    Ok(Progress::Halted(halt)) => return Poll::Ready(End::Halted(halt)),
                    Ok(Progress::Idle { until }) => {
                        if worker.is_in_order() {
                            (self.on_event)(Event::InOrder);
                        }
                        if timer.poll_passed(cx, until).is_pending() {
                            return Poll::Pending;
                        }
                    }
                    Err(what) => return Poll::Ready(End::Panicked(what)),
                }
            }
        })
        .await
    }

    /// The one place where a panic of a flow ends.
    fn poll_worker(&self, worker: &mut Worker, cx: &mut Context<'_>) -> Result<Progress, String> {
        self.pulse.begin(clock::now().moment);
        let progress = catch_unwind(AssertUnwindSafe(|| worker.poll(cx, &clock::now)));
        self.attachment.end_batch();
        self.pulse.rest();
        if !matches!(progress, Ok(Progress::Busy)) {
            self.pulse.set_cpu(clock::thread_cpu());
        }
        progress.map_err(|panic| {
            let text = panic_text(panic.as_ref());
            match worker.at_work() {
                Some(module) => format!("module `{module}` panicked: {text}"),
                None => format!("the flow panicked: {text}"),
            }
        })
    }
}

/// Drops a worker that has crashed and keeps what it had not begun to walk.
fn discard(worker: Worker) -> Vec<(usize, Itinerary)> {
    // Dropping what a panic has left half done may panic once more.
    catch_unwind(AssertUnwindSafe(|| worker.into_unwalked())).unwrap_or_default()
}

/// Drops a worker that does not come to its end: what it has under way has failed.
fn break_down(worker: Worker) {
    let _ = catch_unwind(AssertUnwindSafe(|| worker.break_down()));
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("no text")
}

/// A timer that is set again only when the time that it waits for has changed.
#[derive(Default)]
struct Timer {
    sleep: Option<(Moment, Pin<Box<Sleep>>)>,
}

impl Timer {
    fn poll_passed(&mut self, cx: &mut Context<'_>, until: Option<Moment>) -> Poll<()> {
        let Some(until) = until else {
            self.sleep = None;
            return Poll::Pending;
        };
        let span = until.since(clock::now().moment);
        if span.is_zero() {
            return Poll::Ready(());
        }
        let sleep = match &mut self.sleep {
            Some((due, sleep)) => {
                if *due != until {
                    sleep.as_mut().reset(tokio::time::Instant::now() + span);
                    *due = until;
                }
                sleep
            }
            empty => &mut empty.insert((until, Box::pin(tokio::time::sleep(span)))).1,
        };
        sleep.as_mut().poll(cx)
    }
}
