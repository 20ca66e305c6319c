//! Which loop a new connection goes to.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

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

/// The shared state behind the policy: whose turn it is, and the live connections of each loop.
#[derive(Debug)]
pub(crate) struct Placement {
    policy: LoadBalance,
    turn: AtomicUsize,
    choosing: Mutex<()>,
    live: Box<[LiveCount]>,
}

/// On a cache line of its own: each is written by its own loop all the time.
#[derive(Debug, Default)]
#[repr(align(128))]
struct LiveCount(AtomicUsize);

impl Placement {
    pub(crate) fn new(policy: LoadBalance, loops: usize) -> Self {
        let live = (0..loops).map(|_| LiveCount::default()).collect();
        Self { policy, turn: AtomicUsize::new(0), choosing: Mutex::new(()), live }
    }

    /// Chooses a loop and counts the new connection there.
    pub(crate) fn place(&self, random: &mut Random) -> usize {
        let loops = self.live.len();
        let chosen = match self.policy {
            _ if loops == 1 => 0,
            LoadBalance::Random => random.below(loops),
            LoadBalance::RoundRobin => self.turn.fetch_add(1, Ordering::Relaxed) % loops,
            LoadBalance::LeastConnections => {
                // Two loops that accept at the same time must not choose by the same counts.
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

    fn place(policy: LoadBalance, loops: usize, connections: usize) -> Vec<usize> {
        let placement = Placement::new(policy, loops);
        let mut random = Random::new();
        (0..connections).map(|_| placement.place(&mut random)).collect()
    }

    #[test]
    fn round_robin_is_exact() {
        assert_eq!(place(LoadBalance::RoundRobin, 3, 7), [0, 1, 2, 0, 1, 2, 0]);
    }

    #[test]
    fn least_connections_follows_the_live_counts() {
        let placement = Placement::new(LoadBalance::LeastConnections, 3);
        let mut random = Random::new();
        let mut live = [0usize; 3];
        // A fixed walk of opens and closes; every open must hit a minimum.
        for step in 0..1_000usize {
            let busiest = (0..3).max_by_key(|&index| live[index]).unwrap_or(0);
            if step % 3 == 2 && live[busiest] > 0 {
                live[busiest] -= 1;
                placement.remove(busiest);
            } else {
                let chosen = placement.place(&mut random);
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
    fn one_loop_takes_everything() {
        for policy in [LoadBalance::Random, LoadBalance::RoundRobin, LoadBalance::LeastConnections]
        {
            assert_eq!(place(policy, 1, 3), [0, 0, 0]);
        }
    }
}
