//! Connections both ends of which belong to the test.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;

use evio::Stream;

use super::{Client, DEADLINE};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Tcp,
    Unix,
}

/// Connects a socket, for a loop to adopt, and its client.
pub(crate) fn pair(transport: Transport) -> (Stream, Client) {
    let (stream, client): (Stream, Client) = match transport {
        Transport::Tcp => {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
            let address = listener.local_addr().expect("the socket is bound");
            let client = TcpStream::connect(address).expect("the listener is there");
            let (stream, _) = listener.accept().expect("the client has connected");
            (stream.into(), Client::Tcp(client))
        }
        Transport::Unix => {
            let (stream, client) = UnixStream::pair().expect("there are descriptors left");
            (stream.into(), Client::Unix(client))
        }
    };
    client.set_read_timeout(DEADLINE).expect("the timeout is not zero");
    client.set_write_timeout(DEADLINE).expect("the timeout is not zero");
    (stream, client)
}
