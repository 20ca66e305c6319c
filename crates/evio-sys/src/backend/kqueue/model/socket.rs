//! What a filter says of a socket, from what epoll says of it.

use std::os::fd::{AsRawFd, BorrowedFd, RawFd};

use nix::errno::Errno;
use nix::sys::epoll::EpollFlags;
use nix::sys::socket::{self, MsgFlags, SockType, getsockopt, sockopt};

use super::event::{EvFlags, EventFilter, FilterFlag, KEvent};
use crate::backend::raw;

/// Borrows a descriptor that is known by its number only, as it is to kevent(2).
#[expect(unsafe_code, reason = "kevent(2) is given numbers, and epoll of nix is not")]
pub(super) fn borrow<'a>(fd: RawFd) -> BorrowedFd<'a> {
    // SAFETY: the backend makes the number of a change from a descriptor that it borrows for the
    // call. A number that epoll reports is that of an open descriptor: the loops close what they
    // have registered, and wait, on one thread.
    unsafe { BorrowedFd::borrow_raw(fd) }
}

/// Returns the event of a knote, if epoll has something that the filter would report.
pub(super) fn report(knote: &KEvent, fd: RawFd, ready: EpollFlags) -> Option<KEvent> {
    let failed = ready.contains(EpollFlags::EPOLLERR);
    let has_lowat = knote.fflags().contains(FilterFlag::NOTE_LOWAT);
    let hung_up = ready.contains(EpollFlags::EPOLLHUP);
    let (is_eof, is_ready) = match knote.filter().ok()? {
        EventFilter::EVFILT_READ => {
            let is_eof = hung_up || ready.contains(EpollFlags::EPOLLRDHUP);
            (is_eof, ready.contains(EpollFlags::EPOLLIN) && !has_lowat)
        }
        EventFilter::EVFILT_WRITE => {
            // The output of a socket ends with a reset, and with our own shutdown: the kernels of
            // the BSDs look at the same bit for both (`SBS_CANTSENDMORE`).
            let is_eof = hung_up || has_ended_output(fd);
            (is_eof, ready.contains(EpollFlags::EPOLLOUT) && !has_lowat)
        }
    };
    if !(is_eof || is_ready || failed) {
        return None;
    }
    // EVFILT_READ, EVFILT_WRITE: EV_EOF with "the socket error (if any) in fflags". The error stays
    // on the socket; Linux would take it from there, were it asked which one it is.
    let (mut flags, mut fflags) = (EvFlags::empty(), FilterFlag::empty());
    if is_eof {
        flags = EvFlags::EV_EOF;
        if failed {
            fflags = FilterFlag::from_bits_retain(Errno::ECONNRESET as u32);
        }
    }
    // How much there is to read; EOF comes with data that is still unread.
    let data = raw::input_len(borrow(fd)).unwrap_or(0) as isize;
    Some(knote.reported(flags, fflags, data))
}

/// Returns whether the output of a stream was shut down from this end.
fn has_ended_output(fd: RawFd) -> bool {
    let is_stream = getsockopt(&borrow(fd), sockopt::SockType) == Ok(SockType::Stream);
    // Sends nothing, and fails with EPIPE, of which no signal comes, where nothing may be sent.
    let nothing = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
    is_stream && socket::send(borrow(fd).as_raw_fd(), &[], nothing) == Err(Errno::EPIPE)
}
