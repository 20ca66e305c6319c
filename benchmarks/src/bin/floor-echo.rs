//! The floor: an echo on a bare level-triggered epoll, with `recv` and `send` and nothing else.
//!
//! No server that waits for readiness can do with less, so the others are measured against it.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd};

use clap::Parser;
use evio_benchmarks::server::{Args, READ_BUFFER, announce};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

/// Events taken from epoll at once.
const EVENTS: usize = 256;

fn main() -> io::Result<()> {
    let listener = TcpListener::bind(Args::parse().address())?;
    listener.set_nonblocking(true)?;
    announce(listener.local_addr())?;

    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    let listening = listener.as_raw_fd();
    epoll.add(&listener, EpollEvent::new(EpollFlags::EPOLLIN, listening as u64))?;
    // Streams by the number of their descriptor, the shortest way from an event to its stream.
    let mut streams: Vec<Option<TcpStream>> = Vec::new();
    let mut buffer = vec![0; READ_BUFFER];
    let mut events = [EpollEvent::empty(); EVENTS];
    loop {
        let ready = match epoll.wait(&mut events, EpollTimeout::NONE) {
            Err(Errno::EINTR) => 0,
            ready => ready?,
        };
        for event in &events[..ready] {
            let descriptor = event.data() as usize;
            if descriptor == listening as usize {
                if let Some(stream) = accept(&listener)? {
                    add(&epoll, &mut streams, stream)?;
                }
            } else if let Some(stream) = &mut streams[descriptor] {
                // Closing the stream takes it out of epoll.
                if !echo(stream, &mut buffer) {
                    streams[descriptor] = None;
                }
            }
        }
    }
}

/// Accepts a connection, unless it went away before its turn came.
fn accept(listener: &TcpListener) -> io::Result<Option<TcpStream>> {
    match listener.accept() {
        Ok((stream, _)) => Ok(Some(stream)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => Ok(None),
        Err(error) => Err(error),
    }
}

fn add(epoll: &Epoll, streams: &mut Vec<Option<TcpStream>>, stream: TcpStream) -> io::Result<()> {
    stream.set_nonblocking(true)?;
    stream.set_nodelay(true)?;
    let descriptor = stream.as_raw_fd() as usize;
    epoll.add(&stream, EpollEvent::new(EpollFlags::EPOLLIN, descriptor as u64))?;
    if streams.len() <= descriptor {
        streams.resize_with(descriptor + 1, || None);
    }
    streams[descriptor] = Some(stream);
    Ok(())
}

/// Sends back what can be received at once. Returns whether the connection goes on.
fn echo(stream: &mut TcpStream, buffer: &mut [u8]) -> bool {
    match stream.read(buffer) {
        Ok(0) => false,
        Ok(length) => send_all(stream, &buffer[..length]).is_ok(),
        Err(error) => error.kind() == io::ErrorKind::WouldBlock,
    }
}

/// Sends all of `reply`, and waits where the socket is full: whoever measures reads on.
fn send_all(stream: &mut TcpStream, mut reply: &[u8]) -> io::Result<()> {
    while !reply.is_empty() {
        match stream.write(reply) {
            Ok(length) => reply = &reply[length..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                poll(&mut [PollFd::new(stream.as_fd(), PollFlags::POLLOUT)], PollTimeout::NONE)?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
