//! Waiting for many sockets at once.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use crate::backend::{self, Selector};
use crate::clock;
use crate::event::Events;
use crate::interest::Interest;
use crate::source::Source;
use crate::token::Token;

/// The system's interface that a poller uses here: `epoll` or `kqueue`. For logs, and for
/// programs that depend on what only one of them has.
///
/// # Examples
///
/// ```
/// # use evio_sys as evio;
/// use evio::BACKEND;
///
/// assert!(["epoll", "kqueue"].contains(&BACKEND));
/// ```
pub const BACKEND: &str = backend::NAME;

/// Waits for readiness of the sockets that are registered with it.
///
/// # Portability
///
/// Reports are level-triggered on every system, but for registrations with [`Interest::edge`]. The
/// order of events within a poll is not specified. A socket may be reported once for reading and
/// once for writing in the same poll.
///
/// # Implementation notes
///
/// | system | call |
/// |---|---|
/// | Linux | `epoll(7)` |
/// | macOS, FreeBSD, NetBSD, OpenBSD, DragonFly | `kqueue(2)` |
///
/// # Examples
///
/// See the [crate's page](crate).
#[derive(Debug)]
pub struct Poller {
    selector: Selector,
}

impl Poller {
    /// Creates a poller with nothing registered.
    ///
    /// # Errors
    ///
    /// Fails when the process or the system is out of file descriptors or memory.
    pub fn new() -> io::Result<Self> {
        Ok(Self { selector: Selector::new()? })
    }

    pub(crate) fn selector(&self) -> &Selector {
        &self.selector
    }

    /// Starts reporting `source` under `token`.
    ///
    /// # Errors
    ///
    /// Fails when `source` cannot be polled, when the kernel is out of memory or over the user's
    /// limit of registrations (`ENOSPC` on Linux), and when it is registered already (`EEXIST`):
    /// whether the old registration or the new one then holds differs from system to system. kqueue
    /// refuses to wait for room in a pipe whose reader has gone (`EPIPE`), which epoll reports.
    pub fn register(
        &self,
        source: &impl Source,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        self.selector.register(source.descriptor(), token, interest)
    }

    /// Replaces the token and the interest of `source`.
    ///
    /// # Errors
    ///
    /// Fails when the kernel is out of memory, and when `source` is not registered (`ENOENT`).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::os::unix::net::UnixStream;
    /// use std::time::Duration;
    /// use evio_sys::{Events, Interest, Poller, Token};
    ///
    /// let (left, _right) = UnixStream::pair()?;
    /// let (poller, mut events) = (Poller::new()?, Events::with_capacity(8));
    /// poller.register(&left, Token(1), Interest::READABLE)?;
    /// poller.reregister(&left, Token(2), Interest::WRITABLE)?;
    /// poller.poll(&mut events, None)?;
    /// assert_eq!(events.iter().next().expect("there is room").token(), Token(2));
    ///
    /// poller.deregister(&left)?;
    /// poller.poll(&mut events, Some(Duration::ZERO))?;
    /// assert!(events.is_empty());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn reregister(
        &self,
        source: &impl Source,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        self.selector.reregister(source.descriptor(), token, interest)
    }

    /// Stops reporting `source`.
    ///
    /// To be called before the socket is closed: a copy of the descriptor in another process would
    /// otherwise keep it reported for ever. An event that was already fetched may still name it.
    ///
    /// # Errors
    ///
    /// Fails when `source` is not registered (`ENOENT`), and when the system call does.
    ///
    /// # Examples
    ///
    /// See [`reregister`](Self::reregister).
    pub fn deregister(&self, source: &impl Source) -> io::Result<()> {
        self.selector.deregister(source.descriptor())
    }

    /// Waits until something is ready or `timeout` has passed, and fills `events`.
    ///
    /// `None` waits for ever and `Some(Duration::ZERO)` does not wait. An empty `events` means
    /// that the timeout has passed; it never passes early, since it is rounded up to what the
    /// system can count (milliseconds with epoll), and a signal does not end the wait.
    ///
    /// # Errors
    ///
    /// Fails only when the poller itself is broken.
    pub fn poll(&self, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
        match timeout {
            None | Some(Duration::ZERO) => self.poll_uninterrupted(events, timeout),
            Some(timeout) => match clock::now().checked_add(timeout) {
                Some(deadline) => self.poll_until(events, timeout, deadline),
                None => self.poll_uninterrupted(events, None),
            },
        }
    }

    fn poll_uninterrupted(&self, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
        loop {
            match self.selector.wait(&mut events.buffer, timeout) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    /// Goes on waiting after a signal, and where the kernel's counter is shorter than `timeout`.
    fn poll_until(
        &self,
        events: &mut Events,
        timeout: Duration,
        deadline: Instant,
    ) -> io::Result<()> {
        let mut remaining = timeout;
        loop {
            match self.selector.wait(&mut events.buffer, Some(remaining)) {
                Ok(()) if !events.is_empty() => return Ok(()),
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                Ok(()) | Err(_) => {}
            }
            remaining = deadline.saturating_duration_since(clock::now());
            if remaining.is_zero() {
                return Ok(());
            }
        }
    }
}

/// The descriptor is readable when an event waits: so a poller can be registered with another one,
/// or a program can wait for it by poll(2).
///
/// # Examples
///
/// ```
/// use std::io::Write;
/// use std::os::unix::net::UnixStream;
/// use std::time::Duration;
/// use evio_sys::{Events, Interest, Poller, Token};
///
/// let (mut left, right) = UnixStream::pair()?;
/// let (inner, outer) = (Poller::new()?, Poller::new()?);
/// inner.register(&right, Token(1), Interest::READABLE)?;
/// outer.register(&inner, Token(2), Interest::READABLE)?;
/// left.write_all(b"x")?;
/// let mut events = Events::with_capacity(1);
/// outer.poll(&mut events, Some(Duration::from_secs(5)))?;
/// assert_eq!(events.iter().next().map(|event| event.token()), Some(Token(2)));
/// # Ok::<(), std::io::Error>(())
/// ```
impl AsFd for Poller {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.selector.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixStream;
    use std::time::Duration;

    use super::*;

    const DEADLINE: Option<Duration> = Some(Duration::from_secs(10));

    fn poll(poller: &Poller, timeout: Option<Duration>) -> Vec<crate::Event> {
        let mut events = Events::with_capacity(8);
        poller.poll(&mut events, timeout).unwrap();
        events.iter().collect()
    }

    #[test]
    fn reports_readiness_again_until_it_is_consumed() {
        let (mut left, right) = UnixStream::pair().unwrap();
        let poller = Poller::new().unwrap();
        poller.register(&right, Token(3), Interest::READABLE).unwrap();
        assert!(poll(&poller, Some(Duration::ZERO)).is_empty());
        left.write_all(b"x").unwrap();
        for _ in 0..2 {
            let events = poll(&poller, DEADLINE);
            assert_eq!(events.len(), 1);
            assert_eq!(events[0].token(), Token(3));
            assert!(events[0].is_readable() && !events[0].is_writable());
        }
    }

    #[test]
    fn reregister_replaces_token_and_interest() {
        let (_left, right) = UnixStream::pair().unwrap();
        let poller = Poller::new().unwrap();
        poller.register(&right, Token(1), Interest::READABLE).unwrap();
        poller.reregister(&right, Token(2), Interest::READABLE | Interest::WRITABLE).unwrap();
        let events = poll(&poller, DEADLINE);
        assert_eq!(events[0].token(), Token(2));
        assert!(events[0].is_writable() && !events[0].is_readable());
    }

    #[test]
    fn deregistered_sockets_are_silent() {
        let (mut left, right) = UnixStream::pair().unwrap();
        let poller = Poller::new().unwrap();
        poller.register(&right, Token(1), Interest::READABLE).unwrap();
        poller.deregister(&right).unwrap();
        left.write_all(b"x").unwrap();
        assert!(poll(&poller, Some(Duration::ZERO)).is_empty());
    }

    #[test]
    fn a_timeout_never_ends_early() {
        let poller = Poller::new().unwrap();
        for timeout in [1, 999, 1_000, 1_001, 2_500].map(Duration::from_micros) {
            let start = clock::now();
            assert!(poll(&poller, Some(timeout)).is_empty());
            assert!(start.elapsed() >= timeout, "{timeout:?} ended early");
        }
    }
}
