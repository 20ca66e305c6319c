//! The http-server serving a directory to real clients, good and bad.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod client;
mod nginx;
#[path = "../util/mod.rs"]
mod util;

use std::fs::{self, File};
use std::io::{BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::symlink;
use std::time::Instant;

use client::{ask, read_head};
use tempfile::TempDir;
use util::{DEADLINE, Server, exchange, installed, run};

const HTTP_SERVER: &str = env!("CARGO_BIN_EXE_http-server");

/// Longer than all buffers between a server and a client that does not read.
const HUGE: u64 = 200 << 20;

/// A server and the directory that it serves, which has a secret beside it.
struct Site {
    server: Server,
    base: TempDir,
}

impl Site {
    fn start(arguments: &[&str]) -> Self {
        let base = TempDir::new().unwrap();
        let root = base.path().join("root");
        fs::create_dir_all(root.join("dir")).unwrap();
        fs::write(base.path().join("secret.txt"), "secret").unwrap();
        fs::write(root.join("digits.txt"), "0123456789").unwrap();
        fs::write(root.join("dir/index.html"), "<p>Welcome").unwrap();
        let big: Vec<u8> = (0..3_000_000u32).flat_map(u32::to_be_bytes).collect();
        fs::write(root.join("big.bin"), big).unwrap();
        // A file with a hole takes no room on the disk.
        File::create(root.join("huge.bin")).unwrap().set_len(HUGE).unwrap();
        let dir = root.to_str().unwrap();
        let server =
            Server::start(HTTP_SERVER, &[&["--port", "0", "--dir", dir], arguments].concat(), 1);
        Self { server, base }
    }

    fn path(&self, name: &str) -> String {
        self.base.path().join("root").join(name).to_str().unwrap().to_owned()
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.server.port())
    }

    fn client(&self) -> BufReader<TcpStream> {
        BufReader::new(self.server.connect())
    }

    /// Asks for the entity tag of a file until it is the one that stays: in the first second after
    /// a change it is weak.
    fn strong_tag(&self, target: &str) -> String {
        let deadline = Instant::now() + DEADLINE;
        let mut client = self.client();
        loop {
            let tag = ask(&mut client, "HEAD", target, "").field("ETag").unwrap().to_owned();
            if tag.starts_with('"') {
                return tag;
            }
            assert!(Instant::now() < deadline, "the tag stays weak: {tag}");
            std::thread::yield_now();
        }
    }
}

#[test]
fn one_connection_takes_replies_of_all_kinds() {
    let site = Site::start(&[]);
    let mut client = site.client();
    let conditional = format!("If-None-Match: {}\r\n", site.strong_tag("/digits.txt"));
    let cases = [
        ("GET", "/digits.txt", "", 200, "0123456789"),
        ("HEAD", "/digits.txt", "", 200, ""),
        ("GET", "/digits.txt", "Range: bytes=2-4\r\n", 206, "234"),
        ("GET", "/digits.txt", "Range: bytes=-3\r\n", 206, "789"),
        ("GET", "/digits.txt", "Range: bytes=10-\r\n", 416, "416 Range Not Satisfiable\n"),
        ("GET", "/digits.txt", &conditional, 304, ""),
        ("HEAD", "/digits.txt", &conditional, 304, ""),
        ("GET", "/digits.txt", "If-Match: \"a\"\r\n", 412, "412 Precondition Failed\n"),
        ("GET", "/digits.txt", "Accept-Encoding: *;q=0\r\n", 406, "406 Not Acceptable\n"),
        ("GET", "/none", "", 404, "404 Not Found\n"),
        ("HEAD", "/none", "", 404, ""),
        ("GET", "/", "", 404, "404 Not Found\n"),
        ("GET", "/%", "", 400, "400 Bad Request\n"),
        ("GET", "/dir", "", 301, ""),
        ("GET", "/dir/", "", 200, "<p>Welcome"),
        ("GET", "//digits.txt?a", "", 200, "0123456789"),
        ("GET", "http://a/digits.txt", "", 200, "0123456789"),
    ];
    for (method, target, lines, status, body) in cases {
        let answer = ask(&mut client, method, target, lines);
        assert_eq!(answer.status, status, "{method} {target} {lines}");
        assert_eq!(answer.body, body.as_bytes(), "{method} {target} {lines}");
    }
    let posted = ask(&mut client, "PUT", "/digits.txt", "");
    assert_eq!(posted.status, 405);
    assert!(posted.field("Allow").unwrap().contains("GET, HEAD"));
}

#[test]
fn many_requests_at_once_are_answered_in_order() {
    let site = Site::start(&[]);
    let part = |first: usize| {
        let range = format!("Range: bytes={}-{}", first * 4, first * 4 + 3);
        format!("GET /big.bin HTTP/1.1\r\nHost: a\r\n{range}\r\n\r\n")
    };
    let requests: String = (0..2000).map(part).collect();
    let last = "GET /big.bin HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let mut client = site.client();
    let mut writer = client.get_ref().try_clone().unwrap();
    let sender = std::thread::spawn(move || writer.write_all((requests + last).as_bytes()));
    for first in 0..2000u32 {
        let (status, _, length) = read_head(&mut client);
        assert_eq!((status, length), (206, 4));
        let mut number = [0; 4];
        client.read_exact(&mut number).unwrap();
        assert_eq!(u32::from_be_bytes(number), first);
    }
    let (_, _, length) = read_head(&mut client);
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).unwrap();
    assert_eq!(rest.len() as u64, length);
    assert!(rest == fs::read(site.path("big.bin")).unwrap());
    sender.join().unwrap().unwrap();
}

#[test]
fn curl() {
    if !installed("curl") {
        return;
    }
    let site = Site::start(&["--index"]);
    let curl =
        |arguments: &[&str]| run("curl", &[&["-sS", "--max-time", "20"], arguments].concat());
    assert_eq!(curl(&[&site.url("/digits.txt")]), "0123456789");
    assert_eq!(curl(&["-r", "3-5", &site.url("/digits.txt")]), "345");
    assert_eq!(curl(&["-L", &site.url("/dir")]), "<p>Welcome");
    assert!(curl(&["-I", &site.url("/huge.bin")]).contains("Content-Length: 209715200\r\n"));
    assert!(curl(&[&site.url("/")]).contains("<a href=\"digits.txt\">digits.txt</a>"));

    // A download that was cut off goes on where it ended.
    let whole = fs::read(site.path("big.bin")).unwrap();
    let copy = site.base.path().join("copy").to_str().unwrap().to_owned();
    fs::write(&copy, &whole[..1_234_567]).unwrap();
    curl(&["-C", "-", "-o", &copy, &site.url("/big.bin")]);
    assert!(fs::read(&copy).unwrap() == whole);

    // Conditional requests leave the copy alone.
    site.strong_tag("/big.bin");
    let code = |arguments: &[&str]| {
        curl(
            &[&["-o", "/dev/null", "-w", "%{http_code}", &site.url("/big.bin")], arguments]
                .concat(),
        )
    };
    assert_eq!(code(&["-z", &copy]), "304");
    let tag = format!("{copy}.etag");
    assert_eq!(code(&["--etag-save", &tag]), "200");
    assert_eq!(code(&["--etag-compare", &tag]), "304");
}

#[test]
fn compressed_forms_are_sent_to_clients_that_take_them() {
    if !installed("curl") || !installed("gzip") {
        return;
    }
    let site = Site::start(&[]);
    run("gzip", &["--keep", &site.path("digits.txt")]);
    let url = site.url("/digits.txt");
    // curl decodes the body itself, so this is also a check of what is in it.
    let reply = run(
        "curl",
        &["-sS", "-i", "--max-time", "20", "-H", "Accept-Encoding: gzip", "--compressed", &url],
    );
    assert!(reply.contains("Content-Encoding: gzip\r\n"), "{reply}");
    assert!(reply.contains("Content-Type: text/plain; charset=utf-8\r\n"), "{reply}");
    assert!(reply.contains("Vary: Accept-Encoding\r\n"), "{reply}");
    assert!(reply.ends_with("\r\n\r\n0123456789"), "{reply}");
}

#[test]
fn no_target_leads_outside() {
    let site = Site::start(&["--index"]);
    symlink("../secret.txt", site.path("link")).unwrap();
    symlink("..", site.path("up")).unwrap();
    symlink(site.base.path(), site.path("absolute")).unwrap();
    let mut targets = vec![
        "/link".to_owned(),
        "/up/secret.txt".to_owned(),
        "/absolute/secret.txt".to_owned(),
        "/up/".to_owned(),
        "/dir/%2e%2e%2f%2e%2e%2fsecret.txt".to_owned(),
        "/digits.txt/../../secret.txt".to_owned(),
        "/digits.txt%00/../../secret.txt".to_owned(),
        "http://a/../secret.txt".to_owned(),
        "http://a/%2e%2e/secret.txt".to_owned(),
        format!("/{}/secret.txt", site.base.path().display()),
        format!("//{}/secret.txt", site.base.path().display()),
    ];
    let ups =
        ["..", "%2e%2e", ".%2E", "%252e%252e", "..;", "..%00", "%c0%ae%c0%ae", "..\\..", "...."];
    let separators = ["/", "//", "/./", "%2f", "%252F", "\\", "%5c", "%c0%af"];
    for up in ups {
        for separator in separators {
            targets.push(format!("/{up}{separator}secret.txt"));
            targets.push(format!("/dir/{up}{separator}{up}{separator}secret.txt"));
        }
    }
    assert!(targets.len() > 150);
    for target in targets {
        let request = format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        let reply =
            String::from_utf8_lossy(&exchange(&site.server, request.as_bytes())).into_owned();
        let is_refused = ["400", "404"].iter().any(|code| reply[9..].starts_with(code));
        assert!(is_refused && !reply.contains("secret"), "{target}: {reply}");
    }
}

#[test]
fn slow_clients_of_a_huge_file_take_little_memory() {
    let site = Site::start(&[]);
    let request = b"GET /huge.bin HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let get = || {
        let mut client = site.client();
        client.get_mut().write_all(request).unwrap();
        let (status, _, length) = read_head(&mut client);
        assert_eq!((status, length), (200, HUGE));
        client
    };
    let before = site.server.memory();
    let mut slow: Vec<_> = (0..20).map(|_| get()).collect();
    for client in &mut slow {
        client.read_exact(&mut [0; 100_000]).unwrap();
    }
    // The server is done with what the slow ones have asked so far when this one has it all.
    let mut length = 0;
    let mut buffer = vec![0; 1 << 20];
    let mut client = get();
    loop {
        let len = client.read(&mut buffer).unwrap();
        if len == 0 {
            break;
        }
        length += len as u64;
    }
    assert_eq!(length, HUGE);
    if let (Some(before), Some(after)) = (before, site.server.memory()) {
        let each = after.saturating_sub(before) / 20;
        // The high watermark is 256 KiB, and a piece may exceed it.
        assert!(each < 1 << 20, "{each} bytes for each of 20 clients");
    }
    // They get more as soon as they read on.
    for client in &mut slow {
        client.read_exact(&mut vec![0; 8 << 20]).unwrap();
    }
}

#[test]
fn a_file_that_becomes_shorter_ends_the_connection() {
    let site = Site::start(&[]);
    let mut client = site.client();
    let request = "GET /huge.bin HTTP/1.1\r\nHost: a\r\n\r\n".repeat(2);
    client.get_mut().write_all(request.as_bytes()).unwrap();
    let (_, _, length) = read_head(&mut client);
    client.read_exact(&mut [0; 1000]).unwrap();
    File::options().write(true).open(site.path("huge.bin")).unwrap().set_len(2000).unwrap();
    let mut rest = Vec::new();
    // The end may be a reset.
    let _ = client.read_to_end(&mut rest);
    assert!(
        rest.len() as u64 + 1000 < length,
        "{} bytes, of which some were never there",
        rest.len()
    );
    assert!(rest.iter().all(|&byte| byte == 0), "no second reply is in the place of the body");
    // The server goes on, and says what the length is now.
    assert_eq!(
        ask(&mut site.client(), "HEAD", "/huge.bin", "").field("Content-Length"),
        Some("2000")
    );
}

/// The server answers some of them at a time, and goes on by itself: a client that has sent all of
/// them and waits gives it no reason to.
#[test]
fn many_heads_at_once_are_all_answered() {
    let site = Site::start(&["--index"]);
    fs::create_dir(site.path("many")).unwrap();
    for number in 0..2000 {
        File::create(site.path(&format!("many/{number}"))).unwrap();
    }
    for target in ["/many/", "/digits.txt", "/none", "/huge.bin"] {
        let request = format!("HEAD {target} HTTP/1.1\r\nHost: a\r\n\r\n").repeat(300);
        let mut crowd = site.client();
        crowd.get_mut().write_all(request.as_bytes()).unwrap();
        let other = ask(&mut site.client(), "GET", "/digits.txt", "");
        assert_eq!(other.body, b"0123456789");
        for _ in 0..300 {
            assert!([200, 404].contains(&read_head(&mut crowd).0), "{target}");
        }
        // It goes on as any other.
        assert_eq!(ask(&mut crowd, "GET", "/digits.txt", "").body, b"0123456789");
    }
}
