//! The floors: servers on a bare level-triggered epoll, with `recv` and `send` and nothing else.
//!
//! No server that waits for readiness can do with less, so the others are measured against them.
//! There is no table of connections: an event carries its socket's descriptor. Sockets block, so
//! that accepting one is a single call, and are received from without waiting.

use std::io;
use std::net::TcpListener;
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::thread;

use clap::Parser;
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::socket::{MsgFlags, recv, send, setsockopt, sockopt};
use nix::unistd::close;

use crate::server::{self, READ_BUFFER, announce};

/// Options of a floor.
#[derive(Debug, Parser)]
#[command(about = "The least that a server on epoll can do")]
pub struct Options {
    #[command(flatten)]
    server: server::Args,
    /// Loops, each a thread, to which connections are dealt in turns
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    loops: u16,
    /// Listen on this socket file too
    #[arg(long, value_name = "FILE")]
    unix_socket: Option<PathBuf>,
}

/// What is sent for what was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer<'a> {
    /// What is sent.
    pub reply: &'a [u8],
    /// Whether the connection is closed after that.
    pub last: bool,
}

/// Knows the answers.
pub trait Service: Clone + Send {
    /// Returns what is to be sent for what was received.
    fn answer<'a>(&'a mut self, received: &'a [u8]) -> Answer<'a>;
}

/// One reply, many times over, so that the replies to requests that came together are one slice.
#[derive(Debug, Clone)]
pub struct Canned {
    replies: Vec<u8>,
    length: usize,
}

impl Canned {
    /// Prepares as many replies as there can be requests in a read buffer. Neither must be empty.
    #[must_use]
    pub fn new(reply: &[u8], shortest_request: usize) -> Self {
        let most = READ_BUFFER / shortest_request + 1;
        Self { replies: reply.repeat(most), length: reply.len() }
    }

    /// Returns `count` replies.
    #[must_use]
    pub fn times(&self, count: usize) -> &[u8] {
        &self.replies[..(count * self.length).min(self.replies.len())]
    }
}

/// Who listens.
#[derive(Debug)]
enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    /// Listens on every address of `options`, and says where.
    fn bind(options: &Options) -> io::Result<Vec<Self>> {
        let tcp = TcpListener::bind(options.server.address())?;
        // What it accepts inherits the option, on Linux.
        setsockopt(&tcp, sockopt::TcpNoDelay, &true)?;
        tcp.set_nonblocking(true)?;
        let address = tcp.local_addr();
        let mut listeners = vec![Self::Tcp(tcp)];
        if let Some(file) = &options.unix_socket {
            let unix = UnixListener::bind(file)?;
            unix.set_nonblocking(true)?;
            listeners.push(Self::Unix(unix));
        }
        announce(address)?;
        Ok(listeners)
    }

    fn descriptor(&self) -> RawFd {
        match self {
            Self::Tcp(tcp) => tcp.as_raw_fd(),
            Self::Unix(unix) => unix.as_raw_fd(),
        }
    }

    /// Accepts a connection, unless it went away before its turn came.
    fn accept(&self) -> io::Result<Option<OwnedFd>> {
        let accepted = match self {
            Self::Tcp(tcp) => tcp.accept().map(|(stream, _)| stream.into()),
            Self::Unix(unix) => unix.accept().map(|(stream, _)| stream.into()),
        };
        match accepted {
            Ok(stream) => Ok(Some(stream)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Events taken from epoll at once.
const EVENTS: usize = 256;

/// Answers for ever what comes to the addresses of `options`. Each loop has a service of its own.
///
/// # Errors
///
/// Fails when it cannot listen, accept or wait.
pub fn serve(options: &Options, service: &impl Service) -> io::Result<()> {
    let listeners = Listener::bind(options)?;
    let new_epoll = |_| Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC);
    let epolls = (0..options.loops).map(new_epoll).collect::<Result<Vec<_>, _>>()?;
    let input = |descriptor| EpollEvent::new(EpollFlags::EPOLLIN, descriptor as u64);
    thread::scope(|scope| {
        for epoll in &epolls[1..] {
            let mut service = service.clone();
            // An error of epoll itself ends the loop; those of the first one are returned.
            scope.spawn(move || turn(epoll, &mut service, |_| Ok(false)));
        }
        for listener in &listeners {
            // Both kinds are known by their descriptor.
            match listener {
                Listener::Tcp(tcp) => epolls[0].add(tcp, input(tcp.as_raw_fd()))?,
                Listener::Unix(unix) => epolls[0].add(unix, input(unix.as_raw_fd()))?,
            }
        }
        let mut next = (0..epolls.len()).cycle();
        turn(&epolls[0], &mut service.clone(), |descriptor| {
            let listening = listeners.iter().find(|listener| listener.descriptor() == descriptor);
            let Some(listener) = listening else { return Ok(false) };
            if let Some(stream) = listener.accept()? {
                let place = next.next().expect("a cycle has no end");
                epolls[place].add(&stream, input(stream.as_raw_fd()))?;
                // From here on it belongs to the loop that its events come to.
                let _ = stream.into_raw_fd();
            }
            Ok(true)
        })
    })
}

/// Answers for ever what comes to `epoll`, but for the descriptors that `accept` knows.
fn turn(
    epoll: &Epoll,
    service: &mut impl Service,
    mut accept: impl FnMut(RawFd) -> io::Result<bool>,
) -> io::Result<()> {
    let mut buffer = vec![0; READ_BUFFER];
    let mut events = [EpollEvent::empty(); EVENTS];
    loop {
        let ready = match epoll.wait(&mut events, EpollTimeout::NONE) {
            Err(Errno::EINTR) => 0,
            ready => ready?,
        };
        for event in &events[..ready] {
            let descriptor = event.data() as RawFd;
            if !accept(descriptor)? && !converse(descriptor, service, &mut buffer) {
                // This takes it out of epoll, too.
                close(descriptor)?;
            }
        }
    }
}

/// Answers what can be received at once. Returns whether the connection goes on.
fn converse(stream: RawFd, service: &mut impl Service, buffer: &mut [u8]) -> bool {
    match recv(stream, buffer, MsgFlags::MSG_DONTWAIT) {
        Ok(0) => false,
        Ok(length) => {
            let Answer { reply, last } = service.answer(&buffer[..length]);
            // Where the socket is full this waits: whoever measures reads on. It fails when the
            // peer is gone.
            let sent = reply.is_empty() || send(stream, reply, MsgFlags::MSG_NOSIGNAL).is_ok();
            sent && !last
        }
        Err(Errno::EAGAIN | Errno::EINTR) => true,
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_canned_for_a_full_buffer() {
        let canned = Canned::new(b"+OK\r\n", 14);
        for (count, length) in [(0, 0), (1, 5), (16, 80), (READ_BUFFER / 14, READ_BUFFER / 14 * 5)]
        {
            assert_eq!(canned.times(count).len(), length);
        }
        assert_eq!(canned.times(2), b"+OK\r\n+OK\r\n");
    }
}
