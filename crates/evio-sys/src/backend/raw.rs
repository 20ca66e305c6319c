//! System calls that neither std nor nix has a safe wrapper for.
//!
//! The only unsafe code of the project, shared by the backends.

use std::io;
#[cfg(evio_kqueue)]
use std::os::fd::RawFd;
use std::os::fd::{AsRawFd, BorrowedFd};
#[cfg(any(evio_kqueue, not(target_os = "linux")))]
use std::os::fd::{FromRawFd, OwnedFd};

use nix::errno::Errno;
use nix::libc::{self, c_int};
#[cfg(any(evio_kqueue, not(target_os = "linux")))]
use nix::sys::socket::{SockFlag, SockaddrLike, SockaddrStorage};

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

/// Returns how many bytes of output the kernel holds, by the request that the system has for it.
/// Linux also calls its own `SIOCOUTQ`.
#[cfg(any(target_os = "linux", target_os = "freebsd", target_os = "netbsd"))]
#[expect(unsafe_code, reason = "std has no ioctl, and those of nix are unsafe")]
pub(crate) fn output_len(fd: BorrowedFd<'_>) -> io::Result<usize> {
    #[cfg(any(target_os = "freebsd", target_os = "netbsd"))]
    use nix::libc::FIONWRITE as REQUEST;
    #[cfg(target_os = "linux")]
    use nix::libc::TIOCOUTQ as REQUEST;

    let mut len: c_int = 0;
    // SAFETY: the descriptor is open for the time of the borrow, and for this request the kernel
    // writes one `int` to the address, which is that of one and lives until the call returns.
    let result = unsafe { libc::ioctl(fd.as_raw_fd(), REQUEST, std::ptr::from_mut(&mut len)) };
    Errno::result(result)?;
    Ok(usize::try_from(len).unwrap_or(0))
}

/// Lets connections wait to be accepted, as many as that or as the system allows, whichever is
/// less; `Backlog` of nix knows the constant of the headers, and not the system's own limit.
#[expect(unsafe_code, reason = "nix refuses more than SOMAXCONN, which is 128 with musl")]
pub(crate) fn listen(fd: BorrowedFd<'_>, connections: u16) -> io::Result<()> {
    // SAFETY: the descriptor is open for the time of the borrow.
    let result = unsafe { libc::listen(fd.as_raw_fd(), c_int::from(connections)) };
    Errno::result(result)?;
    Ok(())
}

/// Accepts a connection, and returns it with its peer's address, which macOS leaves out for one
/// that was reset.
#[cfg(any(evio_kqueue, not(target_os = "linux")))]
#[expect(unsafe_code, reason = "nix leaves the address out, and std cannot do without")]
pub(crate) fn accept(
    listener: BorrowedFd<'_>,
    _flags: SockFlag,
) -> nix::Result<(OwnedFd, Option<SockaddrStorage>)> {
    // SAFETY: the type is made of integers, for which zero is a value.
    let mut address: libc::sockaddr_storage = unsafe { std::mem::zeroed() };
    let mut len = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
    let (fd, room) = (listener.as_raw_fd(), (&raw mut address).cast());
    // SAFETY: the descriptor is open for the time of the borrow, and the kernel writes an address
    // of at most `len` bytes, and its length, to places that live until the call returns.
    #[cfg(not(target_os = "macos"))]
    let fd = unsafe { libc::accept4(fd, room, &raw mut len, _flags.bits()) };
    // SAFETY: the same.
    #[cfg(target_os = "macos")]
    let fd = unsafe { libc::accept(fd, room, &raw mut len) };
    let fd = Errno::result(fd)?;
    // SAFETY: the kernel has just made the descriptor, and nobody else knows of it.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    // SAFETY: the kernel has written an address of that length. Of none there is no address.
    let peer = unsafe { SockaddrStorage::from_raw((&raw const address).cast(), Some(len)) };
    Ok((socket, peer))
}

/// Borrows a descriptor that the model of kevent(2) knows by its number only.
#[cfg(evio_kqueue)]
#[expect(unsafe_code, reason = "kevent(2) is given numbers, and epoll of nix is not")]
pub(crate) fn borrow<'a>(fd: RawFd) -> BorrowedFd<'a> {
    // SAFETY: the backend makes the number of a change from a descriptor that it borrows for the
    // call. A number that epoll reports may have been closed meanwhile, if a copy of it is open: it
    // is only asked about, and what such a question is answered with is no more than wrong.
    unsafe { BorrowedFd::borrow_raw(fd) }
}

/// Resets a TCP connection at once, for every copy of its descriptor: connect(2) with `AF_UNSPEC`
/// dissolves the association, and Linux sends a RST for it (`tcp_disconnect`).
#[cfg(all(target_os = "linux", not(evio_kqueue)))]
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

/// Gives the calling thread the policy `SCHED_BATCH` if it has the default one. The system calls
/// themselves: musl has functions of these names that always fail.
#[cfg(all(target_os = "linux", not(evio_kqueue)))]
#[expect(unsafe_code, reason = "nix has no policies, and libc's functions fail with musl")]
pub(crate) fn set_batch() -> io::Result<()> {
    let this_thread: c_int = 0;
    // SAFETY: the call takes a number and writes nothing.
    let policy = unsafe { libc::syscall(libc::SYS_sched_getscheduler, this_thread) };
    if Errno::result(policy)? != libc::c_long::from(libc::SCHED_OTHER) {
        return Ok(());
    }
    let priority: c_int = 0;
    // SAFETY: the kernel reads one `int`, the only field of its `sched_param`, from an address that
    // is valid until the call returns.
    let result = unsafe {
        let (call, policy) = (libc::SYS_sched_setscheduler, libc::SCHED_BATCH);
        libc::syscall(call, this_thread, policy, &raw const priority)
    };
    Errno::result(result)?;
    Ok(())
}
