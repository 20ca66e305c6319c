//! Every vector of `data/http_vectors.txt` against the server: whole, behind a valid request, and
//! cut in two at every byte.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "data/vectors.rs"]
mod vectors;

mod util;

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;

use util::{DEADLINE, Server, socket_path};
use vectors::Reply;

const HTTP_SERVER: &str = env!("CARGO_BIN_EXE_http-server");

/// Longer ones are cut near their ends only.
const CUT_EVERYWHERE: usize = 400;

/// Starts the server, and returns the path of a socket: TCP would run out of ports.
fn start(name: &str) -> (Server, String) {
    let path = socket_path(name);
    let server = Server::start(HTTP_SERVER, &["--port", "0", "--unix-socket", &path], 2);
    (server, path)
}

/// Sends the parts one by one, and compares what comes back until the end of the connection.
fn check(path: &str, parts: &[&[u8]], expected: &[Reply], what: &str) {
    let mut client = UnixStream::connect(path).unwrap();
    client.set_read_timeout(Some(DEADLINE)).unwrap();
    for part in parts {
        // Fails when the server has refused the first part and closed; the reply is there.
        let _ = client.write_all(part);
    }
    let _ = client.shutdown(Shutdown::Write);
    let mut stream = Vec::new();
    client.read_to_end(&mut stream).unwrap_or_else(|error| panic!("{what}: {error}"));
    let codes: Vec<u16> = expected.iter().map(|reply| reply.code).collect();
    let found = vectors::replies(&stream, expected);
    assert_eq!(found.as_ref(), Ok(&codes), "{what}\n{}", stream.escape_ascii());
}

#[test]
fn whole_and_behind_a_valid_request() {
    let (_server, path) = start("vectors");
    let all = vectors::all();
    assert!(all.len() >= 120);
    for vector in all {
        let (input, replies) = vector.with_probes(false);
        check(&path, &[&input], &replies, &vector.name);
        let (input, replies) = vector.with_probes(true);
        check(&path, &[&input], &replies, &format!("{} behind a request", vector.name));
    }
}

#[test]
fn cut_in_two_everywhere() {
    let (_server, path) = start("vectors-cut");
    for vector in vectors::all() {
        let (input, replies) = vector.with_probes(false);
        let len = vector.bytes.len();
        for cut in (1..=len).filter(|&cut| len < CUT_EVERYWHERE || cut < 40 || len - cut < 10) {
            let (left, right) = input.split_at(cut);
            check(&path, &[left, right], &replies, &format!("{} cut at {cut}", vector.name));
        }
    }
}
