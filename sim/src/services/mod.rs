//! What the flows of a story may ask of their node: the real router behind the broker's seam, everything else in memory
//! and under the fake clock.

mod attachment;
mod quiet;
mod stores;
mod timers;

pub use attachment::Attachment;
pub use stores::MemoryStores;
pub use timers::SimulatedTimers;

use std::sync::Arc;

use flow::services::Services;

/// The services of one version of a flow.
pub fn services(attachment: &Arc<Attachment>, stores: &Arc<MemoryStores>, timers: &Arc<SimulatedTimers>) -> Services {
    Services {
        broker: Arc::clone(attachment) as _,
        endpoints: Arc::new(quiet::NoEndpoints),
        stores: Arc::clone(stores) as _,
        queues: Arc::new(quiet::NoQueues),
        streams: Arc::new(quiet::NoStreams),
        debug: Arc::new(quiet::NoDebug),
        environment: Arc::new(quiet::FixedEnvironment),
        timers: Arc::clone(timers) as _,
    }
}
