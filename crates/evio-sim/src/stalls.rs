//! What holds up a loop.

use std::fmt;
use std::rc::Weak;
use std::time::Duration;

use evio_sys::sim::Kernel;

use crate::scheduler::Scheduler;

/// How often a loop is held up, and for how long: probabilities from 0.0 to 1.0. The default is
/// that none is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Stalls {
    /// A loop that has something to do begins its turn later, as one whose thread gets no
    /// processor.
    pub late: f64,
    /// A callback takes long, whichever it is, from its beginning. The other loops and the clients
    /// go on meanwhile.
    pub blocked: f64,
    /// The longest time of both.
    pub longest: Duration,
}

impl Stalls {
    /// Draws how often loops are held up: each of both in one simulation of two, for up to 200 ms.
    pub(crate) fn drawn_by(kernel: &Kernel) -> Self {
        let drawn = |most: f64| match kernel.random_below(2) {
            0 => 0.0,
            _ => most * (1 + kernel.random_below(8)) as f64 / 8.0,
        };
        let (late, blocked) = (drawn(0.2), drawn(0.02));
        let longest = Duration::from_millis(1 << kernel.random_below(9)).min(MOST);
        Self { late, blocked, longest }
    }
}

/// The longest stall that is drawn.
const MOST: Duration = Duration::from_millis(200);

/// Lets a handler block its loop, as [`std::thread::sleep`] would, in virtual time. Made by
/// [`Simulation::blocker`](crate::Simulation::blocker).
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use evio::{Action, Events, Server};
///
/// evio_sim::for_each_seed(5, |sim| {
///     let blocker = sim.blocker();
///     sim.serve_each(Server::bind(["tcp://10.0.0.1:80"])?, 2, |_loop_id| {
///         let blocker = blocker.clone();
///         Events::new().data(move |conn, _, input| {
///             blocker.block(Duration::from_secs(1));
///             conn.write(input);
///             Action::None
///         })
///     })?;
///     sim.client(|net| async move {
///         let mut conn = net.connect("10.0.0.1:80").await?;
///         conn.write_all(b"hello\n").await?;
///         assert_eq!(conn.read_line().await?, "hello\n");
///         assert!(net.now() >= Duration::from_secs(1));
///         Ok(())
///     });
///     Ok(())
/// });
/// ```
#[derive(Clone)]
pub struct Blocker(pub(crate) Weak<Scheduler>);

impl Blocker {
    /// Returns after this time, in which the other loops and the clients have gone on. If another
    /// loop was blocked before, it is over with that one at the latest.
    ///
    /// To be called in a callback of a handler, which holds no lock then: all loops are one thread,
    /// and a [`Mutex`](std::sync::Mutex) that the callback of another loop asks for meanwhile would
    /// hang the test for ever. When the simulation is over, it returns at once.
    pub fn block(&self, time: Duration) {
        if let Some(scheduler) = self.0.upgrade() {
            scheduler.block(time);
        }
    }

    pub(crate) fn fail(&self, failure: String) {
        if let Some(scheduler) = self.0.upgrade() {
            scheduler.fail(failure);
        }
    }

    pub(crate) fn begin_callback(&self) {
        if let Some(scheduler) = self.0.upgrade() {
            scheduler.begin_callback();
        }
    }
}

impl fmt::Debug for Blocker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Blocker")
    }
}
