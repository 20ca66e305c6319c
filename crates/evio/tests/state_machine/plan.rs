//! How the server of a round is made, and how it ends.

use std::time::Duration;

use evio::{Limits, LoadBalance, PanicPolicy};

use super::dice::Dice;
use crate::util::Call;

#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// `None`: a function of the test's own places connections.
    pub(crate) load_balance: Option<LoadBalance>,
    pub(crate) max_connections: Option<usize>,
    pub(crate) mailbox_capacity: usize,
    pub(crate) limits: Limits,
    /// Those of clients of the Unix socket, if they have their own.
    pub(crate) unix_limits: Option<Limits>,
    pub(crate) shutdown_timeout: Duration,
    pub(crate) panic_policy: PanicPolicy,
    pub(crate) reuse_port: bool,
    /// `pre_write` fails now and then.
    pub(crate) withholds: bool,
    /// The end comes while everything goes on, after this share of the operations, in percent.
    pub(crate) storm: Option<usize>,
    /// Peers that have stopped reading do not read on before the server has ended.
    pub(crate) is_patient: bool,
    pub(crate) ending: Ending,
}

/// The way in which the server ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Handle,
    Gracefully(Duration),
    GracefullyThenNow,
    /// Something to read on the socket of `shutdown_on`.
    Socket,
    /// The end of its other side.
    SocketClosed,
    SocketGracefully(Duration),
    /// `Loop::shutdown` in a task.
    Task,
    /// `Loop::shutdown_gracefully` in a task.
    TaskGracefully(Duration),
    /// `Action::Shutdown` from this callback.
    Action(Call),
    /// The same, from `stopping`, when a graceful end was asked for.
    Stopping,
    /// `Break` from these callbacks.
    Tick,
    Closed,
    ConnectFailed,
    Detached,
    Datagram,
}

impl Ending {
    pub(crate) fn is_graceful(self) -> bool {
        let is_overtaken = matches!(self, Self::GracefullyThenNow | Self::Stopping);
        is_overtaken || self.is_graceful_to_the_end()
    }

    /// Returns whether nothing overtakes the graceful end.
    pub(crate) fn is_graceful_to_the_end(self) -> bool {
        use Ending::{Gracefully, SocketGracefully, TaskGracefully};
        matches!(self, Gracefully(_) | SocketGracefully(_) | TaskGracefully(_))
    }
}

impl Plan {
    pub(crate) fn new(seed: u64) -> Self {
        let dice = &mut Dice::new(seed, u64::MAX);
        let policies = [
            None,
            Some(LoadBalance::Random),
            Some(LoadBalance::RoundRobin),
            Some(LoadBalance::LeastConnections),
        ];
        let max_connections = dice.percent(20).then(|| 5 + dice.up_to(15));
        let is_contained = dice.percent(30);
        Self {
            load_balance: dice.pick(&policies),
            max_connections,
            mailbox_capacity: if dice.percent(20) { 3 + dice.up_to(60) } else { 65_536 },
            limits: limits(dice),
            unix_limits: dice.percent(20).then(|| limits(dice)),
            shutdown_timeout: dice.pick(&[200, 500, 2_000].map(Duration::from_millis)),
            panic_policy: match is_contained {
                true => PanicPolicy::CloseConnection,
                false => PanicPolicy::EndServer,
            },
            withholds: dice.percent(20),
            // A number of connections cannot be kept to by several listeners that are full.
            reuse_port: max_connections.is_none() && dice.percent(20) && evio::BACKEND == "epoll",
            storm: dice.percent(35).then(|| dice.up_to(90)),
            is_patient: dice.percent(20),
            ending: ending(dice),
        }
    }

    pub(crate) fn contains_panics(&self) -> bool {
        self.panic_policy == PanicPolicy::CloseConnection
    }
}

/// Makes the limits that connections start with.
fn limits(dice: &mut Dice) -> Limits {
    let mut limits = Limits::default();
    limits.connect_timeout = Duration::from_millis(100) + dice.millis(200);
    if dice.percent(40) {
        limits.high_watermark = dice.pick(&[0, 1_000, 20_000, 100_000]);
        limits.low_watermark = dice.below(limits.high_watermark + 1);
    }
    if dice.percent(10) {
        limits.max_output = dice.pick(&[50_000, 300_000, 2_000_000]);
    }
    if dice.percent(20) {
        limits.write_timeout = Some(Duration::from_millis(50) + dice.millis(150));
    }
    if dice.percent(15) {
        limits.congestion_timeout = Some(Duration::from_millis(100) + dice.millis(200));
    }
    if dice.percent(10) {
        limits.idle_timeout = Some(Duration::from_millis(150));
    }
    if dice.percent(25) {
        limits.close_timeout = Duration::from_millis(300);
    }
    if dice.percent(10) {
        limits.flush_timeout = Duration::from_millis(300);
    }
    if dice.percent(10) {
        limits.max_discarded = dice.pick(&[0, 1_000, 100_000]);
    }
    limits
}

fn ending(dice: &mut Dice) -> Ending {
    let graceful = dice.millis(400);
    let call = dice.pick(&[Call::Opened, Call::Data, Call::Woken, Call::Timer, Call::PeerClosed]);
    dice.weigh(&[
        (4, Ending::Handle),
        (4, Ending::Gracefully(graceful)),
        (2, Ending::GracefullyThenNow),
        (1, Ending::Socket),
        (1, Ending::SocketClosed),
        (2, Ending::SocketGracefully(graceful)),
        (1, Ending::Task),
        (1, Ending::TaskGracefully(graceful)),
        (4, Ending::Action(call)),
        (1, Ending::Stopping),
        (1, Ending::Tick),
        (1, Ending::Closed),
        (1, Ending::ConnectFailed),
        (1, Ending::Detached),
        (1, Ending::Datagram),
    ])
}
