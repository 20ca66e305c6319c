//! Replies that are made for one request.

use std::fmt::{self, Write};

use super::date::Date;
use super::{Output, Page, Persistence, ReplyBody, Status};

/// What a service says to a request.
#[derive(Debug)]
pub enum Reply<'s> {
    /// A page that was formatted before.
    Page(&'s Page),
    /// A reply of its own.
    Response(Response),
}

impl From<Response> for Reply<'_> {
    fn from(response: Response) -> Self {
        Self::Response(response)
    }
}

impl<'s> From<&'s Page> for Reply<'s> {
    fn from(page: &'s Page) -> Self {
        Self::Page(page)
    }
}

/// A status, header fields and a body. `Date`, `Content-Length` and `Connection` are added when it
/// is written; for HEAD, the body is left out then.
///
/// # Examples
///
/// ```
/// use evio_examples::http::{ReplyBody, Response, Status};
///
/// let response = Response::new(Status::OK)
///     .field("Content-Type", "application/json")
///     .body(ReplyBody::Static(b"{}"));
/// # drop(response);
/// ```
#[derive(Debug)]
pub struct Response {
    status: Status,
    /// Field lines, each with its line break.
    fields: String,
    body: ReplyBody,
    /// The length to state for a reply without its body.
    length: Option<u64>,
    /// The room that it takes besides its output.
    cost: usize,
}

impl Response {
    /// Makes a response without fields and body.
    #[must_use]
    pub fn new(status: Status) -> Self {
        Self { status, fields: String::new(), body: ReplyBody::Empty, length: None, cost: 0 }
    }

    /// Makes a response whose body is the status in words, as errors have it.
    #[must_use]
    pub fn error(status: Status) -> Self {
        let text = format!("{status}\n").into_bytes();
        Self::new(status).field("Content-Type", "text/plain").body(ReplyBody::Owned(text))
    }

    /// Adds a header field. Control bytes in its value, which could begin another field, become
    /// spaces.
    #[must_use]
    pub fn field(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        let start = self.fields.len() + name.len() + 2;
        write!(self.fields, "{name}: {value}").expect("a string takes everything");
        if self.fields[start..].contains(|c: char| c.is_control()) {
            let clean = self.fields[start..].replace(|c: char| c.is_control(), " ");
            self.fields.replace_range(start.., &clean);
        }
        self.fields.push_str("\r\n");
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: ReplyBody) -> Self {
        self.body = body;
        self
    }

    /// States a length other than that of the body: what a GET would get, in the reply to HEAD.
    #[must_use]
    pub fn length(mut self, length: u64) -> Self {
        self.length = Some(length);
        self
    }

    /// Says that the response took long to make: as long as it takes to write so many bytes more. A
    /// connection that asks for several such gives others their turn in between.
    #[must_use]
    pub fn cost(mut self, bytes: usize) -> Self {
        self.cost = bytes;
        self
    }

    /// Returns the room that it takes besides its output.
    pub(super) fn own_cost(&self) -> usize {
        self.cost
    }

    /// Returns the status.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status
    }

    /// Returns the length of the body, or of that which a GET would get.
    pub(super) fn content_length(&self) -> u64 {
        self.length.unwrap_or_else(|| self.body.len())
    }

    /// Writes the head. Returns its length, and the body that follows.
    pub(super) fn write_head(
        self,
        persistence: Persistence,
        head_only: bool,
        date: &Date,
        output: &mut impl Output,
    ) -> (usize, ReplyBody) {
        let mut head = format!("HTTP/1.1 {}\r\nDate: {}\r\n", self.status, date.as_str());
        head.push_str(&self.fields);
        let is_bodiless = self.status.is_bodiless();
        if !is_bodiless {
            let length = self.content_length();
            write!(head, "Content-Length: {length}\r\n").expect("a string takes everything");
        }
        head.push_str(persistence.field());
        head.push_str("\r\n");
        output.write(head.as_bytes());
        let body = if is_bodiless || head_only { ReplyBody::Empty } else { self.body };
        (head.len(), body)
    }
}
