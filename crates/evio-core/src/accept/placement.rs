//! Chooses the loop of a new connection.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::{Mutex, MutexGuard};

use crate::accept::connection_limits::ConnectionLimits;
use crate::accept::load_balance::{LoadBalance, PlaceFn};
use crate::accept::random::Random;
use crate::accept::shortage::Shortage;

/// The shared state behind the policy: whose turn it is, and the live connections of each loop.
#[derive(Debug)]
pub(crate) struct Placement {
    policy: Policy,
    pub(crate) shortage: Shortage,
    turn: AtomicUsize,
    /// Held from an `accept` until its connection is placed: of two loops that accept at the same
    /// time, the one with the earlier connection places first.
    accepting: Mutex<()>,
    /// Held while choosing by the counts: two loops that accept at the same time must not choose by
    /// the same ones. The list is filled for each call of a `PlaceFn`.
    choosing: Mutex<Vec<usize>>,
    live: Box<[LiveCount]>,
    pub(crate) limits: ConnectionLimits,
}

/// How the loop of a connection is chosen.
#[derive(Debug)]
pub(crate) enum Policy {
    Balance(LoadBalance),
    Place(PlaceFn),
}

/// On a cache line of its own: each is written by its own loop all the time.
#[derive(Debug, Default)]
#[repr(align(128))]
struct LiveCount(AtomicUsize);

impl Placement {
    pub(crate) fn new(policy: Policy, limits: ConnectionLimits, loops: usize) -> Self {
        Self {
            policy,
            shortage: Shortage::default(),
            turn: AtomicUsize::new(0),
            accepting: Mutex::default(),
            choosing: Mutex::default(),
            live: (0..loops).map(|_| LiveCount::default()).collect(),
            limits,
        }
    }

    /// Keeps other loops from accepting until the result is dropped; there may be none.
    pub(crate) fn begin_accepting(&self) -> Option<MutexGuard<'_, ()>> {
        (self.live.len() > 1).then(|| self.accepting.lock())
    }

    /// Chooses a loop and counts the new connection there.
    pub(crate) fn place(&self, random: &mut Random, peer: Option<SocketAddr>) -> usize {
        let loops = self.live.len();
        let chosen = match &self.policy {
            _ if loops == 1 => 0,
            Policy::Balance(LoadBalance::Random) => random.below(loops),
            Policy::Balance(LoadBalance::RoundRobin) => {
                self.turn.fetch_add(1, Ordering::Relaxed) % loops
            }
            Policy::Place(PlaceFn(place)) => {
                let mut counts = self.choosing.lock();
                counts.clear();
                counts.extend(self.live.iter().map(|live| live.0.load(Ordering::Relaxed)));
                let chosen = place(peer, &counts) % loops;
                return self.add(chosen);
            }
            Policy::Balance(LoadBalance::LeastConnections) => {
                let _choosing = self.choosing.lock();
                let least = self.least();
                return self.add(least);
            }
        };
        self.add(chosen)
    }

    fn least(&self) -> usize {
        let counts = self.live.iter().map(|live| live.0.load(Ordering::Relaxed));
        counts.enumerate().min_by_key(|&(_, count)| count).map_or(0, |(index, _)| index)
    }

    /// Counts a new connection of a loop, which it returns.
    pub(crate) fn add(&self, loop_id: usize) -> usize {
        self.live[loop_id].0.fetch_add(1, Ordering::Relaxed);
        loop_id
    }

    /// Counts a connection of one loop as that of another.
    pub(crate) fn move_to(&self, loop_id: usize, from: usize) {
        self.add(loop_id);
        self.live[from].0.fetch_sub(1, Ordering::Relaxed);
    }

    /// Counts a connection no longer, which has come in by an address.
    pub(crate) fn remove(&self, loop_id: usize, address_index: u16) {
        self.live[loop_id].0.fetch_sub(1, Ordering::Relaxed);
        self.limits.withdraw(address_index);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Placement {
        /// Returns how many connections a loop has.
        pub(crate) fn live(&self, loop_id: usize) -> usize {
            self.live[loop_id].0.load(Ordering::Relaxed)
        }
    }

    fn placement(load_balance: LoadBalance, loops: usize) -> Placement {
        Placement::new(Policy::Balance(load_balance), ConnectionLimits::unlimited(loops), loops)
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
                placement.remove(busiest, 0);
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
        let placement =
            Placement::new(Policy::Place(place_fn.clone()), ConnectionLimits::unlimited(4), 4);
        let mut random = Random::new();
        let peer = |port: u16| Some(([127, 0, 0, 1], port).into());
        assert_eq!(placement.place(&mut random, peer(0)), 0);
        assert_eq!(placement.place(&mut random, peer(1)), 2, "one connection on loop 0");
        assert_eq!(placement.place(&mut random, None), 1, "five of four loops");
        let single = Placement::new(Policy::Place(place_fn), ConnectionLimits::unlimited(1), 1);
        assert_eq!(single.place(&mut random, peer(3)), 0);
    }

    #[test]
    fn one_of_several_loops_accepts_at_a_time() {
        assert!(placement(LoadBalance::Random, 2).begin_accepting().is_some());
        assert!(placement(LoadBalance::Random, 1).begin_accepting().is_none());
        let placement = placement(LoadBalance::Random, 2);
        let turn = placement.begin_accepting();
        assert!(placement.accepting.is_locked());
        drop(turn);
        assert!(!placement.accepting.is_locked());
    }

    #[test]
    fn one_loop_takes_everything() {
        for policy in [LoadBalance::Random, LoadBalance::RoundRobin, LoadBalance::LeastConnections]
        {
            assert_eq!(place(policy, 1, 3), [0, 0, 0]);
        }
    }
}
