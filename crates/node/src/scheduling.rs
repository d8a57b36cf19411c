//! How the system's scheduler treats the threads of the node: all of them take short turns, and one that was given up has
//! only the time that nobody else wants.
#![cfg_attr(
    target_os = "linux",
    expect(unsafe_code, reason = "no safe binding sets the scheduler of a thread by its id, or the length of a turn")
)]

use rustix::process::{Pid, setpriority_process};

/// The lowest priority within the normal class of the scheduler.
const NICE_LOWEST: i32 = 19;

/// How long a thread may go on before one that has become ready takes its place. The kernel's own choice is some
/// milliseconds, which a message would wait for wherever a script calculates at length.
#[cfg(target_os = "linux")]
const TURN: std::time::Duration = std::time::Duration::from_micros(200);

/// Lets the calling thread, and those that it will start, take short turns. A kernel before Linux 6.12 has one length for
/// all; then nothing changes.
#[cfg(target_os = "linux")]
pub(crate) fn take_short_turns() {
    let Some(mut attributes) = attributes() else { return };
    // Whoever chose another class for the node knows why.
    if attributes.sched_policy != libc::SCHED_OTHER.cast_unsigned() {
        return;
    }
    attributes.sched_runtime = u64::try_from(TURN.as_nanos()).unwrap_or(u64::MAX);
    // SAFETY: the kernel reads as many bytes of `attributes` as its own field tells, and touches no other memory.
    let result = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) };
    if result != 0 {
        let error = std::io::Error::last_os_error();
        tracing::debug!(%error, "the system does not let threads take shorter turns");
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn take_short_turns() {}

/// How the calling thread is scheduled.
#[cfg(target_os = "linux")]
fn attributes() -> Option<libc::sched_attr> {
    let bytes = u32::try_from(size_of::<libc::sched_attr>()).ok()?;
    let mut attributes = libc::sched_attr {
        size: bytes,
        sched_policy: 0,
        sched_flags: 0,
        sched_nice: 0,
        sched_priority: 0,
        sched_runtime: 0,
        sched_deadline: 0,
        sched_period: 0,
    };
    // SAFETY: the kernel writes at most `bytes` bytes to `attributes`, which has that many.
    let result = unsafe { libc::syscall(libc::SYS_sched_getattr, 0, &raw mut attributes, bytes, 0) };
    (result == 0).then_some(attributes)
}

/// Puts a thread of this process into the idle class of the scheduler: at the lowest priority of the normal class it would
/// still get slices of some milliseconds while others wait. Where that class is not to be had, the priority has to do.
pub(crate) fn leave_the_rest(thread: i32) {
    let Some(thread) = Pid::from_raw(thread) else { return };
    if set_idle(thread) {
        return;
    }
    if let Err(error) = setpriority_process(Some(thread), NICE_LOWEST) {
        tracing::warn!(%error, "the priority of a stuck thread cannot be lowered");
    }
}

#[cfg(target_os = "linux")]
fn set_idle(thread: Pid) -> bool {
    let parameters = libc::sched_param { sched_priority: 0 };
    // By its number, as not every C library passes this call on.
    // SAFETY: the kernel reads `parameters`, which outlives the call, and touches no other memory of this process. An id
    // that names no thread any more is refused.
    unsafe {
        libc::syscall(
            libc::SYS_sched_setscheduler,
            thread.as_raw_nonzero().get(),
            libc::SCHED_IDLE,
            &raw const parameters,
        ) == 0
    }
}

#[cfg(not(target_os = "linux"))]
fn set_idle(_: Pid) -> bool {
    false
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    /// The class that the kernel schedules a thread of this process by, the 41st field of its `stat`.
    fn class_of(thread: i32) -> Option<i32> {
        let stat = std::fs::read_to_string(format!("/proc/self/task/{thread}/stat")).ok()?;
        let (_, behind_the_name) = stat.rsplit_once(')')?;
        behind_the_name.split_whitespace().nth(38)?.parse().ok()
    }

    #[test]
    fn short_turns_change_nothing_else_and_are_passed_on() {
        let turn_ns = u64::try_from(TURN.as_nanos()).unwrap();
        let on_a_thread = std::thread::spawn(move || {
            let before = attributes().unwrap();
            take_short_turns();
            let own = attributes().unwrap();
            // A kernel that has one length for all tells none.
            let expected_ns = if before.sched_runtime == 0 { 0 } else { turn_ns };
            let started = std::thread::spawn(|| attributes().unwrap()).join().unwrap();
            for after in [own, started] {
                assert_eq!((after.sched_policy, after.sched_nice), (before.sched_policy, before.sched_nice));
                assert_eq!(after.sched_runtime, expected_ns);
            }
        });
        on_a_thread.join().unwrap();
    }

    #[test]
    fn a_thread_that_was_given_up_runs_in_the_idle_class_and_no_other_does() {
        let (tell, told) = std::sync::mpsc::channel();
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let given_up = std::thread::spawn(move || {
            tell.send(rustix::thread::gettid().as_raw_nonzero().get()).unwrap();
            let _ = ended.recv();
        });
        let thread = told.recv().unwrap();
        let own = rustix::thread::gettid().as_raw_nonzero().get();
        assert_eq!(class_of(thread), Some(libc::SCHED_OTHER));
        leave_the_rest(thread);
        assert_eq!((class_of(thread), class_of(own)), (Some(libc::SCHED_IDLE), Some(libc::SCHED_OTHER)));
        drop(end);
        given_up.join().unwrap();
    }
}
