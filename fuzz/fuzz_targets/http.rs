//! How a stream of requests is cut changes nothing about the replies.
#![no_main]

use std::time::SystemTime;

use evio_examples::http::{Exchange, Flow, Responses};
use libfuzzer_sys::fuzz_target;

/// Small, so that it is reached.
const MAX_BODY: u64 = 64;

fn replies(input: &[u8], piece: usize) -> (String, Flow) {
    let responses = Responses::new(b"hi".to_vec(), SystemTime::UNIX_EPOCH);
    let mut exchange = Exchange::new(MAX_BODY);
    let mut output = Vec::new();
    let mut unread = Vec::new();
    for piece in input.chunks(piece) {
        unread.extend_from_slice(piece);
        let progress = exchange.advance(&unread, &responses, &mut output, usize::MAX);
        let progress = progress.expect("a vector takes everything");
        unread.drain(..progress.consumed);
        if progress.flow != Flow::Continue {
            return (String::from_utf8_lossy(&output).into_owned(), progress.flow);
        }
    }
    (String::from_utf8_lossy(&output).into_owned(), Flow::Continue)
}

fuzz_target!(|input: (u8, &[u8])| {
    let (piece, input) = input;
    let piece = usize::from(piece).max(1);
    assert_eq!(replies(input, piece), replies(input, input.len().max(1)));
});
