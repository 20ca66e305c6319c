//! The `Date` of the replies of `http-server`, by the clock of the client.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use util::{DEADLINE, Server};

const HTTP_SERVER: &str = env!("CARGO_BIN_EXE_http-server");

/// How far the server may be behind: it looks at the clock every 20 ms, and at the beginning of a
/// turn of its loop.
const LAG: Duration = Duration::from_millis(500);

fn whole_second(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// Reads the head of a reply, and returns the second in its `Date`.
fn date(client: &mut BufReader<TcpStream>) -> u64 {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(client.read_line(&mut head).unwrap() > 0, "the connection ends after {head:?}");
    }
    let lines = head.lines().filter_map(|line| line.strip_prefix("Date: "));
    let dates: Vec<&str> = lines.collect();
    assert_eq!(dates.len(), 1, "{head}");
    whole_second(httpdate::parse_http_date(dates[0]).unwrap())
}

#[test]
fn the_date_goes_on_from_request_to_request() {
    let server = Server::start(HTTP_SERVER, &["--port", "0", "--body", "0"], 1);
    let mut client = BufReader::new(server.connect());
    let mut seen = Vec::new();
    let deadline = Instant::now() + DEADLINE;
    // Three different ones: the server has begun with the first, and changed it twice.
    while seen.len() < 3 {
        let before = SystemTime::now();
        client.get_mut().write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        let date = date(&mut client);
        let earliest = whole_second(before - LAG);
        assert!((earliest..=whole_second(SystemTime::now())).contains(&date), "{date}");
        if seen.last() != Some(&date) {
            seen.push(date);
        }
        assert!(Instant::now() < deadline, "the date stays {seen:?}");
    }
}

/// No input comes before the reply that says that time is up, so the timer alone can know the date.
#[test]
fn the_date_goes_on_while_nothing_comes_in() {
    const TIMEOUT: Duration = Duration::from_millis(1600);
    let server = Server::start(HTTP_SERVER, &["--port", "0", "--header-timeout", "1600ms"], 1);
    let mut client = BufReader::new(server.connect());
    let before = SystemTime::now();
    client.get_mut().write_all(b"GET / HTTP/1.1\r\n").unwrap();
    let date = date(&mut client);
    let earliest = whole_second(before + TIMEOUT - LAG);
    assert!((earliest..=whole_second(SystemTime::now())).contains(&date), "{date}");
}
