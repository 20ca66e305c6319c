//! What a poll reports.

use crate::backend::EventBuffer;
use crate::token::Token;

/// One readiness report.
///
/// Events are hints: a socket that was ready may not be any more when it is used, so every read
/// and write must expect [`WouldBlock`](std::io::ErrorKind::WouldBlock).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    token: Token,
    readiness: Readiness,
}

/// The bits of an [`Event`], in the backend-neutral form that both backends produce.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Readiness {
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    pub(crate) broken: bool,
    pub(crate) more: bool,
}

impl Event {
    pub(crate) fn new(token: Token, readiness: Readiness) -> Self {
        Self { token, readiness }
    }

    /// Returns the token the socket was registered with.
    #[must_use]
    pub fn token(&self) -> Token {
        self.token
    }

    /// Returns whether there is input, the end of input, or a connection to accept.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        self.readiness.readable
    }

    /// Returns whether there is room for output.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        self.readiness.writable
    }

    /// Returns whether the connection failed or is closed in both directions.
    ///
    /// Input that arrived earlier may still be there to read. On Linux it is reported once even for
    /// a socket that is registered for [`Interest::HANGUP`](crate::Interest::HANGUP) alone.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.readiness.broken
    }

    /// Returns whether there is something behind the input that a short read does not get to: its
    /// end, a failure, or an urgent mark. Told for [`edge`](crate::Interest::edge), and perhaps
    /// for others, which are reported again anyway.
    #[must_use]
    pub fn has_more(&self) -> bool {
        self.readiness.more
    }
}

/// A buffer of events, filled by [`Poller::poll`](crate::Poller::poll) and reused between polls.
#[derive(Debug)]
pub struct Events {
    pub(crate) buffer: EventBuffer,
}

impl Events {
    /// Creates a buffer for at most `capacity` events per poll; zero is taken as one.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self { buffer: EventBuffer::with_capacity(capacity.max(1)) }
    }

    /// Returns how many events the last poll reported.
    #[must_use]
    pub fn len(&self) -> usize {
        self.buffer.len()
    }

    /// Returns whether the last poll reported nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the events of the last poll.
    pub fn iter(&self) -> impl Iterator<Item = Event> + '_ {
        (0..self.len()).map(|index| self.buffer.get(index))
    }
}
