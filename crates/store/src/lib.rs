//! What survives power loss.
