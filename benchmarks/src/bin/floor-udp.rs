//! The floor for datagrams: a bare level-triggered epoll, with `recvfrom` and `sendto` and nothing
//! else.

use std::io;
use std::net::UdpSocket;

use clap::Parser;
use evio_benchmarks::server::{Args, READ_BUFFER, announce_udp};
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

fn main() -> io::Result<()> {
    let socket = UdpSocket::bind(Args::parse().address())?;
    socket.set_nonblocking(true)?;
    announce_udp(socket.local_addr())?;

    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    epoll.add(&socket, EpollEvent::new(EpollFlags::EPOLLIN, 0))?;
    let mut buffer = vec![0; READ_BUFFER];
    loop {
        match epoll.wait(&mut [EpollEvent::empty()], EpollTimeout::NONE) {
            Err(Errno::EINTR) => continue,
            ready => ready?,
        };
        echo_all(&socket, &mut buffer)?;
    }
}

/// Sends back datagrams until none waits any more.
fn echo_all(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<()> {
    loop {
        let (length, peer) = match socket.recv_from(buffer) {
            Ok(datagram) => datagram,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            // The fate of an earlier datagram, to a peer that is gone.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => continue,
            Err(error) => return Err(error),
        };
        // Where a datagram finds no room or no peer it is lost, as datagrams may be.
        let _ = socket.send_to(&buffer[..length], peer);
    }
}
