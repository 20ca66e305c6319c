//! Reading and writing of descriptors that this crate has not made.

use std::io;
use std::os::fd::AsFd;

use nix::unistd;

/// Reads from any descriptor into `buffer`, as read(2) does; 0 is the end of the input. It waits
/// for input unless the descriptor is non-blocking or was reported readable.
///
/// # Errors
///
/// Fails as read(2) does.
///
/// # Examples
///
/// ```
/// let (left, right) = std::os::unix::net::UnixStream::pair()?;
/// evio_sys::descriptor::write(&left, b"hello")?;
/// let mut buffer = [0; 8];
/// assert_eq!(evio_sys::descriptor::read(&right, &mut buffer)?, 5);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn read(descriptor: &impl AsFd, buffer: &mut [u8]) -> io::Result<usize> {
    Ok(unistd::read(descriptor, buffer)?)
}

/// Writes to any descriptor, as write(2) does, and returns how many of the bytes it took. It waits
/// for room unless the descriptor is non-blocking.
///
/// # Errors
///
/// Fails as write(2) does. Where nobody reads any more, that is `EPIPE`, after a SIGPIPE, which
/// Rust programs ignore.
///
/// # Examples
///
/// See [`read`].
pub fn write(descriptor: &impl AsFd, bytes: &[u8]) -> io::Result<usize> {
    Ok(unistd::write(descriptor, bytes)?)
}
