//! Who gets which message, and when. It knows no protocol and no network: MQTT, HTTP, flows and the bridge attach the
//! same way, and all it decides follows from what comes in and the time that comes with it.
//!
//! - A publisher makes a [`RouteCache`] and calls [`Router::publish`]. The [`Routed`] that it gets says when it may
//!   acknowledge and go on: `if !routed.is_settled() { routed.await? }`.
//! - A client claims its [`Session`] with [`Sessions::connect`], sends what [`Session::next_deliveries`] gives,
//!   reports acknowledgements, and hands the session back with [`Sessions::leave`].
//! - A flow opens a [`LocalSubscriber`] and drains it; [`switch`] lets one version's subscribers leave and the next
//!   version's join in one step, [`switch_and_bind`] those whose messages are collected on disk, too.
//! - Whoever lets someone in from outside asks [`Access`] first.
//!
//! ```
//! use broker::{LocalSubscriber, MailboxOptions, Overflow, Router, RouterOptions, SubscribeOptions, Subscription};
//! use message::{Bytes, Moment, Now, Publication, QoS, Timestamp, TopicFilter, TopicName};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let now = Now { moment: Moment::default(), wall: Timestamp::default() };
//! let router = Router::new(RouterOptions::new(42));
//!
//! let flow = LocalSubscriber::open(&router, MailboxOptions::for_flow(100, Overflow::Wait));
//! let options = SubscribeOptions { qos: QoS::AtLeastOnce, ..SubscribeOptions::default() };
//! flow.subscribe(now, vec![Subscription { filter: TopicFilter::parse("plc/+/temperature")?, options }]);
//!
//! let mut cache = router.route_cache();
//! let topic = TopicName::parse("plc/line1/temperature")?;
//! let message = Publication::new(topic, Bytes::from_static(b"31.5"), QoS::AtLeastOnce, now.wall);
//! let routed = router.publish(message, None, &mut cache);
//! assert!(routed.matched() == 1 && routed.is_settled());
//!
//! let mut batch = std::collections::VecDeque::new();
//! flow.drain(now, &mut batch, 64);
//! assert_eq!(&*batch[0].publication.payload, b"31.5");
//! # Ok(())
//! # }
//! ```
//!
//! A [`queue::Queue`] gives each of its messages to one consumer; it stands by itself, over any log of messages.
//!
//! Two timers want to be called: [`Sessions::handle_timeout`] and [`Router::handle_timeout`]. All wakers are called
//! on the thread that caused it and must not call back into this crate.

mod access;
mod collector;
mod counters;
mod delivery;
mod local;
mod mailbox;
mod prefetch;
mod promise;
pub mod queue;
mod receipt;
mod registry;
mod retained;
mod router;
mod session;
mod share;
mod shared_map;
mod subscription;
mod tree;

pub use access::{Access, Denied, OpenAccess, Principal};
pub use collector::{Bindings, Collector, Rebinding};
pub use counters::Figures;
pub use delivery::{Delivery, DropReason};
pub use local::{LocalSubscriber, switch, switch_and_bind};
pub use mailbox::{MailboxOptions, Overflow, Pressure};
pub use promise::{Broken, Pending, Promises};
pub use receipt::{Receipt, Refusal, SessionSender, Settled};
pub use registry::{Claim, Connect, ConnectError, Connected, SessionFigures, Sessions, Superseded};
pub use registry::{RestoredSession, SessionChange, SessionJournal, SessionStore};
pub use retained::{RestoredFigures, RestoredRetained, RetainedChange, RetainedJournal};
pub use router::{Origin, Postponed, RouteCache, Routed, Router, RouterOptions};
pub use session::{Ending, InboundSlots, Outgoing, Session, SessionExpiry, Slot, SubscribeError, UnknownSlot, Will};
pub use subscription::{RetainHandling, SubscribeOptions, SubscriberId, Subscription, SubscriptionIds};
