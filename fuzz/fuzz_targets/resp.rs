//! How a stream of redis commands is cut changes nothing about what is understood, nor does a look
//! ahead.
#![no_main]

use std::collections::VecDeque;

use evio_examples::resp::{Command, Parser};
use libfuzzer_sys::fuzz_target;

type Arguments = Vec<Vec<u8>>;

fn arguments(command: &Command<'_>) -> Arguments {
    command.iter_from(0).map(<[u8]>::to_vec).collect()
}

/// As many as a server looks at together.
const LOOKED_AT: usize = 16;

/// Returns the arguments of all commands, and the error that ends them. Looks ahead in one of
/// `look_every` steps; 0 is never.
fn commands(input: &[u8], piece: usize, look_every: usize) -> (Vec<Arguments>, Option<String>) {
    let mut parser = Parser::default();
    let mut commands = Vec::new();
    let mut unread = Vec::new();
    let mut expected = VecDeque::new();
    let mut steps = 0;
    for piece in input.chunks(piece) {
        unread.extend_from_slice(piece);
        let mut read = 0;
        loop {
            steps += 1;
            if look_every > 0 && steps % look_every == 0 {
                let found = parser.parse_ahead(&unread[read..], LOOKED_AT);
                let found: VecDeque<_> = found.map(|command| arguments(&command)).collect();
                assert!(found.len() >= expected.len(), "what was found once stays");
                assert!(found.iter().zip(&expected).all(|(found, expected)| found == expected));
                expected = found;
            }
            match parser.parse(&unread[read..]) {
                Ok(Some(command)) => {
                    let found = arguments(&command);
                    assert!(expected.pop_front().is_none_or(|expected| expected == found));
                    commands.push(found);
                    read += command.wire_len();
                    assert!(read <= unread.len());
                }
                Ok(None) => break,
                Err(error) => return (commands, Some(error.to_string())),
            }
        }
        unread.drain(..read);
    }
    (commands, None)
}

fuzz_target!(|input: (u8, &[u8])| {
    let (piece, input) = input;
    let look_every = usize::from(piece % 4);
    let piece = usize::from(piece).max(1);
    assert_eq!(commands(input, piece, look_every), commands(input, input.len().max(1), 0));
});
