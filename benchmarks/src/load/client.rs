//! All connections to one server, and one turn of load over them.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use super::connection::Connection;
use crate::payload::{MAX_SLICE, Payload};

/// How long a server may take to accept a connection, or to answer anything at all.
///
/// Far above the slowest turn of a loaded machine, and short enough that a run with a dead server
/// ends while somebody still waits for it.
const PATIENCE: Duration = Duration::from_secs(10);

/// Events taken from epoll at once: enough that `epoll_wait` is a small part of the cost per
/// message, few enough that a reply does not wait long behind the others of its batch.
const EVENTS: usize = 256;

/// The load on one server.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    /// Bytes per message.
    pub(super) size: u64,
    /// Messages in flight per connection.
    pub(super) pipeline: usize,
}

/// All connections to one server.
pub(super) struct Client {
    address: SocketAddr,
    load: Load,
    epoll: Epoll,
    /// Invariant: an event's data is an index into this.
    connections: Vec<Connection>,
    buffer: Vec<u8>,
}

impl Client {
    /// Prepares for the server at `address`, without connecting to it.
    pub(super) fn new(address: SocketAddr, load: Load) -> io::Result<Self> {
        Ok(Self {
            address,
            load,
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
            connections: Vec::new(),
            buffer: vec![0; MAX_SLICE],
        })
    }

    /// Opens one more connection.
    pub(super) fn connect(&mut self, payload: &Payload) -> io::Result<()> {
        let index = self.connections.len();
        let stream = TcpStream::connect_timeout(&self.address, PATIENCE)?;
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        self.epoll.add(&stream, EpollEvent::new(EpollFlags::EPOLLIN, index as u64))?;
        self.connections.push(Connection::new(stream, payload.origin(index)));
        Ok(())
    }

    /// Keeps all connections busy for `length`, then waits until everything in flight is answered.
    /// Adds to `latency` and returns the number of requests.
    pub(super) fn turn(
        &mut self,
        length: Duration,
        payload: &Payload,
        latency: &mut Histogram<u64>,
    ) -> io::Result<u64> {
        let start = Instant::now();
        for index in 0..self.connections.len() {
            self.connections[index].ask(self.load.pipeline, self.load.size, start);
            self.send(index, payload)?;
        }
        let end = start + length;
        let mut answered = 0;
        let mut in_flight = self.connections.len() * self.load.pipeline;
        let mut events = [EpollEvent::empty(); EVENTS];
        while in_flight > 0 {
            for event in self.wait(&mut events)? {
                let index = event.data() as usize;
                // Errors and hang-ups, too, are found out by receiving.
                if event.events() != EpollFlags::EPOLLOUT {
                    let (whole, now) = self.receive(index, payload, latency)?;
                    answered += whole as u64;
                    in_flight -= whole;
                    if now < end {
                        self.connections[index].ask(whole, self.load.size, now);
                        in_flight += whole;
                    }
                }
                self.send(index, payload)?;
            }
        }
        Ok(answered)
    }

    /// Waits for events on any connection.
    fn wait<'a>(&self, events: &'a mut [EpollEvent]) -> io::Result<&'a [EpollEvent]> {
        let patience = EpollTimeout::try_from(PATIENCE).expect("some seconds fit a timeout");
        match self.epoll.wait(events, patience) {
            Ok(0) => Err(io::Error::new(io::ErrorKind::TimedOut, "the server answers no more")),
            Ok(ready) => Ok(&events[..ready]),
            Err(Errno::EINTR) => Ok(&[]),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Receives on one connection. Returns how many messages became whole, and the time.
    fn receive(
        &mut self,
        index: usize,
        payload: &Payload,
        latency: &mut Histogram<u64>,
    ) -> io::Result<(usize, Instant)> {
        let connection = &mut self.connections[index];
        let whole = connection.receive(payload, self.load.size, &mut self.buffer)?;
        let count = whole.len();
        let now = Instant::now();
        for asked_at in whole {
            latency.saturating_record((now - asked_at).as_nanos() as u64);
        }
        Ok((count, now))
    }

    /// Sends what one connection was asked for, and waits for room only while there is none.
    fn send(&mut self, index: usize, payload: &Payload) -> io::Result<()> {
        let connection = &mut self.connections[index];
        let was_blocked = connection.is_blocked();
        connection.send(payload)?;
        if connection.is_blocked() != was_blocked {
            let mut interest = EpollFlags::EPOLLIN;
            interest.set(EpollFlags::EPOLLOUT, connection.is_blocked());
            let mut event = EpollEvent::new(interest, index as u64);
            self.epoll.modify(connection, &mut event)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Client")
            .field("address", &self.address)
            .field("load", &self.load)
            .finish_non_exhaustive()
    }
}
