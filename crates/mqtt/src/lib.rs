//! MQTT 3.1.1 and 5.0: [`packet`] is the wire, [`connection`] is the server's side of one connection, as a machine
//! without input or output. The contract between the machine and whoever drives it stands on [`Connection`].
//!
//! A driver, in short:
//!
//! ```
//! use bytes::BytesMut;
//! use message::{Moment, Now, Timestamp};
//! use mqtt::{Accept, Connection, Event, ReasonCode, Settings};
//!
//! # fn read_clocks() -> Now { Now { moment: Moment::default(), wall: Timestamp::default() } }
//! # let from_socket = [0x10, 0x0d, 0, 4, b'M', b'Q', b'T', b'T', 4, 2, 0, 0, 0, 1, b'a', 0xc0, 0];
//! let mut connection = Connection::new(Settings::default(), read_clocks());
//! let mut input = BytesMut::from(&from_socket[..]);
//! let now = read_clocks();
//! let mut more = true;
//! while more {
//!     more = connection.handle_bytes(now, &mut input);
//!     while let Some(event) = connection.poll_event() {
//!         match event {
//!             Event::Connect(request) => match request.client_id {
//!                 Some(client_id) => connection.handle_accepted(now, Accept::new_session(client_id)),
//!                 None => connection.handle_refused(ReasonCode::NotAuthorized),
//!             },
//!             Event::Publish { publication: _, ticket } => {
//!                 // Route it; when it is safe:
//!                 if let Some(ticket) = ticket {
//!                     connection.handle_published(ticket, ReasonCode::Success);
//!                 }
//!             }
//!             Event::Subscribe(request) => {
//!                 let granted: Vec<_> = request.filters.iter().map(|asked| asked.options.qos.into()).collect();
//!                 connection.handle_subscribed(request.ticket, &granted);
//!             }
//!             Event::Unsubscribe(request) => {
//!                 let ended = vec![ReasonCode::Success; request.filters.len()];
//!                 connection.handle_unsubscribed(request.ticket, &ended);
//!             }
//!             Event::Received { slot } => connection.handle_release(slot),
//!             Event::Released { packet_id } => connection.handle_released(packet_id),
//!             Event::Delivered { .. } => {} // The session's business.
//!             Event::Closed(_) => {}        // Write what is left, then close the socket.
//!         }
//!     }
//!     if !connection.wants_bytes() {
//!         break; // Wait for an answer of the broker, or for the socket to take bytes.
//!     }
//! }
//! let to_socket = connection.transmit().split();
//! assert_eq!(to_socket[..], [0x20, 2, 0, 0, 0xd0, 0]);
//! ```

pub mod connection;
pub mod packet;

pub use connection::{
    Accept, CloseCause, Closed, ConnectRequest, Connection, Delivery, DeliveryOutcome, DirectionFigures, Event,
    PublishTicket, ReceivedIds, RequestedFilter, Settings, SubscribeRequest, SubscribeTicket, TrafficFigures,
    TrafficTotals, UnsubscribeRequest, UnsubscribeTicket, Violation,
};
pub use packet::{DecodeError, Packet, PacketTooLarge, PacketType, ReasonCode, Version, Will};
