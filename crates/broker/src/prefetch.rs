//! Asks the processor for memory before it is needed. Subscriptions and mailboxes lie in more memory than any cache holds:
//! fetched one after the other, they are most of what a message costs.

/// Bytes that the processor fetches at a time.
const LINE: usize = 64;
/// Lines that one request asks for at most: the processor has room for few more.
const LINES_MAX: usize = 8;

/// Fetches a value that will be looked at soon, the first of its bytes if it is large.
pub(crate) fn prefetch<T: ?Sized>(value: &T) {
    let start = std::ptr::from_ref(value).cast::<u8>();
    for line in 0..size_of_val(value).div_ceil(LINE).min(LINES_MAX) {
        fetch(start.wrapping_add(line * LINE));
    }
}

/// Fetches the place behind the last element of a slice, where the next one will be put.
pub(crate) fn prefetch_behind<T>(elements: &[T]) {
    let start = elements.as_ptr_range().end.cast::<u8>();
    for line in 0..size_of::<T>().div_ceil(LINE).min(LINES_MAX) {
        fetch(start.wrapping_add(line * LINE));
    }
}

#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "the processor's instruction has no safe name")]
fn fetch(address: *const u8) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: a prefetch is a hint: it reads nothing that the program sees and cannot fault, whatever the address.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) }
}

#[cfg(not(target_arch = "x86_64"))]
fn fetch(_address: *const u8) {}
