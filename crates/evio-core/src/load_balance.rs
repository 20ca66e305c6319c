//! Which loop a new connection goes to.

use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use parking_lot::Mutex;

use crate::config::Config;

/// How new connections are spread over the loops.
///
/// The loop that accepts a connection chooses by this policy and hands the socket over. Listeners
/// with `SO_REUSEPORT`, one per loop, are spread by the kernel instead.
///
/// # Examples
///
/// ```
/// use evio_core::LoadBalance;
///
/// assert_eq!(LoadBalance::default(), LoadBalance::Random);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LoadBalance {
    /// Every loop is equally likely.
    #[default]
    Random,
    /// Each loop in turn.
    RoundRobin,
    /// The loop with the fewest open connections; the first of them if there are several.
    LeastConnections,
}

/// A policy of the caller's own: given the peer's address, which a Unix peer has not, and the open
/// connections of each loop, it returns the index of a loop; one that is too large is taken modulo
/// the number of loops. It is called by whichever loop accepts, by one at a time.
///
/// # Examples
///
/// ```
/// use evio_core::PlaceFn;
///
/// // All connections of a host to the same loop.
/// let by_host = PlaceFn::new(|peer, live| match peer {
///     Some(peer) => peer.ip().to_string().bytes().map(usize::from).sum::<usize>() % live.len(),
///     None => 0,
/// });
/// # drop(by_host);
/// ```
#[derive(Clone)]
pub struct PlaceFn(Arc<PlaceFnInner>);

type PlaceFnInner = dyn Fn(Option<SocketAddr>, &[usize]) -> usize + Send + Sync;

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

/// The shared state behind the policy: whose turn it is, and the live connections of each loop.
#[derive(Debug)]
pub(crate) struct Placement {
    policy: LoadBalance,
    place_fn: Option<PlaceFn>,
    turn: AtomicUsize,
    /// Held while choosing by the counts: two loops that accept at the same time must not choose by
    /// the same ones. The list is filled for each call of a `PlaceFn`.
    choosing: Mutex<Vec<usize>>,
    live: Box<[LiveCount]>,
    /// How many connections there may be, and how many there are if that is limited.
    max_connections: usize,
    admitted: AtomicUsize,
    /// A listener of some loop waits for a connection to end.
    waiting: AtomicBool,
}

/// On a cache line of its own: each is written by its own loop all the time.
#[derive(Debug, Default)]
#[repr(align(128))]
struct LiveCount(AtomicUsize);

impl Placement {
    pub(crate) fn new(config: &Config, loops: usize) -> Self {
        Self {
            policy: config.load_balance,
            place_fn: config.place_fn.clone(),
            turn: AtomicUsize::new(0),
            choosing: Mutex::default(),
            live: (0..loops).map(|_| LiveCount::default()).collect(),
            max_connections: config.max_connections,
            admitted: AtomicUsize::new(0),
            waiting: AtomicBool::new(false),
        }
    }

    fn is_limited(&self) -> bool {
        self.max_connections < usize::MAX
    }

    /// Makes room for one more connection, and returns whether there is any.
    pub(crate) fn admit(&self) -> bool {
        let one_more = |admitted| (admitted < self.max_connections).then_some(admitted + 1);
        !self.is_limited()
            || self.admitted.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_more).is_ok()
    }

    /// Takes back an [`admit`](Self::admit) that no connection came of, and returns whether there
    /// was no room but this: somebody else may have been refused meanwhile.
    pub(crate) fn withdraw(&self) -> bool {
        self.is_limited() && self.admitted.fetch_sub(1, Ordering::SeqCst) == self.max_connections
    }

    /// Has the next loop that a connection ends in tell everybody, and returns whether there is
    /// room already. The order matters: whoever ends a connection makes the room, then looks for
    /// those who wait.
    pub(crate) fn wait_for_room(&self) -> bool {
        self.waiting.store(true, Ordering::SeqCst);
        self.admitted.load(Ordering::SeqCst) < self.max_connections
    }

    /// Returns whether anybody waits for a connection to end, once for all of them.
    pub(crate) fn take_waiting(&self) -> bool {
        self.waiting.load(Ordering::SeqCst) && self.waiting.swap(false, Ordering::SeqCst)
    }

    /// Chooses a loop and counts the new connection there.
    pub(crate) fn place(&self, random: &mut Random, peer: Option<SocketAddr>) -> usize {
        let loops = self.live.len();
        if let (Some(PlaceFn(place)), 2..) = (&self.place_fn, loops) {
            let mut counts = self.choosing.lock();
            counts.clear();
            counts.extend(self.live.iter().map(|live| live.0.load(Ordering::Relaxed)));
            let chosen = place(peer, &counts) % loops;
            self.add(chosen);
            return chosen;
        }
        let chosen = match self.policy {
            _ if loops == 1 => 0,
            LoadBalance::Random => random.below(loops),
            LoadBalance::RoundRobin => self.turn.fetch_add(1, Ordering::Relaxed) % loops,
            LoadBalance::LeastConnections => {
                let _choosing = self.choosing.lock();
                let least = self.least();
                self.add(least);
                return least;
            }
        };
        self.add(chosen);
        chosen
    }

    fn least(&self) -> usize {
        let counts = self.live.iter().map(|live| live.0.load(Ordering::Relaxed));
        counts.enumerate().min_by_key(|&(_, count)| count).map_or(0, |(index, _)| index)
    }

    pub(crate) fn add(&self, loop_id: usize) {
        self.live[loop_id].0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn remove(&self, loop_id: usize) {
        self.live[loop_id].0.fetch_sub(1, Ordering::Relaxed);
        self.withdraw();
    }
}

/// A xorshift64* generator: uniform enough to spread connections, and not a secret.
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// Creates a generator with a seed of its own, from the keys that std draws for its hashers.
    pub(crate) fn new() -> Self {
        Self(RandomState::new().build_hasher().finish() | 1)
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32;
        // The high half scaled to the bound: without a division, and with a bias below 2^-32.
        ((high * bound as u64) >> 32) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placement(load_balance: LoadBalance, loops: usize) -> Placement {
        Placement::new(&Config { load_balance, ..Config::default() }, loops)
    }

    fn place(policy: LoadBalance, loops: usize, connections: usize) -> Vec<usize> {
        let placement = placement(policy, loops);
        let mut random = Random::new();
        (0..connections).map(|_| placement.place(&mut random, None)).collect()
    }

    #[test]
    fn round_robin_is_exact() {
        assert_eq!(place(LoadBalance::RoundRobin, 3, 7), [0, 1, 2, 0, 1, 2, 0]);
    }

    #[test]
    fn least_connections_follows_the_live_counts() {
        let placement = placement(LoadBalance::LeastConnections, 3);
        let mut random = Random::new();
        let mut live = [0usize; 3];
        // A fixed walk of opens and closes; every open must hit a minimum.
        for step in 0..1_000usize {
            let busiest = (0..3).max_by_key(|&index| live[index]).unwrap_or(0);
            if step % 3 == 2 && live[busiest] > 0 {
                live[busiest] -= 1;
                placement.remove(busiest);
            } else {
                let chosen = placement.place(&mut random, None);
                assert_eq!(live[chosen], *live.iter().min().unwrap(), "step {step}: {live:?}");
                live[chosen] += 1;
            }
        }
    }

    /// Pearson's statistic for 8 loops has 7 degrees of freedom; it exceeds 40 once in a million.
    #[test]
    fn random_is_uniform() {
        const CONNECTIONS: usize = 80_000;
        let mut counts = [0f64; 8];
        for chosen in place(LoadBalance::Random, 8, CONNECTIONS) {
            counts[chosen] += 1.0;
        }
        let expected = CONNECTIONS as f64 / 8.0;
        let statistic: f64 = counts.iter().map(|n| (n - expected).powi(2) / expected).sum();
        assert!(statistic < 40.0, "chi-square {statistic}: {counts:?}");
    }

    #[test]
    fn a_place_fn_sees_the_peer_and_the_counts_and_is_kept_in_range() {
        let place_fn = PlaceFn::new(|peer, live| {
            peer.map_or(live.len() + 1, |peer| usize::from(peer.port()) + live[0])
        });
        let config = Config { place_fn: Some(place_fn), ..Config::default() };
        let placement = Placement::new(&config, 4);
        let mut random = Random::new();
        let peer = |port: u16| Some(([127, 0, 0, 1], port).into());
        assert_eq!(placement.place(&mut random, peer(0)), 0);
        assert_eq!(placement.place(&mut random, peer(1)), 2, "one connection on loop 0");
        assert_eq!(placement.place(&mut random, None), 1, "five of four loops");
        assert_eq!(Placement::new(&config, 1).place(&mut random, peer(3)), 0);
    }

    #[test]
    fn no_more_are_admitted_than_may_be() {
        let placement = Placement::new(&Config { max_connections: 2, ..Config::default() }, 1);
        let mut random = Random::new();
        assert!(placement.admit() && placement.admit());
        assert!(!placement.admit());
        assert!(!placement.wait_for_room());
        placement.place(&mut random, None);
        placement.remove(0);
        assert!(placement.take_waiting() && !placement.take_waiting());
        assert!(placement.wait_for_room(), "one has ended since");
        assert!(placement.admit());
        assert!(placement.withdraw(), "nobody else could have had it");
        assert!(!placement.withdraw() && placement.admit());
        assert!(placement.admit() && !placement.admit());
    }

    #[test]
    fn one_loop_takes_everything() {
        for policy in [LoadBalance::Random, LoadBalance::RoundRobin, LoadBalance::LeastConnections]
        {
            assert_eq!(place(policy, 1, 3), [0, 0, 0]);
        }
    }
}
