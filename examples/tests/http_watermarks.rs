//! `HttpServer` under output limits that the program has chosen: all replies come, whatever the
//! watermarks.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::SystemTime;

use evio::{Limits, Server};
use evio_examples::http::{Answer, Date, HttpServer, Page, Reply, Request, Service};
use util::DEADLINE;

/// The pages that it has, by the length of their bodies.
struct Pages(Page);

impl Service for Pages {
    type Pending = ();

    fn begin(&mut self, _: &Request<'_>) -> Answer<()> {
        Answer::Later(())
    }

    fn finish(&mut self, (): ()) -> Reply<'_> {
        (&self.0).into()
    }
}

/// Sends all requests before it reads the first reply, as far as the sockets take them.
fn pipeline(address: std::net::SocketAddr, count: usize) -> usize {
    let mut client = TcpStream::connect(address).unwrap();
    client.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut sender = client.try_clone().unwrap();
    let thread = thread::spawn(move || {
        sender.write_all("GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(count).as_bytes()).unwrap();
        sender.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    });
    let mut replies = String::new();
    client.read_to_string(&mut replies).unwrap();
    thread.join().unwrap();
    replies.matches("HTTP/1.1 200 OK\r\n").count()
}

#[test]
fn pipelined_requests_never_hang() {
    for watermark in [1, 1000, 64 << 10, 512 << 10, 4 << 20] {
        for body_len in [10, 4000, 100_000] {
            let limits = Limits::default().high_watermark(watermark).low_watermark(watermark / 2);
            let server = Server::bind(["tcp://127.0.0.1:0"]).unwrap().limits(limits);
            let address = server.local_addrs()[0].addr().as_inet().unwrap();
            let handle = server.handle();
            let page = Page::new("text/plain", vec![b'x'; body_len], &Date::new(SystemTime::now()));
            let thread = thread::spawn(move || server.run(HttpServer::new(Pages(page))));
            let count = if body_len > 10_000 { 200 } else { 2_300 };
            assert_eq!(pipeline(address, count), count + 1, "{body_len} bytes, {watermark}");
            handle.shutdown();
            thread.join().unwrap().unwrap();
        }
    }
}
