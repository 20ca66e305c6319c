//! Commands as they arrive, whole and in pieces.

use std::collections::VecDeque;

use super::*;
use crate::resp::{MAX_ARGUMENTS, MAX_BULK_LEN};

#[test]
fn arguments_that_are_there_are_not_read_again() {
    let input = b"*3\r\n$3\r\nSET\r\n$12\r\nkeykeykeykey\r\n$3\r\nxyz\r\n";
    let mut parser = Parser::default();
    let mut seen = Vec::new();
    for &byte in &input[..input.len() - 1] {
        seen.push(byte);
        assert!(parser.parse(&seen).unwrap().is_none());
        // All but the byte that tells the two forms of a request apart.
        seen.iter_mut().take(parser.position).skip(1).for_each(|byte| *byte = b'!');
    }
    seen.push(b'\n');
    let command = parser.parse(&seen).unwrap().unwrap();
    let lens: Vec<usize> = command.iter_from(0).map(<[u8]>::len).collect();
    assert_eq!((command.wire_len(), lens), (input.len(), vec![3, 12, 3]));
}

/// Parses what arrives in pieces of `piece` bytes, with a look at `max` commands before each
/// step: `max`, and what is found then must be what comes.
fn parsed(input: &[u8], piece: usize, max: usize) -> Vec<Vec<Vec<u8>>> {
    let arguments =
        |command: Command<'_>| command.iter_from(0).map(<[u8]>::to_vec).collect::<Vec<_>>();
    let mut parser = Parser::default();
    let (mut read, mut arrived) = (0, 0);
    let (mut commands, mut expected) = (Vec::new(), VecDeque::new());
    while arrived < input.len() {
        arrived = (arrived + piece).min(input.len());
        loop {
            let rest = &input[read..arrived];
            let found: VecDeque<_> = parser.parse_ahead(rest, max).map(arguments).collect();
            assert_eq!(parser.parse_ahead(rest, max / 2).len(), found.len().min(max / 2));
            assert!(found.len() <= max && found.iter().zip(&expected).all(|(a, b)| a == b));
            assert!(found.len() >= expected.len(), "what was found once stays");
            expected = found;
            let Some(command) = parser.parse(rest).unwrap() else { break };
            read += command.wire_len();
            commands.push(arguments(command));
            assert!(expected.pop_front().is_none_or(|first| first == commands[commands.len() - 1]));
        }
        assert_eq!(expected, VecDeque::new(), "what was found comes");
    }
    commands
}

#[test]
fn a_look_ahead_changes_nothing() {
    let get = "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n";
    let long = format!("*2\r\n$4\r\nECHO\r\n$120\r\n{}\r\n", "v".repeat(120));
    let many = format!("*40\r\n{}", "$1\r\na\r\n".repeat(40));
    let input = format!("{get}{get}ECHO 'a b'\r\n{get}*1\r\n$4\r\nPING\r\n*0\r\n{get}{long}");
    let input = [&*input, &many.repeat(3), get, "PING\r\n", get, "$"].concat();
    let whole = parsed(input.as_bytes(), usize::MAX, 0);
    assert_eq!(whole.len(), 14);
    for max in 0..6 {
        for piece in (1..40).chain([100, 200, input.len()]) {
            assert!(parsed(input.as_bytes(), piece, max) == whole, "{max} in {piece}");
        }
    }
}

#[test]
fn a_line_is_not_searched_again() {
    let lines: [(&[u8], u8); 3] = [(b"PING", b'\n'), (b"*", b'\r'), (b"*1\r\n$", b'\r')];
    for (start, end) in lines {
        let mut parser = Parser::default();
        let mut input = [start, &[b'1'; 1000]].concat();
        assert!(parser.parse(&input).unwrap().is_none());
        // Searched again, the line would seem to end here.
        input[500] = end;
        assert!(parser.parse(&input).unwrap().is_none());
    }
}

#[test]
fn a_mebibyte_may_arrive_byte_by_byte() {
    let value = vec![b'v'; 1024 * 1024];
    let input = [b"*2\r\n$4\r\nECHO\r\n$1048576\r\n", &*value, b"\r\n"].concat();
    let mut parser = Parser::default();
    for end in 0..input.len() {
        assert!(parser.parse(&input[..end]).unwrap().is_none());
    }
    assert_eq!(parser.parse(&input).unwrap().unwrap()[1], value);
}

#[test]
fn arguments_are_slices_of_the_input() {
    let input = b"*2\r\n$4\r\nECHO\r\n$5\r\nhello\r\nECHO hello\n";
    let mut parser = Parser::default();
    let array = parser.parse(input).unwrap().unwrap();
    assert!(input.as_ptr_range().contains(&array[1].as_ptr()));
    let rest = &input[array.wire_len()..];
    let line = parser.parse(rest).unwrap().unwrap();
    assert!(rest.as_ptr_range().contains(&line[1].as_ptr()));
}

#[test]
fn a_command_is_bounded_in_all() {
    // The bytes between are never looked at, and zeroes cost no memory until they are.
    let mut input = vec![0; MAX_BULK_LEN + 100];
    let head = b"*2\r\n$536870912\r\n";
    let tail = b"\r\n$536870912\r\n";
    input[..head.len()].copy_from_slice(head);
    let end = head.len() + MAX_BULK_LEN;
    input[end..end + tail.len()].copy_from_slice(tail);
    let result = Parser::default().parse(&input).map(|command| command.is_some());
    assert_eq!(result, Err(ProtocolError::TooBigCommand));
}

#[test]
fn the_room_for_a_large_command_is_given_back() {
    let many = [b"*5000\r\n".as_slice(), &b"$1\r\nx\r\n".repeat(5000)].concat();
    let quoted = b"ECHO 'x'\r\n";
    let mut parser = Parser::default();
    for input in [&*many, quoted] {
        assert!(parser.parse(input).unwrap().is_some());
        assert!(parser.parse(b"").unwrap().is_none());
        assert!(parser.spans.capacity() <= KEPT_SPANS);
        assert_eq!(parser.unquoted.capacity(), 0);
    }
    let many = [b"*99\r\n".as_slice(), &b"$1\r\nx\r\n".repeat(99)].concat().repeat(9);
    assert_eq!(parser.parse_ahead(&many, 9).len(), 1);
    assert!(parser.spans.len() <= AHEAD_SPANS + 2 * 99);
}

/// A client may not send so many arguments, but what it has sent may be logged in more.
#[test]
fn a_log_may_have_longer_commands_than_a_client() {
    let many = MAX_ARGUMENTS + 1;
    let input = format!("*{many}\r\n{}", "$0\r\n\r\n".repeat(many)).into_bytes();
    assert_eq!(Parser::default().parse(&input).unwrap_err(), ProtocolError::InvalidMultibulkLength);
    assert_eq!(Parser::of_log().parse(&input).unwrap().unwrap().len(), many);
    let too_long = format!("*1\r\n${}\r\n", MAX_LOGGED_LEN + 1).into_bytes();
    assert_eq!(Parser::of_log().parse(&too_long).unwrap_err(), ProtocolError::InvalidBulkLength);
    // Two arguments of the longest length and their heads are more than a client may send.
    let long = vec![b'x'; MAX_BULK_LEN];
    let heads = [format!("*2\r\n${MAX_BULK_LEN}\r\n"), format!("\r\n${MAX_BULK_LEN}\r\n")];
    let parts = [heads[0].as_bytes(), &long, heads[1].as_bytes(), &long, b"\r\n"];
    let input = parts.concat();
    assert_eq!(Parser::default().parse(&input).unwrap_err(), ProtocolError::TooBigCommand);
    assert_eq!(Parser::of_log().parse(&input).unwrap().unwrap().len(), 2);
}
