//! The floor of the HTTP suite: as many times the same page as there are requests. It finds them by
//! a letter and parses nothing, so it is good for wrk's requests only.

use std::io;

use clap::Parser;
use evio_benchmarks::floor::{Answer, Canned, Options, Service, serve};
use memchr::{memchr_iter, memmem::Finder};

/// What the examples' server answers, but for the date.
const PAGE: &[u8] = b"HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
    Content-Type: text/plain\r\nContent-Length: 14\r\n\r\nHello World!\r\n";

/// The same for who wants no second one.
const LAST_PAGE: &[u8] = b"HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
    Content-Type: text/plain\r\nContent-Length: 14\r\nConnection: close\r\n\r\nHello World!\r\n";

/// The letter that a request has once, in its method.
const LETTER: u8 = b'G';

/// A request without any fields.
const SHORTEST: &[u8] = b"GET / HTTP/1.1\r\n\r\n";

/// What asks for the end of the connection.
const CLOSE: &[u8] = b"Connection: close";

/// The last bytes of a request, in which [`CLOSE`] is looked for: wrk may write the host behind it.
const TAIL: usize = 64;

fn main() -> io::Result<()> {
    let page = Canned::new(PAGE, SHORTEST.len());
    serve(&Options::parse(), &Http { page, close: Finder::new(CLOSE) })
}

#[derive(Clone)]
struct Http {
    page: Canned,
    close: Finder<'static>,
}

impl Service for Http {
    fn answer<'a>(&'a mut self, received: &'a [u8]) -> Answer<'a> {
        let tail = &received[received.len().saturating_sub(TAIL)..];
        if self.close.find(tail).is_some() {
            return Answer { reply: LAST_PAGE, last: true };
        }
        let requests = memchr_iter(LETTER, received).count();
        Answer { reply: self.page.times(requests), last: false }
    }
}
