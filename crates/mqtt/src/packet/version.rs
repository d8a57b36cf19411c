//! The protocol versions spoken. A version is data: 3.1.1 is 5.0 without properties and with fewer reason codes.

use std::fmt;

/// What CONNECT names as its protocol (section 3.1.2.1 and 3.1.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// MQTT 3.1.1, protocol level 4.
    V3_1_1,
    /// MQTT 5.0, protocol level 5.
    V5,
}

impl Version {
    /// The byte that stands for this version in CONNECT.
    pub fn level(self) -> u8 {
        match self {
            Self::V3_1_1 => 4,
            Self::V5 => 5,
        }
    }

    /// The version of a protocol level, if it is spoken here.
    pub fn from_level(level: u8) -> Option<Self> {
        match level {
            4 => Some(Self::V3_1_1),
            5 => Some(Self::V5),
            _ => None,
        }
    }

    /// Whether packets carry properties, and acknowledgements a reason.
    pub fn has_properties(self) -> bool {
        self == Self::V5
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V3_1_1 => "3.1.1",
            Self::V5 => "5.0",
        })
    }
}
