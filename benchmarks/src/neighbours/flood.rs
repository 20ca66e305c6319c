//! Clients that send as much as the server takes.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Instant;

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::socket::{MsgFlags, recv, send};

use super::dial::{self, Buffers};
use super::neighbour::Noise;

/// Connections that are looked after in a step. Each takes up to a read and a write of [`PIECE`]
/// bytes, some 50 microseconds.
const EVENTS: usize = 4;

/// The most that is read or written at once.
const PIECE: usize = 64 * 1024;

/// What counts as served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Count {
    /// So many bytes that came back.
    Received(u64),
    /// So many bytes that were sent; nothing is read.
    Sent(u64),
    /// So many bytes that were sent; what comes back is read.
    SentAndRead(u64),
}

/// Clients that send the same bytes over and over. What the socket does not take is never kept: a
/// client knows its place in the bytes, and goes on from there.
pub(super) struct Flood {
    clients: Vec<Client>,
    address: SocketAddr,
    buffers: Buffers,
    pattern: Vec<u8>,
    count: Count,
    epoll: Epoll,
    sent: u64,
    received: u64,
    /// Where what comes would be put, were it not thrown away.
    nowhere: Vec<u8>,
}

struct Client {
    stream: OwnedFd,
    /// How much of the pattern was sent since it last began.
    offset: usize,
}

impl Flood {
    pub(super) fn connect(
        address: SocketAddr,
        clients: usize,
        pattern: Vec<u8>,
        count: Count,
        buffers: Buffers,
    ) -> io::Result<Self> {
        let mut flood = Self {
            clients: Vec::with_capacity(clients),
            address,
            buffers,
            pattern,
            count,
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
            sent: 0,
            received: 0,
            nowhere: vec![0; PIECE],
        };
        for index in 0..clients {
            let stream = dial::open(address, buffers)?;
            flood.watch(&stream, index)?;
            flood.clients.push(Client { stream, offset: 0 });
        }
        Ok(flood)
    }

    fn watch(&self, stream: &OwnedFd, index: usize) -> io::Result<()> {
        let mut interest = EpollFlags::EPOLLOUT;
        interest.set(EpollFlags::EPOLLIN, !matches!(self.count, Count::Sent(_)));
        Ok(self.epoll.add(stream, EpollEvent::new(interest, index as u64))?)
    }

    /// Reads and sends once. Returns whether the connection goes on.
    fn converse(&mut self, index: usize, event: EpollFlags) -> bool {
        let Client { stream, offset } = &mut self.clients[index];
        let stream = stream.as_raw_fd();
        if event.intersects(EpollFlags::EPOLLERR | EpollFlags::EPOLLHUP) {
            return false;
        }
        if event.contains(EpollFlags::EPOLLIN) {
            // The kernel throws away what it would copy: the server is what is measured.
            match recv(stream, &mut self.nowhere, MsgFlags::MSG_TRUNC) {
                Ok(0) => return false,
                Ok(length) => self.received += length as u64,
                Err(Errno::EAGAIN | Errno::EINTR) => {}
                Err(_) => return false,
            }
        }
        if event.contains(EpollFlags::EPOLLOUT) {
            let end = self.pattern.len().min(*offset + PIECE);
            match send(stream, &self.pattern[*offset..end], MsgFlags::MSG_NOSIGNAL) {
                Ok(length) => {
                    self.sent += length as u64;
                    *offset = (*offset + length) % self.pattern.len();
                }
                Err(Errno::EAGAIN | Errno::EINTR) => {}
                Err(_) => return false,
            }
        }
        true
    }
}

impl Noise for Flood {
    fn step(&mut self, _: Instant) -> io::Result<bool> {
        let mut events = [EpollEvent::empty(); EVENTS];
        let ready = match self.epoll.wait(&mut events, EpollTimeout::ZERO) {
            Err(Errno::EINTR) => 0,
            ready => ready?,
        };
        for event in &events[..ready] {
            let index = event.data() as usize;
            if !self.converse(index, event.events()) {
                // A client that the server turns away comes again; its old connection ends here.
                let stream = dial::begin(self.address, self.buffers)?;
                self.watch(&stream, index)?;
                self.clients[index] = Client { stream, offset: 0 };
            }
        }
        Ok(ready > 0)
    }

    fn served(&self) -> u64 {
        match self.count {
            Count::Received(unit) => self.received / unit,
            Count::Sent(unit) | Count::SentAndRead(unit) => self.sent / unit,
        }
    }

    fn readiness(&self) -> Option<BorrowedFd<'_>> {
        Some(self.epoll.0.as_fd())
    }
}
