//! Memory that only the start needed. Settings, schemas and the tables of commands and routes are made of many small pieces
//! that are freed soon, and the C library keeps what is free between those that stay: more than a megabyte.

/// Gives it back to the system.
#[cfg(target_env = "gnu")]
pub(super) fn give_back() {
    #[expect(unsafe_code, reason = "no safe binding asks the C library's allocator to give memory back")]
    // SAFETY: it takes no pointer, may be called at any time from any thread, and moves nothing that is in use.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Other C libraries give it back by themselves, or have no way to be asked.
#[cfg(not(target_env = "gnu"))]
pub(super) fn give_back() {}
