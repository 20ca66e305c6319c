//! The status codes of the errors that end a connection.

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Status {
    /// 400: the bytes are not a request, or could be read in more than one way.
    BadRequest,
    /// 413: the body is longer than the server's limit.
    ContentTooLarge,
    /// 414: the request target is longer than [`MAX_TARGET`](super::MAX_TARGET).
    UriTooLong,
    /// 417: the request expects something other than `100-continue`.
    ExpectationFailed,
    /// 431: the head is longer than [`MAX_HEAD`](super::MAX_HEAD), or has more than
    /// [`MAX_FIELDS`](super::MAX_FIELDS) fields.
    HeaderFieldsTooLarge,
    /// 501: the method or the transfer coding is not known here.
    NotImplemented,
    /// 505: a well-formed version other than HTTP/1.0 and HTTP/1.1.
    VersionNotSupported,
}

impl Status {
    /// Returns the three-digit code.
    pub const fn code(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::ContentTooLarge => 413,
            Self::UriTooLong => 414,
            Self::ExpectationFailed => 417,
            Self::HeaderFieldsTooLarge => 431,
            Self::NotImplemented => 501,
            Self::VersionNotSupported => 505,
        }
    }

    /// Returns the reason phrase of RFC 9110 and RFC 6585.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::BadRequest => "Bad Request",
            Self::ContentTooLarge => "Content Too Large",
            Self::UriTooLong => "URI Too Long",
            Self::ExpectationFailed => "Expectation Failed",
            Self::HeaderFieldsTooLarge => "Request Header Fields Too Large",
            Self::NotImplemented => "Not Implemented",
            Self::VersionNotSupported => "HTTP Version Not Supported",
        }
    }
}
