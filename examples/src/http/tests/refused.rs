//! Heads that must be refused, because somebody might read them in another way.

use super::driver::{Case, Reply, case, check, check_timeout, post, with_field, with_line};

fn bad(input: impl AsRef<[u8]>) -> Case {
    case(input, &[Reply::BAD_REQUEST])
}

#[test]
fn request_lines() {
    let lines: [&[u8]; 54] = [
        b"GET  / HTTP/1.1",
        b"GET /  HTTP/1.1",
        b"GET / HTTP/1.1 ",
        b" GET / HTTP/1.1",
        b"GET\t/ HTTP/1.1",
        b"GET /\tHTTP/1.1",
        b"G=\":<>(e),[T];?\" / HTTP/1.1",
        b"G\xc3\x89T / HTTP/1.1",
        b"GET * HTTP/1.1",
        b"GET admin HTTP/1.1",
        b"GET ?a HTTP/1.1",
        b"GET a:80 HTTP/1.1",
        b"GET / / HTTP/1.1",
        b"GET /\x7f HTTP/1.1",
        b"GET /\0 HTTP/1.1",
        b"GET /\x80 HTTP/1.1",
        b"GET /#a HTTP/1.1",
        b"GET /<a> HTTP/1.1",
        b"GET /\" HTTP/1.1",
        b"GET /\\ HTTP/1.1",
        b"GET /?\" HTTP/1.1",
        b"GET /?< HTTP/1.1",
        b"GET /?a#b HTTP/1.1",
        b"GET /?\\\x80 HTTP/1.1",
        b"GET http://a/\\ HTTP/1.1",
        b"GET http://:80/ HTTP/1.1",
        b"GET http://[v.a]/ HTTP/1.1",
        b"OPTIONS *?a HTTP/1.1",
        b"GET http:// HTTP/1.1",
        b"GET http:///a HTTP/1.1",
        b"GET http://u:p@a/ HTTP/1.1",
        b"GET http://a:x/ HTTP/1.1",
        b"GET ftp://a/ HTTP/1.1",
        b"GET http:/a HTTP/1.1",
        b"CONNECT / / HTTP/1.1",
        b"CONNECT / HTTP/1.1",
        b"CONNECT a HTTP/1.1",
        b"CONNECT a: HTTP/1.1",
        b"CONNECT a:0 HTTP/1.1",
        b"CONNECT a:65536 HTTP/1.1",
        b"CONNECT :80 HTTP/1.1",
        b"CONNECT a:b HTTP/1.1",
        b"GET / HTTP/1.",
        b"GET / HTTP/1.32",
        b"GET / HTTP/1.1.1",
        b"GET / HTTP/11.1",
        b"GET / HTTP/2",
        b"GET / HTTP/2.0 ",
        b"GET / ICE/1.0",
        b"GET / IHTTP/1.0",
        b"GET / http/1.1",
        b"GET /",
        b"GET",
        b": /",
    ];
    check(lines.map(|line| bad(with_line(line))));
    // A line that is wrong by itself is refused before the rest arrives.
    check([bad("GET /\r\n"), bad("GET / HTTP/1.\r\n"), bad("GET admin HTTP/1.1\r\n")]);
}

#[test]
fn versions_and_methods() {
    let new = ["HTTP/2.0", "HTTP/9.9", "HTTP/3.1", "HTTP/0.9"];
    check(new.map(|version| case(with_line(format!("GET / {version}")), &[Reply::BAD_VERSION])));
    check([
        case("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &[Reply::BAD_VERSION]),
        case("GET / HTTP/2.0\r\n", &[Reply::BAD_VERSION]),
        case("GET / HTTP/2.0\r\nX: \0", &[Reply::BAD_VERSION]),
    ]);
    let unknown = ["BREW /", "get /", "TRACE /", "CONNECT a:80", "X!#$%&'*+-.^_`|~ /"];
    check(
        unknown
            .map(|start| case(with_line(format!("{start} HTTP/1.1")), &[Reply::NOT_IMPLEMENTED])),
    );
}

#[test]
fn hosts() {
    let hosts = [
        "a:1.2",
        "a:x",
        "a:1:2",
        "[::1",
        "[::1]x",
        "[::g]",
        "[1.2.3.4]",
        "::1",
        "a b",
        "a/b",
        "a@b",
        "a%2",
        ":80",
        "[v1.]",
        "[v.a]",
        "[vg.a]",
        "[v1.a/]",
        "a\x01",
        "a\u{e9}",
        "a\"",
        "[fe80::1%25eth0]",
    ];
    check(hosts.map(|host| bad(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"))));
    check([
        bad("GET / HTTP/1.1\r\n\r\n"),
        bad("GET http://a/ HTTP/1.1\r\n\r\n"),
        bad(with_field("Host: a")),
        bad(with_field("hOST: b")),
        bad("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n"),
        bad("GET / HTTP/1.0\r\nHost: a b\r\n\r\n"),
    ]);
}

#[test]
fn fields() {
    let lines: [&[u8]; 27] = [
        b"X[]: y",
        b": v",
        b"X",
        b"X y",
        b"Content-Length : 4",
        b"X\t: y",
        b"X: a\0b",
        b"X: a\rb",
        b"X: a\x07b",
        b"X: a\x1bb",
        b"X: a\x7fb",
        b"X: a\x0bb",
        b"X\0: y",
        b"X\x07: y",
        b"X\x1b: y",
        b"X\x7f: y",
        b"X\r: y",
        b"X\xc3\xa9: y",
        b"X: a\r\n b",
        b"X: a\r\n\tb",
        b"X: a\r\n \r\nY: b",
        b"Foo\rBar: x",
        b"X: y\nY: z",
        b"X: y\n",
        b"X: y\r\r\nY: z",
        b"X: y\r",
        b"X: y\r\n\rZGET /evil HTTP/1.1\r\nHost: a",
    ];
    check(lines.map(|line| bad(with_field(line))));
    check([
        bad("GET / HTTP/1.1\r\n Host: a\r\n\r\n"),
        bad("GET / HTTP/1.1\r\n\tX: y\r\nHost: a\r\n\r\n"),
        bad("GET / HTTP/1.1\nHost: a\n\n"),
        bad("GET / HTTP/1.1\r\nHost: a\n\r\n"),
        bad("GET / HTTP/1.1\r\nHost: a\r\n\n"),
        bad("\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        bad("\rGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ]);
}

#[test]
fn content_lengths() {
    let values = [
        "+5",
        "-5",
        "5_0",
        "0x5",
        "5,5",
        "5, 5",
        "5 5",
        "",
        "1e1",
        "5;",
        "\"5\"",
        "\u{665}",
        "9223372036854775808",
        "18446744073709551616",
        "1000000000000000000000",
    ];
    check(values.map(|value| bad(post(&format!("Content-Length: {value}"), "hello"))));
    check([
        bad(post("Content-Length: 5\r\nContent-Length: 5", "hello")),
        bad(post("Content-Length: 5\r\ncontent-length: 6", "hello")),
        bad(post("Content-Length: 0\r\nContent-Length: 0", "")),
    ]);
}

#[test]
fn transfer_encodings() {
    let lines = [
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "content-length: 0\r\ntransfer-ENCODING: Chunked",
        "Transfer-Encoding: identity\r\nContent-Length: 5",
        "Transfer-Encoding: gzip, chunked\r\nContent-Length: 5",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip",
        "Transfer-Encoding: gzip\r\nTransfer-Encoding: identity",
        "Transfer-Encoding:\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked, gzip",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: chunkedchunked",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: chunked;q=1",
        "Transfer-Encoding: \"chunked\"",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: gzip",
        "Transfer-Encoding:",
        "Transfer-Encoding: ,chunked",
        "Transfer-Encoding: chunked,",
        "Transfer-Encoding: chunked\r\n  abc",
        "Transfer-Encoding: chunked\x0b",
        "Transfer-Encoding : chunked",
    ];
    check(lines.map(|lines| bad(post(lines, "0\r\n\r\n"))));
    check([
        bad("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        case(post("Transfer-Encoding: gzip, chunked", "0\r\n\r\n"), &[Reply::NOT_IMPLEMENTED]),
        case(post("Transfer-Encoding: a,b , CHUNKED", "0\r\n\r\n"), &[Reply::NOT_IMPLEMENTED]),
        case(
            post("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked", "0\r\n\r\n"),
            &[Reply::NOT_IMPLEMENTED],
        ),
    ]);
}

#[test]
fn expectations() {
    let unknown =
        ["101-continue", "100-continue, x", "x,", "100-continue\r\nExpect: x", "100-continued"];
    check(unknown.map(|value| {
        let lines = format!("Content-Length: 2\r\nExpect: {value}");
        case(post(&lines, "hi"), &[Reply::NOT_EXPECTED])
    }));
}

/// RFC 9110, section 9.3.2: an error is no exception.
#[test]
fn a_reply_to_head_has_no_body() {
    let bad = [Reply::ErrorToHead("400 Bad Request")];
    check([
        case("HEAD / HTTP/1.1\r\n\r\n", &bad),
        case("\r\n\r\nHEAD / HTTP/1.1\r\nHost: a b\r\n\r\n", &bad),
        case("HEAD /\x01 HTTP/1.1\r\n", &bad),
        case("HEAD / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", &bad),
        case("HEAD\t/ HTTP/1.1\r\nHost: a\r\n\r\n", &[Reply::BAD_REQUEST]),
    ]);
    let lines = |lines: &str| format!("HEAD / HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
    let others = [
        ("413 Content Too Large", lines("Content-Length: 1001\r\n")),
        ("413 Content Too Large", lines("Transfer-Encoding: chunked\r\n") + "fff\r\n"),
        ("414 URI Too Long", format!("HEAD /{} HTTP/1.1\r\n", "a".repeat(9000))),
        ("414 URI Too Long", format!("HEAD /{}", "a".repeat(17_000))),
        ("417 Expectation Failed", lines("Expect: x\r\n")),
        ("431 Request Header Fields Too Large", lines(&format!("X: {}\r\n", "x".repeat(17_000)))),
        ("431 Request Header Fields Too Large", lines(&"X: y\r\n".repeat(101))),
        ("501 Not Implemented", lines("Transfer-Encoding: gzip, chunked\r\n")),
        ("505 HTTP Version Not Supported", "HEAD / HTTP/2.0\r\n".to_owned()),
    ];
    check(others.map(|(status, input)| case(input, &[Reply::ErrorToHead(status)])));
}

/// RFC 9110, sections 9.3.2 and 15.5.9: the method counts as soon as the space behind it is there.
#[test]
fn a_request_that_takes_too_long_is_answered_as_its_method_asks() {
    let error = Reply::Error("408 Request Timeout");
    let to_head = Reply::ErrorToHead("408 Request Timeout");
    let cases = [
        ("GET / HT", error),
        ("HEAD", error),
        ("HEADER / HTTP/1.1\r\n", error),
        ("HEAD ", to_head),
        ("\r\n\r\nHEAD / HTTP/1.1\r\nHost: a\r\n", to_head),
        ("HEAD / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nh", to_head),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nh", error),
    ];
    let head = "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n";
    for (unfinished, reply) in cases {
        for before in ["", head] {
            let input = format!("{before}{unfinished}");
            check_timeout(input.as_bytes(), before.is_empty(), reply);
        }
    }
}
