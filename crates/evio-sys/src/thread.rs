//! Where and when a thread runs.

use std::io;

use crate::backend;

/// Keeps the calling thread on one processor: the one with this number among those that it may use
/// now, counted from the start again when there are fewer.
///
/// # Errors
///
/// Fails with [`Unsupported`](io::ErrorKind::Unsupported) on systems other than Linux.
///
/// # Examples
///
/// ```no_run
/// evio_sys::thread::pin(0)?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn pin(number: usize) -> io::Result<()> {
    #[cfg(feature = "sim")]
    if crate::sim::current().is_some() {
        return Ok(());
    }
    backend::pin_thread(number)
}

/// Gives the calling thread the policy `SCHED_BATCH` (sched(7)): when it is woken, it waits until
/// a processor is free, and does not take it from the thread that runs there. This is for more
/// threads than processors. A thread with a policy of its own, such as a realtime one, keeps it.
/// Threads that this one starts take it over.
///
/// # Errors
///
/// Fails when the system refuses it.
///
/// # Platform notes
///
/// Linux only; it does nothing elsewhere.
///
/// # Examples
///
/// ```
/// let thread = std::thread::spawn(|| evio_sys::thread::batch());
/// thread.join().unwrap()?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn batch() -> io::Result<()> {
    #[cfg(feature = "sim")]
    if crate::sim::current().is_some() {
        return Ok(());
    }
    backend::batch_thread()
}
