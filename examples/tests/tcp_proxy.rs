//! `tcp-proxy` between a client and a server, each of which may be slow, silent or gone.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod proxy_util;
mod util;

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;

use proxy_util::{
    ECHO_SERVER, accept, address_of, deserted, line_with, listener, message, proxy_of, read_to_end,
    reset,
};
use util::{DEADLINE, Server, socket_path};

fn proxy_to(upstream: &str, flags: &[&str]) -> Server {
    proxy_of(&[upstream.to_owned()], flags)
}

/// A proxy, and the listener of the server that it connects to.
fn proxy() -> (Server, TcpListener) {
    let listener = listener();
    let server = proxy_to(&address_of(&listener), &[]);
    (server, listener)
}

#[test]
fn an_echo_comes_back_through_several_loops() {
    let echo = Server::start(ECHO_SERVER, &["--port", "0"], 1);
    let mut proxy = proxy_to(&format!("localhost:{}", echo.port()), &["--loops", "3"]);
    let message = message(300_000);
    let mut clients: Vec<TcpStream> = (0..20).map(|_| proxy.connect()).collect();
    for client in &mut clients {
        for part in message.chunks(30_000) {
            client.write_all(part).unwrap();
            let mut echo = vec![0; part.len()];
            client.read_exact(&mut echo).unwrap();
            assert!(echo == part, "the echo differs");
        }
    }
    proxy.signal(Signal::SIGTERM);
    for client in &clients {
        client.shutdown(Shutdown::Write).unwrap();
        assert!(read_to_end(client).unwrap().is_empty());
    }
    drop(clients);
    assert!(proxy.wait().success());
}

#[test]
fn an_end_of_input_is_passed_on_in_both_directions() {
    let path = socket_path("proxied");
    let listener = UnixListener::bind(&path).unwrap();
    let proxy = proxy_to(&format!("unix://{path}"), &[]);
    let client = proxy.connect();
    (&client).write_all(&message(1 << 20)).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let (mut upstream, _) = listener.accept().unwrap();
    std::fs::remove_file(&path).unwrap();
    upstream.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut question = Vec::new();
    upstream.read_to_end(&mut question).unwrap();
    assert!(question == message(1 << 20), "the question differs");
    upstream.write_all(b"answer").unwrap();
    drop(upstream);
    assert_eq!(read_to_end(&client).unwrap(), b"answer");
}

/// An upstream that ends its output may still be sent to.
#[test]
fn a_client_may_go_on_when_the_server_has_said_all() {
    let (proxy, listener) = proxy();
    let client = proxy.connect();
    let upstream = accept(&listener);
    (&upstream).write_all(b"go on").unwrap();
    upstream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_to_end(&client).unwrap(), b"go on");
    (&client).write_all(b"the rest").unwrap();
    drop(client);
    assert_eq!(read_to_end(&upstream).unwrap(), b"the rest");
}

#[test]
fn a_client_without_a_server_is_closed() {
    let (_socket, deserted) = deserted();
    for (upstream, reason) in
        [("unix:///no/such/socket", "No such file"), (&deserted, "Connection refused")]
    {
        let proxy = proxy_to(upstream, &[]);
        assert!(read_to_end(&proxy.connect()).unwrap().is_empty());
        let line = line_with(&proxy, "cannot connect");
        let upstream = upstream.trim_start_matches("unix://");
        assert!(line.contains(&format!("cannot connect to {upstream}: ")), "{line}");
        assert!(line.contains(reason), "{line}");
    }
}

#[test]
fn a_reset_ends_the_pair() {
    for from_client in [true, false] {
        let (proxy, listener) = proxy();
        let (client, upstream) = (proxy.connect(), accept(&listener));
        (&client).write_all(b"x").unwrap();
        (&upstream).read_exact(&mut [0]).unwrap();
        let (failing, other) = if from_client { (client, upstream) } else { (upstream, client) };
        reset(failing);
        assert_eq!(read_to_end(&other).unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    }
}

/// A server that answers before it has read everything, and then closes, resets whoever sends on.
/// Its answer is whole all the same, and on its way to a client that reads late.
#[test]
fn an_answer_that_is_whole_is_delivered_whatever_becomes_of_the_question() {
    let (proxy, listener) = proxy();
    let (client, upstream) = (proxy.connect(), accept(&listener));
    (&client).write_all(b"a question that is not read").unwrap();
    upstream.peek(&mut [0]).unwrap();
    let answer = message(1 << 20);
    (&upstream).write_all(&answer).unwrap();
    upstream.shutdown(Shutdown::Write).unwrap();
    // The client's end is there as soon as the proxy has passed everything on.
    let late = Duration::from_millis(200);
    // A server that closes late.
    thread::sleep(late);
    drop(upstream);
    // A client that reads late.
    thread::sleep(late);
    assert!(read_to_end(&client).unwrap() == answer, "the answer differs");
}

/// Neither direction keeps more than it may for a peer that does not read, and nothing is lost.
#[test]
fn who_does_not_read_holds_up_the_other_side_and_costs_no_memory() {
    const LEN: usize = 64 << 20;
    let (proxy, listener) = proxy();
    for to_client in [true, false] {
        let (client, upstream) = (proxy.connect(), accept(&listener));
        let (reader, writer) = if to_client { (client, upstream) } else { (upstream, client) };
        let message = message(LEN);
        let before = proxy.memory();
        let sent = write_until_full(&writer, &message);
        assert!(sent < LEN, "everything was taken");
        if let (Some(before), Some(after)) = (before, proxy.memory()) {
            let grown = after.saturating_sub(before);
            assert!(grown < 1 << 20, "{grown} bytes for {sent} that were sent");
        }
        thread::scope(|scope| {
            scope.spawn(|| {
                (&writer).write_all(&message[sent..]).unwrap();
                writer.shutdown(Shutdown::Write).unwrap();
            });
            assert!(read_to_end(&reader).unwrap() == message, "the bytes differ");
        });
    }
}

/// Writes until nothing has been taken for a while, and returns how much was.
fn write_until_full(mut stream: &TcpStream, bytes: &[u8]) -> usize {
    stream.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
    let mut sent = 0;
    while sent < bytes.len() {
        match stream.write(&bytes[sent..]) {
            Ok(count) => sent += count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) => panic!("{error}"),
        }
    }
    stream.set_write_timeout(Some(DEADLINE)).unwrap();
    sent
}
