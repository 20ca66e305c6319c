//! One turn of one server: paced clients and a neighbour, at the same time.

use std::io;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::epoll::EpollTimeout;

use super::clock::Clock;
use super::neighbour::{Neighbour, Noise};
use super::paced::Paced;
use super::protocol::Protocol;
use super::report::Turn;
use crate::cpu;
use crate::load::{Endpoint, Target};

/// How long the neighbour is at it before the first paced request, so that the server's queues are
/// as they will be.
const LEAD: Duration = Duration::from_millis(100);

/// How long after the last paced request the turn ends, with the neighbour at it all the while. A
/// request that is not answered by then never was.
const GRACE: Duration = Duration::from_millis(300);

/// How often the generator wakes up when nothing happens: it is no later than this with a request
/// that is due.
const TICK: Duration = Duration::from_micros(200);

/// A server that has used less CPU time than this in so long a time has done all that the turn left
/// to do.
const SETTLED: (Duration, Duration) = (Duration::from_micros(500), Duration::from_millis(5));

/// How long is waited for that.
const SETTLE_LIMIT: Duration = Duration::from_secs(5);

/// What is done with every server.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// What the servers speak.
    pub protocol: Protocol,
    /// Who shares them with the paced clients.
    pub neighbour: Neighbour,
    /// Paced clients. Must not be zero.
    pub clients: usize,
    /// Requests per second of each. Must not be zero.
    pub rate: u32,
    /// How long they keep sending.
    pub turn: Duration,
}

/// Gives `target` one turn.
///
/// # Errors
///
/// Fails when the server cannot be reached, when a paced client gets no answer even before the
/// neighbour begins, and when an answer is wrong. The error names the server.
pub fn turn(target: &Target, plan: Plan) -> io::Result<Turn> {
    let naming = |error: io::Error| {
        io::Error::new(error.kind(), format!("{} at {}: {error}", target.name, target.endpoint))
    };
    let Endpoint::Tcp(address) = target.endpoint else {
        let error = io::Error::new(io::ErrorKind::InvalidInput, "only TCP has neighbours");
        return Err(naming(error));
    };
    let turn = measure(address, target.pid, plan).map_err(naming)?;
    settle(target.pid).map_err(naming)?;
    Ok(turn)
}

fn measure(address: SocketAddr, pid: u32, plan: Plan) -> io::Result<Turn> {
    let Plan { protocol, neighbour, clients, rate, turn } = plan;
    let reply = protocol.learn(address)?;
    let mut stage = Stage {
        paced: Paced::connect(address, protocol, reply.clone(), clients)?,
        noise: neighbour.begin(address, protocol, &reply)?,
        clock: Clock::new(TICK)?,
    };
    stage.clock.watch(stage.paced.readiness())?;
    if let Some(readiness) = stage.noise.readiness() {
        stage.clock.watch(readiness)?;
    }
    let start = Instant::now() + LEAD;
    stage.paced.begin(start, rate, turn);
    stage.run_until(start)?;
    let (cpu, served, began) = (cpu::of_process(pid)?, stage.served(), Instant::now());
    stage.run_until(start + turn + GRACE)?;
    let elapsed = began.elapsed();
    let cpu = cpu::of_process(pid)?.saturating_sub(cpu);
    let (served, asked) = (stage.served() - served, stage.paced.asked());
    let (waits, delays) = stage.paced.into_times();
    Ok(Turn { elapsed, cpu, served, is_work: neighbour.is_work(), asked, waits, delays })
}

/// All that happens to a server at once.
struct Stage {
    paced: Paced,
    noise: Box<dyn Noise>,
    clock: Clock,
}

impl Stage {
    fn run_until(&mut self, end: Instant) -> io::Result<()> {
        loop {
            let now = Instant::now();
            if now >= end {
                return Ok(());
            }
            self.paced.send_due(now);
            self.paced.receive(EpollTimeout::ZERO)?;
            if !self.noise.step(now)? {
                self.clock.wait()?;
            }
        }
    }

    /// Returns how often the server has done what the neighbour is there for.
    fn served(&self) -> u64 {
        self.noise.served() + self.paced.broadcasts()
    }
}

/// Waits until the server has nothing left to do, so that it does not disturb the next one.
fn settle(pid: u32) -> io::Result<()> {
    let (little, interval) = SETTLED;
    let deadline = Instant::now() + SETTLE_LIMIT;
    let mut before = cpu::of_process(pid)?;
    while Instant::now() < deadline {
        thread::sleep(interval);
        let after = cpu::of_process(pid)?;
        if after.saturating_sub(before) < little {
            return Ok(());
        }
        before = after;
    }
    Ok(())
}
