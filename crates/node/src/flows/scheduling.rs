//! Lets a thread that was given up have only the time that nobody else wants.
#![cfg_attr(
    target_os = "linux",
    expect(unsafe_code, reason = "no safe binding sets the scheduler of a thread by its id")
)]

use rustix::process::{Pid, setpriority_process};

/// The lowest priority within the normal class of the scheduler.
const NICE_LOWEST: i32 = 19;

/// Puts a thread of this process into the idle class of the scheduler: at the lowest priority of the normal class it would
/// still get slices of some milliseconds while others wait. Where that class is not to be had, the priority has to do.
pub(super) fn leave_the_rest(thread: i32) {
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
