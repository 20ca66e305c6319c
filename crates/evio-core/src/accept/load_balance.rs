//! The policies that choose the loop of a new connection.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

/// How new connections are spread over the loops.
///
/// The loop that accepts a connection chooses by this policy and hands the socket over. Listeners
/// with `SO_REUSEPORT`, one per loop, are spread by the kernel instead.
///
/// # Examples
///
/// ```
/// # use evio_core as evio;
/// use evio::LoadBalance;
///
/// assert_eq!(LoadBalance::default(), LoadBalance::RoundRobin);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LoadBalance {
    /// Every loop is equally likely.
    Random,
    /// Each loop in turn.
    #[default]
    RoundRobin,
    /// The loop with the fewest open connections; the first of them if there are several.
    LeastConnections,
}

/// A policy of the caller's own: given the peer's address, which a Unix peer has not, and the open
/// connections of each loop, it returns the index of a loop; one that is too large is taken modulo
/// the number of loops. The loop that accepts calls it, one loop at a time.
///
/// # Examples
///
/// ```
/// # use evio_core as evio;
/// use evio::PlaceFn;
///
/// // All connections of a host to the same loop.
/// let by_host = PlaceFn::new(|peer, live| match peer {
///     Some(peer) => peer.ip().to_string().bytes().map(usize::from).sum::<usize>() % live.len(),
///     None => 0,
/// });
/// # drop(by_host);
/// ```
#[derive(Clone)]
pub struct PlaceFn(pub(super) Arc<PlaceFnInner>);

pub(super) type PlaceFnInner = dyn Fn(Option<SocketAddr>, &[usize]) -> usize + Send + Sync;

impl PlaceFn {
    /// Makes a policy of a function.
    pub fn new(
        place: impl Fn(Option<SocketAddr>, &[usize]) -> usize + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(place))
    }
}

impl fmt::Debug for PlaceFn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PlaceFn")
    }
}
