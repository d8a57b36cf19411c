//! What a session says when its client is lost, and how long it is kept (MQTT 5.0 sections 3.1.2.5 and 3.1.2.11.2).

use std::time::Duration;

use message::{Publication, Timestamp};

/// The message to publish when the client goes without saying goodbye.
#[derive(Debug, Clone, PartialEq)]
pub struct Will {
    /// `published_at` is set when it is sent.
    pub publication: Publication,
    /// How long the client may be away before; the end of the session ends the wait too.
    pub delay: Duration,
}

impl Will {
    pub(crate) fn publish_at(self, now: Timestamp) -> Publication {
        Publication { published_at: now, ..self.publication }
    }
}

/// How long a session outlives its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SessionExpiry {
    /// It ends with the connection: MQTT 3.1.1 clean session, MQTT 5.0 interval 0.
    #[default]
    AtDisconnect,
    After(Duration),
    /// MQTT 3.1.1 without clean session, MQTT 5.0 interval 0xFFFFFFFF.
    Never,
}

impl SessionExpiry {
    /// From the seconds of the MQTT 5.0 property.
    pub fn from_interval_s(interval_s: u32) -> Self {
        match interval_s {
            0 => Self::AtDisconnect,
            u32::MAX => Self::Never,
            seconds => Self::After(Duration::from_secs(u64::from(seconds))),
        }
    }

    /// As a duration; `None` for never.
    pub(crate) fn span(self) -> Option<Duration> {
        match self {
            Self::AtDisconnect => Some(Duration::ZERO),
            Self::After(span) => Some(span),
            Self::Never => None,
        }
    }
}

/// How a connection ended, as far as its session is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The client said goodbye: its will is forgotten.
    Orderly,
    /// Anything else, a goodbye "with will message" (0x04) and a takeover included: the will is due.
    Lost,
}
