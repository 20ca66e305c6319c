//! `tcp-proxy` between proxies that say who their clients are: the PROXY protocol.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod proxy_util;
mod util;

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use proxy_util::{
    accept, address_of, line_with, listener, number, proxy_of, read_to_end, reset, stats,
    wait_for_stats,
};
use util::{DEADLINE, installed, socket_path};

const IN_V1: &[u8] = b"PROXY TCP4 192.0.2.1 198.51.100.2 4000 443\r\n";

/// The same as section 2.2 writes it, with an additional value behind the addresses.
const IN_V2: &[u8] =
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x11\xC0\0\x02\x01\xC6\x33\x64\x02\x0F\xA0\x01\xBB\
                       \x04\0\x02hi";

/// The same without that.
const OUT_V2: &[u8] =
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0C\xC0\0\x02\x01\xC6\x33\x64\x02\x0F\xA0\x01\xBB";

fn read(mut stream: &TcpStream, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    stream.read_exact(&mut bytes).unwrap();
    bytes
}

#[test]
fn a_header_is_read_however_it_is_split_and_passed_on_in_either_form() {
    for (version, expected) in [("v1", IN_V1), ("v2", OUT_V2)] {
        let upstream = listener();
        let flags = ["--accept-proxy", "--send-proxy", version];
        let proxy = proxy_of(&[address_of(&upstream)], &flags);
        for header in [IN_V1, IN_V2] {
            let whole = [header, b"PROXY and more"].concat();
            for split in 0..whole.len() {
                let mut client = proxy.connect();
                client.set_nodelay(true).unwrap();
                client.write_all(&whole[..split]).unwrap();
                client.write_all(&whole[split..]).unwrap();
                let server = accept(&upstream);
                assert_eq!(read(&server, expected.len()), expected, "{version} at {split}");
                assert_eq!(read(&server, 14), b"PROXY and more");
                (&server).write_all(b"reply").unwrap();
                assert_eq!(read(&client, 5), b"reply");
            }
            // Each byte in a packet of its own, and the end right behind.
            let mut client = proxy.connect();
            client.set_nodelay(true).unwrap();
            for byte in &whole {
                client.write_all(&[*byte]).unwrap();
            }
            client.shutdown(Shutdown::Write).unwrap();
            let all = read_to_end(&accept(&upstream)).unwrap();
            assert_eq!(all, [expected, b"PROXY and more"].concat(), "{version} byte by byte");
        }
    }
}

/// None of them costs an upstream connection.
#[test]
fn a_wrong_header_is_refused_and_a_missing_one_has_a_deadline() {
    let (path, upstream) = (socket_path("headers"), listener());
    let address = address_of(&upstream);
    let proxy = proxy_of(std::slice::from_ref(&address), &["--accept-proxy", "--stats", &path]);
    let begun = Instant::now();
    let (silent, mut slow) = (proxy.connect(), proxy.connect());
    slow.write_all(&IN_V2[..20]).unwrap();
    // One that has ended, and one that has reset, while its header is awaited.
    drop(proxy.connect());
    let mut failing = proxy.connect();
    failing.write_all(&IN_V1[..20]).unwrap();
    wait_for_stats(&path, |stats| number(stats, "clients", "refused") == 1);
    reset(failing);
    wait_for_stats(&path, |stats| number(stats, "clients", "refused") == 2);
    let wrong = [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        b"PROXY TCP4 192.0.2.1 198.51.100.2 4000 443\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.2 04000 443\r\n",
        b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\x0C",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xFF\xFF",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x02ab",
        &[b"PROXY UNKNOWN ", &[b'x'; 200][..]].concat(),
    ];
    for header in wrong {
        let mut client = proxy.connect();
        client.write_all(header).unwrap();
        let kind = read_to_end(&client).unwrap_err().kind();
        assert_eq!(kind, ErrorKind::ConnectionReset, "{header:?}");
    }
    for client in [&silent, &slow] {
        // Nothing was passed on, so a plain end is as good as a reset.
        assert!(read_to_end(client).unwrap_or_default().is_empty());
    }
    assert!(begun.elapsed() < DEADLINE, "the deadline is 5 s");
    let all = 4 + wrong.len() as u64;
    let stats = wait_for_stats(&path, |stats| number(stats, "clients", "refused") == all);
    assert_eq!(number(&stats, &address, "connected"), 0);
}

/// The client goes on to wait, so it would meet the deadline, which is silent.
#[test]
fn what_cannot_become_a_header_is_refused_at_once_and_logged() {
    let (path, upstream) = (socket_path("at-once"), listener());
    let address = address_of(&upstream);
    let proxy = proxy_of(std::slice::from_ref(&address), &["--accept-proxy", "--stats", &path]);
    let wrong = [
        (&b"GET"[..], "neither signature"),
        (b"PROXY UDP4", "the protocol is neither"),
        (b"PROXY TCP4 300", "an address is not"),
        (b"PROXY TCP4 192.0.2.1 198.51.100.2 70000", "a port is not"),
        (&[b"PROXY UNKNOWN ", &[b'x'; 93][..]].concat(), "longer than 107 bytes"),
        (b"\r\n\r\n\0\r\nQUIT\n\x11", "the version is not 2"),
        (b"\r\n\r\n\0\r\nQUIT\n\x21\x41", "the family or protocol is none"),
        (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x10", "longer than 4096 bytes"),
        (b"\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x0C", "too short for its addresses"),
    ];
    for (count, (header, words)) in (1..).zip(wrong) {
        let mut client = proxy.connect();
        client.write_all(header).unwrap();
        let kind = read_to_end(&client).unwrap_err().kind();
        assert_eq!(kind, ErrorKind::ConnectionReset, "{words}");
        let line = line_with(&proxy, "wrong PROXY header");
        assert!(line.contains(words), "{line}");
        assert_eq!(number(&stats(&path), "clients", "refused"), count);
    }
    assert_eq!(number(&stats(&path), &address, "connected"), 0);
}

#[test]
fn the_addresses_of_a_client_are_those_of_its_socket() {
    let upstream = listener();
    let proxy = proxy_of(&[address_of(&upstream)], &["--send-proxy", "v1"]);
    let client = proxy.connect();
    let (from, to) = (client.local_addr().unwrap(), client.peer_addr().unwrap());
    (&client).write_all(b"hello").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let header = format!("PROXY TCP4 127.0.0.1 127.0.0.1 {} {}\r\n", from.port(), to.port());
    let all = String::from_utf8(read_to_end(&accept(&upstream)).unwrap()).unwrap();
    assert_eq!(all, format!("{header}hello"));
}

struct Haproxy(Child);

impl Haproxy {
    /// Starts it on a Unix socket, with these words on its `bind` and `server` lines.
    fn start(name: &str, bind: &str, server: &str) -> (Self, String) {
        let path = socket_path(name);
        let file = format!("{path}.cfg");
        let text = format!(
            "defaults\n mode tcp\n timeout connect 5s\n timeout client 20s\n timeout server 20s\n\
             listen all\n bind unix@{path} {bind}\n server one {server}\n"
        );
        fs::write(&file, text).unwrap();
        let mut command = Command::new("haproxy");
        let child = command.args(["-db", "-f", &file]).stderr(Stdio::null()).spawn().unwrap();
        let deadline = Instant::now() + DEADLINE;
        while std::os::unix::net::UnixStream::connect(&path).is_err() {
            assert!(Instant::now() < deadline, "haproxy does not listen");
            std::thread::yield_now();
        }
        (Self(child), path)
    }
}

impl Drop for Haproxy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What we write, haproxy reads: it passes the addresses on in its own words.
#[test]
fn haproxy_understands_the_headers() {
    if !installed("haproxy") {
        return;
    }
    for version in ["v1", "v2"] {
        let upstream = listener();
        let server = format!("{} send-proxy", address_of(&upstream));
        let (_haproxy, path) = Haproxy::start(&format!("ha-{version}"), "accept-proxy", &server);
        let flags = ["--send-proxy", version, "--accept-proxy"];
        let proxy = proxy_of(&[format!("unix://{path}")], &flags);
        let mut client = proxy.connect();
        client.write_all(&[IN_V2, b"hello"].concat()).unwrap();
        let server = accept(&upstream);
        assert_eq!(read(&server, IN_V1.len() + 5), [IN_V1, b"hello"].concat(), "{version}");
    }
}

/// What haproxy writes, we read.
#[test]
fn the_headers_of_haproxy_are_understood() {
    if !installed("haproxy") {
        return;
    }
    for words in ["send-proxy", "send-proxy-v2", "send-proxy-v2 proxy-v2-options crc32c,unique-id"]
    {
        let upstream = listener();
        let flags = ["--accept-proxy", "--send-proxy", "v1"];
        let proxy = proxy_of(&[address_of(&upstream)], &flags);
        let server = format!("127.0.0.1:{} {words}", proxy.port());
        let (_haproxy, path) = Haproxy::start("ha-to-us", "accept-proxy", &server);
        let mut client = std::os::unix::net::UnixStream::connect(&path).unwrap();
        client.write_all(&[IN_V1, b"hello"].concat()).unwrap();
        let server = accept(&upstream);
        assert_eq!(read(&server, IN_V1.len() + 5), [IN_V1, b"hello"].concat(), "{words}");
        fs::remove_file(&path).unwrap();
    }
}
