//! How a stream of requests is cut changes nothing about the replies.
#![no_main]

use std::time::SystemTime;

use evio_examples::http::{
    Answer, Date, Exchange, Flow, Reply, ReplyBody, Request, Response, Service, Status,
};
use libfuzzer_sys::fuzz_target;

/// Small, so that it is reached.
const MAX_BODY: u64 = 64;

/// Says what it was asked, and sends back the bodies.
struct Echo;

impl Service for Echo {
    type Pending = Vec<u8>;

    fn begin(&mut self, request: &Request<'_>) -> Answer<Vec<u8>> {
        let mut text = format!("{} {:?} ", request.path(), request.query()).into_bytes();
        for (name, value) in request.fields() {
            text.extend_from_slice(name.as_bytes());
            text.extend_from_slice(value);
        }
        if request.method == "DELETE" {
            let refusal = Response::error(Status::METHOD_NOT_ALLOWED);
            return Answer::Now(refusal.field("Allow", "GET"));
        }
        Answer::Later(text)
    }

    fn body(&mut self, text: &mut Vec<u8>, piece: &[u8]) -> Result<(), Status> {
        text.extend_from_slice(piece);
        Ok(())
    }

    fn finish(&mut self, text: Vec<u8>) -> Reply<'_> {
        Response::new(Status::OK).body(ReplyBody::Owned(text)).into()
    }
}

fn replies(input: &[u8], piece: usize) -> (String, Flow) {
    let date = Date::new(SystemTime::UNIX_EPOCH);
    let mut exchange = Exchange::new(MAX_BODY);
    let mut output = Vec::new();
    let mut unread = Vec::new();
    for piece in input.chunks(piece) {
        unread.extend_from_slice(piece);
        let progress = exchange.advance(&unread, &mut Echo, &date, &mut output, usize::MAX);
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
