//! The wishes of a callback, and how a connection ended.

use std::fmt;
use std::io;

/// What a callback asks for, for its connection or for the server.
///
/// # Examples
///
/// ```
/// # use evio_core as evio;
/// use evio::Action;
///
/// fn answer(input: &[u8]) -> Action {
///     if input.starts_with(b"QUIT") { Action::Close } else { Action::None }
/// }
/// assert_eq!(answer(b"QUIT\r\n"), Action::Close);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use = "an action does nothing unless it is returned from a callback"]
pub enum Action {
    /// Go on.
    #[default]
    None,
    /// Close the connection once everything that was written to it has been delivered.
    Close,
    /// Give the socket to [`Handler::detached`](crate::Handler::detached) once everything that was
    /// written to it has been sent.
    Detach,
    /// End the server: stop accepting and close every connection.
    Shutdown,
}

/// Why a connection ended.
///
/// # Examples
///
/// ```
/// # use evio_core as evio;
/// use evio::CloseReason;
///
/// assert_eq!(CloseReason::PeerClosed.to_string(), "closed by the peer");
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum CloseReason {
    /// The peer ended its output, and nothing more was to be sent to it.
    PeerClosed,
    /// A callback or a handle closed the connection.
    Closed,
    /// A callback or a handle aborted the connection.
    Aborted,
    /// The server is shutting down.
    Shutdown,
    /// The connection failed: reset by the peer, unreachable, and the like.
    Error(io::Error),
    /// More output was waiting for the peer than [`Limits::max_output`](crate::Limits) allows.
    OutputLimit,
    /// Something took too long.
    Timeout(Timeout),
    /// [`Handler::pre_write`](crate::Handler::pre_write) failed in a turn in which this connection
    /// had written: nothing of that was sent.
    Withheld,
    /// The peer went on sending while the connection was being closed, more than
    /// [`Limits::max_discarded`](crate::Limits), and took not all of the output.
    DiscardLimit,
    /// A callback panicked; see [`PanicPolicy::CloseConnection`](crate::PanicPolicy).
    Panicked,
}

/// The timeout that has passed; each is a field of [`Limits`](crate::Limits) unless it says
/// otherwise.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// # use evio_core as evio;
/// use evio::{Action, CloseReason, Conn, Timeout};
///
/// /// The `opened` callback: a client has ten seconds for its first request.
/// fn opened(conn: &mut Conn<'_>) -> Action {
///     conn.set_read_timeout(Some(Duration::from_secs(10)));
///     Action::None
/// }
///
/// /// What `closed` does with the reason: those who ask for nothing are counted.
/// fn count(reason: &CloseReason, silent: &mut u64) {
///     if matches!(reason, CloseReason::Timeout(Timeout::Read)) {
///         *silent += 1;
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Timeout {
    /// `connect_timeout`: an outbound connection did not come about.
    Connect,
    /// `idle_timeout`: no byte went in either direction.
    Idle,
    /// [`Conn::set_read_timeout`](crate::Conn::set_read_timeout): a message was not whole in time.
    Read,
    /// `write_timeout`: the peer took nothing of the output that was waiting for it.
    Write,
    /// `congestion_timeout`: too much output was waiting for too long.
    Congestion,
    /// `close_timeout` or `flush_timeout`: the connection was being closed, or detached, and the
    /// peer took nothing of what was left, or took too long in all.
    Close,
    /// `reply_timeout`: a [reply](crate::Conn::reply) was owed, and did not come.
    Reply,
}

impl fmt::Display for Timeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "no answer from the peer",
            Self::Idle => "idle for too long",
            Self::Read => "message not whole in time",
            Self::Write => "peer takes no output",
            Self::Congestion => "peer takes output too slowly",
            Self::Close => "peer did not take the rest in time",
            Self::Reply => "a reply did not come in time",
        })
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PeerClosed => f.write_str("closed by the peer"),
            Self::Closed => f.write_str("closed by this server"),
            Self::Aborted => f.write_str("aborted by this server"),
            Self::Shutdown => f.write_str("server shutdown"),
            Self::Error(error) => write!(f, "connection failed: {error}"),
            Self::OutputLimit => f.write_str("output limit exceeded"),
            Self::Timeout(timeout) => timeout.fmt(f),
            Self::Withheld => f.write_str("output withheld, since pre_write failed"),
            Self::DiscardLimit => f.write_str("peer sends on instead of taking the rest"),
            Self::Panicked => f.write_str("a callback panicked"),
        }
    }
}
