//! Addresses that are added and given up while the server runs, and sockets that were made
//! elsewhere.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::io::ErrorKind;
use std::net::{TcpListener, UdpSocket};
use std::ops::ControlFlow;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use evio::{Action, BoundAddress, Error, Events, ReadySocket, Server};

use util::{Client, DEADLINE, Reports, Running, TCP, bind, reports, start_each, unix_address};

/// Starts an echo server that reports the address that each connection came by.
fn echo(server: Server, loops: usize) -> (Running, Reports<u16>) {
    let (indices, index) = reports();
    let server = start_each(server, loops, move |_| {
        let indices = indices.clone();
        Events::new()
            .opened(move |conn, _| {
                indices.send(conn.address_index().unwrap()).unwrap();
                Action::None
            })
            .data(|conn, _, input| {
                conn.write(input);
                Action::None
            })
            .datagram(|socket, peer, input| {
                socket.send_to(
                    &[input, socket.address_index().to_string().as_bytes()].concat(),
                    peer,
                );
                ControlFlow::Continue(())
            })
    });
    (server, index)
}

/// Connects, and thereby waits until the server runs.
fn connect(server: &Running, index: &Reports<u16>) -> Client {
    let client = server.connect();
    client.echo(b"running");
    assert_eq!(index.next(), 0);
    client
}

fn check_datagrams(bound: &BoundAddress) {
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.set_read_timeout(Some(DEADLINE)).unwrap();
    client.send_to(b"index ", bound.addr().as_inet().unwrap()).unwrap();
    let mut reply = [0; 20];
    let len = client.recv(&mut reply).unwrap();
    assert_eq!(&reply[..len], format!("index {}", bound.index()).as_bytes());
}

#[test]
fn addresses_of_every_kind_are_added() {
    for loops in [1, 3] {
        let (server, index) = echo(bind(TCP), loops);
        let first = connect(&server, &index);
        let shared = format!("{TCP}?reuseport={}", evio::BACKEND == "epoll");
        let streams = [TCP, &shared, &unix_address(), "localhost:0"];
        for (number, address) in (1..).zip(streams) {
            let bound = server.handle().listen(address).unwrap();
            for bound in &bound {
                assert_eq!(bound.index(), number);
                let client = Client::connect(bound.addr());
                client.echo(b"added");
                assert_eq!(index.next(), number);
            }
        }
        let datagrams = server.handle().listen("udp://127.0.0.1:0").unwrap();
        assert_eq!(datagrams[0].index(), 5);
        check_datagrams(&datagrams[0]);
        first.echo(b"still served");
        server.stop();
    }
}

#[test]
fn an_address_that_is_given_up_keeps_its_connections() {
    for loops in [1, 3] {
        let (server, index) = echo(bind(TCP), loops);
        let first = connect(&server, &index);
        let path = unix_address();
        let file = Path::new(path.strip_prefix("unix://").unwrap());
        let added = server.handle().listen(path.as_str()).unwrap();
        let by_path = Client::connect(added[0].addr());
        by_path.echo(b"added");
        assert!(file.exists());

        for address in [0, 1, 7, u16::MAX] {
            server.handle().stop_listening(address);
        }
        // What was asked for before this has been done when it is answered.
        let again = server.handle().listen(TCP).unwrap();
        Client::connect(again[0].addr()).echo(b"a third one");
        for addr in [server.addrs()[0].addr(), added[0].addr()] {
            // The loop that has the socket need not be the one that answered above.
            while Client::try_connect(addr).is_ok() {}
        }
        assert!(!file.exists());
        first.echo(b"still served");
        by_path.echo(b"still served");
        server.stop();
    }
}

#[test]
fn what_cannot_be_bound_is_an_error_and_nothing_else() {
    let (server, index) = echo(bind(TCP), 2);
    let first = connect(&server, &index);
    let taken = server.addrs()[0].to_string();
    assert!(matches!(server.handle().listen(taken).unwrap_err(), Error::Bind { .. }));
    assert!(matches!(server.handle().listen("tulip://howdy").unwrap_err(), Error::Address(_)));
    assert_eq!(
        server.handle().listen(TCP).unwrap()[0].index(),
        2,
        "the failed one has had its own"
    );
    first.echo(b"still served");
    server.stop();
}

#[test]
fn a_server_that_does_not_run_listens_nowhere_else() {
    let server = bind(TCP);
    let handle = server.handle();
    assert!(matches!(handle.listen(TCP).unwrap_err(), Error::NotRunning));
    handle.stop_listening(0);
    let (server, index) = echo(server, 1);
    drop(connect(&server, &index));
    server.stop();
    assert!(matches!(handle.listen(TCP).unwrap_err(), Error::NotRunning));
}

#[test]
fn sockets_that_were_made_elsewhere_are_served() {
    let path = unix_address();
    let file = path.strip_prefix("unix://").unwrap();
    for loops in [1, 3] {
        let (server, _index) = sockets_of(file, loops);
        let shown: Vec<String> = server.addrs().iter().map(ToString::to_string).collect();
        assert!(
            shown[0].starts_with("tcp://127.0.0.1:") && shown[2].starts_with("udp://127.0.0.1:")
        );
        assert_eq!(shown[1], path);
        for bound in &server.addrs()[..2] {
            Client::connect(bound.addr()).echo(b"served");
        }
        check_datagrams(&server.addrs()[2]);
        let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
        peer.set_read_timeout(Some(DEADLINE)).unwrap();
        server.handle().send_datagram(2, "from a thread", peer.local_addr().unwrap()).unwrap();
        assert_eq!(peer.recv(&mut [0; 20]).unwrap(), 13);

        let added = TcpListener::bind("127.0.0.1:0").unwrap().try_into().unwrap();
        let added = server.handle().listen_on(added).unwrap();
        assert_eq!(added.index(), 3);
        Client::connect(added.addr()).echo(b"served");
        server.stop();
        // Whoever made the file may want it again.
        std::fs::remove_file(file).unwrap();
    }
}

/// A socket of another kind would be polled for ever, and never give anything.
#[test]
fn what_does_not_listen_or_is_of_another_kind_is_refused() {
    let listener = || OwnedFd::from(TcpListener::bind("127.0.0.1:0").unwrap());
    let datagrams = || OwnedFd::from(UdpSocket::bind("127.0.0.1:0").unwrap());
    let connection = || OwnedFd::from(UnixStream::pair().unwrap().0);
    let errors = [
        ReadySocket::try_from(UdpSocket::from(listener())).unwrap_err(),
        ReadySocket::try_from(UdpSocket::from(connection())).unwrap_err(),
        ReadySocket::try_from(TcpListener::from(datagrams())).unwrap_err(),
        ReadySocket::try_from(TcpListener::from(connection())).unwrap_err(),
        ReadySocket::try_from(UnixListener::from(connection())).unwrap_err(),
        ReadySocket::try_from(UnixListener::from(datagrams())).unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    }
    let listener = UnixListener::from(listener());
    assert!(ReadySocket::try_from(listener).map_or(true, |tcp| Server::from_socket(tcp).is_err()));
}

fn sockets_of(file: &str, loops: usize) -> (Running, Reports<u16>) {
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap().try_into().unwrap();
    let unix = UnixListener::bind(file).unwrap().try_into().unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap().try_into().unwrap();
    let server = Server::from_socket(tcp).unwrap().with_socket(unix).unwrap();
    echo(server.with_socket(udp).unwrap().shutdown_timeout(DEADLINE / 100), loops)
}
