//! CPU time of another process, read from outside.

use std::io;
use std::time::Duration;

use nix::time::clock_getcpuclockid;
use nix::unistd::Pid;

/// Returns the CPU time that the process `pid` has used, in all threads it has or had.
///
/// The kernel counts a running thread's time only at its next tick or switch, so a figure is exact
/// to the nanosecond when the process sleeps and late by some milliseconds when it does not.
///
/// # Errors
///
/// Fails when there is no such process.
pub fn of_process(pid: u32) -> io::Result<Duration> {
    // For every process there is a clock that shows its time. `schedstat` below `/proc` shows the
    // same, but forgets threads that have ended.
    let pid = i32::try_from(pid).map_err(io::Error::other)?;
    Ok(clock_getcpuclockid(Pid::from_raw(pid))?.now()?.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    fn own() -> Duration {
        of_process(std::process::id()).unwrap()
    }

    #[test]
    fn thread_that_ended_still_counts() {
        let before = own();
        let used = thread::spawn(|| {
            let clock = nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID;
            // More than a tick, so that it cannot be what the rest of the process happens to use.
            while Duration::from(clock.now().unwrap()) < Duration::from_millis(20) {}
            Duration::from(clock.now().unwrap())
        });
        let used = used.join().unwrap();
        assert!(own() - before >= used, "{before:?} {used:?}");
    }

    #[test]
    fn missing_process_is_an_error() {
        // Linux gives no process a number above 2^22.
        assert!(of_process(1 << 23).is_err());
        assert!(of_process(u32::MAX).is_err());
    }
}
