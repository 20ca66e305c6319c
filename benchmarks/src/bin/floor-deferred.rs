//! The other floor of the echo suite: an edge-triggered epoll that receives from all who are ready
//! first, and sends to all of them after that.
//!
//! For messages of up to a few KiB no loop on epoll that we know of costs less: what the kernel
//! does to receive stays in the processor's caches from one socket to the next, and then what it
//! does to send. For longer ones the bare loop is ahead, which sends what it has just received.

use std::io;
use std::net::TcpListener;
use std::os::fd::{AsRawFd, IntoRawFd, RawFd};

use clap::Parser;
use evio_benchmarks::server::{Args, READ_BUFFER, announce};
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::socket::{MsgFlags, recv, send, setsockopt, sockopt};
use nix::unistd::close;

/// Events of a turn: with fewer, the kernel's code leaves the caches more often; with more, what
/// was received does, before it is sent.
const EVENTS: usize = 32;

fn main() -> io::Result<()> {
    let listener = TcpListener::bind(Args::parse().address())?;
    // What it accepts inherits the option, on Linux.
    setsockopt(&listener, sockopt::TcpNoDelay, &true)?;
    listener.set_nonblocking(true)?;
    announce(listener.local_addr())?;

    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    let descriptor = listener.as_raw_fd();
    epoll.add(&listener, EpollEvent::new(EpollFlags::EPOLLIN, descriptor as u64))?;
    let mut turn = Turn::new();
    let mut events = [EpollEvent::empty(); EVENTS];
    loop {
        let ready = match epoll.wait(&mut events, EpollTimeout::NONE) {
            Err(Errno::EINTR) => 0,
            ready => ready?,
        };
        for event in &events[..ready] {
            if event.data() == descriptor as u64 {
                accept(&listener, &epoll)?;
            } else {
                turn.receive(event);
            }
        }
        turn.finish();
    }
}

/// Accepts a connection, unless it went away before its turn came.
fn accept(listener: &TcpListener, epoll: &Epoll) -> io::Result<()> {
    match listener.accept() {
        Ok((stream, _)) => {
            let interest = EpollFlags::EPOLLIN | EpollFlags::EPOLLRDHUP | EpollFlags::EPOLLET;
            epoll.add(&stream, EpollEvent::new(interest, stream.as_raw_fd() as u64))?;
            // From here on it belongs to the turn that receives its end.
            let _ = stream.into_raw_fd();
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => Ok(()),
        Err(error) => Err(error),
    }
}

/// What was received in a turn and is to be sent when all of it is there.
struct Turn {
    /// Room for a full read of each event.
    buffer: Vec<u8>,
    used: usize,
    /// Whom the parts of the buffer go to, and how long they are.
    parts: Vec<(RawFd, usize)>,
    /// Connections that have come to their end.
    ended: Vec<RawFd>,
}

impl Turn {
    fn new() -> Self {
        let (parts, ended) = (Vec::with_capacity(EVENTS), Vec::new());
        Self { buffer: vec![0; EVENTS * READ_BUFFER], used: 0, parts, ended }
    }

    /// Receives until nothing is left: it is not reported again.
    fn receive(&mut self, event: &EpollEvent) {
        let stream = event.data() as RawFd;
        // A short read has emptied the socket, but for an end or an error behind what was read.
        let last = event.events() == EpollFlags::EPOLLIN;
        loop {
            if self.buffer.len() - self.used < READ_BUFFER {
                self.send();
            }
            let room = &mut self.buffer[self.used..][..READ_BUFFER];
            match recv(stream, room, MsgFlags::MSG_DONTWAIT) {
                Ok(0) => return self.ended.push(stream),
                Ok(length) => {
                    self.parts.push((stream, length));
                    self.used += length;
                    if last && length < READ_BUFFER {
                        return;
                    }
                }
                Err(Errno::EAGAIN) => return,
                Err(Errno::EINTR) => {}
                Err(_) => return self.ended.push(stream),
            }
        }
    }

    /// Sends all that was received.
    fn send(&mut self) {
        let mut rest = &self.buffer[..self.used];
        for (stream, length) in self.parts.drain(..) {
            let (part, others) = rest.split_at(length);
            rest = others;
            // Where the socket is full this waits: whoever measures reads on. It fails when the
            // peer is gone, which the next event tells.
            let _ = send(stream, part, MsgFlags::MSG_NOSIGNAL);
        }
        self.used = 0;
    }

    /// Sends all that was received, and closes what has ended.
    fn finish(&mut self) {
        self.send();
        for stream in self.ended.drain(..) {
            // This takes it out of epoll, too. No error of it leaves the descriptor open.
            let _ = close(stream);
        }
    }
}
