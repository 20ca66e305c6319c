//! `http-server --dir`: files over connections. How a file is chosen has its tests beside the code.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use nix::sys::signal::Signal;
use util::{Server, exchange};

const HTTP_SERVER: &str = env!("CARGO_BIN_EXE_http-server");

/// A directory of a test's own, which goes with it.
struct Site(PathBuf);

impl Site {
    fn new(name: &str) -> Self {
        let dir = format!("{}/{name}-{}", env!("CARGO_TARGET_TMPDIR"), std::process::id());
        fs::create_dir_all(&dir).unwrap();
        Self(dir.into())
    }

    fn add(&self, name: &str, content: &[u8]) -> &Self {
        fs::write(self.0.join(name), content).unwrap();
        self
    }

    fn serve(&self) -> Server {
        Server::start(HTTP_SERVER, &["--port", "0", "--dir", self.0.to_str().unwrap()], 1)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Asks for a target on a connection of its own, and returns the head and the body.
fn get(server: &Server, target: &str, fields: &str) -> (String, Vec<u8>) {
    let request = format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{fields}\r\n");
    let reply = exchange(server, request.as_bytes());
    let end = reply.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    (String::from_utf8(reply[..end].to_vec()).unwrap(), reply[end..].to_vec())
}

fn field<'a>(head: &'a str, name: &str) -> &'a str {
    let mut lines = head.split("\r\n").filter_map(|line| line.split_once(": "));
    lines.find(|(found, _)| *found == name).unwrap_or_else(|| panic!("no {name} in {head}")).1
}

#[test]
fn files_and_what_is_none() {
    let site = Site::new("files");
    site.add("index.html", b"<p>hi").add("a b.js", b"let x").add("empty", b"");
    site.add("page.css", b"p {}").add("page.css.gz", b"not really gzip");
    symlink("/etc", site.0.join("out")).unwrap();
    let server = site.serve();
    let cases = [
        ("/", "200", "text/html", "<p>hi"),
        ("/index.html?v=1|2[]", "200", "text/html", "<p>hi"),
        ("http://else/a%20b.js", "200", "text/javascript", "let x"),
        ("/empty", "200", "application/octet-stream", ""),
        ("/nothing", "404", "text/plain", "404 Not Found\n"),
        ("/../Cargo.toml", "404", "text/plain", "404 Not Found\n"),
        ("/%2e%2e/Cargo.toml", "404", "text/plain", "404 Not Found\n"),
        ("/out/passwd", "4", "text/plain", ""),
        ("/echo", "405", "text/plain", "405 Method Not Allowed\n"),
    ];
    for (target, code, media_type, content) in cases {
        let (head, body) = get(&server, target, "");
        assert!(head.starts_with(&format!("HTTP/1.1 {code}")), "{target}: {head}");
        assert!(field(&head, "Content-Type").starts_with(media_type), "{target}: {head}");
        assert_eq!(field(&head, "Content-Length"), body.len().to_string(), "{target}: {head}");
        let body = String::from_utf8(body).unwrap();
        assert!(body == content || code == "4", "{target}: {body}");
        assert!(!body.contains("root:"), "{target}: {body}");
    }
    let (head, body) = get(&server, "/page.css", "Accept-Encoding: br, gzip\r\n");
    assert_eq!(field(&head, "Content-Encoding"), "gzip");
    assert_eq!(body, b"not really gzip");
}

#[test]
fn parts_of_a_file_and_files_that_the_client_has() {
    let site = Site::new("parts");
    site.add("digits", b"0123456789");
    let server = site.serve();
    let (head, body) = get(&server, "/digits", "Range: bytes=2-4\r\n");
    assert!(head.starts_with("HTTP/1.1 206 Partial Content\r\n"), "{head}");
    assert_eq!((field(&head, "Content-Range"), &body[..]), ("bytes 2-4/10", &b"234"[..]));
    let (head, body) = get(&server, "/digits", "Range: bytes=10-\r\n");
    assert!(head.starts_with("HTTP/1.1 416 ") && body.starts_with(b"416 "), "{head}");
    let (head, _) = get(&server, "/digits", "");
    let tag = field(&head, "ETag");
    let (head, body) = get(&server, "/digits", &format!("If-None-Match: {tag}\r\n"));
    assert!(head.starts_with("HTTP/1.1 304 Not Modified\r\n") && body.is_empty(), "{head}");
    assert!(!head.contains("Content-Length"), "{head}");
    // HEAD says what GET would get, and a connection goes on behind it.
    let two = "HEAD /digits HTTP/1.1\r\nHost: a\r\n\r\nGET /digits HTTP/1.0\r\n\r\n";
    let reply = String::from_utf8(exchange(&server, two.as_bytes())).unwrap();
    assert_eq!(reply.matches("\r\nContent-Length: 10\r\n").count(), 2, "{reply}");
    assert_eq!(reply.matches("0123456789").count(), 1, "{reply}");
}

/// As a browser does it: all assets of a page on few connections, several requests at once.
#[test]
fn a_page_of_twenty_assets() {
    let site = Site::new("assets");
    let content = |number: usize| vec![b'a' + number as u8; number * 20_011];
    for number in 0..20 {
        site.add(&format!("{number}.png"), &content(number));
    }
    let server = site.serve();
    let request = |number| format!("GET /{number}.png HTTP/1.1\r\nHost: a\r\n\r\n");
    let all: String = (0..20).map(request).collect();
    let reply = exchange(&server, (all + "GET /0.png HTTP/1.0\r\n\r\n").as_bytes());
    assert_eq!(reply.windows(15).filter(|window| window == b"HTTP/1.1 200 OK").count(), 21);
    let expected: Vec<u8> = (0..20).flat_map(content).collect();
    for number in 10..20 {
        // No head has as many of one letter in a row.
        let run = vec![b'a' + number as u8; 1000];
        assert!(reply.windows(1000).any(|window| window == run), "asset {number}");
    }
    assert!(reply.len() > expected.len());
}

fn begin(server: &Server, target: &str) -> TcpStream {
    let mut client = server.connect();
    client.write_all(format!("GET {target} HTTP/1.0\r\n\r\n").as_bytes()).unwrap();
    client.read_exact(&mut [0; 20]).unwrap();
    client
}

/// Twenty times as much as the server may take for it, and it is not in memory but once.
#[test]
fn large_files_are_sent_piece_by_piece() {
    const LENGTH: u64 = 200 << 20;
    let site = Site::new("large");
    // Without blocks: it takes no room on the disk.
    File::create(site.0.join("large")).unwrap().set_len(LENGTH).unwrap();
    let server = site.serve();
    let before = server.memory();
    let mut clients: Vec<TcpStream> = (0..10).map(|_| begin(&server, "/large")).collect();
    for client in &mut clients {
        client.read_exact(&mut vec![0; 10 << 20]).unwrap();
    }
    if let (Some(before), Some(after)) = (before, server.memory()) {
        assert!(after < before + (20 << 20), "{} bytes more", after - before);
    }
    let mut rest = std::io::sink();
    let rest = std::io::copy(&mut clients.pop().unwrap(), &mut rest).unwrap();
    assert!(rest > LENGTH - (10 << 20));
}

#[test]
fn a_file_goes_on_during_sigterm_until_it_is_whole() {
    let site = Site::new("sigterm");
    let content: Vec<u8> = (0..30_000_000u32).map(|number| (number / 7) as u8).collect();
    site.add("file", &content);
    let mut server = site.serve();
    let mut client = begin(&server, "/file");
    server.signal(Signal::SIGTERM);
    let mut reply = Vec::new();
    client.read_to_end(&mut reply).unwrap();
    assert!(reply.ends_with(&content));
    assert!(server.wait().success());
}

/// A clean end would look like all of it to a client that does not count.
#[test]
fn a_file_that_is_cut_off_while_it_is_sent_resets_the_connection() {
    let site = Site::new("cut-off");
    site.add("file", &vec![b'x'; 30_000_000]);
    let server = site.serve();
    let mut client = begin(&server, "/file");
    File::options().write(true).open(site.0.join("file")).unwrap().set_len(10).unwrap();
    let mut reply = Vec::new();
    assert!(client.read_to_end(&mut reply).is_err());
    assert!(reply.len() < 30_000_000);
    // The server is as well as before.
    assert!(get(&server, "/file", "").0.starts_with("HTTP/1.1 200 "));
}
