//! What a request head says, as far as a server must know it to answer.

use memchr::memchr;

use super::fields::{Codings, Expectation, Fields};
use super::grammar;
use super::{Parser, Status, Step};

/// The head of a valid request.
///
/// # Examples
///
/// ```
/// use evio_examples::http::{DEFAULT_MAX_BODY, Parser, Step};
///
/// let mut input: &[u8] = b"GET /a?b=%20c HTTP/1.1\r\nHost: d\r\nRange:  bytes=0-9 \r\n\r\n";
/// let Step::Request(request) = Parser::new(DEFAULT_MAX_BODY).step(&mut input) else { panic!() };
///
/// assert_eq!((request.method, request.path(), request.query()), ("GET", "/a", Some("b=%20c")));
/// assert_eq!(request.field("range"), Some(&b"bytes=0-9"[..]));
/// assert_eq!(request.line(), "GET /a?b=%20c HTTP/1.1");
/// ```
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
    /// The head from the request line to the empty line, and all of it valid.
    head: &'a [u8],
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

impl Persistence {
    /// Returns the field line that says so, with its line break.
    pub(super) const fn field(self) -> &'static str {
        match self {
            Self::Implied => "",
            Self::Confirmed => "Connection: keep-alive\r\n",
            Self::Close => "Connection: close\r\n",
        }
    }
}

impl<'a> Request<'a> {
    /// Judges a head whose request line is valid and whose fields are well formed.
    ///
    /// # Errors
    ///
    /// The status to refuse the request with.
    // As in `Fields::collect`.
    #[inline(always)]
    pub(super) fn new(
        method: &'a str,
        target: &'a str,
        is_http_1_0: bool,
        fields: &Fields,
        head: &'a [u8],
        max_body: u64,
    ) -> Result<Self, Status> {
        if !fields.has_host && !is_http_1_0 {
            return Err(Status::BAD_REQUEST);
        }
        let body = body(is_http_1_0, fields)?;
        if !is_known(method) {
            return Err(Status::NOT_IMPLEMENTED);
        }
        if matches!(body, Body::Sized(length) if length > max_body) {
            return Err(Status::CONTENT_TOO_LARGE);
        }
        // RFC 9110, section 10.1.1: an expectation in an HTTP/1.0 request is ignored.
        let expectation = if is_http_1_0 { Expectation::None } else { fields.expectation };
        if expectation == Expectation::Unknown {
            return Err(Status::EXPECTATION_FAILED);
        }
        let expects_continue = expectation == Expectation::Continue && body != Body::Empty;
        let persistence = persistence(is_http_1_0, fields);
        Ok(Self { method, target, body, persistence, expects_continue, head })
    }

    /// Copies the request, for a service that answers it when its body is there.
    #[must_use]
    pub fn keep(&self) -> KeptRequest {
        KeptRequest(self.head.into())
    }

    /// Returns the path of the target, still percent-encoded: `/` for an absolute URI without one,
    /// `*` for the server as a whole.
    #[must_use]
    pub fn path(&self) -> &'a str {
        let rest = match self.target.find("://") {
            Some(scheme_end) if !self.target.starts_with('/') => {
                let authority = &self.target[scheme_end + 3..];
                &authority[authority.find(['/', '?']).unwrap_or(authority.len())..]
            }
            _ => self.target,
        };
        match rest.split('?').next() {
            Some("") | None => "/",
            Some(path) => path,
        }
    }

    /// Returns what stands behind the first `?` of the target.
    #[must_use]
    pub fn query(&self) -> Option<&'a str> {
        Some(self.target.split_once('?')?.1)
    }

    /// Returns the request line as it was sent, without its line break.
    #[must_use]
    pub fn line(&self) -> &'a str {
        let end = memchr(b'\r', self.head).unwrap_or(0);
        // A method, a target and a version are ASCII.
        std::str::from_utf8(&self.head[..end]).unwrap_or_default()
    }

    /// Returns the names and values of all fields, in the order in which they were sent, without
    /// the blanks around the values.
    pub fn fields(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> + use<'a> {
        // The first line is the request line; the last one is empty, and so is what follows it.
        self.head.split(|&byte| byte == b'\n').skip(1).filter_map(|line| {
            let (name, value) = line.split_at(memchr(b':', line)?);
            Some((std::str::from_utf8(name).ok()?, value[1..].trim_ascii()))
        })
    }

    /// Returns the value of the first field of that name, in whatever case.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&'a [u8]> {
        self.fields().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// A request that a service keeps while the body is on its way: a copy of its head, which is not
/// longer than [`MAX_HEAD`](super::MAX_HEAD).
#[derive(Clone, Debug)]
pub struct KeptRequest(Box<[u8]>);

impl KeptRequest {
    /// Returns the request.
    ///
    /// # Panics
    ///
    /// Never: what one parser takes for a request, another one does too.
    #[must_use]
    pub fn get(&self) -> Request<'_> {
        match Parser::new(u64::MAX).step(&mut &self.0[..]) {
            Step::Request(request) => request,
            step => unreachable!("the head of a request has become {step:?}"),
        }
    }
}

/// Tells whether a service gets to see this method.
///
/// CONNECT and TRACE are left out: there is no tunnel here, and echoing a head helps an attacker
/// more than anyone else.
#[inline(always)]
fn is_known(method: &str) -> bool {
    matches!(method, "GET" | "HEAD" | "POST" | "PUT" | "DELETE" | "OPTIONS" | "PATCH")
}

/// Checks what a request line alone can get wrong beyond its bytes.
pub(super) fn check_target(method: &str, target: &str) -> Result<(), Status> {
    if target.len() > super::MAX_TARGET {
        Err(Status::URI_TOO_LONG)
    } else if !grammar::is_target(method, target) {
        Err(Status::BAD_REQUEST)
    } else {
        Ok(())
    }
}

/// Finds the length of the body, RFC 9112, section 6.3.
fn body(is_http_1_0: bool, fields: &Fields) -> Result<Body, Status> {
    match (fields.codings, fields.content_length) {
        (Codings::None, None | Some(0)) => Ok(Body::Empty),
        (Codings::None, Some(length)) => Ok(Body::Sized(length)),
        // Two lengths that may differ are how requests are smuggled past a proxy. Section 6.3 lets
        // a server ignore the Content-Length; this one refuses both.
        (_, Some(_)) => Err(Status::BAD_REQUEST),
        // HTTP/1.0 has no transfer codings; a recipient of that time would see another length.
        _ if is_http_1_0 => Err(Status::BAD_REQUEST),
        (Codings::Chunked, None) => Ok(Body::Chunked),
        (Codings::UnknownThenChunked, None) => Err(Status::NOT_IMPLEMENTED),
        // Without a final `chunked`, nobody knows where the body ends.
        (Codings::Unknown | Codings::Malformed, None) => Err(Status::BAD_REQUEST),
    }
}

fn persistence(is_http_1_0: bool, fields: &Fields) -> Persistence {
    match (is_http_1_0, fields.close, fields.keep_alive) {
        (_, true, _) | (true, _, false) => Persistence::Close,
        (true, false, true) => Persistence::Confirmed,
        (false, false, _) => Persistence::Implied,
    }
}
