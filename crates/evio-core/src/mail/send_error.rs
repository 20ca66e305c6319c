//! Why a message could not be sent.

use std::error;
use std::fmt;

/// Why a message could not be sent to a connection or a loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// As many messages wait for the loop as `mailbox_capacity` allows, or as many bytes as
    /// `mailbox_bytes` does; try again later.
    Full,
    /// The server does not run yet.
    NotStarted,
    /// The server has ended.
    Stopped,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotStarted => "the server does not run yet",
            Self::Full => "too many messages are waiting for this loop",
            Self::Stopped => "the server has ended",
        })
    }
}

impl error::Error for SendError {}
