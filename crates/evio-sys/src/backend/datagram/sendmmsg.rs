//! Datagrams that name their source, where there is `sendmmsg`. nix allocates the room for a
//! message in each call of `sendmsg`; only for `sendmmsg` can it be kept.

use std::cell::RefCell;
use std::io::IoSlice;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::sys::socket::{ControlMessage, MsgFlags, MultiHeaders, SockaddrStorage, sendmmsg};

/// Sends datagrams with one message each.
pub(crate) struct Sender(RefCell<MultiHeaders<SockaddrStorage>>);

impl Sender {
    /// Linux takes no more room for the message than the message needs.
    pub(crate) fn new(message_room: Vec<u8>) -> Self {
        Sender(RefCell::new(MultiHeaders::preallocate(1, Some(message_room))))
    }

    pub(crate) fn send(
        &self,
        fd: BorrowedFd<'_>,
        bytes: &[u8],
        message: ControlMessage<'_>,
        peer: SocketAddr,
    ) -> nix::Result<usize> {
        let buffers = [[IoSlice::new(bytes)]];
        let peer = [Some(SockaddrStorage::from(peer))];
        let headers = &mut *self.0.borrow_mut();
        sendmmsg(fd.as_raw_fd(), headers, &buffers, peer, [message], MsgFlags::MSG_NOSIGNAL)?;
        // A datagram is sent whole or not at all.
        Ok(bytes.len())
    }
}
