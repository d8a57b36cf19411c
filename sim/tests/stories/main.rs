//! Stories that the whole node is held to. `README.md` of this crate says how to tell more of them and how to replay
//! one.

mod any_story;
mod crashes;
mod hot_switch;
mod long_time;
mod seeds;
mod takeover;
