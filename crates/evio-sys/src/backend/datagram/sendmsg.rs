//! Datagrams that name their source, where there is no `sendmmsg`: nix allocates the room for a
//! message in each call.

use std::io::IoSlice;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::sys::socket::{ControlMessage, MsgFlags, SockaddrStorage, sendmsg};

/// Sends datagrams with one message each.
pub(crate) struct Sender;

impl Sender {
    pub(crate) fn new(_message_room: Vec<u8>) -> Self {
        Sender
    }

    pub(crate) fn send(
        &self,
        fd: BorrowedFd<'_>,
        bytes: &[u8],
        message: ControlMessage<'_>,
        peer: SocketAddr,
    ) -> nix::Result<usize> {
        let buffers = [IoSlice::new(bytes)];
        let peer = SockaddrStorage::from(peer);
        sendmsg(fd.as_raw_fd(), &buffers, &[message], MsgFlags::empty(), Some(&peer))
    }
}
