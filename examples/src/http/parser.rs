//! The state of one connection's input.

use super::chunked::Chunked;
use super::head::Head;
use super::{Body, Persistence, Request, Status};

/// An incremental parser of the requests of one connection.
///
/// It keeps no bytes: what it cannot use yet stays with the caller, who shows it again together
/// with what has arrived since. How the bytes are split makes no difference to the steps, except
/// that body data comes in as many pieces as it arrived in.
///
/// # Examples
///
/// ```
/// use evio_examples::http::{DEFAULT_MAX_BODY, Parser, Step};
///
/// let mut parser = Parser::new(DEFAULT_MAX_BODY);
/// let mut input: &[u8] = b"PUT /a HTTP/1.1\r\nHost: b\r\nContent-Length: 4\r\n\r\nRustGET";
///
/// assert!(matches!(parser.step(&mut input), Step::Request(head) if head.target == "/a"));
/// assert_eq!(parser.step(&mut input), Step::Body(b"Rust"));
/// assert_eq!(parser.step(&mut input), Step::End);
/// assert_eq!(parser.step(&mut input), Step::NeedMore);
/// assert_eq!(input, b"GET");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Parser {
    state: State,
    max_body: u64,
    /// Invariant: set while a request is read that is the connection's last.
    last: bool,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Head(Head),
    Sized(u64),
    Chunked(Chunked),
    Closed,
}

/// What a parser found next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// There is nothing to find until more bytes arrive.
    NeedMore,
    /// The head of a request. [`End`](Self::End) follows, after the body if there is one.
    Request(Request<'a>),
    /// Some bytes of the request's body.
    Body(&'a [u8]),
    /// The request is complete.
    End,
    /// The bytes are not an acceptable request; nothing behind them will be looked at.
    Error(Status),
}

impl Parser {
    /// Creates a parser for a new connection, which refuses bodies longer than `max_body`.
    pub fn new(max_body: u64) -> Self {
        Self { state: State::Head(Head::default()), max_body, last: false }
    }

    /// Takes the next step, and the bytes that it used up off the front of `input`.
    ///
    /// After [`Step::Error`], and after the [`Step::End`] of a request that closes the connection,
    /// all input is dropped unseen.
    pub fn step<'a>(&mut self, input: &mut &'a [u8]) -> Step<'a> {
        self.try_step(input).unwrap_or_else(|status| {
            self.state = State::Closed;
            *input = &[];
            Step::Error(status)
        })
    }

    /// Returns whether the next byte begins a request, or an empty line before one.
    pub(super) fn is_between_requests(&self) -> bool {
        matches!(self.state, State::Head(_) | State::Closed)
    }

    fn try_step<'a>(&mut self, input: &mut &'a [u8]) -> Result<Step<'a>, Status> {
        match &mut self.state {
            State::Head(head) => {
                let Some(request) = head.take(input, self.max_body)? else {
                    return Ok(Step::NeedMore);
                };
                self.last = request.persistence == Persistence::Close;
                self.state = match request.body {
                    Body::Empty => State::Sized(0),
                    Body::Sized(length) => State::Sized(length),
                    Body::Chunked => State::Chunked(Chunked::new(self.max_body)),
                };
                Ok(Step::Request(request))
            }
            State::Sized(0) => Ok(self.end()),
            State::Sized(_) if input.is_empty() => Ok(Step::NeedMore),
            State::Sized(left) => {
                let data = take_up_to(*left, input);
                *left -= data.len() as u64;
                Ok(Step::Body(data))
            }
            State::Chunked(body) => match body.take(input)? {
                Step::End => Ok(self.end()),
                step => Ok(step),
            },
            State::Closed => {
                *input = &[];
                Ok(Step::NeedMore)
            }
        }
    }

    /// Goes on to the next request. A caller that knows that a request has no body may say so
    /// instead of asking for its [`End`](Step::End).
    #[inline]
    pub(super) fn end(&mut self) -> Step<'static> {
        self.state = if self.last { State::Closed } else { State::Head(Head::default()) };
        Step::End
    }
}

/// Takes at most `count` bytes off the front of `input`.
pub(super) fn take_up_to<'a>(count: u64, input: &mut &'a [u8]) -> &'a [u8] {
    let count = usize::try_from(count).map_or(input.len(), |count| count.min(input.len()));
    let (taken, rest) = input.split_at(count);
    *input = rest;
    taken
}
