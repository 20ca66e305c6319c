//! Requests in, replies out.

use std::io::{self, Write};
use std::mem;

use super::{Body, Parser, Persistence, Request, Responses, Step};

/// The state of one connection: where its input stands, and which reply is due.
///
/// # Examples
///
/// ```
/// use std::time::SystemTime;
///
/// use evio_examples::http::{DEFAULT_MAX_BODY, Exchange, Flow, Responses};
///
/// let responses = Responses::new(b"hi".to_vec(), SystemTime::now());
/// let mut exchange = Exchange::new(DEFAULT_MAX_BODY);
/// let mut output = Vec::new();
///
/// let input = b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HT";
/// let progress = exchange.advance(input, &responses, &mut output, usize::MAX)?;
///
/// assert_eq!(progress.flow, Flow::Continue);
/// assert_eq!(&input[progress.consumed..], b"GET / HT");
/// assert!(output.starts_with(b"HTTP/1.1 200 OK\r\n") && output.ends_with(b"\r\n\r\nhi"));
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Exchange {
    parser: Parser,
    /// What the request that is being read wants to know of the reply.
    due: Due,
}

/// What shapes the reply to a request.
#[derive(Clone, Copy, Debug)]
struct Due {
    head_only: bool,
    has_body: bool,
    persistence: Persistence,
}

/// How far a call of [`Exchange::advance`] came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Progress {
    /// How many bytes of the input are done with. The caller keeps the others and shows them again.
    pub consumed: usize,
    /// What the connection does next.
    pub flow: Flow,
}

/// What a connection does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Go on as soon as more input arrives.
    Continue,
    /// Go on with the rest of the input as soon as there is room for output again.
    Blocked,
    /// Deliver what was written, then close. Further input is dropped.
    Close,
    /// The same, and there is no further input: the peer has announced its last request.
    Finish,
}

impl Exchange {
    /// Creates the state of a new connection, which refuses bodies longer than `max_body`.
    pub fn new(max_body: u64) -> Self {
        let due = Due { head_only: false, has_body: false, persistence: Persistence::Implied };
        Self { parser: Parser::new(max_body), due }
    }

    /// Answers all requests in `input`.
    ///
    /// `input` starts with the bytes that the last call did not consume. Once `room` bytes are
    /// written no further request is started, because a page of small requests can ask for any
    /// amount of output; the last reply may exceed `room`.
    ///
    /// # Errors
    ///
    /// Those of `output`. The connection is of no use afterwards.
    pub fn advance(
        &mut self,
        input: &[u8],
        responses: &Responses,
        output: &mut impl Write,
        room: usize,
    ) -> io::Result<Progress> {
        let mut rest = input;
        let mut written = 0;
        let flow = loop {
            match self.parser.step(&mut rest) {
                Step::NeedMore => break Flow::Continue,
                Step::Request(request) => {
                    self.due = Due::of(&request);
                    if request.expects_continue {
                        written += responses.write_continue(output)?;
                    }
                }
                // The reply does not depend on the body.
                Step::Body(_) => {}
                Step::End => {
                    let Due { head_only, persistence, .. } = self.due;
                    written += responses.write_ok(persistence, head_only, output)?;
                    if persistence == Persistence::Close {
                        // Old clients send a line end behind a body.
                        let is_last = mem::take(&mut rest).is_empty() && !self.due.has_body;
                        break if is_last { Flow::Finish } else { Flow::Close };
                    }
                    if written >= room && !rest.is_empty() {
                        break Flow::Blocked;
                    }
                }
                Step::Error(status) => {
                    responses.write_error(status, output)?;
                    break Flow::Close;
                }
            }
        };
        Ok(Progress { consumed: input.len() - rest.len(), flow })
    }
}

impl Due {
    fn of(request: &Request<'_>) -> Self {
        Self {
            head_only: request.method == "HEAD",
            has_body: request.body != Body::Empty,
            persistence: request.persistence,
        }
    }
}
