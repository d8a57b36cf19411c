//! Modules that talk to the world.
