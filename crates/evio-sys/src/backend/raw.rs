//! System calls that neither std nor nix wraps.
//!
//! The only unsafe code of the project, shared by the backends.

use std::io;
use std::mem;
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;
use nix::libc::{self, c_int};

/// Sets a socket option whose value is an `int`; `setsockopt(2)`.
#[allow(dead_code, reason = "kqueue sets no option that nix has no name for")]
#[expect(unsafe_code, reason = "nix can set the options that it knows, and no others")]
pub(crate) fn set_option(
    fd: BorrowedFd<'_>,
    level: c_int,
    name: c_int,
    value: c_int,
) -> io::Result<()> {
    let len = mem::size_of::<c_int>() as libc::socklen_t;
    // SAFETY: the descriptor is open for the time of the borrow, and the kernel reads `len` bytes
    // from the address of `value`, which is that long and lives until the call returns.
    let result = unsafe {
        let value = std::ptr::from_ref(&value).cast();
        libc::setsockopt(fd.as_raw_fd(), level, name, value, len)
    };
    Ok(Errno::result(result).map(drop)?)
}

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
