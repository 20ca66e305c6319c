//! How a group of loops behaves.

use std::time::Duration;

use crate::accept::load_balance::{LoadBalance, PlaceFn};
use crate::accept::placement::Policy;
use crate::types::limits::Limits;
use crate::types::setters::setters;

/// How a group of loops behaves.
///
/// The `evio` crate does not export it: there, `Server` has methods with these names.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use evio_core::{Config, Limits, LoadBalance, PanicPolicy, PlaceFn};
///
/// // Its second address is for those who look after it.
/// let idle_timeout = Some(Duration::from_secs(60));
/// let config = Config::default()
///     .load_balance(LoadBalance::LeastConnections)
///     .limits(Limits::default().idle_timeout(idle_timeout))
///     .address_limits(vec![None, Some(Limits::default())])
///     .max_connections(10_000)
///     .address_max_connections(vec![None, Some(8)])
///     .shutdown_timeout(Duration::from_secs(2))
///     .panic_policy(PanicPolicy::CloseConnection);
/// assert_eq!(config.limits.close_timeout, Duration::from_secs(5));
///
/// // One for a small machine, which puts every connection on the first loop.
/// let small = Config::default()
///     .place_fn(Some(PlaceFn::new(|_, _| 0)))
///     .mailbox_capacity(1024)
///     .mailbox_bytes(4 << 20)
///     .max_watches(8)
///     .max_timers(1024)
///     .max_dials(16);
/// assert!(small.max_timers < config.max_timers);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Which loop a new connection goes to. Default: [`LoadBalance::RoundRobin`].
    pub load_balance: LoadBalance,
    /// A policy of one's own, instead of `load_balance`. Default: none.
    pub place_fn: Option<PlaceFn>,
    /// How many connections there may be on all loops together, but for those by addresses of
    /// `address_max_connections`; more wait to be accepted until one ends. Default: no limit but
    /// that of the system.
    pub max_connections: usize,
    /// How many connections there may be by one address, by the index of the address. They are not
    /// counted for `max_connections`: so an address for those who look after the server has room
    /// when all others are full. Default: none has a number of its own.
    pub address_max_connections: Vec<Option<usize>>,
    /// Limits that every connection starts with.
    pub limits: Limits,
    /// Limits that accepted connections start with instead, by the index of the address that they
    /// came in by. Connections that the program asked for have `limits`.
    pub address_limits: Vec<Option<Limits>>,
    /// How long a shutdown waits for peers to take what was written to them, from when it is asked
    /// for. Default: 5 seconds.
    pub shutdown_timeout: Duration,
    /// The consequence of a panic in a connection's callback. Default: [`PanicPolicy::EndServer`].
    pub panic_policy: PanicPolicy,
    /// How many messages from other threads may wait for a loop to take them before
    /// [`ConnHandle`](crate::ConnHandle) and [`LoopHandle`](crate::LoopHandle) refuse more; as many
    /// again that end a connection. Messages that the loop has taken and not carried out yet are
    /// not counted, and there are no more of those. Default: 65,536.
    pub mailbox_capacity: usize,
    /// How many bytes these messages may hold together; one that is longer is taken when no other
    /// waits. Default: 64 MiB.
    pub mailbox_bytes: usize,
    /// How many descriptors each loop may [watch](crate::Loop::watch) at once. Default: 1,024.
    pub max_watches: usize,
    /// How many timers of [`Loop::set_timer`](crate::Loop::set_timer) and
    /// [`Loop::set_interval`](crate::Loop::set_interval) a loop has at once; timers of connections
    /// are not counted. Default: 65,536.
    pub max_timers: usize,
    /// How many [dials](crate::Loop::dial) of each loop may be under way at once, each of which
    /// takes up to eight descriptors. Default: 1,024.
    pub max_dials: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            load_balance: LoadBalance::default(),
            place_fn: None,
            max_connections: usize::MAX,
            address_max_connections: Vec::new(),
            limits: Limits::default(),
            address_limits: Vec::new(),
            shutdown_timeout: Duration::from_secs(5),
            panic_policy: PanicPolicy::default(),
            mailbox_capacity: 65_536,
            mailbox_bytes: 64 << 20,
            max_watches: 1024,
            max_timers: 65_536,
            max_dials: 1024,
        }
    }
}

impl Config {
    setters! {
        load_balance: LoadBalance,
        place_fn: Option<PlaceFn>,
        max_connections: usize,
        address_max_connections: Vec<Option<usize>>,
        limits: Limits,
        address_limits: Vec<Option<Limits>>,
        shutdown_timeout: Duration,
        panic_policy: PanicPolicy,
        mailbox_capacity: usize,
        mailbox_bytes: usize,
        max_watches: usize,
        max_timers: usize,
        max_dials: usize,
    }

    pub(crate) fn policy(&self) -> Policy {
        match &self.place_fn {
            Some(place) => Policy::Place(place.clone()),
            None => Policy::Balance(self.load_balance),
        }
    }
}

/// The consequence of a panic in a callback of a connection.
///
/// One in a callback that belongs to no connection (`serving`, `tick`, `loop_timer`, `message`,
/// `pre_write`, `datagram`, `ready`, `context`, `detached`, `dial_failed`, `listener_failed`), in a
/// posted task or in a [`PlaceFn`] always ends the server.
///
/// # Examples
///
/// ```
/// # use evio_core as evio;
/// use evio::PanicPolicy;
///
/// /// Returns what a server is to do: a bug stops a test, and costs no more than one client later.
/// fn panic_policy(is_test: bool) -> PanicPolicy {
///     if is_test { PanicPolicy::EndServer } else { PanicPolicy::CloseConnection }
/// }
///
/// assert_eq!(panic_policy(true), PanicPolicy::default());
/// ```
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
