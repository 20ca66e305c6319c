//! Where a connection came in, and who is at both ends.

mod util;

use std::net::{self, Ipv4Addr, TcpListener};
use std::ops::ControlFlow;

use evio::{Action, Events, SocketAddr};

use util::{Client, TCP, bind, bind_all, reports, start, start_each, unix_address};

fn inet(client: &Client) -> (std::net::SocketAddr, std::net::SocketAddr) {
    let Client::Tcp(stream) = client else { panic!("a TCP client") };
    (
        stream.local_addr().expect("the client is connected"),
        stream.peer_addr().expect("the client is connected"),
    )
}

#[test]
fn the_address_index_is_that_of_the_address_given() {
    let unix = unix_address();
    let addresses = [TCP, &*unix, "udp://127.0.0.1:0", TCP];
    for loops in [1, 3] {
        let server = start_each(bind_all(addresses), loops, |_| {
            Events::new().opened(|conn, ()| {
                conn.write(&[conn.address_index().unwrap() as u8]);
                Action::None
            })
        });
        for bound in server.addrs() {
            if bound.index() != 2 {
                let client = Client::connect(bound.addr());
                assert_eq!(client.receive(1), [bound.index() as u8]);
            }
        }
        server.stop();
    }
}

/// With a wildcard listener the connection's own address differs from the listener's; and an IPv4
/// peer of a dual-stack listener is an IPv4 peer.
#[test]
fn both_ends_have_their_own_addresses() {
    for address in ["tcp://:0", "tcp4://:0", "tcp://127.0.0.1:0"] {
        let (ends, end) = reports();
        let server = start(bind(address), move || {
            Events::new().opened(move |conn, ()| {
                let ends_of = |addr: std::io::Result<SocketAddr>| addr.unwrap().as_inet().unwrap();
                ends.send((ends_of(conn.local_addr()), ends_of(conn.peer_addr()))).unwrap();
                Action::None
            })
        });
        let port = server.addrs()[0].addr().as_inet().unwrap().port();
        // Another loopback address than the usual one shows which of them is told.
        let hosts: &[Ipv4Addr] = if address == TCP {
            &[Ipv4Addr::LOCALHOST]
        } else {
            &[Ipv4Addr::LOCALHOST, Ipv4Addr::new(127, 0, 0, 2)]
        };
        for &host in hosts {
            let client = Client::connect(&SocketAddr::Inet((host, port).into()));
            let (ours, theirs) = inet(&client);
            assert_eq!(end.next(), (theirs, ours), "{address}");
            assert_eq!(theirs.ip(), host);
        }
        server.stop();
    }
}

#[test]
fn ipv6_peers_have_ipv6_addresses() {
    let (ends, end) = reports();
    let server = start(bind("tcp6://[::1]:0"), move || {
        Events::new().opened(move |conn, ()| {
            ends.send(conn.peer_addr().unwrap().as_inet()).unwrap();
            Action::None
        })
    });
    let client = server.connect();
    assert_eq!(end.next(), Some(inet(&client).0));
    server.stop();
}

#[test]
fn a_unix_socket_tells_its_path_and_most_peers_have_none() {
    let address = unix_address();
    let (ends, end) = reports();
    let server = start(bind(&address), move || {
        Events::new().opened(move |conn, ()| {
            let [local, peer] = [conn.local_addr(), conn.peer_addr()].map(|addr| addr.unwrap());
            ends.send((local.to_string(), peer.to_string(), peer.as_inet())).unwrap();
            Action::None
        })
    });
    let _client = server.connect();
    let path = address.trim_start_matches("unix://");
    assert_eq!(end.next(), (path.to_owned(), "(unnamed)".to_owned(), None));
    server.stop();
}

/// No address stands for this machine; a mapped one is of IPv4.
#[test]
fn a_connection_that_was_asked_for_has_the_peer_that_was_reached() {
    let (peers, peer) = reports();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = start(bind(TCP), move || {
        let peers = peers.clone();
        Events::new().serving(move |event_loop, _| {
            for host in ["0.0.0.0", "[::ffff:127.0.0.1]", "[::ffff:0.0.0.0]"] {
                let asked: net::SocketAddr = format!("{host}:{}", address.port()).parse().unwrap();
                let id = event_loop.connect(asked, 0).unwrap();
                let conn = event_loop.conn(id).unwrap();
                peers.send((asked, conn.peer_addr().unwrap().as_inet())).unwrap();
            }
            ControlFlow::Continue(())
        })
    });
    for _ in 0..3 {
        let (asked, reached) = peer.next();
        assert_eq!(reached, Some(address), "{asked}");
    }
    server.stop();
}
