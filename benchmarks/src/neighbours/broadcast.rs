//! A client whose messages go to everyone.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Instant;

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};
use nix::sys::socket::{MsgFlags, recv, send};

use super::dial::{self, Buffers};
use super::neighbour::Noise;
use super::protocol::Protocol;

/// Messages per second. With a hundred clients they are a million deliveries.
const RATE: f64 = 10_000.0;

/// The most messages that are sent at once, when the server has not read for a while.
const BURST: u64 = 256;

/// The most that is read at once.
const READ_BUFFER: usize = 64 * 1024;

/// Sends messages on a schedule, and throws away what comes back, for it is one of everyone.
pub(super) struct Broadcaster {
    stream: OwnedFd,
    epoll: Epoll,
    messages: Vec<u8>,
    length: u64,
    start: Instant,
    /// Bytes that were sent.
    sent: u64,
    nowhere: Vec<u8>,
}

impl Broadcaster {
    pub(super) fn connect(address: SocketAddr, protocol: Protocol) -> io::Result<Self> {
        let message = protocol.broadcast().ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, "this protocol has no message to everyone")
        })?;
        let stream = dial::open(address, Buffers::Usual)?;
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        epoll.add(&stream, EpollEvent::new(EpollFlags::EPOLLIN, 0))?;
        Ok(Self {
            stream,
            epoll,
            // One more, so that a burst may begin within a message.
            messages: message.bytes().repeat(BURST as usize + 1),
            length: message.len() as u64,
            start: Instant::now(),
            sent: 0,
            nowhere: vec![0; READ_BUFFER],
        })
    }
}

impl Noise for Broadcaster {
    fn step(&mut self, now: Instant) -> io::Result<bool> {
        let due = ((now - self.start).as_secs_f64() * RATE) as u64 * self.length;
        let length = due.saturating_sub(self.sent).min(BURST * self.length);
        let start = (self.sent % self.length) as usize;
        let part = &self.messages[start..start + length as usize];
        if !part.is_empty() {
            match send(self.stream.as_raw_fd(), part, MsgFlags::MSG_NOSIGNAL) {
                Ok(length) => self.sent += length as u64,
                Err(Errno::EAGAIN | Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        match recv(self.stream.as_raw_fd(), &mut self.nowhere, MsgFlags::MSG_TRUNC) {
            Ok(0) => Err(io::Error::other("the server closed the connection of the broadcaster")),
            // The rest is reported again.
            Ok(_) | Err(Errno::EAGAIN | Errno::EINTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// What arrives is counted where it does.
    fn served(&self) -> u64 {
        0
    }

    fn readiness(&self) -> Option<BorrowedFd<'_>> {
        Some(self.epoll.0.as_fd())
    }
}
