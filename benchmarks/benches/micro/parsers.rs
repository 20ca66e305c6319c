//! The parsers of the examples: RESP and HTTP.

use std::hint::black_box;
use std::time::UNIX_EPOCH;

use criterion::{Criterion, Throughput};
use evio_examples::http::{
    self, Answer, DEFAULT_MAX_BODY, Date, Exchange, Page, Reply, Request, Service, Step,
};
use evio_examples::resp;

/// Requests per packet.
const PIPELINE: usize = 16;

const SET: &str = "*3\r\n$3\r\nSET\r\n$16\r\nkey:000000012345\r\n$3\r\nxxx\r\n";

const INLINE: &str = "SET key:000000012345 xxx\r\n";

/// What `wrk` sends.
const PLAIN_GET: &str = "GET / HTTP/1.1\r\nHost: localhost:8080\r\n\r\n";

/// What a browser sends.
const BROWSER_GET: &str = "GET /index.html?page=1 HTTP/1.1\r\nHost: localhost:8080\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n\
    Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n\
    Accept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br\r\n\
    Connection: keep-alive\r\nCookie: session=0123456789abcdef0123456789abcdef\r\n\r\n";

const CHUNKED_POST: &str = "POST / HTTP/1.1\r\nHost: localhost:8080\r\n\
    Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n";

pub(crate) fn bench(criterion: &mut Criterion) {
    resp(criterion);
    http(criterion);
}

fn resp(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("resp");
    group.throughput(Throughput::Elements(PIPELINE as u64));
    let long_value = format!("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$100\r\n{}\r\n", "v".repeat(100));
    let many_arguments = format!("*120\r\n{}", "$8\r\nargument\r\n".repeat(120));
    for (name, command) in [
        ("array", SET),
        ("array with a long value", &long_value),
        ("array of 120", &many_arguments),
        ("inline", INLINE),
    ] {
        let input = command.repeat(PIPELINE);
        group.bench_function(name, |bencher| {
            let mut parser = resp::Parser::default();
            bencher.iter(|| {
                let mut rest = black_box(input.as_bytes());
                while let Ok(Some(command)) = parser.parse(rest) {
                    black_box(&command[0]);
                    rest = &rest[command.wire_len()..];
                }
                assert!(rest.is_empty(), "every command is whole");
            });
        });
    }
    group.finish();
}

fn http(criterion: &mut Criterion) {
    let cases = [("plain", PLAIN_GET), ("browser", BROWSER_GET), ("chunked", CHUNKED_POST)];
    let mut group = criterion.benchmark_group("http");
    group.throughput(Throughput::Elements(PIPELINE as u64));
    for (name, request) in cases {
        let input = request.repeat(PIPELINE);
        group.bench_function(format!("parse {name}"), |bencher| {
            let mut parser = http::Parser::new(DEFAULT_MAX_BODY);
            bencher.iter(|| {
                let mut rest = black_box(input.as_bytes());
                let mut ended = 0;
                while ended < PIPELINE {
                    match parser.step(&mut rest) {
                        Step::End => ended += 1,
                        Step::NeedMore | Step::Error(_) => panic!("every request is right"),
                        step => drop(black_box(step)),
                    }
                }
            });
        });
    }
    let date = Date::new(UNIX_EPOCH);
    let mut site = Site(Page::new("text/plain", b"Hello World!\r\n".to_vec(), &date));
    let input = PLAIN_GET.repeat(PIPELINE);
    group.bench_function("answer plain", |bencher| {
        let mut exchange = Exchange::new(DEFAULT_MAX_BODY);
        let mut output = Vec::new();
        bencher.iter(|| {
            output.clear();
            let input = black_box(input.as_bytes());
            let progress = exchange.advance(input, &mut site, &date, &mut output, usize::MAX);
            assert_eq!(progress.consumed, input.len());
        });
    });
    group.finish();
}

/// Answers every request with the same page.
struct Site(Page);

impl Service for Site {
    type Pending = ();

    fn begin(&mut self, _: &Request<'_>) -> Answer<()> {
        Answer::Later(())
    }

    fn finish(&mut self, (): ()) -> Reply<'_> {
        (&self.0).into()
    }
}
