//! `http-server --dir` with few descriptors: a client that is sent a file takes two.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

use tempfile::TempDir;
use util::Server;

const HTTP_SERVER: &str = env!("CARGO_BIN_EXE_http-server");

/// Longer than all buffers between a server and a client that does not read.
const HUGE: u64 = 64 << 20;

/// Starts a server that has so many descriptors, and a file that is huge and one that is not.
fn start(descriptors: u32, loops: &str) -> (Server, TempDir) {
    let dir = TempDir::new().unwrap();
    File::create(dir.path().join("huge.bin")).unwrap().set_len(HUGE).unwrap();
    fs::write(dir.path().join("small.txt"), "small").unwrap();
    let script =
        format!("ulimit -n {descriptors}; exec \"$0\" --port 0 --dir \"$1\" --loops {loops}");
    let mut command = Command::new("sh");
    command.args(["-c", &script, HTTP_SERVER, dir.path().to_str().unwrap()]);
    (Server::start_command(&mut command, 1), dir)
}

/// Reads the status line of the next reply.
fn status(mut client: &TcpStream) -> String {
    let mut line = [0; 15];
    client.read_exact(&mut line).unwrap();
    String::from_utf8(line.into()).unwrap()
}

/// Each download is held up by its client, so that all of them would be open at once.
#[test]
fn downloads_that_there_are_no_descriptors_for_wait() {
    if util::left_out_on_kqueue("the model of it takes more descriptors than are counted with") {
        return;
    }
    for (descriptors, loops) in [(48, "1"), (100, "1"), (512, "32")] {
        let (server, _dir) = start(descriptors, loops);
        let clients: Vec<TcpStream> = (0..descriptors)
            .map(|_| {
                let mut client = server.connect();
                client.write_all(b"GET /huge.bin HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
                client
            })
            .collect();
        // Those that are accepted come first, and each makes room when it ends.
        for (number, client) in clients.into_iter().enumerate() {
            assert_eq!(status(&client), "HTTP/1.1 200 OK", "client {number} of {descriptors}");
        }
    }
}

/// Returns how many descriptors of a server are of this file, where the system tells.
fn open_files(server: &Server, name: &str) -> Option<usize> {
    let links = fs::read_dir(format!("/proc/{}/fd", server.pid())).ok()?;
    let files = links.filter_map(|link| fs::read_link(link.ok()?.path()).ok());
    Some(files.filter(|file| file.ends_with(name)).count())
}

#[test]
fn a_request_whose_body_is_on_its_way_holds_no_file() {
    let (server, _dir) = start(100, "1");
    if open_files(&server, "small.txt").is_none() {
        return;
    }
    // The reply to the first request shows that the second one has been looked at.
    let requests = "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n\
                    GET /small.txt HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n";
    let clients: Vec<TcpStream> = (0..20)
        .map(|_| {
            let mut client = server.connect();
            client.write_all(requests.as_bytes()).unwrap();
            let mut reply = Vec::new();
            while !reply.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                client.read_exact(&mut byte).unwrap();
                reply.push(byte[0]);
            }
            client
        })
        .collect();
    assert_eq!(open_files(&server, "small.txt"), Some(0));
    for mut client in clients {
        client.write_all(b"bodyGET / HTTP/1.0\r\n\r\n").unwrap();
        let mut replies = String::new();
        client.read_to_string(&mut replies).unwrap();
        assert!(replies.starts_with("HTTP/1.1 200 OK\r\n"), "{replies}");
        assert!(replies.contains("\r\n\r\nsmallHTTP/1.1 404 "), "{replies}");
    }
}
