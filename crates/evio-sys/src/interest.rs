//! The kinds of readiness that a registration waits for.

use std::fmt;
use std::num::NonZeroU8;
use std::ops::BitOr;

/// The kinds of readiness that a registered socket is polled for; never empty.
///
/// # Platform notes
///
/// epoll reports errors and hang-ups whatever the interest. kqueue reports them through its read
/// and write filters: for [`HANGUP`](Self::HANGUP) alone both are added, each with a low water mark
/// (`NOTE_LOWAT`) that is never reached.
///
/// # Examples
///
/// ```
/// # use evio_sys as evio;
/// use evio::Interest;
///
/// let both = Interest::READABLE | Interest::WRITABLE;
/// assert!(both.is_readable() && both.is_writable());
/// assert!(!Interest::HANGUP.is_readable());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Interest(NonZeroU8);

const READABLE: u8 = 0b001;
const WRITABLE: u8 = 0b010;
const HANGUP: u8 = 0b100;
const EDGE: u8 = 0b1000;
const EXCLUSIVE: u8 = 0b1_0000;
const ONE_SHOT: u8 = 0b10_0000;

const fn interest(bits: u8) -> Interest {
    match NonZeroU8::new(bits) {
        Some(bits) => Interest(bits),
        None => panic!("an interest has at least one bit"),
    }
}

impl Interest {
    /// Input, the end of input, or a connection to accept.
    pub const READABLE: Self = interest(READABLE);
    /// Room for output.
    pub const WRITABLE: Self = interest(WRITABLE);
    /// Only that the connection broke, and that once: what a paused socket is left with.
    pub const HANGUP: Self = interest(HANGUP);

    /// Returns whether input is waited for.
    #[must_use]
    pub const fn is_readable(self) -> bool {
        self.0.get() & READABLE != 0
    }

    /// Returns whether room for output is waited for.
    #[must_use]
    pub const fn is_writable(self) -> bool {
        self.0.get() & WRITABLE != 0
    }

    /// Returns the same for a caller to whom one report of a change is enough: when what it waits
    /// for comes about, and if that is there when the registration is made or changed.
    ///
    /// The caller then has to read until a read is short of its buffer, and once more after an
    /// event that [`must_read_on`](crate::Event::must_read_on); to write until a write is short;
    /// and to change the registration to be told again of what it left alone.
    ///
    /// # Platform notes
    ///
    /// epoll saves a look at each socket that was reported the last time (`EPOLLET`); kqueue goes
    /// on reporting.
    ///
    /// # Examples
    ///
    /// ```
    /// # use evio_sys as evio;
    /// use evio::Interest;
    ///
    /// let interest = Interest::READABLE.edge();
    /// assert!(interest.is_edge() && interest.is_readable());
    /// assert!(!interest.is_one_shot() && interest.one_shot().is_one_shot());
    /// assert!(!interest.is_exclusive() && interest.exclusive().is_exclusive());
    /// ```
    #[must_use]
    pub const fn edge(self) -> Self {
        interest(self.0.get() | EDGE)
    }

    /// Returns whether reporting a change is enough.
    ///
    /// # Examples
    ///
    /// See [`edge`](Self::edge).
    #[must_use]
    pub const fn is_edge(self) -> bool {
        self.0.get() & EDGE != 0
    }

    /// Returns the same for a socket that several pollers register, such as a listener that they
    /// share: what happens to the socket ends the wait of one poller, or of few, instead of all.
    ///
    /// Of the pollers that wait when a connection comes, one is told; those that are busy find it
    /// too when they poll next, if nobody has accepted it by then. A registration of this kind can
    /// be ended but not changed.
    ///
    /// # Platform notes
    ///
    /// On Linux this is `EPOLLEXCLUSIVE` of `epoll_ctl(2)`, and
    /// [`reregister`](crate::Poller::reregister) with it, or of what was registered with it, fails
    /// with `EINVAL`. kqueue has nothing like it: there all pollers are told, and all but one
    /// accept in vain.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use evio_sys::net::{Listener, ListenOptions};
    /// use evio_sys::{Interest, Poller, Token};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let address = "127.0.0.1:0".parse().unwrap();
    /// let listener = Arc::new(Listener::tcp(address, &ListenOptions::default())?);
    /// for poller in [Poller::new()?, Poller::new()?] {
    ///     poller.register(&listener, Token(0), Interest::READABLE.exclusive())?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn exclusive(self) -> Self {
        interest(self.0.get() | EXCLUSIVE)
    }

    /// Returns whether telling one poller of several is enough.
    ///
    /// # Examples
    ///
    /// See [`edge`](Self::edge).
    #[must_use]
    pub const fn is_exclusive(self) -> bool {
        self.0.get() & EXCLUSIVE != 0
    }

    /// Returns the same, reported once: after that the socket stays registered and silent, until
    /// [`reregister`](crate::Poller::reregister) is told what comes next.
    ///
    /// For pollers that several threads wait on: what one thread was told of, no other is, as long
    /// as it is at work on it.
    ///
    /// # Platform notes
    ///
    /// On Linux this is `EPOLLONESHOT` of `epoll_ctl(2)`, which is refused together with
    /// [`exclusive`](Self::exclusive) (`EINVAL`). On kqueue it is `EV_DISPATCH`, for each filter:
    /// there `READABLE | WRITABLE` is reported once for input and once for output. That
    /// [`HANGUP`](Self::HANGUP) alone is reported once needs no more than that.
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
    /// left.write_all(b"x")?;
    /// let poller = Poller::new()?;
    /// poller.register(&right, Token(0), Interest::READABLE.one_shot())?;
    /// let mut events = Events::with_capacity(8);
    /// for (expected, again) in [(1, false), (0, true), (1, false)] {
    ///     poller.poll(&mut events, Some(Duration::ZERO))?;
    ///     assert_eq!(events.len(), expected);
    ///     if again {
    ///         poller.reregister(&right, Token(0), Interest::READABLE.one_shot())?;
    ///     }
    /// }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub const fn one_shot(self) -> Self {
        interest(self.0.get() | ONE_SHOT)
    }

    /// Returns whether it is reported once.
    ///
    /// # Examples
    ///
    /// See [`edge`](Self::edge).
    #[must_use]
    pub const fn is_one_shot(self) -> bool {
        self.0.get() & ONE_SHOT != 0
    }
}

impl BitOr for Interest {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Debug for Interest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.is_readable(), self.is_writable()) {
            (true, true) => "READABLE | WRITABLE",
            (true, false) => "READABLE",
            (false, true) => "WRITABLE",
            (false, false) => "HANGUP",
        })?;
        f.write_str(if self.is_edge() { " | EDGE" } else { "" })?;
        f.write_str(if self.is_exclusive() { " | EXCLUSIVE" } else { "" })?;
        f.write_str(if self.is_one_shot() { " | ONE_SHOT" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::Interest;

    #[test]
    fn bits_combine() {
        let both = Interest::READABLE | Interest::WRITABLE;
        assert!(both.is_readable() && both.is_writable());
        assert!(!Interest::READABLE.is_writable());
        assert!(!Interest::WRITABLE.is_readable());
        assert_eq!(format!("{both:?}"), "READABLE | WRITABLE");
        assert_eq!(format!("{:?}", Interest::HANGUP), "HANGUP");
        let edge = Interest::READABLE.edge();
        assert!(edge.is_edge() && !both.is_edge());
        assert_eq!(format!("{edge:?}"), "READABLE | EDGE");
        let exclusive = Interest::READABLE.exclusive();
        assert!(exclusive.is_exclusive() && !edge.is_exclusive());
        assert_eq!(format!("{exclusive:?}"), "READABLE | EXCLUSIVE");
        let one_shot = Interest::WRITABLE.one_shot();
        assert!(one_shot.is_one_shot() && !exclusive.is_one_shot());
        assert_eq!(format!("{one_shot:?}"), "WRITABLE | ONE_SHOT");
    }
}
