//! The end of `tcp-proxy`, and of pairs that are not whole: nobody takes a part for the whole.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod proxy_util;
mod util;

use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use proxy_util::{
    DOWNLOAD, TCP_PROXY, accept, address_of, deserted, download, greeted, greeter, line_with,
    listener, message, proxy_of, read_to_end, unread_answers,
};
use util::{DEADLINE, Server, socket_path};

#[test]
fn a_download_is_whole_in_spite_of_sigterm() {
    let listener = listener();
    let mut proxy = proxy_of(&[address_of(&listener)], &["--loops", "2"]);
    let (client, sender) = download(&proxy, &listener);
    proxy.signal(Signal::SIGTERM);
    line_with(&proxy, "connections to drain");
    let rest = read_to_end(&client).unwrap();
    assert!(rest == message(DOWNLOAD)[1000..], "the download differs: {} bytes", rest.len());
    sender.join().unwrap().unwrap();
    drop(client);
    assert!(proxy.wait().success());
}

/// Clients that were accepted right before the signal still get their upstream, though the first
/// one that is tried refuses them.
#[test]
fn a_client_that_was_accepted_before_sigterm_is_served() {
    let (_socket, dead) = deserted();
    let upstreams = [dead, greeter('b')];
    let mut all_served = 0;
    for _ in 0..10 {
        let mut proxy = proxy_of(&upstreams, &["--check-interval", "off", "--loops", "2"]);
        // Stopped, the proxy finds the clients and the signal together.
        proxy.stop();
        let clients: Vec<TcpStream> = (0..20).map(|_| proxy.connect()).collect();
        proxy.signal(Signal::SIGTERM);
        proxy.signal(Signal::SIGCONT);
        let mut served = 0;
        for mut client in clients {
            // Those that were not accepted yet are reset; nobody finds an empty answer.
            match client.read(&mut [0]) {
                Ok(count) => {
                    assert_eq!(count, 1, "a client was accepted and not served");
                    served += 1;
                }
                Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
            }
        }
        all_served += served;
        assert!(proxy.wait().success());
    }
    assert!(all_served > 0, "no client was accepted before the signal");
}

#[test]
fn what_is_left_when_the_time_is_up_is_reset_on_both_sides() {
    let listener = listener();
    let flags = ["--drain-timeout", "300ms", "--loops", "2"];
    let mut proxy = proxy_of(&[address_of(&listener)], &flags);
    let (client, sender) = download(&proxy, &listener);
    let (idle, upstream) = (proxy.connect(), accept(&listener));
    proxy.signal(Signal::SIGTERM);
    assert!(proxy.wait().success());
    let kind = |stream: &TcpStream| read_to_end(stream).unwrap_err().kind();
    assert_eq!(kind(&client), ErrorKind::ConnectionReset);
    assert_eq!(kind(&idle), ErrorKind::ConnectionReset);
    assert_eq!(kind(&upstream), ErrorKind::ConnectionReset);
    assert!(sender.join().unwrap().is_err());
}

/// It ends as other programs do that a signal has ended, and nobody takes a part for the whole.
#[test]
fn a_second_signal_resets_all_and_ends_the_proxy() {
    for (signal, status) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        let listener = listener();
        let mut proxy = proxy_of(&[address_of(&listener)], &["--drain-timeout", "1h"]);
        let (client, sender) = download(&proxy, &listener);
        let (idle, upstream) = (proxy.connect(), accept(&listener));
        proxy.signal(Signal::SIGTERM);
        line_with(&proxy, "connections to drain: 2");
        proxy.signal(signal);
        assert_eq!(proxy.wait().code(), Some(status));
        for stream in [client, idle, upstream] {
            assert_eq!(read_to_end(&stream).unwrap_err().kind(), ErrorKind::ConnectionReset);
        }
        assert!(sender.join().unwrap().is_err());
    }
}

/// A socket that still listened would have the kernel greet clients that nobody accepts.
#[test]
fn a_proxy_that_drains_refuses_and_leaves_its_address_to_another() {
    let (upstream, handover) = (listener(), socket_path("leaving"));
    let (upstreams, flags) = ([address_of(&upstream)], ["--handover", &handover]);
    let mut old = proxy_of(&upstreams, &flags);
    let (client, mut server) = (old.connect(), accept(&upstream));
    old.signal(Signal::SIGTERM);
    line_with(&old, "connections to drain: 1");
    let address = SocketAddr::from(([127, 0, 0, 1], old.port()));
    let deadline = Instant::now() + DEADLINE;
    // Its loops close their listeners in a moment.
    let is_refused = |error: io::Error| error.kind() == ErrorKind::ConnectionRefused;
    while !TcpStream::connect_timeout(&address, DEADLINE).is_err_and(is_refused) {
        assert!(Instant::now() < deadline, "the proxy still listens");
        thread::yield_now();
    }
    let arguments =
        ["--listen", &address.to_string(), "--upstream", &greeter('b'), "--handover", &handover];
    let new = Server::start(TCP_PROXY, &arguments, 1);
    assert_eq!(greeted(&new).1, 'b');
    // The pair goes on, and the files are those of the new proxy.
    server.write_all(b"the rest").unwrap();
    drop(server);
    assert_eq!(read_to_end(&client).unwrap(), b"the rest");
    // With whom the proxy accepted before it heard of the signal.
    drop((client, upstream));
    assert!(old.wait().success());
    fs::remove_file(&handover).unwrap();
}

/// A default that the descriptors are too few for is lowered, and is no news: nobody has chosen it.
#[test]
fn only_a_number_of_clients_that_was_asked_for_is_worth_a_line() {
    let script = "ulimit -n 200; exec \"$0\" --listen 127.0.0.1:0 --upstream 127.0.0.1:9 \"$@\"";
    for (flags, line) in [
        (&[][..], "connections to drain: 0"),
        (
            &["--max-connections", "9000"],
            "200 descriptors are enough for 75 clients: more of them wait",
        ),
    ] {
        let mut command = Command::new("sh");
        let proxy = Server::start_command(command.args(["-c", script, TCP_PROXY]).args(flags), 1);
        proxy.signal(Signal::SIGTERM);
        assert_eq!(proxy.next_line(), line);
    }
}

/// A time that cannot be told is no limit.
#[test]
fn a_drain_may_take_for_ever() {
    let listener = listener();
    let flags = ["--drain-timeout", "300000000000y"];
    let mut proxy = proxy_of(&[address_of(&listener)], &flags);
    let (client, upstream) = (proxy.connect(), accept(&listener));
    proxy.signal(Signal::SIGTERM);
    line_with(&proxy, "connections to drain");
    drop((client, upstream));
    assert!(proxy.wait().success());
}

/// Some of these have nothing to come but what waits in the proxy.
#[test]
fn clients_that_do_not_take_their_rest_are_cut_off_when_the_time_is_up() {
    let (listener, path) = (listener(), socket_path("rests"));
    let flags = ["--drain-timeout", "1s", "--stats", &path];
    let mut proxy = proxy_of(&[address_of(&listener)], &flags);
    let clients = unread_answers(&proxy, &listener, &path);
    proxy.signal(Signal::SIGTERM);
    line_with(&proxy, "connections cut off: ");
    assert!(proxy.wait().success());
    drop(clients);
}

#[test]
fn a_pair_that_passes_nothing_on_is_reset_on_both_sides() {
    let listener = listener();
    let proxy = proxy_of(&[address_of(&listener)], &["--idle-timeout", "300ms"]);
    let (client, upstream) = (proxy.connect(), accept(&listener));
    let busy = proxy.connect();
    let mut other = accept(&listener);
    (&upstream).write_all(b"half an answ").unwrap();
    (&client).read_exact(&mut [0; 12]).unwrap();
    let begun = Instant::now();
    // One direction is enough to keep a pair.
    while begun.elapsed() < Duration::from_millis(1500) {
        other.write_all(b"x").unwrap();
        (&busy).read_exact(&mut [0]).unwrap();
        // A peer that is slow, and not silent.
        thread::sleep(Duration::from_millis(20));
    }
    for stream in [client, upstream] {
        assert_eq!(read_to_end(&stream).unwrap_err().kind(), ErrorKind::ConnectionReset);
    }
}

/// `tcp-proxy ... 2>&1 | head -1`, with an upstream that refuses and a line in the log for each
/// client.
#[test]
fn a_log_that_nobody_reads_ends_nothing() {
    let (_socket, dead) = deserted();
    let mut command = Command::new(TCP_PROXY);
    command.args(["--listen", "127.0.0.1:0", "--check-interval", "off"]);
    command.args(["--upstream", &dead, "--upstream", &greeter('b')]);
    let mut proxy = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut first = String::new();
    let mut stderr = io::BufReader::new(proxy.stderr.take().unwrap());
    io::BufRead::read_line(&mut stderr, &mut first).unwrap();
    drop(stderr);
    let address = first.trim().strip_prefix("listening on tcp://").unwrap();
    for number in 0..300 {
        let mut client = TcpStream::connect(address).unwrap();
        client.set_read_timeout(Some(DEADLINE)).unwrap();
        let mut name = [0];
        client.read_exact(&mut name).unwrap_or_else(|error| panic!("client {number}: {error}"));
        assert_eq!(&name, b"b");
    }
    assert!(proxy.try_wait().unwrap().is_none(), "the proxy has ended");
    proxy.kill().unwrap();
    proxy.wait().unwrap();
}
