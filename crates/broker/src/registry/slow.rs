//! Clients that are too slow: what is published for them is dropped, and goes on being dropped.

use std::time::Duration;

use message::{ClientId, Now};

use super::Sessions;
use super::slot::Slot;

impl Sessions {
    /// Tells the connections to close whose clients' mailboxes have dropped messages and not drained since, for `span_max`
    /// or longer ("quota exceeded", 0x97). To be called about once a second: the span counts from the first look.
    /// Returns whose they are.
    pub fn dismiss_slow(&self, now: Now, span_max: Duration) -> Vec<ClientId> {
        let mut dismissed = Vec::new();
        let mut book = self.book.lock();
        for (client_id, slot) in &mut book.slots {
            let Slot::Held { held, .. } = slot else { continue };
            if !held.mailbox.is_overflowing() {
                held.overflowing_since = None;
                continue;
            }
            let since = *held.overflowing_since.get_or_insert(now.moment);
            if now.moment.since(since) >= span_max && held.dismiss() {
                dismissed.push((client_id.clone(), held.clone()));
            }
        }
        drop(book);
        // A waker may call back.
        dismissed.iter().for_each(|(_, held)| held.mailbox.wake());
        dismissed.into_iter().map(|(client_id, _)| client_id).collect()
    }
}
