//! Readiness as a poll reports it.

use std::fmt;
use std::ops::Range;

use crate::backend::EventBuffer;
use crate::token::Token;

/// One readiness report.
///
/// Events are hints: a socket that was ready may not be any more when it is used, so every read
/// and write must expect [`WouldBlock`](std::io::ErrorKind::WouldBlock).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Event {
    token: Token,
    /// One bit for each, so that an event is passed in registers.
    readiness: u8,
}

const READABLE: u8 = 0b0001;
const WRITABLE: u8 = 0b0010;
const HANGUP_OR_ERROR: u8 = 0b0100;
const READ_ON: u8 = 0b1000;

/// The readiness that a backend decodes for an [`Event`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Readiness {
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    pub(crate) hangup_or_error: bool,
    pub(crate) read_on: bool,
}

impl Event {
    #[inline]
    pub(crate) fn new(token: Token, readiness: Readiness) -> Self {
        let Readiness { readable, writable, hangup_or_error, read_on } = readiness;
        let bit = |is_set: bool, bit: u8| if is_set { bit } else { 0 };
        let readiness = bit(readable, READABLE)
            | bit(writable, WRITABLE)
            | bit(hangup_or_error, HANGUP_OR_ERROR)
            | bit(read_on, READ_ON);
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
        self.readiness & READABLE != 0
    }

    /// Returns whether there is room for output.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        self.readiness & WRITABLE != 0
    }

    /// Returns whether the connection failed (`EPOLLERR`) or is closed in both directions
    /// (`EPOLLHUP`).
    ///
    /// Input that arrived earlier may still be there to read. It is reported once even for a socket
    /// that is registered for [`Interest::HANGUP`] alone.
    ///
    /// # Platform notes
    ///
    /// kqueue does not report the end of both directions beside [`Interest::READABLE`] or
    /// [`Interest::WRITABLE`]: there the reads and the writes tell. For [`Interest::HANGUP`] alone
    /// it reports the end of the output, and so a socket whose output this end has shut down.
    ///
    /// [`Interest::HANGUP`]: crate::Interest::HANGUP
    /// [`Interest::READABLE`]: crate::Interest::READABLE
    /// [`Interest::WRITABLE`]: crate::Interest::WRITABLE
    #[must_use]
    pub fn is_hangup_or_error(&self) -> bool {
        self.readiness & HANGUP_OR_ERROR != 0
    }

    /// Returns whether a read that is short of the buffer must be followed by another one: there is
    /// something behind the input that it does not get to, its end, a failure, or an urgent mark.
    /// Told for [`edge`](crate::Interest::edge), and perhaps for others, which are reported again
    /// anyway.
    #[must_use]
    pub fn must_read_on(&self) -> bool {
        self.readiness & READ_ON != 0
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("token", &self.token)
            .field("readable", &self.is_readable())
            .field("writable", &self.is_writable())
            .field("hangup_or_error", &self.is_hangup_or_error())
            .field("must_read_on", &self.must_read_on())
            .finish()
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
    #[inline]
    pub fn iter(&self) -> EventsIter<'_> {
        EventsIter { buffer: &self.buffer, indexes: 0..self.buffer.len() }
    }
}

/// # Examples
///
/// ```
/// use std::time::Duration;
/// use evio_sys::{Events, Poller};
///
/// let mut events = Events::with_capacity(16);
/// Poller::new()?.poll(&mut events, Some(Duration::ZERO))?;
/// for event in &events {
///     unreachable!("nothing is registered: {event:?}");
/// }
/// # Ok::<(), std::io::Error>(())
/// ```
impl<'a> IntoIterator for &'a Events {
    type Item = Event;
    type IntoIter = EventsIter<'a>;

    #[inline]
    fn into_iter(self) -> EventsIter<'a> {
        self.iter()
    }
}

/// The events of a poll; made by [`Events::iter`].
#[derive(Clone, Debug)]
pub struct EventsIter<'a> {
    buffer: &'a EventBuffer,
    indexes: Range<usize>,
}

impl Iterator for EventsIter<'_> {
    type Item = Event;

    #[inline]
    fn next(&mut self) -> Option<Event> {
        self.indexes.next().map(|index| self.buffer.get(index))
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.indexes.size_hint()
    }
}

impl ExactSizeIterator for EventsIter<'_> {}
