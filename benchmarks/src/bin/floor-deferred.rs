//! The other floor of the echo suite: an edge-triggered epoll that receives from all who are ready
//! first, and sends to all of them after that.
//!
//! For messages of up to a few KiB no loop on epoll that we know of costs less: what the kernel
//! does to receive stays in the processor's caches from one socket to the next, and then what it
//! does to send. For longer ones the bare loop is ahead, which sends what it has just received.

use std::io;
use std::net::TcpListener;
use std::ops::Range;
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

/// Where the buffer begins. The allocator would put it 16 bytes behind the start of a page. There,
/// a processor of AMD's is slow to copy to with `rep movsb` from the start of another page, as the
/// kernel does in `recv`: an echo of 4 KiB cost 1.25 times as much, one of 16 KiB 1.75 times.
const PAGE: usize = 4096;

/// What each part of the buffer begins at a multiple of: a line of the processor's caches.
const LINE: usize = 64;

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
    /// Room for a full read of each event, behind what is left out to begin at a page.
    buffer: Vec<u8>,
    /// Where the buffer begins to be used, and where its next part begins.
    start: usize,
    next: usize,
    /// The connection that each part of the buffer goes to, and where that part is.
    parts: Vec<(RawFd, Range<usize>)>,
    /// Connections that have come to their end.
    ended: Vec<RawFd>,
}

impl Turn {
    fn new() -> Self {
        let buffer = vec![0; EVENTS * READ_BUFFER + PAGE];
        let start = buffer.as_ptr().align_offset(PAGE);
        Self { buffer, start, next: start, parts: Vec::with_capacity(EVENTS), ended: Vec::new() }
    }

    /// Receives until nothing is left: it is not reported again.
    fn receive(&mut self, event: &EpollEvent) {
        let stream = event.data() as RawFd;
        // A short read has emptied the socket, but for an end or an error behind what was read.
        let last = event.events() == EpollFlags::EPOLLIN;
        loop {
            if self.buffer.len() - self.next < READ_BUFFER {
                self.send();
            }
            let room = &mut self.buffer[self.next..][..READ_BUFFER];
            match recv(stream, room, MsgFlags::MSG_DONTWAIT) {
                Ok(0) => return self.ended.push(stream),
                Ok(length) => {
                    self.parts.push((stream, self.next..self.next + length));
                    self.next += length.next_multiple_of(LINE);
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
        for (stream, part) in self.parts.drain(..) {
            // Where the socket is full this waits: the load generator reads on. It fails when the
            // peer is gone, which the next event tells.
            let _ = send(stream, &self.buffer[part], MsgFlags::MSG_NOSIGNAL);
        }
        self.next = self.start;
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
