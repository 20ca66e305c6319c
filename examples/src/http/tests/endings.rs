//! Who ends the connection, and that nothing behind the end is executed.

use super::driver::{Case, GET, Reply, case, check, post, with_field};
use crate::http::Persistence;

fn last(input: impl AsRef<[u8]>) -> Case {
    case(input, &[Reply::OK_CLOSE])
}

#[test]
fn http_1_1_goes_on_unless_told_to_close() {
    check([
        case(with_field("Connection: keep-alive"), &[Reply::OK]),
        case(with_field("Connection: closed, not-close"), &[Reply::OK]),
        last(with_field("Connection: close")),
        last(with_field("connection: foo,\tCLOSE ,")),
        last(with_field("Connection: keep-alive\r\nConnection: close")),
        last(with_field("Connection: close, keep-alive")),
        last(post("Connection: close\r\nContent-Length: 3", "abc")),
        last(post("Connection: close\r\nTransfer-Encoding: chunked", "1\r\nx\r\n0\r\n\r\n")),
        case(
            "HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
            &[Reply::OkToHead(Persistence::Close)],
        ),
    ]);
}

#[test]
fn http_1_0_closes_unless_told_to_go_on() {
    let head = |lines: &str| format!("GET / HTTP/1.0\r\n{lines}\r\n");
    check([
        last(head("")),
        last(head("Host: a\r\n")),
        case(head("Connection: Keep-Alive\r\n"), &[Reply::OK_KEEP_ALIVE]),
        case(head("Connection: keep-alive, x\r\nConnection: y\r\n"), &[Reply::OK_KEEP_ALIVE]),
        last(head("Connection: keep-alive, close\r\n")),
        last(head("Expect: whatever\r\n")),
        last("POST / HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc"),
        case(
            "POST / HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 3\r\n\r\nabc",
            &[Reply::OK_KEEP_ALIVE],
        ),
    ]);
}

/// The valid request comes last in each input and stays unanswered.
#[test]
fn nothing_behind_the_end_is_executed() {
    let behind = |input: Vec<u8>| [&input, GET].concat();
    check([
        last(behind(with_field("Connection: close"))),
        last(behind(post("Connection: close\r\nContent-Length: 3", "abc"))),
        case(behind(with_field("X[]: y")), &[Reply::BAD_REQUEST]),
        case(
            behind(post("Content-Length: 6\r\nTransfer-Encoding: chunked", "0\r\n\r\nX")),
            &[Reply::BAD_REQUEST],
        ),
        case(behind(post("Transfer-Encoding: chunked", "1\r\nxx\r\n")), &[Reply::BAD_REQUEST]),
        case(behind(post("Content-Length: 1001", "")), &[Reply::TOO_LARGE]),
    ]);
}
