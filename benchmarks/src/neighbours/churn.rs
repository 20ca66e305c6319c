//! Connections that hardly last.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, send};

use super::dial::{self, Buffers};
use super::neighbour::Noise;

/// Connections of a step, which take some 20 microseconds each.
const STEP: usize = 4;

/// How long nobody connects after the listener's backlog was full. A server accepts some dozens of
/// connections in that time.
const PAUSE: Duration = Duration::from_millis(1);

/// Connects, sends a request and resets the connection, without a look at the answer.
pub(super) struct Churn {
    address: SocketAddr,
    request: Vec<u8>,
    connections: u64,
    paused_until: Option<Instant>,
}

impl Churn {
    pub(super) fn new(address: SocketAddr, request: Vec<u8>) -> Self {
        Self { address, request, connections: 0, paused_until: None }
    }

    /// Returns whether there was a connection.
    fn connect(&self) -> io::Result<bool> {
        let stream = dial::begin(self.address, Buffers::Usual)?;
        match send(stream.as_raw_fd(), &self.request, MsgFlags::MSG_NOSIGNAL) {
            Ok(_) | Err(Errno::ECONNRESET | Errno::EPIPE) => Ok(true),
            // The handshake is over when `connect` returns, or has not begun because the backlog is
            // full. Waiting for the kernel to try again would take a second.
            Err(Errno::EAGAIN | Errno::ENOTCONN) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

impl Noise for Churn {
    fn step(&mut self, now: Instant) -> io::Result<bool> {
        if self.paused_until.is_some_and(|until| now < until) {
            return Ok(false);
        }
        self.paused_until = None;
        for _ in 0..STEP {
            if !self.connect()? {
                self.paused_until = Some(now + PAUSE);
                return Ok(false);
            }
            self.connections += 1;
        }
        Ok(true)
    }

    fn served(&self) -> u64 {
        self.connections
    }

    /// Nothing tells of room in a backlog; the clock wakes the generator often enough.
    fn readiness(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}
