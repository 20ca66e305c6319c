//! Everything that can be done to a server, by chance, on real sockets, against a model that knows
//! only what the documentation promises.
//!
//! `EVIO_SEED=n` has the run begin with the round of that seed: the same decisions, as far as the
//! threads and the kernel allow. `EVIO_OPERATIONS=n` says how much is done in all.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod state_machine {
    pub(crate) mod acts;
    pub(crate) mod around;
    pub(crate) mod by_handle;
    pub(crate) mod callback;
    pub(crate) mod callers;
    pub(crate) mod census;
    pub(crate) mod client;
    pub(crate) mod detached;
    pub(crate) mod dice;
    pub(crate) mod ending;
    pub(crate) mod frame;
    pub(crate) mod handler;
    pub(crate) mod link;
    pub(crate) mod model;
    pub(crate) mod noise;
    pub(crate) mod order;
    pub(crate) mod peers;
    pub(crate) mod plan;
    pub(crate) mod pulse;
    pub(crate) mod reasons;
    pub(crate) mod received;
    pub(crate) mod round;
    pub(crate) mod script;
    pub(crate) mod settling;
    pub(crate) mod silence;
    pub(crate) mod trace;
    pub(crate) mod udp;
    pub(crate) mod world;
    pub(crate) mod writing;
}
mod util;

use std::fs;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use state_machine::census::Census;
use state_machine::noise::hash;
use state_machine::round::{self, PATIENCE};
use state_machine::world::World;

/// Operations of one round.
const ROUND: i64 = 3_000;

/// Operations of a run, unless `EVIO_OPERATIONS` says otherwise.
const OPERATIONS: i64 = 18_000;

/// Seeds that have failed once, one a line, with what they found.
const KEPT_SEEDS: &str = include_str!("state_machine/seeds.txt");

/// Everything that a run of the default length must have done.
const ALL: [&str; 19] = [
    "call Opened",
    "call Data",
    "call Woken",
    "call Drained",
    "call Timer",
    "call PeerClosed",
    "call Closed(Closed)",
    "call Closed(PeerClosed)",
    "call Closed(Aborted)",
    "call Closed(Shutdown)",
    "call Closed(Error)",
    "call Detached",
    "call ConnectFailed(Error)",
    "call datagram",
    "call tick",
    "write",
    "loop Connect",
    "loop Adopt",
    "peer End",
];

#[test]
fn everything_at_any_time() {
    let census = Census::default();
    let mut number = 0;
    let mut run = |seed: u64, operations: i64| {
        number += 1;
        let world = Arc::new(World::new(seed, operations, round::directory(number)));
        let result = run_within_time(&world);
        // Nothing of it is there if the round has gone well.
        let _ = fs::remove_dir_all(&world.directory);
        if let Err(what) = result {
            panic!("{what}\n{:?}\nEVIO_SEED={seed}", world.plan);
        }
        census.add(&world.census);
    };
    for line in KEPT_SEEDS.lines() {
        let seed = line.split('#').next().unwrap_or_default().trim();
        if !seed.is_empty() {
            run(seed.parse().expect("a line begins with a seed"), ROUND);
        }
    }
    let first = util::seed();
    let wanted = std::env::var("EVIO_OPERATIONS").ok();
    let wanted = wanted.map_or(OPERATIONS, |text| text.parse().expect("a number of operations"));
    let began = Instant::now();
    let (mut left, mut seed) = (wanted, first);
    while left > 0 {
        run(seed, left.min(ROUND));
        left -= ROUND;
        seed = hash(&[seed]);
    }
    eprintln!("{wanted} operations in {:?}\n{census}", began.elapsed());
    if wanted >= OPERATIONS {
        assert_eq!(census.missing(&ALL), [""; 0], "a run must have done all of it");
    }
}

/// Runs a round, and returns what is wrong, a hang included.
fn run_within_time(world: &Arc<World>) -> Result<(), String> {
    let (results, result) = mpsc::channel();
    let shared = Arc::clone(world);
    let thread = thread::spawn(move || {
        let _ = results.send(round::run(&shared));
    });
    match result.recv_timeout(PATIENCE) {
        Ok(result) => {
            thread.join().expect("it has sent its result");
            result
        }
        Err(error) => {
            let links = world.links.lock().clone();
            let open = links.iter().filter(|link| link.peer.lock().outcome.is_none());
            let open: String = open.map(ToString::to_string).collect();
            Err(format!("the round hangs: {error}\n{}\n{open}{}", world.faults(), world.trace))
        }
    }
}
