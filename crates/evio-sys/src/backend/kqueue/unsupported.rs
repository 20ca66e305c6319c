//! What Linux has and this backend has not.

use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::net::SocketAddr as UnixSocketAddr;

use nix::sys::socket::UnixAddr;

fn unsupported<T>(message: &'static str) -> io::Result<T> {
    Err(io::Error::new(io::ErrorKind::Unsupported, message))
}

pub(crate) fn pin_thread(_number: usize) -> io::Result<()> {
    unsupported("a thread can be put on one processor on Linux only")
}

/// None of these systems lets a thread say so.
pub(crate) fn batch_thread() -> io::Result<()> {
    Ok(())
}

/// Only groups that a socket joined are received here anyway.
pub(crate) fn disable_multicast_all(_fd: BorrowedFd<'_>, _is_v6: bool) {}

/// None of these systems has a queue of errors beside that of the input.
pub(crate) fn disable_error_queue(_fd: BorrowedFd<'_>) {}

pub(crate) fn datagram_merger(_fd: BorrowedFd<'_>) -> Option<&'static str> {
    None
}

/// Only some of these systems have an option for it.
pub(crate) fn protocol(_fd: BorrowedFd<'_>) -> Option<i32> {
    None
}

pub(crate) fn abstract_address(_name: &[u8]) -> io::Result<UnixAddr> {
    unsupported("abstract unix socket names exist on Linux only; use a path")
}

pub(crate) fn abstract_name(_address: &UnixSocketAddr) -> Option<&[u8]> {
    None
}
