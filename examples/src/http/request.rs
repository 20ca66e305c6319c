//! What a request head says, as far as a server must know it to answer.

use super::Status;
use super::fields::Fields;
use super::grammar;

/// The methods that get an answer.
///
/// CONNECT and TRACE are left out: there is no tunnel here, and echoing a head helps an attacker
/// more than anyone else.
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"];

/// The head of a valid request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// The method, in upper case as it was sent.
    pub method: &'a str,
    /// The request target: a path with an optional query, an absolute URI, or `*`.
    pub target: &'a str,
    /// The body that follows.
    pub body: Body,
    /// Whether the connection goes on after the reply.
    pub persistence: Persistence,
    /// Whether the client waits for a 100 (Continue) before it sends the body.
    pub expects_continue: bool,
}

/// How the length of a body is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// There is no body.
    Empty,
    /// The body has that many bytes, at least one.
    Sized(u64),
    /// The body comes in chunks, the last of which says so.
    Chunked,
}

/// What becomes of the connection after the reply, and how the reply says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Persistence {
    /// It goes on, as HTTP/1.1 has it unless somebody objects.
    Implied,
    /// It goes on, because an HTTP/1.0 client asked for it; the reply must confirm that.
    Confirmed,
    /// The reply is the last one.
    Close,
}

impl<'a> Request<'a> {
    /// Judges a head whose request line is valid and whose fields are well formed.
    ///
    /// # Errors
    ///
    /// The status to refuse the request with.
    pub(super) fn new(
        method: &'a str,
        target: &'a str,
        is_http_1_0: bool,
        fields: &Fields<'_>,
        max_body: u64,
    ) -> Result<Self, Status> {
        if fields.host.is_none() && !is_http_1_0 {
            return Err(Status::BadRequest);
        }
        let body = body(is_http_1_0, fields)?;
        if !METHODS.contains(&method) {
            return Err(Status::NotImplemented);
        }
        if matches!(body, Body::Sized(length) if length > max_body) {
            return Err(Status::ContentTooLarge);
        }
        // RFC 9110, section 10.1.1: an expectation in an HTTP/1.0 request is ignored.
        let expectation = fields.expect.filter(|_| !is_http_1_0);
        if expectation.is_some_and(|value| !value.eq_ignore_ascii_case(b"100-continue")) {
            return Err(Status::ExpectationFailed);
        }
        let expects_continue = expectation.is_some() && body != Body::Empty;
        let persistence = persistence(is_http_1_0, fields);
        Ok(Self { method, target, body, persistence, expects_continue })
    }
}

/// Checks what a request line alone can get wrong beyond its bytes.
pub(super) fn check_target(method: &str, target: &str) -> Result<(), Status> {
    if target.len() > super::MAX_TARGET {
        Err(Status::UriTooLong)
    } else if !grammar::is_target(method, target) {
        Err(Status::BadRequest)
    } else {
        Ok(())
    }
}

/// Finds the length of the body, RFC 9112, section 6.3.
fn body(is_http_1_0: bool, fields: &Fields<'_>) -> Result<Body, Status> {
    match (fields.transfer_encoding, fields.content_length) {
        (None, None | Some(0)) => Ok(Body::Empty),
        (None, Some(length)) => Ok(Body::Sized(length)),
        // Two lengths that may differ are how requests are smuggled past a proxy.
        (Some(_), Some(_)) => Err(Status::BadRequest),
        // HTTP/1.0 has no transfer codings; a recipient of that time would see another length.
        (Some(_), None) if is_http_1_0 => Err(Status::BadRequest),
        (Some(codings), None) => check_codings(codings).map(|()| Body::Chunked),
    }
}

/// Accepts `chunked` alone, the one transfer coding that is decoded here.
fn check_codings(codings: &[u8]) -> Result<(), Status> {
    let is_chunked = |coding: &[u8]| coding.trim_ascii().eq_ignore_ascii_case(b"chunked");
    let mut before_last = codings.rsplit(|&byte| byte == b',');
    // Without a final `chunked`, nobody knows where the body ends.
    if !before_last.next().is_some_and(is_chunked) {
        return Err(Status::BadRequest);
    }
    let mut result = Ok(());
    for coding in before_last {
        if is_chunked(coding) || !grammar::is_token(coding.trim_ascii()) {
            return Err(Status::BadRequest);
        }
        result = Err(Status::NotImplemented);
    }
    result
}

fn persistence(is_http_1_0: bool, fields: &Fields<'_>) -> Persistence {
    match (is_http_1_0, fields.close, fields.keep_alive) {
        (_, true, _) | (true, _, false) => Persistence::Close,
        (true, false, true) => Persistence::Confirmed,
        (false, false, _) => Persistence::Implied,
    }
}
