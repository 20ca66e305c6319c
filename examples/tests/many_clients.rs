//! More silent clients than a program may have descriptors at first.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use util::{DEADLINE, SERVERS, Server};

const SILENT: usize = 1_100;

/// The soft limit that many systems start programs with.
const SOFT_LIMIT: u32 = 1_024;

#[test]
fn silent_clients_keep_nobody_out() {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    if hard < 4 * SILENT as nix::libc::rlim_t {
        eprintln!("skipped: this needs {} descriptors, and the limit is {hard}", 4 * SILENT);
        return;
    }
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
    for (program, request, answer) in SERVERS {
        let script = format!("ulimit -S -n {SOFT_LIMIT}; exec \"$0\" --port 0");
        let server = Server::start_command(Command::new("sh").args(["-c", &script, program]), 1);
        let silent: Vec<TcpStream> = (0..SILENT).map(|_| server.connect()).collect();
        let mut client = server.connect();
        client.write_all(request.as_bytes()).unwrap();
        let mut reply = vec![0; answer.len()];
        client.read_exact(&mut reply).unwrap_or_else(|error| panic!("{program}: {error}"));
        assert_eq!(String::from_utf8(reply).unwrap(), answer, "{program}");
        drop(silent);
    }
}

/// A client beyond `--max-connections` waits for another one to end, and silent ones do end.
#[test]
fn silent_clients_make_room_when_their_time_is_up() {
    for (program, request, answer) in SERVERS {
        let limits = ["--port", "0", "--max-connections", "2", "--idle-timeout", "200ms"];
        let server = Server::start(program, &limits, 1);
        let silent = [server.connect(), server.connect()];
        let mut client = server.connect();
        client.write_all(request.as_bytes()).unwrap();
        let mut reply = vec![0; answer.len()];
        client.read_exact(&mut reply).unwrap_or_else(|error| panic!("{program}: {error}"));
        assert_eq!(String::from_utf8(reply).unwrap(), answer, "{program}");
        for mut client in silent {
            client.set_read_timeout(Some(DEADLINE)).unwrap();
            let mut rest = Vec::new();
            client.read_to_end(&mut rest).unwrap();
        }
    }
}
