//! What can be wrong with a request.

use std::error::Error;
use std::fmt;

/// A violation of the protocol, after which the connection cannot be read any further.
///
/// It is displayed as redis words it, to be sent with [`Reply::protocol_error`] before the
/// connection is closed.
///
/// [`Reply::protocol_error`]: super::Reply::protocol_error
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProtocolError {
    /// The number of arguments is no number, or more than [`MAX_ARGUMENTS`](super::MAX_ARGUMENTS).
    InvalidMultibulkLength,
    /// The length of an argument is no number, or more than [`MAX_BULK_LEN`](super::MAX_BULK_LEN).
    InvalidBulkLength,
    /// The line with the number of arguments has no end.
    TooBigMultibulkCount,
    /// The line with the length of an argument has no end.
    TooBigBulkCount,
    /// An inline request exceeds [`MAX_LINE_LEN`](super::MAX_LINE_LEN).
    TooBigInline,
    /// A command exceeds [`MAX_COMMAND_LEN`](super::MAX_COMMAND_LEN).
    TooBigCommand,
    /// An argument does not begin with `$` but with this byte.
    ExpectedBulk(u8),
    /// An argument is longer or shorter than announced.
    UnterminatedBulk,
    /// A quote of an inline request is not closed, or is followed by more than a blank.
    UnbalancedQuotes,
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InvalidMultibulkLength => "invalid multibulk length",
            Self::InvalidBulkLength => "invalid bulk length",
            Self::TooBigMultibulkCount => "too big mbulk count string",
            Self::TooBigBulkCount => "too big bulk count string",
            Self::TooBigInline => "too big inline request",
            Self::TooBigCommand => "too big request",
            Self::ExpectedBulk(got) => {
                return write!(f, "expected '$', got '{}'", char::from(*got));
            }
            Self::UnterminatedBulk => "expected CRLF after bulk string",
            Self::UnbalancedQuotes => "unbalanced quotes in request",
        })
    }
}

impl Error for ProtocolError {}
