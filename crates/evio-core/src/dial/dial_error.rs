//! Why a dial has failed.

use std::error;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use crate::types::origin::Tag;

/// The name of a dial; [`Loop::cancel_dial`](crate::Loop::cancel_dial) takes it.
///
/// A loop gives no name twice.
///
/// # Examples
///
/// ```
/// # use evio_core as evio;
/// use evio::{Conn, ConnMap, DialId};
///
/// /// What a proxy does in `closed`: a client that has gone needs no connection to a backend.
/// fn closed(client: &mut Conn<'_>, dials: &mut ConnMap<DialId>) {
///     if let Some(dial) = dials.remove(client.id()) {
///         client.event_loop().cancel_dial(dial);
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DialId {
    pub(crate) loop_id: u16,
    pub(crate) number: u64,
}

/// Why no connection has come of a dial, as
/// [`Handler::dial_failed`](crate::Handler::dial_failed) gets it.
///
/// `Display` says what was tried, and what each address has answered:
///
/// ```text
/// cannot connect to db.example:5432: 192.0.2.1:5432: Connection refused (os error 111);
/// [2001:db8::1]:5432: no answer
/// ```
///
/// # Examples
///
/// ```
/// use std::ops::ControlFlow;
/// # use evio_core as evio;
/// use evio::{DialError, DialFailure, Loop};
///
/// /// The `dial_failed` callback of a proxy, which dials with the id of the client as the tag.
/// fn dial_failed(event_loop: &mut Loop<'_>, error: &DialError) -> ControlFlow<()> {
///     eprintln!("no connection to {} ({:?})", error.target(), error.id());
///     for (address, error) in error.attempts() {
///         eprintln!("- {address}: {error}");
///     }
///     if let Some(mut client) = error.tag().conn.and_then(|client| event_loop.conn(client)) {
///         client.write_static(match error.failure() {
///             DialFailure::TimedOut(_) => b"504 the backend does not answer\n",
///             _ => b"502 there is no backend\n",
///         });
///         client.close();
///     }
///     ControlFlow::Continue(())
/// }
/// ```
#[derive(Debug)]
pub struct DialError {
    pub(super) id: DialId,
    pub(super) tag: Tag,
    /// What was dialled, as it is told to people.
    pub(super) target: String,
    pub(super) failure: DialFailure,
    pub(super) attempts: Vec<(SocketAddr, io::Error)>,
}

impl DialError {
    /// Returns the name of the dial.
    #[must_use]
    pub fn id(&self) -> DialId {
        self.id
    }

    /// Returns what was given with the [options](crate::ConnectOptions::tag).
    #[must_use]
    pub fn tag(&self) -> Tag {
        self.tag
    }

    /// Returns what was dialled: the name, or the addresses in short.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }

    /// Returns what has failed.
    #[must_use]
    pub fn failure(&self) -> &DialFailure {
        &self.failure
    }

    /// Returns the addresses that were tried, each with its error, in the order in which they
    /// failed. Those that had not answered when the time was up come last.
    #[must_use]
    pub fn attempts(&self) -> &[(SocketAddr, io::Error)] {
        &self.attempts
    }
}

/// What has failed about a dial.
///
/// # Examples
///
/// ```
/// use std::ops::ControlFlow;
/// # use evio_core as evio;
/// use evio::{DialError, DialFailure};
///
/// /// The `dial_failed` callback of a client that tries again, unless that is of no use.
/// fn dial_failed(error: &DialError, try_again: impl FnOnce()) -> ControlFlow<()> {
///     match error.failure() {
///         DialFailure::Unreachable | DialFailure::TimedOut(_) => try_again(),
///         // The name is wrong, or this side has a limit or is ending.
///         _ => return ControlFlow::Break(()),
///     }
///     ControlFlow::Continue(())
/// }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum DialFailure {
    /// The name could not be resolved.
    Resolve(io::Error),
    /// There was no address to connect to.
    NoAddress,
    /// Every address was tried, and none could be connected to.
    Unreachable,
    /// No connection came about in so long: [`Limits::connect_timeout`](crate::Limits), in which
    /// the name is resolved, too.
    TimedOut(Duration),
    /// The server is ending, and no connection is left that has come in and could wait for this.
    Shutdown,
}

impl fmt::Display for DialFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resolve(error) => error.fmt(f),
            Self::NoAddress => f.write_str("no address"),
            Self::Unreachable => f.write_str("no address can be reached"),
            Self::TimedOut(timeout) => write!(f, "no answer within {timeout:?}"),
            Self::Shutdown => f.write_str("the server is shutting down"),
        }
    }
}

impl fmt::Display for DialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot connect to {}", self.target)?;
        match &self.failure {
            // What the addresses answered says it.
            DialFailure::Unreachable => {}
            DialFailure::TimedOut(timeout) if self.attempts.is_empty() => {
                write!(f, ": the name was not resolved within {timeout:?}")?;
            }
            failure => write!(f, ": {failure}")?,
        }
        if let [(address, error)] = &*self.attempts {
            if address.to_string() == self.target {
                return write!(f, ": {error}");
            }
        }
        for (place, (address, error)) in self.attempts.iter().enumerate() {
            let before = if place == 0 { ": " } else { "; " };
            write!(f, "{before}{address}: {error}")?;
        }
        Ok(())
    }
}

impl error::Error for DialError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match &self.failure {
            DialFailure::Resolve(error) => error.source(),
            _ => None,
        }
    }
}
