//! What can be set, with its defaults.

use std::time::Duration;

use crate::load_balance::{LoadBalance, PlaceFn};

/// How a group of loops behaves.
///
/// # Examples
///
/// ```
/// use evio_core::{Config, LoadBalance};
///
/// let config = Config { load_balance: LoadBalance::RoundRobin, ..Config::default() };
/// assert_eq!(config.limits.close_timeout.as_secs(), 5);
/// ```
#[derive(Clone, Debug)]
pub struct Config {
    /// Which loop a new connection goes to. Default: [`LoadBalance::Random`].
    pub load_balance: LoadBalance,
    /// A policy of one's own, instead of `load_balance`. Default: none.
    pub place_fn: Option<PlaceFn>,
    /// How many connections there may be on all loops together; more wait to be accepted until one
    /// ends. Default: no limit but that of the system.
    pub max_connections: usize,
    /// What every connection starts with.
    pub limits: Limits,
    /// What connections of single addresses start with instead, by the index of the address.
    pub limits_of: Vec<Option<Limits>>,
    /// How long a shutdown waits for peers to take what was written to them. Default: 5 seconds.
    pub shutdown_timeout: Duration,
    /// What a panic in a callback of a connection does. Default: [`PanicPolicy::EndServer`].
    pub panic_policy: PanicPolicy,
    /// How many messages from other threads may wait for a loop to take them before
    /// [`ConnHandle`](crate::ConnHandle) refuses more. Default: 65,536.
    pub mailbox_capacity: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            load_balance: LoadBalance::default(),
            place_fn: None,
            max_connections: usize::MAX,
            limits: Limits::default(),
            limits_of: Vec::new(),
            shutdown_timeout: Duration::from_secs(5),
            panic_policy: PanicPolicy::default(),
            mailbox_capacity: 65_536,
        }
    }
}

impl Config {
    /// Returns what the connections of an address start with.
    #[inline]
    pub(crate) fn limits_of(&self, address_index: u16) -> &Limits {
        let own = self.limits_of.get(usize::from(address_index));
        own.and_then(Option::as_ref).unwrap_or(&self.limits)
    }
}

/// What a panic in a callback of a connection does.
///
/// One in a callback that belongs to no connection (`serving`, `tick`, `pre_write`, `datagram`,
/// `context`, `detached`, `listener_failed`), in a posted task or in a [`PlaceFn`] always ends the
/// server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PanicPolicy {
    /// The other loops shut down, and the panic goes on out of the server's `run`: a handler that
    /// panicked half-way may have left its state in disorder.
    #[default]
    EndServer,
    /// The connection is aborted with [`CloseReason::Panicked`](crate::CloseReason::Panicked), and
    /// the server goes on: for handlers whose state is in order whatever happens.
    CloseConnection,
}

/// How much a connection may hold, and how long things may take.
///
/// Times are kept in steps of 16 ms: nothing ends early, and nothing later than three steps
/// after the loop could look.
///
/// # Examples
///
/// ```
/// use evio_core::Limits;
///
/// let limits = Limits { max_output: 1 << 20, ..Limits::default() };
/// assert!(limits.low_watermark < limits.high_watermark);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Unsent output, in bytes, above which the connection is not read from. Default: 256 KiB.
    pub high_watermark: usize,
    /// Unsent output, in bytes, at which reading goes on and
    /// [`Handler::drained`](crate::Handler::drained) is called. Default: 64 KiB.
    pub low_watermark: usize,
    /// Unsent output, in bytes, above which the connection is aborted. Default: 64 MiB.
    pub max_output: usize,
    /// How long unsent output may stay above the low watermark, having gone above the high one,
    /// before the connection is aborted: for slow consumers. Default: for ever.
    pub congestion_timeout: Option<Duration>,
    /// How long output may wait without the peer taking any of it before the connection is
    /// aborted. Default: for ever.
    pub write_timeout: Option<Duration>,
    /// How long an outbound connection may take to come about. Default: 10 seconds.
    pub connect_timeout: Duration,
    /// How long a connection may be silent in both directions before it is closed, as by
    /// [`Action::Close`](crate::Action::Close); a peer that does not close its end as well is
    /// waited for half a second. Default: for ever.
    pub idle_timeout: Option<Duration>,
    /// How long a closing connection waits for a peer that takes nothing, and how long, once
    /// everything was sent, for the peer to close its side. Default: 5 seconds.
    pub close_timeout: Duration,
}

/// Long enough for three repetitions of the first packet, after 1, 2 and 4 seconds; a peer that has
/// not answered by then is not worth waiting for.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

impl Default for Limits {
    fn default() -> Self {
        Self {
            high_watermark: 256 << 10,
            low_watermark: 64 << 10,
            max_output: 64 << 20,
            connect_timeout: CONNECT_TIMEOUT,
            congestion_timeout: None,
            write_timeout: None,
            idle_timeout: None,
            close_timeout: Duration::from_secs(5),
        }
    }
}
