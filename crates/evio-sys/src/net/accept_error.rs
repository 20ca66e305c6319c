//! The errors of accept(2), sorted by what to do about them.

use std::error;
use std::fmt;
use std::io;

use nix::errno::Errno;

use super::is_defunct;

/// Why nothing was accepted.
///
/// # Examples
///
/// ```
/// use std::io;
/// # use evio_sys as evio;
/// use evio::net::AcceptError;
///
/// let empty = AcceptError::from(io::Error::from(io::ErrorKind::WouldBlock));
/// assert!(matches!(empty, AcceptError::Empty));
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum AcceptError {
    /// No connection is waiting: poll the listener.
    Empty,
    /// One connection failed before it was accepted, and is gone: try the next.
    Connection(io::Error),
    /// The process or the system has no descriptor left: the connection is still waiting, so leave
    /// the listener alone until one is closed, or turn the connection away with a [`Reserve`].
    ///
    /// [`Reserve`]: crate::net::Reserve
    Descriptors(io::Error),
    /// Memory ran out, or the cause is unknown: the connection is still waiting, so leave the
    /// listener alone for a while.
    Exhausted(io::Error),
    /// The listener itself is of no use any more.
    Listener(io::Error),
}

/// Sorts by the raw number: std gives several of these no kind of their own.
impl From<io::Error> for AcceptError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::WouldBlock {
            return Self::Empty;
        }
        match error.raw_os_error().map(Errno::from_raw) {
            // accept(2) also reports pending network errors of the new connection.
            Some(
                Errno::ECONNABORTED
                | Errno::ECONNRESET
                | Errno::EPROTO
                | Errno::ENETDOWN
                | Errno::ENETUNREACH
                | Errno::EHOSTDOWN
                | Errno::EHOSTUNREACH
                | Errno::ENOPROTOOPT
                | Errno::ETIMEDOUT
                // A firewall rule refused it.
                | Errno::EPERM,
            ) => Self::Connection(error),
            Some(Errno::EMFILE | Errno::ENFILE) => Self::Descriptors(error),
            Some(Errno::EOPNOTSUPP) => Self::Listener(error),
            _ if is_defunct(&error) => Self::Listener(error),
            _ => Self::Exhausted(error),
        }
    }
}

/// Says what failed; `source` says why.
impl fmt::Display for AcceptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "no connection is waiting",
            Self::Connection(_) => "connection failed before accept",
            Self::Descriptors(_) => "no descriptor is left to accept with",
            Self::Exhausted(_) => "cannot accept for now",
            Self::Listener(_) => "listener has failed",
        })
    }
}

impl error::Error for AcceptError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Empty => None,
            Self::Connection(error)
            | Self::Descriptors(error)
            | Self::Exhausted(error)
            | Self::Listener(error) => Some(error),
        }
    }
}

impl From<AcceptError> for io::Error {
    fn from(error: AcceptError) -> Self {
        match error {
            AcceptError::Empty => io::ErrorKind::WouldBlock.into(),
            AcceptError::Connection(error)
            | AcceptError::Descriptors(error)
            | AcceptError::Exhausted(error)
            | AcceptError::Listener(error) => error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_sorted_by_number() {
        let sort = |errno: Errno| AcceptError::from(io::Error::from(errno));
        assert!(matches!(sort(Errno::EAGAIN), AcceptError::Empty));
        for errno in [Errno::ECONNABORTED, Errno::EPROTO, Errno::EPERM] {
            assert!(matches!(sort(errno), AcceptError::Connection(_)), "{errno}");
        }
        for errno in [Errno::EMFILE, Errno::ENFILE] {
            assert!(matches!(sort(errno), AcceptError::Descriptors(_)), "{errno}");
        }
        for errno in [Errno::ENOBUFS, Errno::ENOMEM, Errno::EIO] {
            assert!(matches!(sort(errno), AcceptError::Exhausted(_)), "{errno}");
        }
        for errno in [Errno::EBADF, Errno::EINVAL] {
            assert!(matches!(sort(errno), AcceptError::Listener(_)), "{errno}");
        }
    }

    #[test]
    fn the_cause_is_the_source_and_is_printed_once() {
        for errno in [Errno::ECONNABORTED, Errno::EMFILE, Errno::ENOMEM, Errno::EBADF] {
            let error = AcceptError::from(io::Error::from(errno));
            let cause = error::Error::source(&error).unwrap().to_string();
            assert!(!error.to_string().contains(&cause), "{error}: {cause}");
        }
    }
}
