//! UDP: where datagrams leave from, and when.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::ops::ControlFlow;
use std::time::Duration;

use evio::{Address, Events, Server};
use socket2::SockRef;

use util::{DEADLINE, TCP, bind, bind_all, reports, start, start_each};

/// A reply leaves from the address that was sent to, which is not the one that the route has.
#[test]
fn replies_from_a_wildcard_have_the_right_source() {
    for (wildcard, target, source) in [
        ("udp4://:0", "127.0.0.2", "127.0.0.1"),
        ("udp://:0", "127.0.0.3", "127.0.0.1"),
        ("udp6://:0", "::1", "::1"),
    ] {
        if UdpSocket::bind((target, 0)).is_err() {
            // Linux has all of 127.0.0.0/8 on the loopback interface.
            println!("{target} left out: this system does not have it");
            continue;
        }
        let (destinations, destination) = reports();
        let server = start(bind(wildcard), move || {
            let destinations = destinations.clone();
            Events::new().datagram(move |socket, peer, input| {
                destinations.send(socket.local_ip()).unwrap();
                socket.send_to(input, peer);
                ControlFlow::Continue(())
            })
        });
        let port = server.addrs()[0].addr().as_inet().unwrap().port();
        let target: IpAddr = target.parse().unwrap();
        let client = UdpSocket::bind((source, 0)).unwrap();
        client.set_read_timeout(Some(util::DEADLINE)).unwrap();
        client.send_to(b"who are you?", (target, port)).unwrap();
        let (len, from) = client.recv_from(&mut [0; 100]).unwrap();
        assert_eq!((len, from), (12, (target, port).into()));
        assert_eq!(destination.next(), Some(target));
        server.stop();
    }
}

/// What is sent at once does not overtake what waits for the end of the turn.
#[test]
fn datagrams_sent_at_once_keep_the_order() {
    let server = start(bind("udp://127.0.0.1:0"), || {
        Events::new().datagram(|socket, peer, input| {
            socket.send_to_now(&[input, b"1"].concat(), peer);
            socket.send_to(&[input, b"2"].concat(), peer);
            socket.send_to_now(&[input, b"3"].concat(), peer);
            ControlFlow::Continue(())
        })
    });
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.set_read_timeout(Some(DEADLINE)).unwrap();
    client.connect(server.addrs()[0].addr().as_inet().unwrap()).unwrap();
    client.send(b"reply ").unwrap();
    for number in 1..=3 {
        let mut buffer = [0; 10];
        let len = client.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..len], format!("reply {number}").as_bytes());
    }
    server.stop();
}

/// From a callback that is about no datagram, from a connection's, and from another thread.
#[test]
fn datagrams_can_be_sent_at_any_time() {
    let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
    receiver.set_read_timeout(Some(util::DEADLINE)).unwrap();
    let peer = receiver.local_addr().unwrap();
    let received = |expected: &[u8]| {
        let mut buffer = [0; 100];
        let len = receiver.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..len], expected);
    };
    let server = start(bind_all([TCP, "udp://127.0.0.1:0"]), move || {
        Events::new()
            .tick(move |event_loop| {
                assert!(event_loop.udp(0).is_none(), "the first address is a TCP one");
                event_loop.udp(1).unwrap().send_to(b"tick", peer);
                ControlFlow::Continue(Duration::MAX)
            })
            .data(move |conn, _, input| {
                conn.event_loop().udp(1).unwrap().send_to(input, peer);
                evio::Action::None
            })
    });
    received(b"tick");
    let stream = util::Client::connect(server.addrs()[0].addr());
    stream.send(b"from a connection");
    received(b"from a connection");
    server.handle().send_datagram(1, "from a thread", peer).unwrap();
    received(b"from a thread");
    server.handle().send_datagram(0, "to nowhere", peer).unwrap();
    server.handle().send_datagram(9, "to nowhere", peer).unwrap();
    server.handle().send_datagram(1, Vec::new(), peer).unwrap();
    received(b"");
    drop(stream);
    server.stop();
}

/// One loop joins, and it alone receives what is sent to the group.
#[test]
fn a_multicast_group_is_received_by_the_loop_that_joined() {
    let group = Ipv4Addr::new(239, 255, 77, 1);
    let (datagrams, datagram) = reports();
    let (joins, joined) = reports();
    let server = start_each(bind("udp4://:0"), 2, move |loop_id| {
        let (datagrams, joins) = (datagrams.clone(), joins.clone());
        Events::new()
            .serving(move |event_loop, _| {
                let socket = event_loop.udp(0).unwrap();
                socket.join_multicast_v4(group, Ipv4Addr::LOCALHOST).unwrap();
                let elsewhere = Ipv4Addr::new(239, 255, 77, 2);
                assert!(socket.leave_multicast_v4(elsewhere, Ipv4Addr::LOCALHOST).is_err());
                joins.send(()).unwrap();
                ControlFlow::Continue(())
            })
            .datagram(move |socket, peer, input| {
                datagrams.send((loop_id, input.to_vec())).unwrap();
                socket.send_to(input, peer);
                ControlFlow::Continue(())
            })
    });
    let port = server.addrs()[0].addr().as_inet().unwrap().port();
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.set_read_timeout(Some(util::DEADLINE)).unwrap();
    joined.next();
    // The interface that multicast leaves by is that of the route; here there is only one that is
    // sure to exist.
    let sender = SockRef::from(&client);
    sender.set_multicast_if_v4(&Ipv4Addr::LOCALHOST).unwrap();
    client.send_to(b"all", (group, port)).unwrap();
    let (len, from) = client.recv_from(&mut [0; 10]).unwrap();
    assert_eq!((len, from.port()), (3, port));
    server.stop();
    assert_eq!(datagram.rest(), [(0, b"all".to_vec())]);
}

#[test]
fn an_ipv6_multicast_group_is_joined_and_left_once() {
    let group: Ipv6Addr = "ff02::7701".parse().unwrap();
    let scope = |zone| match format!("udp6://[fe80::1%{zone}]:1").parse::<Address>() {
        Ok(address) => address.resolve().map(|places| places[0]),
        Err(error) => panic!("{zone}: {error}"),
    };
    // The loopback interface has the first name on Linux, the second elsewhere.
    let SocketAddr::V6(scoped) = scope("lo").or_else(|_| scope("lo0")).unwrap() else {
        panic!("not an IPv6 address")
    };
    let lo = scoped.scope_id();
    // A machine without IPv6.
    let Ok(server) = Server::bind(["udp6://:0"]) else { return };
    let server = start(server, move || {
        Events::new().serving(move |event_loop, _| {
            let socket = event_loop.udp(0).unwrap();
            assert!(socket.leave_multicast_v6(group, lo).is_err(), "it was not joined");
            socket.join_multicast_v6(group, lo).unwrap();
            assert!(socket.join_multicast_v6(group, lo).is_err(), "it was joined already");
            socket.leave_multicast_v6(group, lo).unwrap();
            assert!(socket.leave_multicast_v6(group, lo).is_err(), "it was left");
            let same = SockRef::from(&socket).local_addr().unwrap();
            assert_eq!(same.as_socket(), Some(socket.local_addr().unwrap()));
            ControlFlow::Break(())
        })
    });
    server.wait();
}

/// What was given to the server before it ended, or gave up the address, is still sent.
#[test]
fn the_last_datagrams_are_sent() {
    let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
    receiver.set_read_timeout(Some(DEADLINE)).unwrap();
    let peer = receiver.local_addr().unwrap();
    let received = |expected: &[u8]| {
        let mut buffer = [0; 100];
        let len = receiver.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..len], expected);
    };
    start(bind("udp://127.0.0.1:0"), move || {
        Events::new().serving(move |event_loop, _| {
            event_loop.udp(0).unwrap().send_to(b"serving", peer);
            ControlFlow::Break(())
        })
    })
    .wait();
    received(b"serving");
    let server = bind("udp://127.0.0.1:0");
    let handle = server.handle();
    let server = start(server, move || {
        Events::new().serving(move |_, _| {
            handle.send_datagram(0, "given up", peer).unwrap();
            handle.stop_listening(0);
            let added = handle.listen("udp://127.0.0.1:0").unwrap();
            handle.send_datagram(added[0].index(), "added", peer).unwrap();
            handle.shutdown();
            ControlFlow::Continue(())
        })
    });
    received(b"given up");
    received(b"added");
    server.wait();
}

/// The socket goes when it is given up, its datagrams at the end of the turn as ever.
#[test]
fn what_waits_when_an_address_is_given_up_leaves_from_it() {
    let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
    receiver.set_read_timeout(Some(DEADLINE)).unwrap();
    let peer = receiver.local_addr().unwrap();
    let (rounds, round) = reports();
    let (additions, addition) = reports();
    let server = bind_all([TCP, "udp://127.0.0.1:0"]);
    let handle = server.handle();
    let server = start(server, move || {
        let (handle, rounds, additions) = (handle.clone(), rounds.clone(), additions.clone());
        Events::new()
            .opened(move |conn, _| {
                // All of this is carried out in the next turn.
                conn.handle().wake().unwrap();
                handle.stop_listening(1);
                let added = handle.listen("udp://127.0.0.1:0").unwrap();
                handle.send_datagram(added[0].index(), "added", peer).unwrap();
                additions.send(added[0].addr().as_inet().unwrap()).unwrap();
                evio::Action::None
            })
            .woken(move |conn, _| {
                conn.event_loop().udp(1).unwrap().send_to(b"woken", peer);
                conn.abort();
                evio::Action::None
            })
            .closed(move |conn, _, _| {
                if let Some(mut socket) = conn.event_loop().udp(1) {
                    socket.send_to(b"closed", peer);
                }
                ControlFlow::Continue(())
            })
            .pre_write(move |_| {
                rounds.send(()).unwrap();
                Ok(())
            })
    });
    let client = server.connect();
    let given_up = server.addrs()[1].addr().as_inet().unwrap();
    for (expected, address) in [(&b"woken"[..], given_up), (b"added", addition.next())] {
        let mut buffer = [0; 10];
        let (len, from) = receiver.recv_from(&mut buffer).unwrap();
        assert_eq!((&buffer[..len], from), (expected, address));
    }
    drop(client);
    server.stop();
    assert_eq!(round.rest().len(), 1, "pre_write is for the end of a turn");
}

/// Replies to broadcast and multicast come from the interface, over either kind of socket.
#[test]
fn what_was_sent_to_many_is_answered_by_one() {
    let group = Ipv4Addr::new(239, 255, 77, 3);
    for wildcard in ["udp4://:0", "udp://:0"] {
        let (joins, joined) = reports();
        let server = start(bind(wildcard), move || {
            let joins = joins.clone();
            Events::new()
                .serving(move |event_loop, _| {
                    let socket = event_loop.udp(0).unwrap();
                    socket.join_multicast_v4(group, Ipv4Addr::LOCALHOST).unwrap();
                    joins.send(()).unwrap();
                    ControlFlow::Continue(())
                })
                .datagram(|socket, peer, input| {
                    socket.send_to(input, peer);
                    ControlFlow::Continue(())
                })
        });
        joined.next();
        let port = server.addrs()[0].addr().as_inet().unwrap().port();
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.set_read_timeout(Some(DEADLINE)).unwrap();
        client.set_broadcast(true).unwrap();
        SockRef::from(&client).set_multicast_if_v4(&Ipv4Addr::LOCALHOST).unwrap();
        for target in [group, Ipv4Addr::new(127, 255, 255, 255)] {
            client.send_to(b"all", (target, port)).unwrap();
            let (len, from) = client.recv_from(&mut [0; 10]).unwrap();
            assert_eq!((len, from.port()), (3, port), "{wildcard}, {target}");
        }
        server.stop();
    }
}
