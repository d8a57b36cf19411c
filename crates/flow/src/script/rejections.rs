//! Promises that were rejected while nothing waited for them: such an error would be lost without a word.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use rquickjs::runtime::RejectionTracker;

use super::engine::ScriptLimits;
use super::failure::{RunError, read};

/// Counts the rejections of one run that nothing has taken up yet.
#[derive(Debug, Default)]
pub(super) struct Rejections {
    open: Cell<usize>,
    /// The first of them.
    what: RefCell<Option<String>>,
}

impl Rejections {
    /// What the engine calls when a promise is rejected without a handler, and again when it is given one.
    pub(super) fn tracker(self: &Rc<Self>, limits: ScriptLimits) -> RejectionTracker {
        let rejections = Rc::clone(self);
        Box::new(move |ctx, _promise, reason, is_handled| {
            if is_handled {
                rejections.open.set(rejections.open.get().saturating_sub(1));
                return;
            }
            if rejections.open.replace(rejections.open.get() + 1) == 0 {
                let what = read(&reason, &limits).to_string();
                let _left = ctx.catch();
                rejections.what.replace(Some(what));
            }
        })
    }

    /// Ends a run: the rejection that it leaves behind, if any.
    pub(super) fn end(&self) -> Result<(), RunError> {
        let what = self.what.take().unwrap_or_default();
        if self.open.take() == 0 { Ok(()) } else { Err(RunError::Rejected { what }) }
    }
}
