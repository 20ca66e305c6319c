//! Requests that are odd, wrong or hostile, and what a client gets for them.

use super::session::{Seen, session, session_in_any_pieces};

/// Replies, and whether the connection is closed after them.
type Expected = (&'static [u8], bool);

const PONG: &[u8] = b"+PONG\r\n";

/// Asserts what a client sees for `input`, alone and behind another request.
#[track_caller]
fn check(input: &[u8], (replies, closed): Expected) {
    let name = input.escape_ascii();
    let seen = session_in_any_pieces(input);
    assert_eq!(seen, Seen { replies: replies.to_vec(), closed }, "{name}");
    for (request, reply) in [(b"*1\r\n$4\r\nPING\r\n".as_slice(), PONG), (b"PING\n", PONG)] {
        let seen = session_in_any_pieces(&[request, input].concat());
        assert_eq!(seen, Seen { replies: [reply, replies].concat(), closed }, "behind: {name}");
    }
}

#[test]
fn empty_requests_are_ignored() {
    for input in ["\r\n", "\n", "  \r\n", "*0\r\n", "*-1\r\n", "*-10\r\n"] {
        check(input.as_bytes(), (b"", false));
        check(format!("{input}PING\r\n").as_bytes(), (PONG, false));
        check(format!("{input}*1\r\n$4\r\nPING\r\n").as_bytes(), (PONG, false));
    }
    check(&[b"\r\n".repeat(10), b"PING\r\n".to_vec()].concat(), (PONG, false));
}

#[test]
fn a_count_of_arguments_is_a_plain_number_within_the_limit() {
    let lines = [
        "*3000000000",
        "*2147483648",
        "*99999999999999999999",
        "*-99999999999999999999",
        "*1048577",
        "*abc",
        "*+1",
        "*01",
        "*-0",
        "* 1",
        "*1 ",
        "*",
        "*-",
        "*1\n",
        "*1\rX",
        "*1a",
        "*\0",
    ];
    for line in lines {
        let expected = b"-ERR Protocol error: invalid multibulk length\r\n";
        check(format!("{line}\r\n").as_bytes(), (expected, true));
    }
    check(b"*1048576\r\n", (b"", false));
}

#[test]
fn an_argument_begins_with_a_dollar_sign() {
    check(b"*1\r\nfoo\r\n", (b"-ERR Protocol error: expected '$', got 'f'\r\n", true));
    check(b"*1\r\n\r\n", (b"-ERR Protocol error: expected '$', got ' '\r\n", true));
    let input = b"*3\r\n$3\r\nSET\r\n$1\r\nx\r\nfooz\r\n";
    check(input, (b"-ERR Protocol error: expected '$', got 'f'\r\n", true));
}

#[test]
fn the_length_of_an_argument_is_a_plain_number_within_the_limit() {
    let lines = [
        "$-10",
        "$-1",
        "$2000000000",
        "$536870913",
        "$blabla",
        "$",
        "$+3",
        "$03",
        "$-0",
        "$9223372036854775807",
        "$18446744073709551616",
        "$3\n",
        "$3\rX",
        "$3 ",
        "$\0",
    ];
    for line in lines {
        let input = format!("*3\r\n$3\r\nSET\r\n$1\r\nx\r\n{line}\r\n");
        let expected = b"-ERR Protocol error: invalid bulk length\r\n";
        check(input.as_bytes(), (expected, true));
    }
    check(b"*1\r\n$536870912\r\n", (b"", false));
}

/// Cuts around the limit, where an off-by-one would show; every cut of 64 KiB would take long.
fn check_long(input: &[u8], (replies, closed): Expected) {
    let whole = session([input]);
    assert_eq!(whole, Seen { replies: replies.to_vec(), closed });
    for at in [1, 2, 3, 65_534, 65_535, 65_536, 65_537, 65_538] {
        let (head, tail) = input.split_at(at.min(input.len()));
        assert_eq!(session([head, tail]), whole, "cut at {at}");
    }
    for size in [1, 7, 4096, 65_535, 65_536] {
        assert_eq!(session(input.chunks(size)), whole, "in pieces of {size}");
    }
    let behind = session([b"PING\r\n", input].concat().chunks(1000));
    assert_eq!(behind, Seen { replies: [PONG, replies].concat(), closed });
}

#[test]
fn a_line_has_a_limit() {
    let filled = |start: &[u8], len: usize, end: &[u8]| {
        let mut input = start.to_vec();
        input.resize(start.len() + len, b'A');
        [&input, end].concat()
    };
    let count: &[u8] = b"-ERR Protocol error: too big mbulk count string\r\n";
    let bulk: &[u8] = b"-ERR Protocol error: too big bulk count string\r\n";
    let inline: &[u8] = b"-ERR Protocol error: too big inline request\r\n";
    for end in [b"".as_slice(), b"\r\n", b"\r\nPING\r\n"] {
        check_long(&filled(b"*", 65_537, end), (count, true));
        check_long(&filled(b"*\0", 65_537, end), (count, true));
        check_long(&filled(b"*1\r\n$", 65_537, end), (bulk, true));
        check_long(&filled(b"*1\r\n$\0", 65_537, end), (bulk, true));
        check_long(&filled(b"", 65_537, end), (inline, true));
        check_long(&filled(b"$", 65_537, end), (inline, true));
        check_long(&filled(b"\0", 65_537, end), (inline, true));
        check_long(&filled(b"$\0", 65_537, end), (inline, true));
    }
    // The longest lines that may still end, and do not.
    check_long(&filled(b"*", 65_535, b""), (b"", false));
    check_long(&filled(b"*1\r\n$", 65_535, b""), (b"", false));
    check_long(&filled(b"", 65_536, b""), (b"", false));
    // The longest lines that may end, and do.
    let invalid: Expected = (b"-ERR Protocol error: invalid multibulk length\r\n", true);
    check_long(&filled(b"*", 65_535, b"\r\n"), invalid);
    let spaces = [b" ".repeat(65_532), b"PING\n".to_vec()].concat();
    check_long(&spaces, (PONG, false));
    check_long(&[b" ", &*spaces].concat(), (inline, true));
}

#[test]
fn a_desynchronised_stream_is_closed_in_bounded_bytes() {
    for start in ["\0", "*\0", "$\0"] {
        let endless = start.bytes().chain(std::iter::repeat_n(b'A', 1 << 20));
        let input: Vec<u8> = endless.collect();
        let seen = session(input.chunks(1000));
        assert!(seen.closed && seen.replies.starts_with(b"-ERR Protocol error: "), "{seen:?}");
    }
}

#[test]
fn quotes_are_balanced() {
    let inputs = ["set \"\"\"k\"\"\" v\r\n", "\"abc\r\n", "'a\r\n", "\"a\"b\r\n", "'a\n"];
    for input in inputs {
        let expected = b"-ERR Protocol error: unbalanced quotes in request\r\n";
        check(input.as_bytes(), (expected, true));
    }
}

#[test]
fn inline_requests_are_for_people() {
    let cases: [(&[u8], Expected); 9] = [
        (b"PING\n", (PONG, false)),
        (b"ping\r\n", (PONG, false)),
        (b"  PING  \r\n", (PONG, false)),
        (b"\tPiNg\r\n", (PONG, false)),
        (b"\"PI\\x4eG\"\r\n", (PONG, false)),
        (b"ECHO \"\"\r\n", (b"$0\r\n\r\n", false)),
        (b"ECHO ''\r\n", (b"$0\r\n\r\n", false)),
        (b"SET \"a b\" 'c d'\r\nGET 'a b'\r\n", (b"+OK\r\n$3\r\nc d\r\n", false)),
        (b"ECHO 'a'\r\n*2\r\n$4\r\nECHO\r\n$1\r\nb\r\n", (b"$1\r\na\r\n$1\r\nb\r\n", false)),
    ];
    for (input, expected) in cases {
        check(input, expected);
    }
}

#[test]
fn requests_of_another_protocol_close_without_a_reply() {
    check(b"POST / HTTP/1.1\r\nHost: a\r\n\r\nSET k v\r\n", (b"", true));
    check(b"host: localhost\r\nPING\r\n", (b"", true));
    check(b"*1\r\n$4\r\npost\r\n*1\r\n$4\r\nPING\r\n", (b"", true));
    let get: Expected = (b"-ERR wrong number of arguments for 'get' command\r\n", true);
    check(b"GET / HTTP/1.1\r\nHost: a\r\n\r\nSET k v\r\n", get);
}

#[test]
fn an_argument_is_as_long_as_announced() {
    let expected: Expected = (b"-ERR Protocol error: expected CRLF after bulk string\r\n", true);
    for input in [
        "*1\r\n$4\r\nPINGxx",
        "*1\r\n$4\r\nPING\n\n",
        "*1\r\n$4\r\nPING\r\r",
        "*1\r\n$3\r\nPING\r\n",
    ] {
        check(input.as_bytes(), expected);
    }
    check(b"*1\r\n$4\r\nPING\r", (b"", false));
    check(b"*2\r\n$4\r\nECHO\r\n$0\r\n\r\n", (b"$0\r\n\r\n", false));
}

#[test]
fn nothing_runs_after_quit_or_an_error() {
    check(b"SET k v\r\nQUIT\r\nSET k w\r\nGET k\r\n", (b"+OK\r\n+OK\r\n", true));
    check(b"QUIT now\r\nPING\r\n", (b"+OK\r\n", true));
    let input = b"PING\r\n*1\r\n$4\r\nPING\r\n*x\r\nPING\r\n";
    check(input, (b"+PONG\r\n+PONG\r\n-ERR Protocol error: invalid multibulk length\r\n", true));
}

#[test]
fn a_request_that_never_ends_gets_no_reply() {
    let input = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nvalue\r\n";
    for end in 0..input.len() {
        check(&input[..end], (b"", false));
    }
}
