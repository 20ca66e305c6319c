//! What can go wrong with a server as a whole.

use std::convert::Infallible;
use std::error;
use std::fmt;
use std::io;

use crate::address::{Address, ParseAddressError};

/// Why a server could not begin, or had to end.
///
/// What goes wrong with a single connection is told to [`Handler::closed`](crate::Handler::closed).
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
        /// What the system said.
        source: io::Error,
    },
    /// There were more addresses than the 65,536 that can be told apart.
    TooManyAddresses,
    /// A ready-made socket could not be used.
    Socket(io::Error),
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
            Self::Bind { address, source } => write!(f, "cannot listen on {address}: {source}"),
            Self::TooManyAddresses => f.write_str("more than 65,536 addresses"),
            Self::Socket(error) => write!(f, "cannot use the socket: {error}"),
            Self::NotRunning => f.write_str("the server is not running"),
            Self::Loop(error) => write!(f, "event loop failed: {error}"),
        }
    }
}

/// The same as `Display`: this is what a `main` that returns the error prints, and people read it.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Address(error) => Some(error),
            Self::NoAddress | Self::TooManyAddresses | Self::NotRunning => None,
            Self::Bind { source, .. } => Some(source),
            Self::Socket(error) | Self::Loop(error) => Some(error),
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
