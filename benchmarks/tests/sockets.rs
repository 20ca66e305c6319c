//! The generator against servers that are threads of the test: every network, every pace, and
//! servers that misbehave.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use evio_benchmarks::load::{Driver, Endpoint, Pace, Plan, Target};
use evio_benchmarks::report::Measurement;

const PLAN: Plan = Plan {
    pace: Pace::Closed,
    connections: 4,
    idle: 0,
    size: 64,
    pipeline: 1,
    turn: Duration::from_millis(20),
    warm_up: 0,
    turns: 3,
    most_turns: 3,
    precision: 0.01,
    group: 1,
    seed: 20,
};

fn measure(endpoint: Endpoint, plan: Plan) -> std::io::Result<Measurement> {
    let target = Target { name: "thread".to_owned(), endpoint, pid: process::id() };
    let mut measurements = Driver::connect(&[target], plan)?.run(|_, _| ())?;
    Ok(measurements.remove(0))
}

/// Echoes datagrams, as `change` changes the one of each number, for as long as the test runs.
fn udp_server(mut change: impl FnMut(usize, &mut Vec<u8>) + Send + 'static) -> Endpoint {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let endpoint = Endpoint::Udp(socket.local_addr().unwrap());
    thread::spawn(move || {
        let mut buffer = vec![0; 65_536];
        for number in 0.. {
            let (length, peer) = socket.recv_from(&mut buffer).unwrap();
            let mut reply = buffer[..length].to_vec();
            change(number, &mut reply);
            // The generator may be gone.
            if !reply.is_empty() && socket.send_to(&reply, peer).is_err() {
                return;
            }
        }
    });
    endpoint
}

#[test]
fn datagrams_are_answered() {
    let measured = measure(udp_server(|_, _| ()), PLAN).unwrap();
    let answered: u64 = measured.turns.iter().map(|turn| turn.requests).sum();
    assert!(answered >= 12 && answered == measured.latency.len());
}

#[test]
fn lost_datagrams_are_counted_and_replaced() {
    let endpoint = udp_server(|number, reply| {
        if number % 5 == 4 {
            reply.clear();
        }
    });
    // One client, so that each loss is waited for, and turns that outlast the wait.
    let turn = Duration::from_millis(120);
    let measured = measure(endpoint, Plan { connections: 1, turn, ..PLAN }).unwrap();
    assert!(measured.turns.iter().all(|turn| turn.lost > 0), "{:?}", measured.turns);
    let lost: u64 = measured.turns.iter().map(|turn| turn.lost).sum();
    let answered: u64 = measured.turns.iter().map(|turn| turn.requests).sum();
    // Every fifth was not answered; one that was answered too late counts as lost, too.
    assert!(answered > 0 && lost >= (lost + answered) / 5, "{:?}", measured.turns);
}

#[test]
fn wrong_datagram_is_an_error() {
    let endpoint = udp_server(|number, reply| reply[5] ^= u8::from(number == 20));
    let error = measure(endpoint, PLAN).unwrap_err();
    assert!(error.to_string().contains("came back as"), "{error}");
}

#[test]
fn silent_server_is_an_error() {
    let error = measure(udp_server(|_, reply| reply.clear()), PLAN).unwrap_err();
    assert!(error.to_string().contains("answers no more"), "{error}");
}

#[test]
fn unix_socket_is_answered() {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("echo-{}", process::id()));
    let listener = UnixListener::bind(&path).unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || echo(stream, || ()));
        }
    });
    let measured = measure(Endpoint::Unix(path.clone()), Plan { pipeline: 3, ..PLAN });
    fs::remove_file(path).unwrap();
    assert!(measured.unwrap().latency.len() >= 36);
}

/// Sends back what it receives until the peer closes. Calls `before` before each reply.
fn echo(mut stream: impl Read + Write, before: impl Fn()) {
    let mut buffer = [0; 1000];
    while let Ok(length @ 1..) = stream.read(&mut buffer) {
        before();
        if stream.write_all(&buffer[..length]).is_err() {
            return;
        }
    }
}

/// A server over TCP, which counts its connections.
fn tcp_server(before: impl Fn() + Clone + Send + 'static) -> (Endpoint, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = Endpoint::Tcp(listener.local_addr().unwrap());
    let accepted = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&accepted);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            count.fetch_add(1, Ordering::SeqCst);
            let before = before.clone();
            thread::spawn(move || echo(stream, before));
        }
    });
    (endpoint, accepted)
}

#[test]
fn churn_opens_a_connection_per_request() {
    let (endpoint, accepted) = tcp_server(|| ());
    let measured = measure(endpoint, Plan { pace: Pace::Churn, ..PLAN }).unwrap();
    assert!(measured.latency.len() >= 12);
    assert_eq!(accepted.load(Ordering::SeqCst), measured.latency.len());
}

#[test]
fn idle_connections_are_beside_the_busy_ones() {
    let servers = [tcp_server(|| ()), tcp_server(|| ())];
    let targets = servers.each_ref().map(|(endpoint, _)| Target {
        name: "thread".to_owned(),
        endpoint: endpoint.clone(),
        pid: process::id(),
    });
    let driver = Driver::connect(&targets, Plan { idle: 100, ..PLAN }).unwrap();
    driver.run(|_, _| ()).unwrap();
    // All were accepted, because the busy ones came last and were answered.
    assert_eq!(servers.map(|(_, accepted)| accepted.load(Ordering::SeqCst)), [4, 104]);
}

#[test]
fn schedule_does_not_wait_for_a_server_that_stalls() {
    let stall = Duration::from_millis(100);
    let stalls = Arc::new(AtomicBool::new(false));
    let seen_by_server = Arc::clone(&stalls);
    let (endpoint, _) = tcp_server(move || {
        if seen_by_server.swap(false, Ordering::SeqCst) {
            // Acts out a server that stalls.
            thread::sleep(stall);
        }
    });
    let target = Target { name: "thread".to_owned(), endpoint, pid: process::id() };
    let turn = 3 * stall;
    let plan = Plan { connections: 1, pace: Pace::Open, turn, warm_up: 1, turns: 1, ..PLAN };
    let driver = Driver::connect(&[target], Plan { most_turns: 1, ..plan }).unwrap();
    // After the warm-up, so that the first request that counts is the one that waits.
    let measured = driver.run(|done, _| stalls.store(done == 1, Ordering::SeqCst)).unwrap();
    // In a closed loop, this one request in flight would be all that waited.
    let waited = measured[0].latency.count_between(stall.as_nanos() as u64 / 4, u64::MAX);
    assert!(waited >= 2, "{waited} of {}", measured[0].latency.len());
}
