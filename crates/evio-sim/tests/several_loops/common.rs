//! What the tests have in common.

use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use evio::{LoadBalance, Server};
use evio_sim::{Faults, Net, Options, Result, Simulation};

use crate::util;

pub(crate) const ADDRESS: &str = "10.0.0.1:7";
pub(crate) const MOST_LOOPS: usize = 4;

/// Seeds of each test, and of each policy.
pub(crate) const SEEDS: u64 = 500;

/// How connections get to their loops.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Policy {
    Balance(LoadBalance),
    /// By a function that checks the counts it is given.
    Place,
    /// By the kernel.
    ReusePort,
}

pub(crate) const POLICIES: [Policy; 5] = [
    Policy::Balance(LoadBalance::RoundRobin),
    Policy::Balance(LoadBalance::Random),
    Policy::Balance(LoadBalance::LeastConnections),
    Policy::Place,
    Policy::ReusePort,
];

/// The connections that were placed on each loop, and those of them that have ended.
#[derive(Clone, Default)]
pub(crate) struct Counts(Arc<Mutex<[(usize, usize); MOST_LOOPS]>>);

impl Counts {
    fn lock(&self) -> MutexGuard<'_, [(usize, usize); MOST_LOOPS]> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a handler was told of an end.
    pub(crate) fn note_end(&self, loop_id: usize) {
        self.lock()[loop_id].1 += 1;
    }

    /// Places a connection, and compares the counts of the loops with those of this one. One whose
    /// end the handler is just being told of still counts.
    fn place(&self, peer: usize, live: &[usize]) -> usize {
        let mut counts = self.lock();
        for (loop_id, (&live, (placed, ended))) in live.iter().zip(*counts).enumerate() {
            let own = placed - ended;
            assert!(live == own || live == own + 1, "loop {loop_id}: {live} instead of {own}");
        }
        let chosen = peer % live.len();
        counts[chosen].0 += 1;
        chosen
    }
}

pub(crate) fn server(sim: &mut Simulation, policy: Policy, counts: &Counts) -> Result<Server> {
    if let Policy::Place = policy {
        // What epoll_ctl(2) refuses is placed, and never opened.
        change_faults(sim, |drawn| Faults { call_error: 0.0, ..drawn });
    }
    let query = if let Policy::ReusePort = policy { "?reuseport=true" } else { "" };
    let server = Server::bind([format!("tcp://{ADDRESS}{query}")])?;
    Ok(match policy {
        Policy::Balance(load_balance) => server.load_balance(load_balance),
        Policy::Place => {
            let counts = counts.clone();
            server.place_with(move |peer, live| {
                counts.place(peer.map_or(0, |peer| usize::from(peer.port())), live)
            })
        }
        Policy::ReusePort => server,
    })
}

/// Changes the faults that were drawn.
pub(crate) fn change_faults(sim: &mut Simulation, change: impl FnOnce(Faults) -> Faults) {
    sim.set_faults(change(Options::drawn_from(sim.seed()).faults));
}

pub(crate) fn draw_loops(sim: &Simulation) -> usize {
    1 + sim.kernel().random_below(MOST_LOOPS)
}

pub(crate) async fn talk(net: Rc<Net>, longest: usize) -> Result {
    net.sleep(Duration::from_millis(net.random_below(100) as u64)).await;
    let conn = net.connect(ADDRESS).await?;
    util::echo_messages(&net, conn, longest).await
}
