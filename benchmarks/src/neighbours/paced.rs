//! The clients that nobody should disturb: each sends on a schedule, whatever became of its earlier
//! requests.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::socket::{MsgFlags, recv, send};

use super::dial::{self, Buffers};
use super::protocol::{Protocol, Reply, unexpected};

/// How long a server may take to answer the first request of each client, without a neighbour.
const PATIENCE: Duration = Duration::from_secs(10);

/// Events taken from epoll at once, and bytes of a read.
const EVENTS: usize = 64;
const READ_BUFFER: usize = 64 * 1024;

/// All paced clients of a turn.
///
/// What they keep is bounded by the schedule: for each request that is not answered, when it was
/// due.
pub(super) struct Paced {
    clients: Vec<Client>,
    epoll: Epoll,
    events: Vec<EpollEvent>,
    buffer: Vec<u8>,
    request: Vec<u8>,
    reply: Reply,
    /// What may come besides, if something may.
    broadcast: Option<Reply>,
    schedule: Schedule,
    /// Requests that were due so far.
    asked: u64,
    /// Nanoseconds from when a request was due to its whole answer.
    waits: Vec<u64>,
    /// Nanoseconds from when a request was due until it was sent.
    delays: Vec<u64>,
    /// Messages to everyone that came.
    broadcasts: u64,
}

/// When requests are due: one after the other at a fixed interval, of the clients in their order.
#[derive(Debug, Clone, Copy)]
struct Schedule {
    start: Instant,
    interval: Duration,
    /// Requests of all clients together.
    total: u64,
}

struct Client {
    /// Absent once the server has closed it.
    stream: Option<OwnedFd>,
    /// When each request that is not answered was due, oldest first.
    due: VecDeque<Instant>,
    /// Bytes of requests that the socket did not take yet.
    unsent: usize,
    /// Bytes that came of the answer, or the message to everyone, that is not whole.
    position: usize,
    is_broadcast: bool,
}

impl Paced {
    /// Connects so many clients, and has each of them ask once.
    pub(super) fn connect(
        address: SocketAddr,
        protocol: Protocol,
        reply: Reply,
        count: usize,
    ) -> io::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let mut clients = Vec::with_capacity(count);
        for index in 0..count {
            let stream = dial::open(address, Buffers::Usual)?;
            epoll.add(&stream, EpollEvent::new(EpollFlags::EPOLLIN, index as u64))?;
            clients.push(Client::new(stream));
        }
        let now = Instant::now();
        let mut paced = Self {
            clients,
            epoll,
            events: vec![EpollEvent::empty(); EVENTS],
            buffer: vec![0; READ_BUFFER],
            request: protocol.request(),
            reply,
            broadcast: protocol.broadcast(),
            schedule: Schedule { start: now, interval: Duration::ZERO, total: count as u64 },
            asked: 0,
            waits: Vec::new(),
            delays: Vec::new(),
            broadcasts: 0,
        };
        paced.send_due(now);
        while paced.waits.len() < count {
            if now.elapsed() > PATIENCE || paced.clients.iter().any(|c| c.stream.is_none()) {
                return Err(io::Error::other("a paced client gets no answer before the noise"));
            }
            paced.receive(EpollTimeout::from(100_u8))?;
        }
        Ok(paced)
    }

    /// Begins a schedule: from `start` on, every client asks `rate` times a second, `turn` long.
    pub(super) fn begin(&mut self, start: Instant, rate: u32, turn: Duration) {
        let per_second = f64::from(rate) * self.clients.len() as f64;
        self.schedule = Schedule {
            start,
            interval: Duration::from_secs_f64(1.0 / per_second),
            total: (turn.as_secs_f64() * per_second).round() as u64,
        };
        self.asked = 0;
        self.waits.clear();
        self.delays.clear();
        self.broadcasts = 0;
    }

    /// Sends what is due.
    pub(super) fn send_due(&mut self, now: Instant) {
        let Schedule { start, interval, total } = self.schedule;
        while self.asked < total {
            let due = start + Duration::from_nanos(interval.as_nanos() as u64 * self.asked);
            if due > now {
                return;
            }
            let index = (self.asked % self.clients.len() as u64) as usize;
            let client = &mut self.clients[index];
            client.due.push_back(due);
            self.delays.push((now - due).as_nanos() as u64);
            client.unsent += self.request.len();
            client.send(&self.request);
            self.asked += 1;
        }
    }

    /// Receives what has come to any client, after waiting so long for it.
    pub(super) fn receive(&mut self, mut timeout: EpollTimeout) -> io::Result<()> {
        loop {
            let ready = match self.epoll.wait(&mut self.events, timeout) {
                Err(Errno::EINTR) => 0,
                ready => ready?,
            };
            for place in 0..ready {
                self.receive_once(self.events[place].data() as usize)?;
            }
            if ready < self.events.len() {
                return Ok(());
            }
            timeout = EpollTimeout::ZERO;
        }
    }

    fn receive_once(&mut self, index: usize) -> io::Result<()> {
        let client = &mut self.clients[index];
        let Some(stream) = &client.stream else { return Ok(()) };
        let length = match recv(stream.as_raw_fd(), &mut self.buffer, MsgFlags::empty()) {
            Ok(length) if length > 0 => length,
            Err(Errno::EAGAIN | Errno::EINTR) => return Ok(()),
            // What it has asked for and will ask for is not answered; that is a result.
            Ok(_) | Err(_) => {
                client.stream = None;
                return Ok(());
            }
        };
        let now = Instant::now();
        let mut came = &self.buffer[..length];
        while !came.is_empty() {
            if client.position == 0 {
                let is_broadcast = |reply: &Reply| reply.matches(0, &came[..1]);
                client.is_broadcast = self.broadcast.as_ref().is_some_and(is_broadcast);
            }
            let reply = if client.is_broadcast { self.broadcast.as_ref() } else { None };
            let reply = reply.unwrap_or(&self.reply);
            let (part, rest) = came.split_at(came.len().min(reply.len() - client.position));
            if !reply.matches(client.position, part) {
                return Err(unexpected(part));
            }
            came = rest;
            client.position += part.len();
            if client.position == reply.len() {
                client.position = 0;
                if client.is_broadcast {
                    self.broadcasts += 1;
                } else {
                    let due = client.due.pop_front().ok_or_else(|| unexpected(part))?;
                    self.waits.push((now - due).as_nanos() as u64);
                }
            }
        }
        Ok(())
    }

    /// Returns what tells that something has come.
    pub(super) fn readiness(&self) -> BorrowedFd<'_> {
        self.epoll.0.as_fd()
    }

    /// Returns how many requests were due so far.
    pub(super) fn asked(&self) -> u64 {
        self.asked
    }

    /// Returns how many messages to everyone have come.
    pub(super) fn broadcasts(&self) -> u64 {
        self.broadcasts
    }

    /// Returns the nanoseconds that each request waited that was answered, and those that each of
    /// all requests was late.
    pub(super) fn into_times(self) -> (Vec<u64>, Vec<u64>) {
        (self.waits, self.delays)
    }
}

impl Client {
    fn new(stream: OwnedFd) -> Self {
        let (due, unsent, position) = (VecDeque::new(), 0, 0);
        Self { stream: Some(stream), due, unsent, position, is_broadcast: false }
    }

    /// Sends what is not sent yet, as far as the socket takes it. What it does not take is tried
    /// again with the next request: a socket that is full of these has not been read from for long.
    fn send(&mut self, request: &[u8]) {
        let Some(stream) = &self.stream else { return };
        while self.unsent > 0 {
            let left = (self.unsent - 1) % request.len() + 1;
            let part = &request[request.len() - left..];
            match send(stream.as_raw_fd(), part, MsgFlags::MSG_NOSIGNAL) {
                Ok(length) => self.unsent -= length,
                Err(Errno::EINTR) => {}
                // Where the server is gone, receiving finds out.
                Err(_) => return,
            }
        }
    }
}
