//! What is to be sent.

use std::borrow::Cow;

use super::super::Shared;
use super::FilePart;

/// A reply without its `Date`, `Content-Length` and `Connection`.
#[derive(Debug)]
pub struct Reply {
    /// The status code: 200, 206, 301, 304, 400, 403, 404, 405, 406, 412, 416, 500 or 503.
    pub status: u16,
    /// Header fields, each name once.
    pub fields: Vec<(&'static str, Cow<'static, str>)>,
    /// The value of `Content-Length`, which a reply to HEAD has too, RFC 9110, section 8.6; none
    /// for a status without content of its own.
    pub content_length: Option<u64>,
    /// What follows the head.
    pub body: Body,
    /// How many entries of a directory were looked at to list it: work that the reply, if they are
    /// not served, does not show.
    pub entries: usize,
}

/// What follows the head of a reply.
#[derive(Debug)]
pub enum Body {
    /// There is nothing.
    None,
    /// These bytes.
    Bytes(Shared),
    /// A part of a file, or all of it.
    File(FilePart),
}

impl Reply {
    pub(super) fn new(status: u16) -> Self {
        Self { status, fields: Vec::new(), content_length: None, body: Body::None, entries: 0 }
    }

    pub(super) fn with(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Self {
        self.fields.push((name, value.into()));
        self
    }

    pub(super) fn bytes(mut self, bytes: Shared) -> Self {
        self.content_length = Some(bytes.len());
        self.body = Body::Bytes(bytes);
        self
    }

    pub(super) fn file(mut self, part: FilePart) -> Self {
        self.content_length = Some(part.remaining());
        self.body = Body::File(part);
        self
    }

    /// Returns the value of a header field of this reply.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        let found = self.fields.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_ref())
    }
}
