//! A system call that neither std nor nix has a safe wrapper for.
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
