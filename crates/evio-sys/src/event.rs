//! Readiness as a poll reports it.

use std::fmt;
use std::ops::Range;

use crate::backend::EventBuffer;
use crate::token::Token;

/// One readiness report.
///
/// Events are hints: a socket that was ready may not be any more when it is used, so every read
/// and write must expect [`WouldBlock`](std::io::ErrorKind::WouldBlock).
///
/// # Examples
///
/// ```
/// use std::os::unix::net::UnixStream;
/// use evio_sys::net::Stream;
/// use evio_sys::{Event, Events, Interest, Poller, Token};
///
/// /// Reads all that is there after an event of a registration with `Interest::edge`.
/// fn read(event: &Event, stream: &Stream, input: &mut Vec<u8>) -> std::io::Result<()> {
///     let mut buffer = [0; 4];
///     if !event.is_readable() {
///         return Ok(());
///     }
///     loop {
///         let len = stream.recv(&mut buffer)?;
///         input.extend(&buffer[..len]);
///         // A short read has emptied the socket, unless its end is behind that.
///         if len == 0 || len < buffer.len() && !event.must_read_on() {
///             return Ok(());
///         }
///     }
/// }
///
/// let (left, right) = UnixStream::pair()?;
/// let (left, right) = (Stream::from(left), Stream::from(right));
/// left.send(b"hello")?;
/// drop(left);
/// let (poller, mut events) = (Poller::new()?, Events::with_capacity(8));
/// poller.register(&right, Token(0), (Interest::READABLE | Interest::WRITABLE).edge())?;
/// poller.poll(&mut events, None)?;
/// let mut input = Vec::new();
/// for event in &events {
///     read(&event, &right, &mut input)?;
///     if event.is_writable() && !event.is_hangup_or_error() {
///         println!("there is room for output");
///     }
/// }
/// assert_eq!(input, b"hello");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Event {
    token: Token,
    /// One bit for each, so that an event is passed in registers.
    readiness: u8,
}

const READABLE: u8 = 0b00_0001;
const WRITABLE: u8 = 0b00_0010;
const HANGUP_OR_ERROR: u8 = 0b00_0100;
const READ_ON: u8 = 0b00_1000;
const READ_CLOSED: u8 = 0b01_0000;
const WRITE_CLOSED: u8 = 0b10_0000;

/// The readiness that a backend decodes for an [`Event`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Readiness {
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    pub(crate) hangup_or_error: bool,
    pub(crate) read_on: bool,
    pub(crate) read_closed: bool,
    pub(crate) write_closed: bool,
}

impl Readiness {
    /// There is input, and nothing else to say.
    pub(crate) const INPUT: Self = Self {
        readable: true,
        writable: false,
        hangup_or_error: false,
        read_on: false,
        read_closed: false,
        write_closed: false,
    };
}

impl Event {
    #[inline]
    pub(crate) fn new(token: Token, readiness: Readiness) -> Self {
        let Readiness { readable, writable, hangup_or_error, read_on, read_closed, write_closed } =
            readiness;
        let bit = |is_set: bool, bit: u8| if is_set { bit } else { 0 };
        let readiness = bit(readable, READABLE)
            | bit(writable, WRITABLE)
            | bit(hangup_or_error, HANGUP_OR_ERROR)
            | bit(read_on, READ_ON)
            | bit(read_closed, READ_CLOSED)
            | bit(write_closed, WRITE_CLOSED);
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

    /// Returns whether the connection failed, or both of its directions have ended: no other event
    /// is to come.
    ///
    /// Input that arrived earlier may still be there to read. It is told whatever is waited for,
    /// and once where that is [`Interest::HANGUP`](crate::Interest::HANGUP) alone.
    ///
    /// # Platform notes
    ///
    /// These are `EPOLLERR` and `EPOLLHUP` of `epoll_ctl(2)`. kqueue tells the end of each
    /// direction by itself (`EV_EOF`), and getpeername(2) whether it was the last one.
    #[must_use]
    pub fn is_hangup_or_error(&self) -> bool {
        self.readiness & HANGUP_OR_ERROR != 0
    }

    /// Returns whether no more input will come than is there: the peer has ended its output, or the
    /// connection has failed. Told where [`READABLE`](crate::Interest::READABLE) is waited for,
    /// and at the latest together with [`is_readable`](Self::is_readable) of the end.
    ///
    /// # Platform notes
    ///
    /// This is `EPOLLRDHUP` or `EPOLLHUP`, and `EV_EOF` of `EVFILT_READ`. epoll says nothing of it
    /// for a registration that is [`exclusive`](crate::Interest::exclusive), nor for the end of a
    /// pipe whose writer has gone before its bytes were read.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::os::unix::net::UnixStream;
    /// use evio_sys::{Events, Interest, Poller, Token};
    ///
    /// let (left, right) = UnixStream::pair()?;
    /// let poller = Poller::new()?;
    /// poller.register(&right, Token(0), Interest::READABLE)?;
    /// left.shutdown(std::net::Shutdown::Write)?;
    /// let mut events = Events::with_capacity(8);
    /// poller.poll(&mut events, None)?;
    /// let event = events.iter().next().expect("the end of the input is an event");
    /// assert!(event.is_read_closed() && !event.is_write_closed());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn is_read_closed(&self) -> bool {
        self.readiness & READ_CLOSED != 0
    }

    /// Returns whether the peer takes no more output: the connection has failed or both directions
    /// have ended, or the reader of a pipe has gone.
    ///
    /// Who has shut down the output of a stream need not ask: whether that alone is told differs
    /// from system to system.
    ///
    /// # Platform notes
    ///
    /// This is `EPOLLHUP` or `EPOLLERR`, and `EV_EOF` of `EVFILT_WRITE`, which is told where
    /// [`WRITABLE`](crate::Interest::WRITABLE) is waited for.
    #[must_use]
    pub fn is_write_closed(&self) -> bool {
        self.readiness & WRITE_CLOSED != 0
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
            .field("read_closed", &self.is_read_closed())
            .field("write_closed", &self.is_write_closed())
            .field("must_read_on", &self.must_read_on())
            .finish()
    }
}

/// A buffer of events, filled by [`Poller::poll`](crate::Poller::poll) and reused between polls.
///
/// # Examples
///
/// ```
/// use std::os::unix::net::UnixStream;
/// use std::time::Duration;
/// use evio_sys::{Events, Interest, Poller, Token};
///
/// let (left, right) = UnixStream::pair()?;
/// let (poller, mut events) = (Poller::new()?, Events::with_capacity(8));
/// poller.register(&left, Token(1), Interest::WRITABLE)?;
/// poller.register(&right, Token(2), Interest::READABLE)?;
/// poller.poll(&mut events, Some(Duration::ZERO))?;
/// assert!(!events.is_empty());
/// assert_eq!(events.len(), 1, "there is room for output, and no input");
/// let tokens: Vec<Token> = events.iter().map(|event| event.token()).collect();
/// assert_eq!(tokens, [Token(1)]);
/// # Ok::<(), std::io::Error>(())
/// ```
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
///
/// # Examples
///
/// ```
/// use evio_sys::{Events, EventsIter};
///
/// fn count_readable(events: EventsIter<'_>) -> usize {
///     events.filter(|event| event.is_readable()).count()
/// }
///
/// assert_eq!(count_readable(Events::with_capacity(16).iter()), 0);
/// ```
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
