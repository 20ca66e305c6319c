//! Peers for outbound connections: some that answer, some that refuse, some that do neither.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::{self, Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;

use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrStorage, listen, socket,
};

use super::{Client, DEADLINE};

pub(crate) fn listener() -> (TcpListener, net::SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

pub(crate) fn accept(listener: &TcpListener) -> Client {
    let (stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    Client::Tcp(stream)
}

/// An address where a connection neither comes about nor fails, since the queue of its listener is
/// full: the sockets keep it so. There are systems whose queues are never full.
pub(crate) fn silent() -> Option<((TcpListener, Vec<TcpStream>), net::SocketAddr)> {
    const ENOUGH: usize = 16;
    let (listener, address) = listener();
    full_queue(&listener);
    let patience = Duration::from_millis(300);
    let connect = |_| TcpStream::connect_timeout(&address, patience).ok();
    let waiting: Vec<TcpStream> = (0..ENOUGH).map_while(connect).collect();
    if waiting.len() == ENOUGH {
        eprintln!("skipped: this system answers however many wait");
        return None;
    }
    Some(((listener, waiting), address))
}

/// Leaves the listener no room but for one.
pub(crate) fn full_queue(listener: &impl AsFd) {
    listen(listener, Backlog::new(0).unwrap()).unwrap();
}

/// An address that nobody listens on. The socket keeps others from it.
pub(crate) fn deserted() -> (OwnedFd, net::SocketAddr) {
    let kind = (AddressFamily::Inet, SockType::Stream);
    let socket = socket(kind.0, kind.1, SockFlag::empty(), None).unwrap();
    let any = net::SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    nix::sys::socket::bind(socket.as_raw_fd(), &SockaddrStorage::from(any)).unwrap();
    let stream = TcpStream::from(socket);
    let address = stream.local_addr().unwrap();
    (stream.into(), address)
}
