//! Where a thread runs.

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
