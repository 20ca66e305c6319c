//! Status codes.

use std::fmt;

/// A status code of RFC 9110, section 15, or of RFC 6585.
///
/// # Examples
///
/// ```
/// use evio_examples::http::Status;
///
/// assert_eq!(Status::NOT_FOUND.to_string(), "404 Not Found");
/// assert_eq!(Status::new(404), Status::NOT_FOUND);
/// assert_eq!(Status::new(299).to_string(), "299 ");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status(u16);

impl Status {
    /// The request was done.
    pub const OK: Self = Self(200);
    /// The request was done, and the reply has no body.
    pub const NO_CONTENT: Self = Self(204);
    /// The bytes are not a request, or could be read in more than one way.
    pub const BAD_REQUEST: Self = Self(400);
    /// There is nothing at the target.
    pub const NOT_FOUND: Self = Self(404);
    /// The target has other methods; the field `Allow` says which.
    pub const METHOD_NOT_ALLOWED: Self = Self(405);
    /// The request was not whole in time.
    pub const REQUEST_TIMEOUT: Self = Self(408);
    /// The body is longer than the server's limit.
    pub const CONTENT_TOO_LARGE: Self = Self(413);
    /// The request target is longer than [`MAX_TARGET`](super::MAX_TARGET).
    pub const URI_TOO_LONG: Self = Self(414);
    /// The request expects something other than `100-continue`.
    pub const EXPECTATION_FAILED: Self = Self(417);
    /// The head is longer than [`MAX_HEAD`](super::MAX_HEAD), or has more than
    /// [`MAX_FIELDS`](super::MAX_FIELDS) fields.
    pub const HEADER_FIELDS_TOO_LARGE: Self = Self(431);
    /// The method or the transfer coding is not known here.
    pub const NOT_IMPLEMENTED: Self = Self(501);
    /// The major version is well formed and not 1.
    pub const VERSION_NOT_SUPPORTED: Self = Self(505);

    /// Makes a status of its three-digit code.
    #[must_use]
    pub const fn new(code: u16) -> Self {
        Self(code)
    }

    /// Returns the three-digit code.
    #[must_use]
    pub const fn code(self) -> u16 {
        self.0
    }

    /// Returns the reason phrase; an empty one, which the grammar allows, for a code that servers
    /// seldom send.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self.0 {
            200 => "OK",
            201 => "Created",
            202 => "Accepted",
            204 => "No Content",
            206 => "Partial Content",
            301 => "Moved Permanently",
            302 => "Found",
            303 => "See Other",
            304 => "Not Modified",
            307 => "Temporary Redirect",
            308 => "Permanent Redirect",
            400 => "Bad Request",
            401 => "Unauthorized",
            403 => "Forbidden",
            404 => "Not Found",
            405 => "Method Not Allowed",
            406 => "Not Acceptable",
            408 => "Request Timeout",
            409 => "Conflict",
            412 => "Precondition Failed",
            413 => "Content Too Large",
            414 => "URI Too Long",
            415 => "Unsupported Media Type",
            416 => "Range Not Satisfiable",
            417 => "Expectation Failed",
            429 => "Too Many Requests",
            431 => "Request Header Fields Too Large",
            500 => "Internal Server Error",
            501 => "Not Implemented",
            503 => "Service Unavailable",
            505 => "HTTP Version Not Supported",
            _ => "",
        }
    }

    /// Returns whether a reply never has a body, nor a length of one, RFC 9110, sections 15.2,
    /// 15.3.5 and 15.4.5.
    pub(super) const fn is_bodiless(self) -> bool {
        matches!(self.0, 100..=199 | 204 | 304)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code(), self.reason())
    }
}
