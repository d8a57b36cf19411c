//! HTTP/1.1 as every listener of the node serves it: the accept loop with its limits, and errors as problem documents.

mod events;
mod known_host;
mod media_type;
mod problem;
mod serve;

pub(crate) use events::{EventStreams, StreamedEvent, asks_for_events, check_takes_events, last_event_id};
pub(crate) use known_host::{check_host, is_known_host, is_same_host};
pub(crate) use media_type::{JSON, TOML, is_media_type};
pub(crate) use problem::{Problem, complete_errors};
pub(crate) use serve::{HttpServer, Stop};
