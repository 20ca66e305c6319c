//! A server with few descriptors, and ten times as many clients as it has room for.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use util::Server;

const ECHO_SERVER: &str = env!("CARGO_BIN_EXE_echo-server");
const DESCRIPTORS: usize = 64;
const CLIENTS: usize = 640;

fn start(loops: &str) -> Server {
    let script = format!("ulimit -n {DESCRIPTORS}; exec \"$0\" \"$@\"");
    let mut command = Command::new("sh");
    command.args(["-c", &script, ECHO_SERVER, "--port", "0", "--loops", loops]);
    Server::start_command(&mut command, 1)
}

/// Processor time of all threads of the server.
fn cpu_time(server: &Server) -> Duration {
    let tasks = fs::read_dir(format!("/proc/{}/task", server.pid())).unwrap();
    let nanoseconds = tasks.map(|task| {
        let stat = fs::read_to_string(task.unwrap().path().join("schedstat")).unwrap();
        stat.split(' ').next().unwrap().parse::<u64>().unwrap()
    });
    Duration::from_nanos(nanoseconds.sum())
}

/// Returns whether the server echoes; it may end the connection instead, but not do nothing.
fn is_served(client: &mut TcpStream) -> bool {
    let mut reply = [0; 5];
    client.write_all(b"hello").and_then(|()| client.read_exact(&mut reply)).is_ok() && {
        assert_eq!(&reply, b"hello");
        true
    }
}

/// Only Linux tells how long another process has been running.
#[test]
fn ten_times_as_many_clients_as_there_is_room_for() {
    if std::env::consts::OS != "linux" {
        return;
    }
    for loops in ["1", "4"] {
        let server = start(loops);
        let mut clients: Vec<TcpStream> = (0..CLIENTS).map(|_| server.connect()).collect();
        clients.retain_mut(is_served);
        println!("{loops} loops: {} of {CLIENTS} are served", clients.len());
        // Each loop needs three descriptors for itself; then come listener, reserve, and stdio.
        assert!(clients.len() > DESCRIPTORS / 2, "{} are served", clients.len());

        // What the server does at its limit, with a new client every now and then that it has no
        // room for.
        let before = cpu_time(&server);
        for _ in 0..20 {
            let _turned_away = server.connect();
            // Peers that are slow to come back.
            thread::sleep(Duration::from_millis(100));
        }
        let busy = cpu_time(&server) - before;
        println!("busy for {busy:?} in two seconds at the limit");
        assert!(busy < Duration::from_millis(40), "busy for {busy:?}");

        let mut longest = Duration::ZERO;
        for _ in 0..clients.len() {
            drop(clients.remove(0));
            let start = Instant::now();
            // It is turned away if it comes before the end of the other one.
            let served = (0..100).map(|_| server.connect()).find_map(|mut client| {
                let is_served = is_served(&mut client);
                is_served.then_some(client)
            });
            longest = longest.max(start.elapsed());
            clients.push(served.expect("one has ended"));
        }
        println!("a new one is served at most {longest:?} after one has ended");
        for client in &mut clients {
            assert!(is_served(client), "all the others go on");
        }
        drop(clients);
        for _ in 0..CLIENTS {
            let mut client = server.connect();
            let mut nothing = [0; 1];
            assert!(is_served(&mut client));
            client.shutdown(std::net::Shutdown::Write).unwrap();
            assert_eq!(client.read(&mut nothing).unwrap(), 0);
        }
    }
}
