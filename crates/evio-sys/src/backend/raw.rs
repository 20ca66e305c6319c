//! System calls that neither std nor nix has a safe wrapper for.
//!
//! The only unsafe code of the project, shared by the backends.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;
use nix::libc::{self, c_int};

/// Returns how many bytes wait to be read; `FIONREAD`, which Linux also calls `SIOCINQ`.
#[expect(unsafe_code, reason = "std has no ioctl, and those of nix are unsafe")]
pub(crate) fn input_len(fd: BorrowedFd<'_>) -> io::Result<usize> {
    let mut len: c_int = 0;
    // SAFETY: the descriptor is open for the time of the borrow, and for this request the kernel
    // writes one `int` to the address, which is that of one and lives until the call returns.
    let result =
        unsafe { libc::ioctl(fd.as_raw_fd(), libc::FIONREAD, std::ptr::from_mut(&mut len)) };
    Errno::result(result)?;
    Ok(usize::try_from(len).unwrap_or(0))
}

/// Returns how many bytes of output the kernel holds; `TIOCOUTQ`, which Linux also calls
/// `SIOCOUTQ`.
#[allow(dead_code, reason = "only some backends can")]
#[expect(unsafe_code, reason = "std has no ioctl, and those of nix are unsafe")]
pub(crate) fn output_len(fd: BorrowedFd<'_>) -> io::Result<usize> {
    let mut len: c_int = 0;
    // SAFETY: the descriptor is open for the time of the borrow, and for this request the kernel
    // writes one `int` to the address, which is that of one and lives until the call returns.
    let result =
        unsafe { libc::ioctl(fd.as_raw_fd(), libc::TIOCOUTQ, std::ptr::from_mut(&mut len)) };
    Errno::result(result)?;
    Ok(usize::try_from(len).unwrap_or(0))
}

/// Resets a TCP connection at once, for every copy of its descriptor: connect(2) with `AF_UNSPEC`
/// dissolves the association, and Linux sends a RST for it (`tcp_disconnect`).
#[allow(dead_code, reason = "only some backends can")]
#[expect(unsafe_code, reason = "nix has no address of the family AF_UNSPEC")]
pub(crate) fn disconnect(fd: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: `sockaddr` is made of integers, for which zero is a value.
    let mut address: libc::sockaddr = unsafe { std::mem::zeroed() };
    address.sa_family = libc::AF_UNSPEC as libc::sa_family_t;
    // SAFETY: the descriptor is open for the time of the borrow, and the kernel reads as many bytes
    // of the address as it has.
    let result = unsafe {
        let len = size_of::<libc::sockaddr>() as libc::socklen_t;
        libc::connect(fd.as_raw_fd(), &raw const address, len)
    };
    Errno::result(result)?;
    Ok(())
}
