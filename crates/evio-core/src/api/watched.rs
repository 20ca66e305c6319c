//! A watched descriptor, as a callback sees it.

use std::fmt;
use std::io::{self, Read, Write};
use std::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use evio_sys::{Event, Interest, descriptor};

use crate::api::event_loop_access::Loop;
use crate::api::loop_state::LoopState;
use crate::types::origin::Tag;
use crate::types::thread_bound::ThreadBound;
use crate::types::watch_id::WatchId;
use crate::watch::watches::Watch;

/// A descriptor that the loop [watches](Loop::watch), for the time of
/// [`Handler::ready`](crate::Handler::ready).
///
/// It reads and writes by one read(2) or write(2) each. One read after a report of
/// [`is_readable`](Self::is_readable) does not wait; for more than one, and for writing, the
/// descriptor should be non-blocking, or the loop may wait.
///
/// # Examples
///
/// ```
/// use std::io::Read;
/// use std::ops::ControlFlow;
/// # use evio_core as evio;
/// use evio::Watched;
///
/// /// The `ready` callback of a server that sends on to a connection what a child process prints.
/// fn ready(watched: &mut Watched<'_>) -> ControlFlow<()> {
///     let mut buffer = [0; 4096];
///     let len = watched.read(&mut buffer).unwrap_or(0);
///     let Some(id) = watched.tag().conn else { return ControlFlow::Continue(()) };
///     let mut event_loop = watched.event_loop();
///     let conn = event_loop.conn(id);
///     let goes_on = len > 0 && conn.is_some();
///     if let Some(mut conn) = conn {
///         conn.write(&buffer[..len]);
///     }
///     if !goes_on {
///         watched.unwatch();
///     }
///     ControlFlow::Continue(())
/// }
/// ```
pub struct Watched<'a> {
    state: &'a mut LoopState,
    number: u64,
    event: Event,
    tag: Tag,
    thread_bound: ThreadBound,
}

impl<'a> Watched<'a> {
    pub(crate) fn new(state: &'a mut LoopState, number: u64, event: Event) -> Self {
        let tag = state.watches.get(number).map(Watch::tag).unwrap_or_default();
        Self { state, number, event, tag, thread_bound: PhantomData }
    }

    fn watch(&self) -> io::Result<&Watch> {
        Ok(self.state.watches.get(self.number).ok_or(io::ErrorKind::NotFound)?)
    }

    /// Returns the name that [`Loop::watch`] gave it.
    ///
    /// # Examples
    ///
    /// See [`is_writable`](Self::is_writable).
    #[must_use]
    pub fn id(&self) -> WatchId {
        WatchId::new(self.state.loop_id, self.number)
    }

    /// Returns the tag that [`Loop::watch`] was given.
    #[must_use]
    pub fn tag(&self) -> Tag {
        self.tag
    }

    /// Returns whether a read does not wait: there is input, its end, or an error to be told.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::Read;
    /// use std::ops::ControlFlow;
    /// # use evio_core as evio;
    /// use evio::Watched;
    ///
    /// /// The `ready` callback of a server that adds up what comes out of a pipe, until its end.
    /// fn ready(watched: &mut Watched<'_>, len: &mut usize) -> ControlFlow<()> {
    ///     if watched.is_readable() {
    ///         let read = watched.read(&mut [0; 4096]).unwrap_or(0);
    ///         *len += read;
    ///         // The end may be known while there is still something to read.
    ///         if read == 0 && watched.is_read_closed() {
    ///             println!("{len} bytes");
    ///             drop(watched.unwatch());
    ///         }
    ///     }
    ///     ControlFlow::Continue(())
    /// }
    /// ```
    #[must_use]
    pub fn is_readable(&self) -> bool {
        let event = &self.event;
        event.is_readable() || event.is_read_closed() || event.is_hangup_or_error()
    }

    /// Returns whether there is room for output, or an error to be told to a write.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::Write;
    /// use std::ops::ControlFlow;
    /// # use evio_core as evio;
    /// use evio::{Interest, Watched};
    ///
    /// /// The `ready` callback for the input of a child process: writes what waits for it.
    /// fn ready(watched: &mut Watched<'_>, waiting: &mut Vec<u8>) -> ControlFlow<()> {
    ///     if watched.is_write_closed() {
    ///         eprintln!("the reader of {} has gone", watched.id());
    ///         drop(watched.unwatch());
    ///     } else if watched.is_writable() {
    ///         let taken = watched.write(waiting).unwrap_or(0);
    ///         waiting.drain(..taken);
    ///         // A pipe with room would be reported in every turn.
    ///         if waiting.is_empty() && watched.rewatch(Interest::HANGUP).is_err() {
    ///             drop(watched.unwatch());
    ///         }
    ///     }
    ///     ControlFlow::Continue(())
    /// }
    /// ```
    #[must_use]
    pub fn is_writable(&self) -> bool {
        self.event.is_writable() || self.event.is_write_closed()
    }

    /// Returns whether no more input will come than is there: the other end of a pipe or a
    /// connection has gone, or has ended its output.
    ///
    /// # Platform notes
    ///
    /// epoll tells it of a pipe when its bytes have been read, kqueue when the writer has gone.
    ///
    /// # Examples
    ///
    /// See [`is_readable`](Self::is_readable).
    #[must_use]
    pub fn is_read_closed(&self) -> bool {
        self.event.is_read_closed()
    }

    /// Returns whether nobody takes output any more: the reader of a pipe has gone, or a connection
    /// has failed or ended in both directions.
    ///
    /// # Platform notes
    ///
    /// kqueue tells it where room for output is waited for.
    ///
    /// # Examples
    ///
    /// See [`is_writable`](Self::is_writable).
    #[must_use]
    pub fn is_write_closed(&self) -> bool {
        self.event.is_write_closed()
    }

    /// Changes what the descriptor is watched for, as [`Loop::rewatch`] does.
    ///
    /// # Errors
    ///
    /// As [`Loop::rewatch`].
    ///
    /// # Examples
    ///
    /// See [`is_writable`](Self::is_writable).
    pub fn rewatch(&mut self, interest: Interest) -> io::Result<()> {
        self.state.watches.rearm(self.number, interest, &self.state.poller)
    }

    /// Ends watching the descriptor, and gives it back, as [`Loop::unwatch`] does. Dropping it
    /// closes it.
    pub fn unwatch(&mut self) -> Option<OwnedFd> {
        self.state.watches.remove(self.number, &self.state.poller)
    }

    /// Returns the loop of this descriptor.
    #[must_use]
    pub fn event_loop(&mut self) -> Loop<'_> {
        Loop::new(self.state)
    }
}

impl fmt::Debug for Watched<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched").field("id", &self.id()).field("tag", &self.tag).finish()
    }
}

/// For what a program does with its descriptor beside reading and writing.
///
/// # Panics
///
/// [`as_fd`](AsFd::as_fd) panics once the descriptor has been given back in this callback.
impl AsFd for Watched<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.watch().expect("the descriptor is watched, and not given back").fd().as_fd()
    }
}

/// Fails with [`NotFound`](io::ErrorKind::NotFound) once the descriptor has been given back.
impl Read for Watched<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        descriptor::read(self.watch()?.fd(), buffer)
    }
}

/// Fails with [`NotFound`](io::ErrorKind::NotFound) once the descriptor has been given back.
impl Write for Watched<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        descriptor::write(self.watch()?.fd(), bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
