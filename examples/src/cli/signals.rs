//! Ctrl-C and SIGTERM.

use std::io;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::low_level::pipe;

/// Returns a socket that has something to read after the first Ctrl-C or SIGTERM; the second one
/// ends the program.
///
/// # Errors
///
/// Fails when the system refuses a signal handler.
pub fn first_signal() -> io::Result<UnixStream> {
    let (stop, signalled) = UnixStream::pair()?;
    let is_second = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // In this order, so that the first one finds the flag down.
        flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&is_second))?;
        flag::register(signal, Arc::clone(&is_second))?;
        pipe::register(signal, signalled.try_clone()?)?;
    }
    Ok(stop)
}
