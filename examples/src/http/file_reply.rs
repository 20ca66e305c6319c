//! Files as the replies of a service.

use std::io;

use super::files::{self, FilePart, FileRequest, Files};
use super::{Date, ReplyBody, Request, Response, Status, Stream};

/// The room that each entry takes which was looked at for a list. For a link that is some two
/// microseconds: with 256 KiB of room, a call goes on to the next list for a millisecond or so.
const ENTRY_COST: usize = 512;

impl Files {
    /// Answers a request with a file; the reply will have this date.
    #[must_use]
    pub fn respond(&self, request: &Request<'_>, date: &Date) -> Response {
        let mut wanted = FileRequest::new(request.method, request.target.as_bytes());
        for (name, value) in request.fields() {
            wanted.add_field(name, value);
        }
        self.answer(&wanted, date.time()).into()
    }
}

impl From<files::Reply> for Response {
    fn from(reply: files::Reply) -> Self {
        let status = Status::new(reply.status);
        let is_error = status.code() >= 400;
        let response = if is_error { Self::error(status) } else { Self::new(status) };
        let response = reply
            .fields
            .into_iter()
            .fold(response, |response, (name, value)| response.field(name, value));
        let response = match reply.body {
            // Then the status in words stays, or there is nothing.
            files::Body::None => response,
            files::Body::Bytes(bytes) => response.body(ReplyBody::Shared(bytes)),
            files::Body::File(part) => response.body(ReplyBody::Stream(Box::new(part))),
        };
        let response = response.cost(reply.entries * ENTRY_COST);
        match reply.content_length {
            Some(length) => response.length(length),
            None => response,
        }
    }
}

impl Stream for FilePart {
    fn remaining(&self) -> u64 {
        FilePart::remaining(self)
    }

    fn read_piece(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        FilePart::read_piece(self, buffer)
    }
}
