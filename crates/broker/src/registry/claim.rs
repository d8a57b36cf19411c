//! A new connection's claim to a client id: it may have to wait until the old connection hands the session over.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

use crate::promise::Promises;
use crate::session::Session;

/// What a connection gets when its claim is granted.
#[derive(Debug)]
pub struct Connected {
    pub session: Session,
    /// The client was known and its session goes on (CONNACK's "session present").
    pub present: bool,
    /// The client may be told once they are settled; if one is broken, that it cannot have the session.
    pub promises: Promises,
}

/// Another connection claimed the same client id before this one got it: close this one ("session taken over", 0x8E).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("another connection with the same client id came in: use each client id for one client only")]
pub struct Superseded;

/// A connection's claim to a client id. Resolves at once unless an older connection still holds the session.
/// Dropping it gives the claim up.
pub struct Claim {
    pub(super) cell: Arc<Cell>,
}

/// Where the registry puts the answer.
#[derive(Default)]
pub(super) struct Cell {
    state: Mutex<State>,
}

#[derive(Default)]
enum State {
    #[default]
    Unanswered,
    Waiting(Waker),
    Answered(Box<Result<Connected, Superseded>>),
}

impl Claim {
    /// Whether the session is there; if not yet, `waker` is called when it is worth asking again. To be asked no more
    /// once it is ready.
    pub fn poll_connected(&mut self, waker: &Waker) -> Poll<Result<Connected, Superseded>> {
        let mut state = self.cell.state.lock();
        match std::mem::take(&mut *state) {
            State::Answered(answer) => Poll::Ready(*answer),
            State::Unanswered | State::Waiting(_) => {
                *state = State::Waiting(waker.clone());
                Poll::Pending
            }
        }
    }
}

impl Future for Claim {
    type Output = Result<Connected, Superseded>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.poll_connected(context.waker())
    }
}

impl Cell {
    pub(super) fn answer(&self, answer: Result<Connected, Superseded>) {
        let before = std::mem::replace(&mut *self.state.lock(), State::Answered(Box::new(answer)));
        if let State::Waiting(waker) = before {
            waker.wake();
        }
    }
}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claim").finish_non_exhaustive()
    }
}
