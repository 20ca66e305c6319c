//! What a filter says of a socket, from what epoll says of it.

use std::os::fd::{AsRawFd, RawFd};

use nix::errno::Errno;
use nix::libc;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::socket::{self, MsgFlags, SockType, getsockopt, sockopt};
use nix::{getsockopt_impl, sockopt_impl};

use super::event::{EvFlags, EventFilter, FilterFlag, KEvent};
use crate::backend::raw::{self, borrow};

/// Returns the event of a knote, if epoll has something that the filter would report.
pub(super) fn report(knote: &KEvent, fd: RawFd, ready: EpollFlags) -> Option<KEvent> {
    // Linux reports a pipe without a reader as an error, the BSDs as its end.
    let has_error = ready.contains(EpollFlags::EPOLLERR);
    let lost_its_reader = has_error && getsockopt(&borrow(fd), sockopt::SockType).is_err();
    let failed = has_error && !lost_its_reader;
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
            let is_eof = hung_up || lost_its_reader || has_ended_output(fd);
            // NOTE_LOWAT: macOS takes a mark that is too high for that of an empty buffer.
            (is_eof, ready.contains(EpollFlags::EPOLLOUT))
        }
        EventFilter::EVFILT_USER => return None,
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

/// Returns whether both directions of a connection have ended. A BSD tells by getpeername(2), where
/// Linux goes on knowing the name of a Unix peer.
pub(crate) fn is_over(fd: RawFd) -> bool {
    let ask = || {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        epoll.add(borrow(fd), EpollEvent::empty())?;
        let mut ready = [EpollEvent::empty()];
        let count = epoll.wait(&mut ready, EpollTimeout::ZERO)?;
        nix::Result::Ok(count > 0 && ready[0].events().contains(EpollFlags::EPOLLHUP))
    };
    ask().unwrap_or(true)
}

/// Returns whether the output of a stream was shut down from this end. To ask must not take the
/// error of the socket, as a send to a TCP socket would.
fn has_ended_output(fd: RawFd) -> bool {
    let socket = borrow(fd);
    match getsockopt(&socket, TcpState) {
        // `tcp_states.h`: FIN-WAIT-1, FIN-WAIT-2, TIME-WAIT, LAST-ACK, CLOSING.
        Ok(state) => matches!(state, 4 | 5 | 6 | 9 | 11),
        Err(_) => {
            let is_stream = getsockopt(&socket, sockopt::SockType) == Ok(SockType::Stream);
            // Sends nothing to a Unix socket, and fails with EPIPE where nothing may be sent.
            let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
            is_stream && socket::send(socket.as_raw_fd(), &[], flags) == Err(Errno::EPIPE)
        }
    }
}

sockopt_impl!(
    /// The first byte of `struct tcp_info`, which is the state; `tcp(7)`.
    TcpState,
    GetOnly,
    libc::IPPROTO_TCP,
    libc::TCP_INFO,
    u8
);
