//! Clients that begin a request and never end it.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, send};

use super::dial::{self, Buffers};
use super::neighbour::Noise;

/// How long each client waits from one byte to the next.
const PAUSE: Duration = Duration::from_millis(500);

/// Clients that send one byte at a time of a request, or none at all.
pub(super) struct Drips {
    clients: Vec<(OwnedFd, usize)>,
    address: SocketAddr,
    /// All of a request but its last byte.
    unfinished: Vec<u8>,
    /// The client whose turn it is, and when.
    next: usize,
    due: Instant,
    sent: u64,
}

impl Drips {
    /// Connects clients that send as much as there is of `unfinished`, and then are silent.
    pub(super) fn connect(
        address: SocketAddr,
        clients: usize,
        unfinished: Vec<u8>,
    ) -> io::Result<Self> {
        let open = |_| Ok((dial::open(address, Buffers::Narrow)?, 0));
        let clients = (0..clients).map(open).collect::<io::Result<_>>()?;
        Ok(Self { clients, address, unfinished, next: 0, due: Instant::now(), sent: 0 })
    }
}

impl Noise for Drips {
    fn step(&mut self, now: Instant) -> io::Result<bool> {
        if now < self.due {
            return Ok(false);
        }
        self.due += PAUSE / self.clients.len() as u32;
        let index = self.next;
        self.next = (index + 1) % self.clients.len();
        let (stream, offset) = &mut self.clients[index];
        let Some(byte) = self.unfinished.get(*offset) else { return Ok(false) };
        match send(stream.as_raw_fd(), &[*byte], MsgFlags::MSG_NOSIGNAL) {
            Ok(_) => {
                *offset += 1;
                self.sent += 1;
            }
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            // The server has cut it off: the client comes again.
            Err(_) => self.clients[index] = (dial::begin(self.address, Buffers::Narrow)?, 0),
        }
        Ok(now >= self.due)
    }

    fn served(&self) -> u64 {
        self.sent
    }

    fn readiness(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}
