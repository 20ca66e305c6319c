//! UDP: each datagram by itself, over every scheme, whatever single peers do.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::collections::HashSet;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::ops::ControlFlow;

use evio::{Events, Server};

use util::{DEADLINE, Running, TCP, bind, bind_all, payload, reports, start, start_each};

fn echo(server: Server) -> Running {
    start(server, || {
        Events::new().datagram(|socket, peer, input| {
            socket.send_to(input, peer);
            ControlFlow::Continue(())
        })
    })
}

/// Connects a client to the port of the first address, on the loopback address of a family.
fn client(server: &Running, v6: bool) -> UdpSocket {
    let port = server.addrs()[0].addr().as_inet().expect("a UDP address").port();
    let (any, loopback): (SocketAddr, SocketAddr) = if v6 {
        ((Ipv6Addr::UNSPECIFIED, 0).into(), (Ipv6Addr::LOCALHOST, port).into())
    } else {
        ((Ipv4Addr::UNSPECIFIED, 0).into(), (Ipv4Addr::LOCALHOST, port).into())
    };
    let client = UdpSocket::bind(any).expect("a UDP socket");
    client.connect(loopback).expect("a loopback address");
    client.set_read_timeout(Some(DEADLINE)).expect("the timeout is not zero");
    client
}

#[track_caller]
fn round_trip(client: &UdpSocket, message: &[u8]) {
    client.send(message).expect("loopback takes the datagram");
    let mut buffer = vec![0; 65_536];
    let len = client.recv(&mut buffer).expect("an echo");
    assert_eq!(len, message.len());
    assert!(buffer[..len] == *message, "the echo of {len} bytes differs");
}

#[test]
fn echo_of_every_size_over_every_scheme() {
    const SIZES: [usize; 12] =
        [1, 0, 2, 511, 1_472, 1_473, 8_192, 9_001, 0, 32_768, 60_000, 65_507];
    let seed = util::seed();
    let cases: [(&str, &[bool]); 10] = [
        ("udp://127.0.0.1:0", &[false]),
        ("udp://[::1]:0", &[true]),
        ("udp://:0", &[false, true]),
        ("udp://*:0", &[true, false]),
        ("udp4://127.0.0.1:0", &[false]),
        ("udp4://:0", &[false]),
        ("udp6://[::1]:0", &[true]),
        ("udp6://:0", &[true]),
        ("udp://[::ffff:127.0.0.1]:0", &[false]),
        ("udp://[::ffff:0.0.0.0]:0", &[false]),
    ];
    for (address, families) in cases {
        let server = echo(bind(address));
        for &v6 in families {
            let client = client(&server, v6);
            for (stream, size) in SIZES.into_iter().enumerate() {
                round_trip(&client, &payload(seed, stream as u64, size));
            }
        }
        server.stop();
    }
}

/// A scheme that names a family does not serve the other one.
#[test]
fn a_family_keeps_to_itself() {
    for (address, v6) in [("udp4://:0", true), ("udp6://:0", false)] {
        let is_refused = |_| {
            let server = echo(bind(address));
            round_trip(&client(&server, !v6), b"served");
            let stranger = client(&server, v6);
            stranger.send(b"?").unwrap();
            let result = stranger.recv(&mut [0; 8]);
            server.stop();
            result.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
        };
        // Somebody else may happen to use the same port of the other family.
        assert!((0..3).any(is_refused), "{address}");
    }
}

#[test]
fn the_peer_is_told_as_it_is() {
    let (peers, peer) = reports();
    let server = bind_all(["udp://127.0.0.1:0", "udp://:0"]);
    let server = start(server, move || {
        Events::new().datagram(move |socket, peer, _| {
            peers.send((socket.address_index(), socket.local_addr().unwrap(), peer)).unwrap();
            ControlFlow::Continue(())
        })
    });
    for index in [1u16, 0] {
        let local = server.addrs()[usize::from(index)].addr().as_inet().unwrap();
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.send_to(b"", (Ipv4Addr::LOCALHOST, local.port())).unwrap();
        // An IPv4 peer of a dual-stack socket is an IPv4 address.
        assert_eq!(peer.next(), (index, local, client.local_addr().unwrap()));
    }
    server.stop();
}

/// One callback may send any number of datagrams, to whom it likes, and none of them is merged
/// with another.
#[test]
fn datagrams_are_neither_merged_nor_reordered() {
    let (peers, peer) = reports();
    let server = start(bind("udp://127.0.0.1:0"), move || {
        let mut earlier = None;
        Events::new().datagram(move |socket, peer, input| {
            for len in 0..=input.len() {
                socket.send_to(&input[..len], peer);
            }
            if let Some(earlier) = earlier.replace(peer) {
                socket.send_to(b"and another thing", earlier);
            }
            peers.send(peer).unwrap();
            ControlFlow::Continue(())
        })
    });
    let [first, second] = [client(&server, false), client(&server, false)];
    let mut buffer = [0; 64];
    for client in [&first, &second] {
        client.send(b"abcd").unwrap();
        assert_eq!(peer.next(), client.local_addr().unwrap());
        for len in 0..=4 {
            assert_eq!(client.recv(&mut buffer).unwrap(), len);
            assert_eq!(buffer[..len], b"abcd"[..len]);
        }
    }
    let len = first.recv(&mut buffer).unwrap();
    assert_eq!(&buffer[..len], b"and another thing");
    server.stop();
}

/// Each of these sends fails, or is answered by an error later on; none of them may end the socket
/// or swallow the reply to somebody else.
#[test]
fn errors_of_one_peer_do_not_stop_the_socket() {
    for (address, v6) in [("udp://127.0.0.1:0", false), ("udp://[::1]:0", true), ("udp://:0", true)]
    {
        let server = start(bind(address), move || {
            let nobody: SocketAddr = {
                // A port that was just given up.
                let gone =
                    if v6 { UdpSocket::bind("[::1]:0") } else { UdpSocket::bind("127.0.0.1:0") };
                gone.and_then(|socket| socket.local_addr()).expect("a loopback address")
            };
            let other_family: SocketAddr =
                if v6 { "127.0.0.1:9".parse() } else { "[::1]:9".parse() }.expect("an address");
            Events::new().datagram(move |socket, peer, input| {
                socket.send_to(b"to nobody", nobody);
                socket.send_to(&[0; 70_000], peer);
                socket.send_to(b"to port zero", SocketAddr::new(peer.ip(), 0));
                socket.send_to(b"broadcast", (Ipv4Addr::BROADCAST, 9).into());
                socket.send_to(b"other family", other_family);
                socket.send_to(input, peer);
                ControlFlow::Continue(())
            })
        });
        let client = client(&server, v6);
        for round in 0..20 {
            round_trip(&client, &[round]);
        }
        server.stop();
    }
}

/// More datagrams than a turn takes are there at once.
#[test]
fn a_burst_is_received_whole() {
    const BURST: u32 = 150;
    let (numbers, number) = reports();
    let server = bind("udp://127.0.0.1:0");
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = server.local_addrs()[0].addr().as_inet().unwrap();
    // Nothing reads before the server runs, so the receive buffer must have room for all of them.
    for number in 0..BURST {
        client.send_to(&number.to_be_bytes(), address).unwrap();
    }
    let server = start(server, move || {
        Events::new().datagram(move |_, _, input| {
            numbers.send(u32::from_be_bytes(input.try_into().expect("four bytes"))).unwrap();
            ControlFlow::Continue(())
        })
    });
    for expected in 0..BURST {
        assert_eq!(number.next(), expected);
    }
    server.stop();
}

/// Every loop has a socket of its own, and with `reuseport` other servers may have some too.
#[test]
fn peers_are_spread_over_the_loops() {
    if util::left_out_without_shared_ports() {
        return;
    }
    for (address, is_shared) in
        [("udp://127.0.0.1:0?reuseport=true", true), ("udp://127.0.0.1:0", false)]
    {
        let (loops, loop_id) = reports();
        let server = start_each(bind(address), 4, move |loop_id| {
            let loops = loops.clone();
            Events::new().datagram(move |socket, peer, input| {
                loops.send(loop_id).unwrap();
                socket.send_to(input, peer);
                ControlFlow::Continue(())
            })
        });
        // The kernel chooses by the peer's port: that all of them meet on one loop has a chance of
        // one in 4^63.
        let clients: Vec<UdpSocket> = (0..64).map(|_| client(&server, false)).collect();
        for client in &clients {
            round_trip(client, b"which loop?");
        }
        let again = server.addrs()[0].to_string() + if is_shared { "?reuseport=true" } else { "" };
        assert_eq!(evio::Server::bind([again]).is_ok(), is_shared);
        server.stop();
        let seen: HashSet<usize> = loop_id.rest().into_iter().collect();
        assert!(seen.len() > 1, "{address}: {seen:?}");
    }
}

/// Streams and datagrams on the same port number do not get in each other's way.
#[test]
fn tcp_and_udp_share_a_server() {
    let server = bind_all(["udp://127.0.0.1:0", TCP]);
    let server = start(server, || {
        Events::new()
            .data(|conn, _, input| {
                conn.write(input);
                evio::Action::None
            })
            .datagram(|socket, peer, input| {
                socket.send_to(input, peer);
                ControlFlow::Continue(())
            })
    });
    let datagrams = client(&server, false);
    let stream = util::Client::connect(server.addrs()[1].addr());
    for _ in 0..10 {
        round_trip(&datagrams, b"datagram");
        stream.echo(b"stream");
    }
    drop(stream);
    server.stop();
}
