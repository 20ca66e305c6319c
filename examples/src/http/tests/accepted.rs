//! Requests that must be answered with success, odd as some of them look.

use crate::http::Persistence;

use super::driver::{Case, GET, Reply, case, check, chunked, post, session, with_field, with_line};

fn ok(input: impl AsRef<[u8]>) -> Case {
    case(input, &[Reply::OK])
}

#[test]
fn request_lines() {
    let targets = [
        "/",
        "/?a",
        "/?",
        "/a?b?c",
        "//",
        "/a%20b",
        "/~x/(1);v=1,2:@!$&'*+",
        "http://a",
        "http://a/",
        "HTTP://a:80?b",
        "https://[::1]:8080/x",
        "http://[v1.a:b]/",
        // As browsers send them, by the URL standard.
        "/?ids[]=1&q=a|b",
        "/[a]|^`{b}?[c]|^`{d}",
        "/?a\\b\\",
        "http://a/?b\\c",
        "/100%",
        "/a%1?b=%&c=%g1",
    ];
    check(targets.map(|target| ok(with_line(format!("GET {target} HTTP/1.1")))));
    let methods = ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"];
    check(methods.map(|method| ok(with_line(format!("{method} /a HTTP/1.1")))));
    check([
        ok(with_line("OPTIONS * HTTP/1.1")),
        ok(with_line("GET / HTTP/1.2")),
        ok(with_line("GET / HTTP/1.9")),
        case(with_line("HEAD / HTTP/1.1"), &[Reply::OkToHead(Persistence::Implied)]),
    ]);
}

#[test]
fn blank_lines_before_the_request() {
    check((1..=4).map(|count| ok([&b"\r\n".repeat(count), GET].concat())));
}

#[test]
fn hosts() {
    let hosts = [
        "example.com",
        "a:1",
        "a:",
        "127.0.0.1:80",
        "[::1]",
        "[::1]:80",
        "a%2Db",
        "a_b",
        "[v1.a]",
        "[vF.a:b]:1",
        "",
    ];
    check(hosts.map(|host| ok(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"))));
}

#[test]
fn fields() {
    check([
        ok("GET / HTTP/1.1\r\nhoSt:\texample.com\r\nempty:\r\n\r\n"),
        ok("GET / HTTP/1.1\r\nhost:a\r\nx:y\r\n\r\n"),
        ok(with_field(b"X: \x80\xc3\xa9\xff")),
        ok(with_field("X: a\tb  c \t ")),
        ok(with_field("!#$%&'*+-.^_`|~09azAZ: x")),
    ]);
}

#[test]
fn bodies_of_known_length() {
    let smuggled = post(&format!("Content-Length: {}", GET.len()), GET);
    check([
        ok(post("Content-Length: 3", "abc")),
        ok(post("Content-Length: 003", "abc")),
        ok(post("Content-Length:  42 ", [b'x'; 42])),
        ok(post("Content-Length: 0", "")),
        ok(post("Content-Length: 1000", [0; 1000])),
        ok(smuggled),
        ok("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n\r\n"),
    ]);
}

#[test]
fn chunked_bodies() {
    let smuggled = chunked([b"1b\r\n", GET, b"\r\n0\r\n\r\n"].concat());
    assert_eq!(GET.len(), 0x1b);
    check([
        ok(chunked("0\r\n\r\n")),
        ok(chunked("000\r\n\r\n")),
        ok(chunked("A\r\n0123456789\r\n0\r\n\r\n")),
        ok(chunked("a\r\n0123456789\r\n1\r\n\n\r\n0\r\n\r\n")),
        ok(chunked("000000000000000a\r\n0123456789\r\n0\r\n\r\n")),
        ok(chunked("0000000000000000000a\r\n0123456789\r\n00000000000000000000\r\n\r\n")),
        ok(chunked("1 ;\ta = \t\"b\" ; c\r\nx\r\n0\t;d\r\n\r\n")),
        ok(chunked("0\r\nX: y\r\nContent-MD5: z\r\n\r\n")),
        ok(chunked("1;ext=val\r\nx\r\n0;a;b=c;d\r\n\r\n")),
        ok(chunked("1;ext=\"q;\\\"\\\\ \"\r\nx\r\n0;a=\"\"\r\n\r\n")),
        ok(post("Transfer-Encoding:\tCHUNKED ", "0\r\n\r\n")),
        ok(smuggled),
    ]);
}

#[test]
fn expectations() {
    let continued = [Reply::Continue, Reply::OK];
    check([
        case(post("Expect: 100-continue\r\nContent-Length: 2", "hi"), &continued),
        case(post("Content-Length: 2\r\nexpect: 100-CONTINUE", "hi"), &continued),
        case(post("Expect: 100-continue\r\nTransfer-Encoding: chunked", "0\r\n\r\n"), &continued),
        case(post("Expect: ,100-continue\r\nExpect:\r\nContent-Length: 2", "hi"), &continued),
        ok(post("Expect:\r\nContent-Length: 2", "hi")),
        ok(with_field("Expect: 100-continue")),
        ok(with_field("Expect: 100-continue\r\nContent-Length: 0")),
        case(
            "POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi",
            &[Reply::OK_CLOSE],
        ),
    ]);
}

/// Nothing is said before a request is complete.
#[test]
fn proper_prefixes_wait() {
    let requests = [
        GET.to_vec(),
        with_line("OPTIONS * HTTP/1.1"),
        with_field("X: y"),
        post("Content-Length: 3", "abc"),
        chunked("3;a=\"b\"\r\nabc\r\n0\r\nX: y\r\n\r\n"),
        [b"\r\n", GET].concat(),
        b"GET / HTTP/1.0\r\n\r\n".to_vec(),
    ];
    for request in requests {
        for end in 0..request.len() {
            let prefix = &request[..end];
            let outcome = session([prefix], usize::MAX);
            let silent = outcome.bytes.is_empty() && !outcome.closed;
            assert!(silent, "a reply to {}", prefix.escape_ascii());
        }
    }
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let input = [
        GET,
        &with_line("HEAD / HTTP/1.1"),
        &post("Content-Length: 3", "abc"),
        &chunked("1\r\nx\r\n0\r\n\r\n"),
        &post("Expect: 100-continue\r\nContent-Length: 1", "x"),
    ]
    .concat();
    let head = Reply::OkToHead(Persistence::Implied);
    check([case(input, &[Reply::OK, head, Reply::OK, Reply::OK, Reply::Continue, Reply::OK])]);
    check([case(GET.repeat(100), &[Reply::OK; 100])]);
}
