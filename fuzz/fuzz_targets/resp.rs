//! How a stream of redis commands is cut changes nothing about what is understood.
#![no_main]

use evio_examples::resp::Parser;
use libfuzzer_sys::fuzz_target;

/// Returns the arguments of all commands, and the error that ends them.
fn commands(input: &[u8], piece: usize) -> (Vec<Vec<Vec<u8>>>, Option<String>) {
    let mut parser = Parser::default();
    let mut commands = Vec::new();
    let mut unread = Vec::new();
    for piece in input.chunks(piece) {
        unread.extend_from_slice(piece);
        let mut read = 0;
        loop {
            match parser.parse(&unread[read..]) {
                Ok(Some(command)) => {
                    commands.push(command.iter_from(0).map(<[u8]>::to_vec).collect());
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
    let piece = usize::from(piece).max(1);
    assert_eq!(commands(input, piece), commands(input, input.len().max(1)));
});
