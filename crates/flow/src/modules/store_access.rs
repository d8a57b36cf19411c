//! What `kv-set`, `kv-get` and `kv-delete` share: a key of a store, and writes that are done at once or wait for the disk.

use std::rc::Rc;
use std::sync::Arc;

use message::{Now, StoreName, Text, limits};

use crate::build::{BuildContext, BuildError};
use crate::module::{Built, Failure, Step, Waiting, WaitingStep};
use crate::run::{Emitter, Itinerary};
use crate::services::{Store, Stored};
use crate::template::Template;

/// The key of a store that each itinerary names.
pub(super) struct StoreKey {
    pub(super) store: Arc<dyn Store>,
    key: Template,
}

impl StoreKey {
    pub(super) fn open(
        store: &StoreName,
        persistent: bool,
        key: Template,
        context: &mut BuildContext<'_>,
    ) -> Result<Self, BuildError> {
        let store = context.services.stores.open(store, persistent).map_err(BuildError::new)?;
        let key = key.with_environment(&*context.services.environment).map_err(BuildError::new)?;
        Ok(Self { store, key })
    }

    /// The key for one itinerary, within its limits.
    pub(super) fn of(&self, itinerary: &Itinerary) -> Result<Text, String> {
        let text = self.key.render(itinerary);
        if text.is_empty() {
            return Err(format!("the key is empty: `{}` found nothing in the message", self.key.source()));
        }
        if text.len() > limits::STORE_KEY_BYTES_MAX {
            let most = limits::STORE_KEY_BYTES_MAX;
            return Err(format!("the key has {} bytes: at most {most} are allowed", text.len()));
        }
        Ok(text)
    }
}

/// A write to a store for one itinerary.
pub(super) trait StoreWork {
    /// Hands the write to the store; the error is what the itinerary fails with.
    fn write(&self, now: Now, itinerary: &Itinerary) -> Result<Stored, String>;

    /// Tells the itinerary whether the key was there before.
    fn tell(&self, _existed: bool, _itinerary: &mut Itinerary) -> Result<(), String> {
        Ok(())
    }
}

/// A step that writes: one that waits for the disk if the store is persistent, else one that answers at once.
pub(super) fn write_step(work: impl StoreWork + 'static, persistent: bool) -> Built {
    let writer = Writer(Rc::new(work));
    if persistent { Built::Waiting(Box::new(writer)) } else { Built::Step(Box::new(writer)) }
}

struct Writer<W>(Rc<W>);

impl<W: StoreWork + 'static> Step for Writer<W> {
    fn process(&mut self, now: Now, mut itinerary: Itinerary, out: &mut Emitter) -> Result<(), Failure> {
        let stored = match self.0.write(now, &itinerary) {
            Ok(Stored::Now(result)) => result.map_err(|error| error.to_string()),
            Ok(Stored::Later(answer)) => {
                // A store in memory that answers late: the flow waits for it.
                out.hold_back(Box::pin(async move { answer.await.map(drop) }));
                Ok(false)
            }
            Err(what) => Err(what),
        };
        match stored.and_then(|existed| self.0.tell(existed, &mut itinerary)) {
            Ok(()) => {
                out.emit(itinerary);
                Ok(())
            }
            Err(what) => Err(Failure::new(itinerary, what)),
        }
    }
}

impl<W: StoreWork + 'static> WaitingStep for Writer<W> {
    fn begin(&mut self, now: Now, mut itinerary: Itinerary) -> Waiting {
        // The write is handed over here, not when the future is first looked at: so writes keep their order.
        let stored = self.0.write(now, &itinerary);
        let work = Rc::clone(&self.0);
        Box::pin(async move {
            let stored = match stored {
                Ok(Stored::Now(result)) => result.map_err(|error| error.to_string()),
                Ok(Stored::Later(answer)) => answer.await.map_err(|error| error.to_string()),
                Err(what) => Err(what),
            };
            match stored.and_then(|existed| work.tell(existed, &mut itinerary)) {
                Ok(()) => Ok(vec![(0, itinerary)]),
                Err(what) => Err(Failure::new(itinerary, what)),
            }
        })
    }

    fn in_flight_max(&self) -> usize {
        limits::STORE_WRITES_IN_FLIGHT_MAX
    }
}
