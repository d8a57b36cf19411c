//! A file that could not be opened as the process, or the system, has no more of what that takes. Nothing was done to
//! what is on the disk, so it may be tried again, unlike after a write or a sync that failed.

use std::fmt;
use std::io;

use rustix::io::Errno;

/// Why a file could not be opened for now.
#[derive(Debug)]
struct Unopened(io::Error);

impl fmt::Display for Unopened {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl std::error::Error for Unopened {}

/// Marks the error of a call that opens a file, if it says that there are no more descriptors or no memory.
pub(crate) fn unopened(error: io::Error) -> io::Error {
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::MFILE | Errno::NFILE | Errno::NOMEM) => io::Error::new(error.kind(), Unopened(error)),
        _ => error,
    }
}

/// Whether nothing happened but that a file could not be opened for now.
pub(crate) fn is_unopened(error: &io::Error) -> bool {
    matches!(error.get_ref(), Some(inner) if inner.is::<Unopened>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_marked_where_a_file_is_opened_may_be_tried_again() {
        for (errno, expected) in [
            (Errno::MFILE, true),
            (Errno::NFILE, true),
            (Errno::NOMEM, true),
            (Errno::IO, false),
            (Errno::NOENT, false),
            (Errno::NOSPC, false),
        ] {
            assert!(!is_unopened(&errno.into()), "{errno}");
            let marked = unopened(errno.into());
            assert_eq!(is_unopened(&marked), expected, "{errno}");
            assert_eq!(marked.to_string(), io::Error::from(errno).to_string());
        }
    }
}
