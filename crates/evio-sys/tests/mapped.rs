//! IPv4 addresses in the form that IPv6 sockets know them by, `::ffff:a.b.c.d`.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket as StdUdpSocket};

use evio_sys::Interest;
use evio_sys::net::{ListenOptions, Listener, UdpSocket};

use util::{address_of, wait_for};

fn options() -> [ListenOptions; 2] {
    [true, false].map(|only_v6| ListenOptions::default().only_v6(only_v6))
}

#[test]
fn a_mapped_address_can_be_listened_on() {
    for options in options() {
        let address = "[::ffff:127.0.0.1]:0".parse().unwrap();
        let listener = Listener::tcp(address, &options).unwrap();
        let port = address_of(&listener).port();
        let client = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        wait_for(&listener, Interest::READABLE);
        let (_, peer) = listener.accept().unwrap();
        assert_eq!(peer, Some(client.local_addr().unwrap()));
    }
}

#[test]
fn a_mapped_address_takes_datagrams_of_its_family_only() {
    let client = StdUdpSocket::bind("127.0.0.1:0").unwrap();
    let from = client.local_addr().unwrap();
    for options in options() {
        for host in ["::ffff:127.0.0.1", "::ffff:0.0.0.0"] {
            let address = format!("[{host}]:0").parse().unwrap();
            let mut socket = UdpSocket::bind(address, &options).unwrap();
            let port = socket.local_addr().unwrap().port();
            assert!(socket.is_for(from));
            assert!(!socket.is_for("[::1]:1".parse().unwrap()), "nothing can be sent there");
            client.send_to(b"hello", (Ipv4Addr::LOCALHOST, port)).unwrap();
            wait_for(&socket, Interest::READABLE);
            let received = socket.recv_from(&mut [0; 8]).unwrap();
            assert_eq!((received.len, received.peer), (5, from));
            if host.ends_with("0.0.0.0") {
                assert_eq!(received.local, Some(IpAddr::from(Ipv4Addr::LOCALHOST)));
            }
            let mut answer = [0; 8];
            client.set_read_timeout(Some(util::DEADLINE)).unwrap();
            socket.send_to(b"hi", from).unwrap();
            let (len, by) = client.recv_from(&mut answer).unwrap();
            assert_eq!((len, by), (2, SocketAddr::from((Ipv4Addr::LOCALHOST, port))));
        }
    }
}
