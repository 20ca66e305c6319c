//! A connection without a network, and what must hold however its input is cut.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use crate::redis::{Batch, Client, Outcome, Server};
use crate::resp::{Parser, Reply};

/// What a client saw: the bytes it was sent, and whether its connection was closed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) replies: Vec<u8>,
    pub(super) closed: bool,
}

/// Serves one connection whose input arrives in `chunks`, as the server does.
pub(super) fn session<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Seen {
    let server = Server::default();
    let mut client = Client::default();
    let mut parser = Parser::default();
    let (mut unread, mut replies) = (Vec::new(), Vec::new());
    for chunk in chunks {
        unread.extend_from_slice(chunk);
        let mut read = 0;
        loop {
            let command = match parser.parse(&unread[read..]) {
                Ok(Some(command)) => command,
                Ok(None) => break,
                Err(error) => {
                    Reply::new(&mut replies).protocol_error(&error);
                    return Seen { replies, closed: true };
                }
            };
            read += command.wire_len();
            match Batch::new(&server, usize::MAX).execute(&mut client, command, &mut replies) {
                Outcome::Continue | Outcome::Wake | Outcome::Again => {}
                Outcome::Close | Outcome::Shutdown => return Seen { replies, closed: true },
            }
        }
        unread.drain(..read);
    }
    Seen { replies, closed: false }
}

/// Asserts that a client sees the same however `input` is cut, and returns what it sees.
pub(super) fn session_in_any_pieces(input: &[u8]) -> Seen {
    let whole = session([input]);
    let name = input[..input.len().min(80)].escape_ascii();
    for at in 0..input.len() {
        let (head, tail) = input.split_at(at);
        assert_eq!(session([head, tail]), whole, "{name} cut at {at}");
    }
    for size in 1..input.len().min(40) {
        assert_eq!(session(input.chunks(size)), whole, "{name} in pieces of {size}");
    }
    whole
}

/// A source of choices that differ from run to run, and can be had again by their seed.
pub(in crate::redis) struct Choices(u64);

impl Choices {
    /// Takes the seed from `EVIO_SEED`, or a fresh one, and prints it for when the test fails.
    pub(in crate::redis) fn new() -> Self {
        let given = std::env::var("EVIO_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = given.unwrap_or_else(|| RandomState::new().hash_one(0));
        println!("EVIO_SEED={seed}");
        Self(seed | 1)
    }

    /// Chooses a number below `bound` (xorshift64*).
    pub(in crate::redis) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % bound
    }

    fn bytes(&mut self, max_len: usize) -> Vec<u8> {
        let len = self.below(max_len + 1);
        (0..len).map(|_| self.below(256) as u8).collect()
    }
}

fn array(arguments: &[&[u8]]) -> Vec<u8> {
    let mut request = format!("*{}\r\n", arguments.len()).into_bytes();
    for argument in arguments {
        request.extend_from_slice(format!("${}\r\n", argument.len()).as_bytes());
        request.extend_from_slice(argument);
        request.extend_from_slice(b"\r\n");
    }
    request
}

#[test]
fn random_pipelines_are_answered_alike_in_any_pieces() {
    let mut choices = Choices::new();
    for _ in 0..60 {
        let (mut pipeline, mut expected) = (Vec::new(), Vec::new());
        for _ in 0..=choices.below(8) {
            let message = choices.bytes(20);
            let reply = [format!("${}\r\n", message.len()).as_bytes(), &message, b"\r\n"].concat();
            let (request, reply) = match choices.below(7) {
                0 => (b"PING\r\n".to_vec(), b"+PONG\r\n".to_vec()),
                1 => (b"  ping  \n".to_vec(), b"+PONG\r\n".to_vec()),
                2 => (b"\r\n*0\r\n*-1\r\n".to_vec(), Vec::new()),
                3 => {
                    let escapes: Vec<_> =
                        message.iter().map(|byte| format!("\\x{byte:02x}")).collect();
                    let quoted = escapes.concat();
                    (format!("ECHO \"{quoted}\"\r\n").into_bytes(), reply)
                }
                _ => (array(&[b"ECHO", &message]), reply),
            };
            pipeline.extend(request);
            expected.extend(reply);
        }
        let seen = session_in_any_pieces(&pipeline);
        assert_eq!(seen, Seen { replies: expected, closed: false });
        for _ in 0..20 {
            let mut cuts: Vec<usize> =
                (0..choices.below(6)).map(|_| choices.below(pipeline.len() + 1)).collect();
            cuts.extend([0, pipeline.len()]);
            cuts.sort_unstable();
            let chunks = cuts.windows(2).map(|cut| &pipeline[cut[0]..cut[1]]);
            assert_eq!(session(chunks), seen, "{cuts:?}");
        }
    }
}

#[test]
fn noise_never_panics_and_is_answered_alike_in_any_pieces() {
    let mut choices = Choices::new();
    // Pieces of the protocol reach deeper than bytes alone.
    let pieces: [&[u8]; 16] = [
        b"\r\n", b"\r", b"\n", b"*", b"$", b"1", b"2", b"0", b"-", b"$3\r\n", b"*2\r\n", b"GET",
        b"SET", b"\"", b"'", b" ",
    ];
    for _ in 0..300 {
        let mut noise = Vec::new();
        for _ in 0..choices.below(20) {
            match choices.below(8) {
                0 => noise.extend(choices.bytes(3)),
                _ => noise.extend_from_slice(pieces[choices.below(pieces.len())]),
            }
        }
        session_in_any_pieces(&noise);
    }
}

#[test]
fn every_byte_value_may_stand_in_a_key_and_a_value() {
    let all: Vec<u8> = (0..=255).collect();
    let pipeline = [array(&[b"SET", &all, &all]), array(&[b"GET", &all])].concat();
    let replies = [b"+OK\r\n$256\r\n".as_slice(), &all, b"\r\n"].concat();
    assert_eq!(session_in_any_pieces(&pipeline), Seen { replies, closed: false });
}

#[test]
fn ten_thousand_arguments_are_one_command() {
    let keys: Vec<String> = (0..10_000).map(|number| number.to_string()).collect();
    let mut arguments: Vec<&[u8]> = vec![b"DEL"];
    arguments.extend(keys.iter().map(String::as_bytes));
    let seen = session(array(&arguments).chunks(997));
    assert_eq!(seen, Seen { replies: b":0\r\n".to_vec(), closed: false });
}

#[test]
fn a_hundred_thousand_pipelined_pairs_are_answered_in_order() {
    let (mut pipeline, mut replies) = (Vec::new(), Vec::new());
    for number in 0..100_000 {
        let (key, value) = (format!("key:{}", number % 1000), format!("{number:06}"));
        pipeline.extend(array(&[b"SET", key.as_bytes(), value.as_bytes()]));
        pipeline.extend(array(&[b"GET", key.as_bytes()]));
        replies.extend_from_slice(format!("+OK\r\n$6\r\n{value}\r\n").as_bytes());
    }
    assert!(session(pipeline.chunks(65_536)) == Seen { replies, closed: false });
}
