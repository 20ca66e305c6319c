//! The errors of a server as a whole.

use std::convert::Infallible;
use std::error;
use std::fmt;
use std::io;

use crate::address::{Address, ParseAddressError};

/// Why a server could not begin, or had to end.
///
/// `Display` says what failed, and [`source`](error::Error::source) why; `Debug` says both, since
/// it is what a `main` prints that returns the error.
///
/// [`Handler::closed`](crate::Handler::closed) is told what goes wrong with a single connection.
///
/// # Examples
///
/// ```
/// let error = evio::Server::bind(["tulip://howdy"]).unwrap_err();
/// assert!(error.to_string().contains("tulip"));
/// assert_eq!(format!("{error:?}"), error.to_string());
/// ```
#[non_exhaustive]
pub enum Error {
    /// An address could not be understood.
    Address(ParseAddressError),
    /// No address was given.
    NoAddress,
    /// An address could not be resolved or bound.
    Bind {
        /// The address as it was given.
        address: Box<Address>,
        /// The error of the system call, or of resolving the host name.
        source: io::Error,
    },
    /// There were more addresses than the 65,536 that can be told apart.
    TooManyAddresses,
    /// Limits were given for an address that there is not.
    NoSuchAddress {
        /// The index that was given.
        index: u16,
        /// How many addresses there are.
        addresses: usize,
    },
    /// A ready-made socket could not be used.
    Socket(io::Error),
    /// A signal could not be handled; only with the feature `signals`.
    Signals(io::Error),
    /// The server is not running: not yet, or not any more.
    NotRunning,
    /// A loop could not be made, or its poller failed.
    Loop(io::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(error) => error.fmt(f),
            Self::NoAddress => {
                f.write_str("no address to listen on; give one, such as tcp://:5000")
            }
            Self::Bind { address, .. } => write!(f, "cannot listen on {address}"),
            Self::TooManyAddresses => f.write_str("more than 65,536 addresses"),
            Self::NoSuchAddress { index, addresses } => {
                write!(f, "limits_of: no address has index {index}; the server has {addresses}, ")?;
                f.write_str("counted from 0")
            }
            Self::Socket(_) => f.write_str("cannot use the socket"),
            Self::Signals(_) => f.write_str("cannot handle signals"),
            Self::NotRunning => f.write_str("the server is not running"),
            Self::Loop(_) => f.write_str("event loop failed"),
        }
    }
}

/// The error and its source in one line: this is what a `main` that returns it prints, and people
/// read it.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)?;
        match error::Error::source(self) {
            Some(source) => write!(f, ": {source}"),
            None => Ok(()),
        }
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            // Its text is this error's own.
            Self::Address(error) => error.source(),
            Self::NoAddress
            | Self::TooManyAddresses
            | Self::NoSuchAddress { .. }
            | Self::NotRunning => None,
            Self::Bind { source, .. } => Some(source),
            Self::Socket(error) | Self::Signals(error) | Self::Loop(error) => Some(error),
        }
    }
}

impl From<ParseAddressError> for Error {
    fn from(error: ParseAddressError) -> Self {
        Self::Address(error)
    }
}

/// For addresses that are parsed already.
impl From<Infallible> for Error {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    fn cause() -> io::Error {
        io::Error::other("the cause")
    }

    /// The text of the source is not repeated, so that a chain of errors reads well.
    #[test]
    fn each_error_says_what_failed_and_its_source_why() {
        let address = Box::new("tcp://127.0.0.1:80".parse().unwrap());
        let cases = [
            (Error::NoAddress, "no address to listen on; give one, such as tcp://:5000"),
            (Error::Bind { address, source: cause() }, "cannot listen on tcp://127.0.0.1:80"),
            (Error::TooManyAddresses, "more than 65,536 addresses"),
            (
                Error::NoSuchAddress { index: 2, addresses: 1 },
                "limits_of: no address has index 2; the server has 1, counted from 0",
            ),
            (Error::Socket(cause()), "cannot use the socket"),
            (Error::Signals(cause()), "cannot handle signals"),
            (Error::NotRunning, "the server is not running"),
            (Error::Loop(cause()), "event loop failed"),
        ];
        for (error, expected) in cases {
            let has_source = matches!(
                error,
                Error::Bind { .. } | Error::Socket(_) | Error::Signals(_) | Error::Loop(_)
            );
            assert_eq!(error.to_string(), expected);
            let source = error.source().map(ToString::to_string);
            assert_eq!(source.as_deref(), has_source.then_some("the cause"), "{expected}");
            let shown = if has_source { format!("{expected}: the cause") } else { expected.into() };
            assert_eq!(format!("{error:?}"), shown);
        }
    }

    #[test]
    fn an_address_that_is_wrong_speaks_for_itself() {
        let wrong = "tcp://[::1".parse::<Address>().unwrap_err();
        let (text, source) = (wrong.to_string(), wrong.source().map(ToString::to_string));
        let error = Error::from(wrong);
        assert_eq!(error.to_string(), text);
        assert_eq!(error.source().map(ToString::to_string), source);
        assert!(!format!("{error:?}").contains('\n'));
    }
}
