//! `tcp-proxy` with several upstreams, some of which fail.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod proxy_util;
mod util;

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream, ToSocketAddrs};
use std::thread;

use nix::sys::socket::{Backlog, listen};

use proxy_util::{
    ECHO_SERVER, accept, address_of, deserted, greet_on, greeted, greeter, line_with, listener,
    message, number, open, proxy_of, read_to_end, reset, stats, wait_for_stats,
};
use util::{Server, socket_path};

fn count(names: &str, name: char) -> usize {
    names.chars().filter(|one| *one == name).count()
}

#[test]
fn each_upstream_has_its_turn() {
    let proxy = proxy_of(&['a', 'b', 'c'].map(greeter), &["--loops", "2"]);
    let names: String = (0..30).map(|_| greeted(&proxy).1).collect();
    for name in ['a', 'b', 'c'] {
        assert_eq!(count(&names, name), 10, "{names}");
    }
}

#[test]
fn the_upstream_with_the_fewest_connections_gets_the_next() {
    let path = socket_path("fewest");
    let upstreams = ['a', 'b', 'c'].map(greeter);
    let flags = ["--balance", "least-connections", "--loops", "2", "--stats", &path];
    let proxy = proxy_of(&upstreams, &flags);
    let mut clients: Vec<(TcpStream, char)> = (0..30).map(|_| greeted(&proxy)).collect();
    let names: String = clients.iter().map(|(_, name)| *name).collect();
    for name in ['a', 'b', 'c'] {
        assert_eq!(count(&names, name), 10, "{names}");
    }
    let mut left = 3;
    clients.retain(|(_, name)| {
        left += usize::from(*name == 'b');
        *name != 'b' || left > 10
    });
    wait_for_stats(&path, |stats| number(stats, &upstreams[1], "open") == 3);
    let more: Vec<(TcpStream, char)> = (0..7).map(|_| greeted(&proxy)).collect();
    let names: String = more.iter().map(|(_, name)| *name).collect();
    assert_eq!(names, "bbbbbbb");
}

/// Refused by one, no such file for another: the third gets everything that was sent meanwhile.
#[test]
fn an_upstream_that_refuses_is_passed_over_and_nothing_is_lost() {
    let (_socket, dead) = deserted();
    let echo = Server::start(ECHO_SERVER, &["--port", "0"], 1);
    let live = format!("127.0.0.1:{}", echo.port());
    let upstreams = [dead, "unix:///no/such/socket".to_owned(), live];
    let proxy = proxy_of(&upstreams, &["--check-interval", "off"]);
    let message = message(300_000);
    thread::scope(|scope| {
        for _ in 0..12 {
            scope.spawn(|| {
                let client = proxy.connect();
                scope.spawn({
                    let mut client = client.try_clone().unwrap();
                    let message = &message;
                    move || {
                        client.write_all(message).unwrap();
                        client.shutdown(Shutdown::Write).unwrap();
                    }
                });
                assert!(read_to_end(&client).unwrap() == message, "the echo differs");
            });
        }
    });
}

/// Its queue is full, so the kernel drops what would connect to it.
#[test]
fn an_upstream_that_does_not_answer_is_passed_over_when_its_time_is_up() {
    let full = listener();
    listen(&full, Backlog::new(0).unwrap()).unwrap();
    let _waiting = TcpStream::connect(full.local_addr().unwrap()).unwrap();
    let path = socket_path("silent");
    let flags = ["--check-interval", "off", "--connect-timeout", "200ms", "--stats", &path];
    let upstreams = [address_of(&full), greeter('b')];
    let proxy = proxy_of(&upstreams, &flags);
    for _ in 0..4 {
        assert_eq!(greeted(&proxy).1, 'b');
    }
    let stats = stats(&path);
    assert_eq!(number(&stats, &upstreams[0], "failed"), 2);
    assert_eq!(number(&stats, "clients", "retries"), 2);
}

#[test]
fn an_upstream_that_accepts_and_resets_is_passed_over() {
    let resetting = listener();
    let address = address_of(&resetting);
    thread::spawn(move || {
        while let Ok((stream, _)) = resetting.accept() {
            reset(stream);
        }
    });
    let path = socket_path("resetting");
    let flags = ["--check-interval", "off", "--stats", &path];
    let proxy = proxy_of(&[address.clone(), greeter('b')], &flags);
    for _ in 0..10 {
        let (mut client, name) = greeted(&proxy);
        assert_eq!(name, 'b');
        client.write_all(b"x").unwrap();
        client.read_exact(&mut [0]).unwrap();
    }
    assert_eq!(number(&stats(&path), &address, "failed"), 5);
}

/// An end would look like an answer that is empty.
#[test]
fn a_client_whose_upstreams_all_accept_and_reset_is_reset() {
    let (resetting, other) = (listener(), deserted());
    let address = address_of(&resetting);
    thread::spawn(move || {
        while let Ok((stream, _)) = resetting.accept() {
            reset(stream);
        }
    });
    for upstreams in [vec![address.clone()], vec![address, other.1]] {
        let proxy = proxy_of(&upstreams, &["--check-interval", "off"]);
        for _ in 0..10 {
            let end = read_to_end(&proxy.connect()).unwrap_err();
            assert_eq!(end.kind(), io::ErrorKind::ConnectionReset);
        }
    }
}

/// What the client has been sent cannot be taken back, and must not look whole.
#[test]
fn an_upstream_that_dies_in_the_middle_is_not_replaced() {
    let (dying, other) = (listener(), greeter('b'));
    let upstreams = [address_of(&dying), other];
    let proxy = proxy_of(&upstreams, &["--check-interval", "off"]);
    let client = proxy.connect();
    let mut upstream = accept(&dying);
    upstream.write_all(&message(100_000)).unwrap();
    (&client).read_exact(&mut [0; 1000]).unwrap();
    reset(upstream);
    assert_eq!(read_to_end(&client).unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    // Nor when it has got a byte of the client's, of which nobody knows what it has done.
    let (_other, name) = greeted(&proxy);
    assert_eq!(name, 'b');
    let mut client = proxy.connect();
    client.write_all(b"x").unwrap();
    let mut upstream = accept(&dying);
    upstream.read_exact(&mut [0]).unwrap();
    reset(upstream);
    assert_eq!(read_to_end(&client).unwrap_err().kind(), io::ErrorKind::ConnectionReset);
}

#[test]
fn an_upstream_goes_down_and_comes_up() {
    let path = socket_path("health");
    let (socket, address) = deserted();
    let upstreams = [address.clone(), greeter('b')];
    let flags = ["--check-interval", "20ms", "--fall", "3", "--rise", "2", "--stats", &path];
    let proxy = proxy_of(&upstreams, &flags);
    let line = line_with(&proxy, "is down");
    assert!(line.contains(&upstreams[0]) && line.contains("Connection refused"), "{line}");
    let before = stats(&path);
    assert!(before.contains(&format!("address {address} state down")), "{before}");
    for _ in 0..20 {
        assert_eq!(greeted(&proxy).1, 'b');
    }
    // Nobody was sent there in vain.
    assert_eq!(number(&stats(&path), "clients", "retries"), 0);
    greet_on(open(socket), 'a');
    line_with(&proxy, "is up");
    let names: String = (0..20).map(|_| greeted(&proxy).1).collect();
    assert_eq!((count(&names, 'a'), count(&names, 'b')), (10, 10), "{names}");
}

/// The next check of the interval is an hour away. An upstream that has gone down is looked at
/// before that, whether checks or clients have found out.
#[test]
fn an_upstream_that_is_back_is_used_again_soon() {
    for (fall, loops) in [("1", "1"), ("3", "1"), ("3", "2")] {
        let (socket, address) = deserted();
        let upstreams = [address.clone(), greeter('b')];
        let flags = ["--check-interval", "1h", "--fall", fall, "--rise", "3", "--loops", loops];
        let proxy = proxy_of(&upstreams, &flags);
        // Every other client has the turn of the one that is down, and gets the other.
        for _ in 0..20 {
            assert_eq!(greeted(&proxy).1, 'b');
        }
        line_with(&proxy, "is down");
        greet_on(open(socket), 'a');
        line_with(&proxy, "is up");
        let names: String = (0..20).map(|_| greeted(&proxy).1).collect();
        assert_eq!((count(&names, 'a'), count(&names, 'b')), (10, 10), "{names}");
    }
}

/// Without checks, connections of clients alone take an upstream down, and it is still asked when
/// there is no other.
#[test]
fn an_upstream_alone_is_asked_even_when_it_is_down() {
    let (socket, address) = deserted();
    let path = socket_path("alone");
    let proxy = proxy_of(std::slice::from_ref(&address), &["--stats", &path]);
    for _ in 0..3 {
        assert!(read_to_end(&proxy.connect()).unwrap().is_empty());
    }
    line_with(&proxy, "is down");
    assert_eq!(number(&stats(&path), "clients", "unserved"), 3);
    greet_on(open(socket), 'a');
    for _ in 0..3 {
        assert_eq!(greeted(&proxy).1, 'a');
    }
    line_with(&proxy, "is up");
}

#[test]
fn a_name_stands_for_all_its_addresses() {
    let path = socket_path("names");
    let _proxy = proxy_of(&["localhost:9".to_owned()], &["--stats", &path]);
    let stats = stats(&path);
    for address in "localhost:9".to_socket_addrs().unwrap() {
        let line = format!("upstream localhost:9 address {address} state ");
        assert!(stats.contains(&line), "{stats}\nlacks {line}");
    }
}

#[test]
fn the_counters_say_what_was_passed_on() {
    let path = socket_path("counters");
    let upstream = greeter('a');
    let proxy = proxy_of(std::slice::from_ref(&upstream), &["--loops", "3", "--stats", &path]);
    let clients: Vec<TcpStream> = (0..9).map(|_| greeted(&proxy).0).collect();
    for mut client in &clients {
        client.write_all(&[b'x'; 1000]).unwrap();
        client.read_exact(&mut [0; 1000]).unwrap();
    }
    let before = stats(&path);
    assert_eq!(before.lines().count(), 2, "{before}");
    let expected = [("open", 9), ("connected", 9), ("failed", 0), ("sent", 9000)];
    for (word, value) in expected.into_iter().chain([("received", 9009)]) {
        assert_eq!(number(&before, &upstream, word), value, "{word}: {before}");
    }
    assert_eq!(number(&before, "clients", "open"), 9);
    assert_eq!(number(&before, "clients", "accepted"), 9);
    drop(clients);
    wait_for_stats(&path, |stats| {
        number(stats, "clients", "open") == 0 && number(stats, &upstream, "open") == 0
    });
}
