//! How many files the process may have open at one time. Each connection takes one, and a shell gives 1,024 by default.

use message::limits;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the limit as far as the system lets this user.
pub(crate) fn raise_open_files_limit() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return;
    }
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        tracing::warn!(%error, ?current, "the limit of open files could not be raised");
    }
}

/// Connections that are taken at one time, so that the logs always find a file to open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Places {
    pub(super) mqtt: usize,
    /// On each HTTP listener.
    pub(super) http: usize,
}

impl Places {
    /// As many as are wanted, or as the limit allows; says so if these are fewer.
    pub(super) fn within_limit(mqtt_connections_max: &mut usize) -> Self {
        let wanted = Self { mqtt: *mqtt_connections_max, http: limits::HTTP_CONNECTIONS_MAX };
        let Some(open_files_max) = getrlimit(Resource::Nofile).current else { return wanted };
        let places = wanted.among(usize::try_from(open_files_max).unwrap_or(usize::MAX));
        *mqtt_connections_max = places.mqtt;
        if places != wanted {
            tracing::warn!(
                open_files_max,
                mqtt_connections_max = places.mqtt,
                http_connections_max = places.http,
                "fewer connections are taken, as the process may have no more files open: raise that limit (`ulimit -n`, \
                 `LimitNOFILE` of the service)"
            );
        }
        places
    }

    /// Some files are kept for the node itself; of the others, MQTT may have four of five.
    fn among(self, open_files_max: usize) -> Self {
        let reserve = limits::OPEN_FILES_RESERVE.min(open_files_max / 2);
        let open_files = open_files_max - reserve;
        let mqtt = self.mqtt.min(open_files / 5 * 4).max(1);
        let http = self.http.min(open_files.saturating_sub(mqtt) / HTTP_LISTENERS).max(1);
        Self { mqtt, http }
    }
}

/// The API with its pages, and the endpoints of flows.
const HTTP_LISTENERS: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_raised_to_the_most_that_is_allowed() {
        let maximum = getrlimit(Resource::Nofile).maximum;
        setrlimit(Resource::Nofile, Rlimit { current: Some(64), maximum }).unwrap();
        raise_open_files_limit();
        assert_eq!(getrlimit(Resource::Nofile), Rlimit { current: maximum, maximum });
    }

    #[test]
    fn connections_leave_some_of_the_open_files_to_the_logs() {
        let wanted = Places { mqtt: 10_000, http: 1_000 };
        assert_eq!(wanted.among(20_000), wanted);
        assert_eq!(wanted.among(1_100), Places { mqtt: 800, http: 100 });
        assert_eq!(Places { mqtt: 500, http: 1_000 }.among(1_100), Places { mqtt: 500, http: 250 });
        for open_files_max in 16..20_000 {
            let places = wanted.among(open_files_max);
            let left = open_files_max - places.mqtt - HTTP_LISTENERS * places.http;
            assert!(left >= limits::OPEN_FILES_RESERVE.min(open_files_max / 2), "{open_files_max}: {places:?}");
        }
    }
}
