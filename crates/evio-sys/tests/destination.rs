//! Where a connection goes.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::io;
use std::net::{self, Ipv4Addr, Ipv6Addr, SocketAddrV6};

use evio_sys::Interest;
use evio_sys::net::{ListenOptions, Listener, SocketAddr, Stream};

use util::{address_of, wait_for, wait_until};

/// Connects, and returns what the kernel takes for the peer.
fn connect(address: &SocketAddr) -> io::Result<net::SocketAddr> {
    let (stream, is_done) = Stream::connect(address)?;
    if !is_done {
        wait_for(&stream, Interest::WRITABLE);
        wait_until(|| stream.finish_connect().unwrap());
    }
    Ok(stream.peer_addr()?.as_inet().expect("a TCP address"))
}

#[test]
fn the_destination_is_what_the_kernel_says() {
    let options = ListenOptions::default();
    let listener = Listener::tcp((Ipv6Addr::UNSPECIFIED, 0).into(), &options).unwrap();
    let port = address_of(&listener).port();
    let v6 = |ip: &str, flow, zone| SocketAddrV6::new(ip.parse().unwrap(), port, flow, zone).into();
    let asked: [net::SocketAddr; 8] = [
        (Ipv4Addr::LOCALHOST, port).into(),
        (Ipv4Addr::UNSPECIFIED, port).into(),
        (Ipv6Addr::LOCALHOST, port).into(),
        (Ipv6Addr::UNSPECIFIED, port).into(),
        v6("::ffff:127.0.0.1", 0, 0),
        v6("::ffff:0.0.0.0", 0, 0),
        v6("::1", 7, 1),
        v6("::", 7, 1),
    ];
    for asked in asked {
        let address = SocketAddr::from(asked);
        let peer = connect(&address).unwrap_or_else(|error| panic!("{asked}: {error}"));
        assert_eq!(address.destination(), Some(peer), "{asked}");
        listener.accept().unwrap();
    }
}

#[test]
fn a_unix_socket_has_no_internet_destination() {
    let unix = std::os::unix::net::SocketAddr::from_pathname("/tmp/socket").unwrap();
    assert_eq!(SocketAddr::from(unix).destination(), None);
}
