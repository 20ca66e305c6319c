//! `closed`: exactly once, with the reason, each of which a real client can bring about.

mod util;

use std::io;
use std::time::{Duration, Instant};

use evio::{Action, Events, Limits, SocketAddr, Timeout};

use util::{Call, Calls, Client, Reason, Running, TCP, bind, recorder, reports, start, transports};

/// More than any kernel buffer takes from a server whose peer does not read.
const UNSENDABLE: usize = 48 << 20;

const TIMEOUT: Duration = Duration::from_millis(60);

/// Runs a server whose `data` does what the first byte of the input says.
fn commanded(address: &str) -> (Running, Calls) {
    let (recorder, calls) = recorder();
    let limits = Limits::default().close_timeout(TIMEOUT);
    let server = bind(address).limits(limits).shutdown_timeout(TIMEOUT);
    let server = start(server, move || {
        recorder.wrap(Events::new().data(|conn, _, input| match input[0] {
            b'c' => Action::Close,
            b'a' => {
                conn.abort();
                Action::None
            }
            b'l' => {
                conn.write_owned(vec![0; Limits::default().max_output + 1]);
                Action::None
            }
            b't' => {
                conn.write_owned(vec![0; UNSENDABLE]);
                Action::Close
            }
            b'd' => {
                conn.write_owned(vec![0; UNSENDABLE]);
                Action::Detach
            }
            b's' => Action::Shutdown,
            _ => {
                conn.write(input);
                Action::None
            }
        }))
    });
    (server, calls)
}

/// Sends `command` and checks the reason of the ending that follows, after whatever `end` does.
#[track_caller]
fn check(command: &[u8], end: impl Fn(Client), expected: Reason) {
    for address in transports() {
        let (server, calls) = commanded(&address);
        let client = server.connect();
        client.echo(b"!");
        client.send(command);
        end(client);
        assert_eq!(calls.reason(), expected, "{address}");
        server.stop();
        assert!(calls.rest().is_empty(), "closed is called once");
    }
}

#[test]
fn peer_closed() {
    check(b"", drop, Reason::PeerClosed);
    let half_close = |client: Client| {
        client.finish_sending();
        assert!(client.receive_to_end().is_empty());
    };
    check(b"", half_close, Reason::PeerClosed);
}

#[test]
fn closed() {
    check(b"c", |client| assert!(client.receive_to_end().is_empty()), Reason::Closed);
}

#[test]
fn aborted() {
    let end = |client: Client| {
        let result = client.receive_to_any_end();
        if let Client::Tcp(_) = client {
            assert_eq!(result.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        }
    };
    check(b"a", end, Reason::Aborted);
}

#[test]
fn aborted_by_a_handle() {
    for address in transports() {
        let (recorder, calls) = recorder();
        let (handles, handle) = reports();
        let server = start(bind(&address), move || {
            recorder.wrap(Events::new().opened(move |conn, _| {
                conn.write_owned(vec![0; UNSENDABLE]);
                handles.send(conn.handle()).unwrap();
                Action::None
            }))
        });
        let client = server.connect();
        handle.next().abort().unwrap();
        assert_eq!(calls.reason(), Reason::Aborted);
        match client.receive_to_any_end() {
            Ok(len) => assert!(len < UNSENDABLE, "what is left is not sent"),
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::ConnectionReset),
        }
        server.stop();
    }
}

#[test]
fn shutdown() {
    check(b"s", |client| assert!(client.receive_to_end().is_empty()), Reason::Shutdown);
}

#[test]
fn shutdown_with_output_that_nobody_takes() {
    for address in transports() {
        let (server, calls) = commanded(&address);
        let client = server.connect();
        client.send(b"t");
        client.receive(1);
        let other = server.connect();
        other.echo(b"!");
        server.stop();
        let (reasons, calls): (Vec<_>, Vec<_>) = calls
            .rest()
            .into_iter()
            .map(|(_, call)| call)
            .partition(|call| matches!(call, Call::Closed(_)));
        assert_eq!(reasons.len(), 2, "{calls:?}");
        assert!(reasons.contains(&Call::Closed(Reason::Shutdown)));
        drop((client, other));
    }
}

/// Only TCP has a reset.
#[test]
fn error() {
    let (server, calls) = commanded(TCP);
    for in_flight in [&b""[..], b"input"] {
        let client = server.connect();
        client.echo(b"!");
        client.send(in_flight);
        client.reset();
        assert_eq!(calls.reason(), Reason::Error(io::ErrorKind::ConnectionReset));
    }
    server.stop();
}

/// A reset is noticed although nothing is being read.
#[test]
fn error_while_paused() {
    let (recorder, calls) = recorder();
    let server = start(bind(TCP), move || {
        recorder.wrap(Events::new().data(|conn, _, input| {
            conn.pause_reading();
            conn.write(input);
            Action::None
        }))
    });
    let client = server.connect();
    client.echo(b"!");
    client.reset();
    assert_eq!(calls.reason(), Reason::Error(io::ErrorKind::ConnectionReset));
    server.stop();
}

/// A reset is noticed by the output that was waiting.
#[test]
fn error_while_sending() {
    let (recorder, calls) = recorder();
    let server = start(bind(TCP), move || {
        recorder.wrap(Events::new().opened(|conn, _| {
            conn.write_owned(vec![0; UNSENDABLE]);
            Action::None
        }))
    });
    let client = server.connect();
    client.receive(1);
    client.reset();
    assert_eq!(calls.reason(), Reason::Error(io::ErrorKind::ConnectionReset));
    server.stop();
}

/// A peer that hangs up before it has read everything.
#[test]
fn error_when_a_unix_peer_is_gone() {
    let (recorder, calls) = recorder();
    let server = start(bind(&util::unix_address()), move || {
        recorder.wrap(Events::new().opened(|conn, _| {
            conn.write_owned(vec![0; UNSENDABLE]);
            Action::None
        }))
    });
    let client = server.connect();
    client.receive(1);
    drop(client);
    let reason = calls.reason();
    let expected = [io::ErrorKind::ConnectionReset, io::ErrorKind::BrokenPipe];
    assert!(expected.map(Reason::Error).contains(&reason), "{reason:?}");
    server.stop();
}

#[test]
fn output_limit() {
    let end = |client: Client| {
        let result = client.receive_to_any_end();
        if let Client::Tcp(_) = client {
            assert_eq!(result.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        } else {
            assert_eq!(result.unwrap(), 0, "nothing of the reply pretends to be whole");
        }
    };
    check(b"l", end, Reason::OutputLimit);
}

/// Each connection may have a limit of its own.
#[test]
fn output_limit_of_a_connection() {
    let (recorder, calls) = recorder();
    let server = start(bind(TCP), move || {
        recorder.wrap(Events::new().data(|conn, _, input| {
            let max_output = usize::from(input[0]);
            conn.set_limits(Limits::default().max_output(max_output).high_watermark(1));
            conn.write(&[b'x'; 100]);
            Action::Close
        }))
    });
    let [enough, too_little] = [server.connect(), server.connect()];
    enough.send(&[100]);
    assert_eq!(enough.receive_to_end(), [b'x'; 100]);
    drop(enough);
    assert_eq!(calls.reason(), Reason::Closed);
    too_little.send(&[99]);
    assert_eq!(calls.reason(), Reason::OutputLimit);
    server.stop();
}

#[test]
fn close_timeout() {
    for command in [b"t", b"d"] {
        for address in transports() {
            let (server, calls) = commanded(&address);
            let client = server.connect();
            let begin = Instant::now();
            client.send(command);
            assert_eq!(calls.reason(), Reason::Timeout(Timeout::Close), "{address}");
            assert!(begin.elapsed() >= TIMEOUT, "ended early");
            match client.receive_to_any_end() {
                Ok(len) => assert!(len < UNSENDABLE),
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::ConnectionReset),
            }
            server.stop();
        }
    }
}

/// A peer that takes something now and then is given time, however long the whole takes.
#[test]
fn a_slow_peer_does_not_run_into_the_close_timeout() {
    let (server, calls) = commanded(&util::unix_address());
    let client = server.connect();
    client.send(b"t");
    let begin = Instant::now();
    let mut received = 0;
    while begin.elapsed() < 4 * TIMEOUT {
        received += client.receive(64 << 10).len();
        // A slow reader.
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(received < UNSENDABLE, "the client was not slow");
    received += client.receive_to_end().len();
    assert_eq!(received, UNSENDABLE);
    drop(client);
    assert_eq!(calls.reason(), Reason::Closed);
    server.stop();
}

/// The last callback can still ask who it was; what it writes goes nowhere.
#[test]
fn a_closed_connection_still_knows_its_addresses() {
    let (told, seen) = reports();
    let server = start(bind(TCP), move || {
        Events::new()
            .data(|conn, _, input| {
                conn.write(input);
                Action::None
            })
            .closed(move |conn, (), _| {
                conn.write(b"nobody gets this");
                conn.close();
                conn.handle().wake().unwrap();
                told.send(conn.peer_addr().map(|peer| peer.as_inet())).unwrap();
                std::ops::ControlFlow::Continue(())
            })
    });
    let client = server.connect();
    client.echo(b"!");
    let Client::Tcp(stream) = &client else { unreachable!() };
    let address = stream.local_addr().unwrap();
    client.reset();
    let peer = seen.next().unwrap();
    assert_eq!(peer, SocketAddr::from(address).as_inet());
    server.stop();
}
