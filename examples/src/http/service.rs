//! What a server does with requests.

use super::{Date, Reply, Request, Response, Status};

/// When a request is answered.
#[derive(Debug)]
pub enum Answer<P> {
    /// When its body is there. Until then the client is told to go on, if it waits for that, and
    /// this is kept.
    Later(P),
    /// The response needs no body. A client that waits for a 100 (Continue) gets it at once, and
    /// the connection closes, RFC 9110, section 10.1.1; from any other the body is read and dropped
    /// first, so that the connection can go on. A response that holds a descriptor or much memory
    /// meanwhile is better made later.
    Now(Response),
}

/// What a server does with requests. Each loop has a service of its own, as it has a handler.
///
/// A request comes in three steps: its head, its body piece by piece, and its end. What has to be
/// known at the end is kept in a [`Pending`](Self::Pending); nothing else of a request is kept, so
/// a service decides itself how much memory a body takes.
///
/// # Examples
///
/// ```
/// use std::time::UNIX_EPOCH;
///
/// use evio_examples::http::{
///     Answer, DEFAULT_MAX_BODY, Date, Exchange, Reply, ReplyBody, Request, Response, Service,
///     Status,
/// };
///
/// /// Says how long a body was.
/// struct Count;
///
/// impl Service for Count {
///     type Pending = usize;
///
///     fn begin(&mut self, request: &Request<'_>) -> Answer<usize> {
///         match request.method {
///             "POST" => Answer::Later(0),
///             _ => Answer::Now(Response::error(Status::METHOD_NOT_ALLOWED)),
///         }
///     }
///
///     fn body(&mut self, count: &mut usize, piece: &[u8]) -> Result<(), Status> {
///         *count += piece.len();
///         Ok(())
///     }
///
///     fn finish(&mut self, count: usize) -> Reply<'_> {
///         let text = format!("{count} bytes\n");
///         Response::new(Status::OK).body(ReplyBody::Owned(text.into_bytes())).into()
///     }
/// }
///
/// let mut exchange = Exchange::new(DEFAULT_MAX_BODY);
/// let mut output = Vec::new();
/// let input = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
/// let date = Date::new(UNIX_EPOCH);
/// let progress = exchange.advance(input, &mut Count, &date, &mut output, usize::MAX);
/// assert_eq!(progress.consumed, input.len());
/// assert!(output.ends_with(b"\r\n\r\n5 bytes\n"));
/// ```
pub trait Service {
    /// What is kept of a request from its head to its end.
    type Pending;

    /// Is called with the head of each request.
    fn begin(&mut self, request: &Request<'_>) -> Answer<Self::Pending>;

    /// Is called with each piece of the body, in order; how it is cut means nothing.
    ///
    /// # Errors
    ///
    /// A status to refuse the request with, which closes the connection.
    fn body(&mut self, pending: &mut Self::Pending, piece: &[u8]) -> Result<(), Status> {
        let _ = (pending, piece);
        Ok(())
    }

    /// Is called when the request is whole.
    fn finish(&mut self, pending: Self::Pending) -> Reply<'_>;

    /// Is called before the first reply of each second, for [pages](super::Page) with a date.
    fn set_date(&mut self, date: &Date) {
        let _ = date;
    }
}
