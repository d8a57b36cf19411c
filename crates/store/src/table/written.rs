//! A write on its way to the disk: a future, or something to wait for. Resolved by the committer, once.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use parking_lot::{Condvar, Mutex};

/// Why a write was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// The write itself cannot be done; nothing was changed.
    #[error("{0}")]
    Refused(String),
    /// Too much waits for the disk already; nothing was changed.
    #[error("the disk cannot keep up: {waiting} writes wait for `{file}`; write less often, or try again later")]
    Full { file: String, waiting: usize },
    /// Nothing was changed; once there is room, writes are done again.
    #[error("the disk of `{file}` is full: {left_bytes} bytes are left; make room, then try again")]
    NoRoom { file: String, left_bytes: u64 },
    /// The disk or the file failed. Whether the last group of writes is on disk shows when the node starts again.
    #[error(
        "`{file}` takes no more writes since one failed ({what}): make sure that its disk has space and works, then restart the node"
    )]
    Poisoned { file: String, what: String },
    #[error("`{file}` is closed: the node is stopping")]
    Closed { file: String },
}

/// Ready with the result when the write is on disk, or when it is sure that it will not be.
///
/// Dropping it does not take the write back.
#[must_use = "the write is under way; whether it was done shows only here"]
pub struct Written<T>(Arc<Slot<T>>);

/// The committer's end of a [`Written`].
pub(super) struct Promise<T>(Arc<Slot<T>>);

struct Slot<T> {
    state: Mutex<State<T>>,
    resolved: Condvar,
}

enum State<T> {
    Waiting(Option<Waker>),
    Ready(Result<T, WriteError>),
    Taken,
}

/// Both ends of a write.
pub(super) fn write_pair<T>() -> (Promise<T>, Written<T>) {
    let slot = Arc::new(Slot { state: Mutex::new(State::Waiting(None)), resolved: Condvar::new() });
    (Promise(Arc::clone(&slot)), Written(slot))
}

impl<T> Promise<T> {
    pub(super) fn resolve(self, result: Result<T, WriteError>) {
        let before = std::mem::replace(&mut *self.0.state.lock(), State::Ready(result));
        self.0.resolved.notify_all();
        if let State::Waiting(Some(waker)) = before {
            waker.wake();
        }
    }
}

impl<T> Written<T> {
    /// A write that was refused before it began.
    pub(super) fn refused(error: WriteError) -> Self {
        let (promise, written) = write_pair();
        promise.resolve(Err(error));
        written
    }

    /// Blocks this thread until the result is there.
    pub fn wait(self) -> Result<T, WriteError> {
        let mut state = self.0.state.lock();
        loop {
            match std::mem::replace(&mut *state, State::Taken) {
                State::Ready(result) => return result,
                before => *state = before,
            }
            self.0.resolved.wait(&mut state);
        }
    }
}

impl<T> Future for Written<T> {
    type Output = Result<T, WriteError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.0.state.lock();
        match std::mem::replace(&mut *state, State::Taken) {
            State::Ready(result) => Poll::Ready(result),
            // A future that is asked again after its end never ends.
            State::Taken => Poll::Pending,
            State::Waiting(_) => {
                *state = State::Waiting(Some(context.waker().clone()));
                Poll::Pending
            }
        }
    }
}

impl<T> fmt::Debug for Written<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Written")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::task::Wake;

    struct Woken(AtomicBool);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    #[test]
    fn the_waiting_task_is_woken_with_the_result() {
        let woken = Arc::new(Woken(AtomicBool::new(false)));
        let waker = Waker::from(Arc::clone(&woken));
        let mut context = Context::from_waker(&waker);
        let (promise, written) = write_pair();
        let mut written = pin!(written);
        assert_eq!(written.as_mut().poll(&mut context), Poll::Pending);
        promise.resolve(Ok(7));
        assert!(woken.0.load(Ordering::SeqCst));
        assert_eq!(written.as_mut().poll(&mut context), Poll::Ready(Ok(7)));
    }

    #[test]
    fn a_waiting_thread_gets_the_result() {
        let (promise, written) = write_pair();
        let waiting = std::thread::spawn(move || written.wait());
        promise.resolve(Ok("done"));
        assert_eq!(waiting.join().unwrap(), Ok("done"));
    }
}
