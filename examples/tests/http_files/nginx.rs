//! The same requests to nginx, which serves the same directory.

use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::io::BufReader;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use super::Site;
use super::client::{Answer, ask};
use super::util::{DEADLINE, installed};

/// Ranges are taken from a file of this length.
const LEN: usize = 10;

/// Dates before and after everything.
const OLD: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const FUTURE: &str = "Fri, 01 Jan 2100 00:00:00 GMT";

struct Nginx {
    process: Child,
    socket: String,
}

impl Nginx {
    /// Starts nginx on a Unix socket. It is told where it has to do as our server has decided: not
    /// more than one range, and dates compared by order.
    fn start(site: &Site) -> Self {
        let base = site.base.path().display();
        let socket = format!("{base}/nginx.sock");
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|name| format!("{name}_temp_path {base}/temporary;\n"))
            .concat();
        let configuration = format!(
            "daemon off; master_process off; pid {base}/nginx.pid; error_log stderr crit;\n\
             events {{}}\n\
             http {{\n{temporary}access_log off; default_type application/octet-stream;\n\
             types {{ text/html html; }}\n\
             server {{ listen unix:{socket}; root {base}/root; gzip_static on; gzip_vary on;\n\
             if_modified_since before; max_ranges 1; }} }}\n"
        );
        let path = format!("{base}/nginx.conf");
        fs::write(&path, configuration).unwrap();
        let process = Command::new("nginx")
            .args(["-c", &path, "-p", &base.to_string(), "-e", "stderr"])
            .stderr(Stdio::inherit())
            .spawn()
            .expect("nginx starts");
        let nginx = Self { process, socket };
        let deadline = Instant::now() + DEADLINE;
        while UnixStream::connect(&nginx.socket).is_err() {
            assert!(Instant::now() < deadline, "nginx does not listen");
            std::thread::yield_now();
        }
        nginx
    }

    fn client(&self) -> BufReader<UnixStream> {
        let stream = UnixStream::connect(&self.socket).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        BufReader::new(stream)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Both servers, and the entity tag that each has given the file.
struct Both {
    site: Site,
    nginx: Nginx,
    tags: [String; 2],
}

impl Both {
    fn start() -> Option<Self> {
        if !installed("nginx") {
            return None;
        }
        let site = Site::start(&[]);
        fs::write(site.path("page.html"), "<p>plain").unwrap();
        fs::write(site.path("page.html.gz"), "gzipped").unwrap();
        fs::write(site.path("empty.txt"), "").unwrap();
        let nginx = Nginx::start(&site);
        let ours = site.strong_tag("/digits.txt");
        let theirs = ask(&mut nginx.client(), "HEAD", "/digits.txt", "");
        let tags = [ours, theirs.field("ETag").unwrap().to_owned()];
        Some(Self { site, nginx, tags })
    }

    /// Asks both; `TAG` in a line stands for the tag that the server has given `/digits.txt`.
    fn ask(&self, method: &str, target: &str, lines: &str) -> [Answer; 2] {
        let [ours, theirs] = self.tags.each_ref().map(|tag| lines.replace("TAG", tag));
        [
            ask(&mut self.site.client(), method, target, &ours),
            ask(&mut self.nginx.client(), method, target, &theirs),
        ]
    }

    /// Returns the statuses of both servers, ours first, if the replies differ.
    fn difference(&self, method: &str, target: &str, lines: &str) -> Option<(u16, u16)> {
        let [ours, theirs] = self.ask(method, target, lines).each_ref().map(gist);
        if ours == theirs {
            return None;
        }
        println!("{method} {target} {lines}: {ours:?} here, {theirs:?} from nginx");
        Some((ours.0, theirs.0))
    }
}

/// What two servers must agree on.
fn gist(answer: &Answer) -> (u16, Vec<Option<String>>, Vec<u8>) {
    let is_good = matches!(answer.status, 200 | 206);
    let mut names = vec!["Content-Range"];
    if is_good {
        names.extend(["Content-Length", "Last-Modified", "Content-Encoding"]);
    }
    let fields = names.into_iter().map(|name| answer.field(name).map(str::to_owned)).collect();
    (answer.status, fields, if is_good { answer.body.clone() } else { Vec::new() })
}

#[test]
fn nginx_agrees_on_conditions() {
    let Some(both) = Both::start() else { return };
    let answer = &both.ask("HEAD", "/digits.txt", "")[0];
    let modified = answer.field("Last-Modified").unwrap();
    let mut lines = vec![String::new()];
    for tags in ["TAG", "W/TAG", "\"a\"", "\"a\", TAG", "*"] {
        lines.push(format!("If-None-Match: {tags}\r\n"));
        lines.push(format!("If-Match: {tags}\r\n"));
    }
    for date in [OLD, modified, FUTURE, "yesterday", "784111777"] {
        lines.push(format!("If-Modified-Since: {date}\r\n"));
        lines.push(format!("If-Modified-Since: {date}\r\nIf-None-Match: \"a\"\r\n"));
    }
    for date in [OLD, modified, FUTURE] {
        lines.push(format!("If-Unmodified-Since: {date}\r\n"));
        lines.push(format!("If-Unmodified-Since: {date}\r\nIf-Match: \"a\"\r\n"));
        lines.push(format!("If-Unmodified-Since: {date}\r\nIf-None-Match: TAG\r\n"));
    }
    for value in ["TAG", "W/TAG", "\"a\"", OLD, modified, "yesterday"] {
        for range in ["2-4", "10-"] {
            lines.push(format!("If-Range: {value}\r\nRange: bytes={range}\r\n"));
        }
    }
    for lines in lines {
        assert_eq!(both.difference("GET", "/digits.txt", &lines), None);
    }
}

#[test]
fn nginx_differs_where_the_rfc_decides() {
    let Some(both) = Both::start() else { return };
    // RFC 9110, section 13.1.4: "A recipient MUST ignore the If-Unmodified-Since header field if
    // the received field value is not a valid HTTP-date", and "if the request contains an If-Match
    // header field". nginx compares it in both cases, and fails.
    let invalid = "If-Unmodified-Since: yesterday\r\n".to_owned();
    let void = format!("If-Unmodified-Since: {OLD}\r\nIf-Match: TAG\r\n");
    assert_eq!(both.difference("GET", "/digits.txt", &invalid), Some((200, 412)));
    assert_eq!(both.difference("GET", "/digits.txt", &void), Some((200, 412)));
    // Section 13.1.3: "A recipient MUST ignore If-Modified-Since if the request contains an
    // If-None-Match header field". nginx wants both to say that nothing has changed.
    for date in [OLD, "yesterday"] {
        let lines = format!("If-Modified-Since: {date}\r\nIf-None-Match: TAG\r\n");
        assert_eq!(both.difference("GET", "/digits.txt", &lines), Some((304, 200)));
    }
    // Section 14.2: "A server MUST ignore a Range header field received with a request method" for
    // which ranges are not defined, and they are defined for GET alone.
    let range = "Range: bytes=2-4\r\n";
    assert_eq!(both.difference("HEAD", "/digits.txt", range), Some((200, 206)));
}

#[test]
fn nginx_agrees_on_ranges() {
    let Some(both) = Both::start() else { return };
    let given = std::env::var("EVIO_SEED").ok().and_then(|seed| seed.parse().ok());
    let mut state: u64 = given.unwrap_or_else(|| RandomState::new().hash_one(0));
    println!("EVIO_SEED={state}");
    let mut below = |bound: usize| {
        // A step of Knuth's generator, of which the high bits are the random ones.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) as usize % bound
    };
    for _ in 0..300 {
        let (first, last) = (below(LEN + 4), below(LEN + 4));
        let range = match below(4) {
            0 => format!("{first}-"),
            1 => format!("-{first}"),
            _ => format!("{first}-{last}"),
        };
        // Section 14.1.2 calls a range invalid that ends before it begins, and 14.2 allows to
        // ignore it; to nginx it is one that cannot be satisfied.
        let is_invalid = range == format!("{first}-{last}") && last < first;
        let expected = is_invalid.then_some((200, 416));
        let line = format!("Range: bytes={range}\r\n");
        assert_eq!(both.difference("GET", "/digits.txt", &line), expected);
    }
}

#[test]
fn nginx_agrees_on_names() {
    let Some(both) = Both::start() else { return };
    for target in [
        "/digits.txt",
        "/%64igits.txt",
        "/digits.txt?a",
        "//digits.txt",
        "/digits.txt/",
        "/none",
        "/dir/",
        "/dir/index.html",
        "/%2564igits.txt",
        "/empty.txt",
        "/page.html.gz",
    ] {
        assert_eq!(both.difference("GET", target, ""), None);
        assert_eq!(both.difference("HEAD", target, ""), None);
    }
    for accept in ["gzip", "gzip;q=0", "gzip;q=0.5", "br", "deflate, gzip", "GZIP", ""] {
        let line = format!("Accept-Encoding: {accept}\r\n");
        assert_eq!(both.difference("GET", "/page.html", &line), None);
        assert_eq!(both.difference("GET", "/digits.txt", &line), None);
    }
}
