//! Flows whose queue or stream is removed: they wait, and look now and then whether it was made again.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use message::limits;
use tokio::time::Sleep;

/// There is nothing to consume now.
#[derive(Debug)]
pub(super) struct Absence {
    until: Pin<Box<Sleep>>,
    /// People were told why it goes on.
    is_told: bool,
}

impl Absence {
    pub(super) fn begin() -> Self {
        Self { until: Box::pin(tokio::time::sleep(limits::CONSUME_AGAIN_INTERVAL)), is_told: false }
    }

    /// Ready when it is time to look.
    pub(super) fn poll_look(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.until.as_mut().poll(cx)
    }

    /// It is still so. Calls `tell` if people do not know yet.
    pub(super) fn go_on(&mut self, tell: impl FnOnce()) {
        self.until.set(tokio::time::sleep(limits::CONSUME_AGAIN_INTERVAL));
        if !std::mem::replace(&mut self.is_told, true) {
            tell();
        }
    }
}
