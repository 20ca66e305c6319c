//! The vectors of `tests/data/http_vectors.txt`, cut in all ways, without a socket in between.

#[path = "../../../tests/data/vectors.rs"]
mod file;

use file::{Reply, Vector};

use super::driver::{MAX_BODY, Site, test_date};
use crate::http::{Answer, Exchange, Flow, Page, ReplyBody, Request, Response, Service, Status};

/// Answers GET, HEAD and `POST /echo` as the server does.
struct Server(Site);

impl Service for Server {
    type Pending = Option<Vec<u8>>;

    fn begin(&mut self, request: &Request<'_>) -> Answer<Self::Pending> {
        match (request.method, request.path()) {
            ("POST", "/echo") => Answer::Later(Some(Vec::new())),
            ("GET" | "HEAD", path) if path != "/echo" => Answer::Later(None),
            ("OPTIONS", _) => Answer::Now(Response::new(Status::NO_CONTENT)),
            _ => Answer::Now(Response::error(Status::METHOD_NOT_ALLOWED)),
        }
    }

    fn body(&mut self, body: &mut Self::Pending, piece: &[u8]) -> Result<(), Status> {
        body.iter_mut().for_each(|body| body.extend_from_slice(piece));
        Ok(())
    }

    fn finish(&mut self, body: Self::Pending) -> crate::http::Reply<'_> {
        let page: &Page = &self.0.0;
        match body {
            None => page.into(),
            Some(body) => Response::new(Status::OK).body(ReplyBody::Owned(body)).into(),
        }
    }
}

fn play<'a>(
    server: &mut Server,
    parts: impl IntoIterator<Item = &'a [u8]>,
    room: usize,
) -> Vec<u8> {
    let (mut exchange, date) = (Exchange::new(MAX_BODY), test_date());
    let (mut unread, mut output) = (Vec::new(), Vec::new());
    for part in parts {
        unread.extend_from_slice(part);
        loop {
            let progress = exchange.advance(&unread, server, &date, &mut output, room);
            unread.drain(..progress.consumed);
            match progress.flow {
                Flow::Continue => break,
                Flow::Blocked => {}
                Flow::Finished | Flow::Close | Flow::Abort => return output,
            }
        }
    }
    output
}

fn check(vector: &Vector, expected: &[Reply], output: &[u8], way: &str) {
    let codes: Vec<u16> = expected.iter().map(|reply| reply.code).collect();
    let found = file::replies(output, expected);
    assert_eq!(found.as_ref(), Ok(&codes), "{} {way}\n{}", vector.name, output.escape_ascii());
}

#[test]
fn every_vector_gets_its_replies_however_it_is_cut() {
    let mut server = Server(Site::new(b"hi".to_vec()));
    for vector in file::all() {
        for before in [false, true] {
            let (input, expected) = vector.with_probes(before);
            check(&vector, &expected, &play(&mut server, [&input[..]], usize::MAX), "whole");
            check(&vector, &expected, &play(&mut server, [&input[..]], 1), "one reply at a time");
            check(
                &vector,
                &expected,
                &play(&mut server, input.chunks(1), usize::MAX),
                "byte by byte",
            );
            // Behind a request, the interesting cuts are those near its end.
            let start = if before { file::PROBE.len().saturating_sub(2) } else { 1 };
            let end = if before { file::PROBE.len() + 5 } else { input.len() };
            for cut in
                (start..end.min(input.len())).filter(|cut| input.len() < 1000 || cut % 997 < 40)
            {
                let (left, right) = input.split_at(cut);
                let way = format!("cut at {cut}");
                check(&vector, &expected, &play(&mut server, [left, right], usize::MAX), &way);
            }
        }
    }
}
