//! All connections to one server, and what every kind of turn does with them.

use std::fmt;
use std::io;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use super::connection::Connection;
use super::endpoint::Endpoint;
use super::socket::Socket;
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
    /// Connections that send.
    pub(super) connections: usize,
    /// Bytes per message.
    pub(super) size: u64,
    /// Messages in flight per connection.
    pub(super) pipeline: usize,
}

/// What a turn is made of, and where its figures go.
#[derive(Debug)]
pub(super) struct Turning<'a> {
    pub(super) payload: &'a Payload,
    pub(super) latency: &'a mut Histogram<u64>,
    pub(super) start: Instant,
    /// When the last request is sent, at the latest.
    pub(super) end: Instant,
}

/// What came of a turn.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) answered: u64,
    /// Datagrams that were given up.
    pub(super) lost: u64,
}

/// All connections to one server.
pub(super) struct Client {
    pub(super) endpoint: Endpoint,
    pub(super) load: Load,
    epoll: Epoll,
    /// Invariant: an event's data is an index into this.
    pub(super) connections: Vec<Connection>,
    /// Sockets that are open and nothing else.
    idle: Vec<Socket>,
    /// The events that were taken from epoll last.
    pub(super) events: Vec<EpollEvent>,
    buffer: Vec<u8>,
}

impl Client {
    /// Prepares for the server at `endpoint`, without connecting to it.
    pub(super) fn new(endpoint: Endpoint, load: Load) -> io::Result<Self> {
        Ok(Self {
            endpoint,
            load,
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
            connections: Vec::new(),
            idle: Vec::new(),
            events: vec![EpollEvent::empty(); EVENTS],
            buffer: vec![0; MAX_SLICE],
        })
    }

    /// Opens one more connection.
    pub(super) fn connect(&mut self, payload: &Payload) -> io::Result<()> {
        let connection = self.open(self.connections.len(), payload)?;
        self.connections.push(connection);
        Ok(())
    }

    /// Opens one more connection on which nothing is ever sent.
    pub(super) fn connect_idle(&mut self) -> io::Result<()> {
        self.idle.push(Socket::connect(&self.endpoint, PATIENCE)?);
        Ok(())
    }

    /// Opens the connection that is to be at `index`.
    pub(super) fn open(&self, index: usize, payload: &Payload) -> io::Result<Connection> {
        let socket = Socket::connect(&self.endpoint, PATIENCE)?;
        self.epoll.add(&socket, EpollEvent::new(EpollFlags::EPOLLIN, index as u64))?;
        Ok(Connection::new(socket, payload.origin(index)))
    }

    /// Waits for events on any connection, for as long as a server may take. Returns how many of
    /// `events` are ready then.
    pub(super) fn wait(&mut self) -> io::Result<usize> {
        match self.wait_for(PATIENCE)? {
            0 => Err(no_answer()),
            ready => Ok(ready),
        }
    }

    /// Waits for events on any connection until `limit` has passed. Returns how many of `events`
    /// are ready then.
    pub(super) fn wait_for(&mut self, limit: Duration) -> io::Result<usize> {
        let limit = EpollTimeout::try_from(limit).expect("some seconds fit a timeout");
        loop {
            match self.epoll.wait(&mut self.events, limit) {
                Err(Errno::EINTR) => {}
                ready => return Ok(ready?),
            }
        }
    }

    /// Asks for `count` more messages on one connection and sends what it can of them.
    pub(super) fn ask(
        &mut self,
        index: usize,
        count: usize,
        at: Instant,
        payload: &Payload,
    ) -> io::Result<()> {
        self.connections[index].ask(count, self.load.size, at);
        self.send(index, payload)
    }

    /// Does what an event calls for. Returns how many messages became whole.
    pub(super) fn handle(
        &mut self,
        event: EpollEvent,
        turning: &mut Turning<'_>,
    ) -> io::Result<usize> {
        let index = event.data() as usize;
        if event.events().contains(EpollFlags::EPOLLOUT) {
            self.send(index, turning.payload)?;
        }
        // Errors and hang-ups, too, are found out by receiving.
        if event.events() == EpollFlags::EPOLLOUT {
            return Ok(0);
        }
        let connection = &mut self.connections[index];
        let whole = connection.receive(turning.payload, self.load.size, &mut self.buffer)?;
        let count = whole.len();
        let now = Instant::now();
        for asked_at in whole {
            turning.latency.saturating_record((now - asked_at).as_nanos() as u64);
        }
        Ok(count)
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

/// The error of a server that is there and silent.
pub(super) fn no_answer() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the server answers no more")
}

impl fmt::Debug for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Client")
            .field("endpoint", &self.endpoint)
            .field("load", &self.load)
            .finish_non_exhaustive()
    }
}
