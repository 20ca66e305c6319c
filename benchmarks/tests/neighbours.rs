//! The generator of paced clients and noisy neighbours, against servers that are fair and ones that
//! are not.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::thread;
use std::time::Duration;

use evio_benchmarks::load::{Endpoint, Target};
use evio_benchmarks::neighbours::{Neighbour, Plan, Protocol, Turn, turn};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// A server in a process of its own, which ends with the test.
struct Server {
    child: Child,
    address: SocketAddr,
    /// Kept so that the server can go on writing to it.
    _stderr: BufReader<ChildStderr>,
}

impl Server {
    fn start(program: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new(program);
        let command = command.args(["--port", "0"]).args(arguments).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        stderr.read_line(&mut line).unwrap();
        let address = line.trim_end().strip_prefix("listening on tcp://").unwrap();
        Self { child, address: address.parse().unwrap(), _stderr: stderr }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only when the process is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const CLIENTS: usize = 5;

/// Requests of all paced clients in a turn.
const REQUESTS: u64 = 50;

/// How often a turn is given in which nothing could be sent or answered: on a machine that is busy
/// with other things, a turn may be too short for anything.
const ATTEMPTS: usize = 50;

fn give_turn(
    address: SocketAddr,
    pid: u32,
    protocol: Protocol,
    neighbour: Neighbour,
) -> io::Result<Turn> {
    let target = Target { name: "the server".to_owned(), endpoint: Endpoint::Tcp(address), pid };
    let length = Duration::from_millis(200);
    let plan = Plan { protocol, neighbour, clients: CLIENTS, rate: 50, turn: length };
    let mut last = turn(&target, plan);
    for _ in 1..ATTEMPTS {
        match &last {
            Ok(turn) if turn.asked == 0 => {}
            Ok(turn) if turn.served == 0 && neighbour != Neighbour::Nobody => {}
            _ => return last,
        }
        last = turn(&target, plan);
    }
    last
}

#[test]
fn every_server_comes_through_every_turn() {
    const CLIENTS: &[Neighbour] = &[
        Neighbour::Nobody,
        Neighbour::Pipelining,
        Neighbour::Deaf,
        Neighbour::Bulk,
        Neighbour::Churn,
    ];
    const CROWDS: &[Neighbour] = &[Neighbour::Nobody, Neighbour::Udp, Neighbour::Broadcast];
    // The hostile ones are 3,001 clients.
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, most, most).unwrap();
    let echo = Server::start(env!("CARGO_BIN_EXE_tokio-echo"), &[]);
    let upstream = echo.address.to_string();
    let proxy =
        Server::start(env!("CARGO_BIN_EXE_tokio-proxy"), &["--upstream", upstream.as_str()]);
    let hyper = Server::start(env!("CARGO_BIN_EXE_hyper-http"), &["--flush-each"]);
    let hubs = [env!("CARGO_BIN_EXE_evio-hub"), env!("CARGO_BIN_EXE_tokio-hub")];
    let hubs = hubs.map(|program| Server::start(program, &[]));
    for (server, protocol, neighbours) in [
        (&echo, Protocol::Echo, CLIENTS),
        (&echo, Protocol::Echo, &[Neighbour::Hostile]),
        (&proxy, Protocol::Echo, CLIENTS),
        (&hyper, Protocol::Http, CLIENTS),
        (&hubs[0], Protocol::Frames, CROWDS),
        (&hubs[1], Protocol::Frames, CROWDS),
    ] {
        for &neighbour in neighbours {
            let pid = server.child.id();
            let turn = give_turn(server.address, pid, protocol, neighbour).unwrap();
            let context = format!("{protocol:?} beside {neighbour:?}: {turn:?}");
            assert!(turn.asked <= REQUESTS && turn.waits.len() as u64 <= turn.asked, "{context}");
            assert_eq!(turn.delays.len() as u64, turn.asked, "{context}");
            assert_eq!(turn.served == 0, neighbour == Neighbour::Nobody, "{context}");
        }
    }
}

/// Serves each connection of a listener in a thread, for as long as the process lives.
fn serve(converse: fn(TcpStream) -> io::Result<()>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || converse(stream));
        }
    });
    address
}

/// Echoes the first message as it is, as each paced client wants before its schedule begins.
fn echo_first(stream: &mut TcpStream) -> io::Result<[u8; 64]> {
    let mut message = [0; 64];
    stream.read_exact(&mut message)?;
    stream.write_all(&message)?;
    Ok(message)
}

#[test]
fn request_that_is_never_answered_is_counted() {
    let address = serve(|mut stream| {
        echo_first(&mut stream)?;
        io::copy(&mut stream, &mut io::sink()).map(drop)
    });
    let turn = give_turn(address, std::process::id(), Protocol::Echo, Neighbour::Nobody).unwrap();
    assert!(turn.asked > 0 && turn.waits.is_empty(), "{turn:?}");
}

#[test]
fn connection_that_is_closed_leaves_its_requests_unanswered() {
    // Closed when the first request of the turn has come: before that, it would be no turn.
    let address = serve(|mut stream| {
        echo_first(&mut stream)?;
        stream.read_exact(&mut [0; 64])
    });
    let turn = give_turn(address, std::process::id(), Protocol::Echo, Neighbour::Nobody).unwrap();
    assert!(turn.asked > 0 && turn.waits.is_empty(), "{turn:?}");
}

#[test]
fn wrong_answers_are_errors() {
    let flipped = serve(|mut stream| {
        let mut message = echo_first(&mut stream)?;
        message[42] ^= 1;
        stream.read_exact(&mut [0; 64])?;
        stream.write_all(&message)
    });
    let too_much = serve(|mut stream| {
        let message = echo_first(&mut stream)?;
        stream.read_exact(&mut [0; 64])?;
        stream.write_all(&message)?;
        stream.write_all(&message)
    });
    for address in [flipped, too_much] {
        let turn = give_turn(address, std::process::id(), Protocol::Echo, Neighbour::Nobody);
        let error = turn.unwrap_err().to_string();
        assert!(error.starts_with("the server at tcp://127.0.0.1:"), "{error}");
        assert!(error.contains("answers"), "{error}");
    }
}
