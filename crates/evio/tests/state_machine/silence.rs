//! Addresses that a connection does not come about with.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::OnceLock;
use std::time::Duration;

use nix::sys::socket::{Backlog, SockaddrStorage, listen};
use socket2::{Domain, Socket, Type};

/// Kept for the whole process: to fill a queue takes a while.
#[derive(Debug)]
pub(crate) struct Silence {
    /// Refuses: it is bound, so that nobody else has it, and does not listen.
    pub(crate) deserted: SocketAddr,
    /// Never answers, since its queue is full; there are systems whose queues are never full.
    pub(crate) silent: Option<SocketAddr>,
    _held: (Socket, TcpListener, Vec<TcpStream>),
}

impl Silence {
    pub(crate) fn get() -> &'static Self {
        static SILENCE: OnceLock<Silence> = OnceLock::new();
        SILENCE.get_or_init(Self::new)
    }

    fn new() -> Self {
        const ENOUGH: usize = 16;
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        nix::sys::socket::bind(socket.as_raw_fd(), &SockaddrStorage::from(any)).expect("a port");
        let deserted = socket.local_addr().expect("it is bound").as_socket().expect("by IPv4");

        let listener = TcpListener::bind(any).expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        listen(&listener, Backlog::new(0).expect("zero is a backlog")).expect("it listens");
        let patience = Duration::from_millis(300);
        let connect = |_| TcpStream::connect_timeout(&address, patience).ok();
        let waiting: Vec<TcpStream> = (0..ENOUGH).map_while(connect).collect();
        let silent = (waiting.len() < ENOUGH).then_some(address);
        Self { deserted, silent, _held: (socket, listener, waiting) }
    }
}
