//! Several servers in one run, in turns.

use std::io;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::client::{Client, Load};
use crate::cpu;
use crate::payload::Payload;
use crate::random::Random;
use crate::report::{Measurement, Turn};

/// How long a server is left alone after its last reply before its CPU time is read.
///
/// A server that has just answered may still be on its core, and the kernel adds a running thread's
/// time to its count only when the thread goes to sleep, up to a tick of 4 ms late. By far the most
/// of a server's way from the last reply back to sleep takes microseconds.
const SETTLE: Duration = Duration::from_millis(1);

/// Latencies above this count as this: a server that slow is told by its median already.
const LONGEST_LATENCY: Duration = Duration::from_secs(60);

/// Digits of a latency that are kept: 0.1 % is finer than any two runs agree.
const LATENCY_DIGITS: u8 = 3;

/// A server to be measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// What the report calls the server.
    pub name: String,
    /// Where it listens.
    pub address: SocketAddr,
    /// Its process, whose CPU time is read.
    pub pid: u32,
}

/// What is to be done with every server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// Connections to each server.
    pub connections: usize,
    /// Bytes per message. Must not be zero.
    pub size: u64,
    /// Messages in flight per connection. Must not be zero.
    pub pipeline: usize,
    /// Length of a turn, to which the time is added that the last replies take.
    pub turn: Duration,
    /// Turns of each server that are not counted.
    pub warm_up: usize,
    /// Turns of each server that are counted.
    pub turns: usize,
    /// What the payload is made from.
    pub seed: u64,
}

/// All servers of a run, connected.
#[derive(Debug)]
pub struct Driver {
    plan: Plan,
    payload: Payload,
    lanes: Vec<Lane>,
}

/// One server with its connections and what was measured of it.
#[derive(Debug)]
struct Lane {
    target: Target,
    client: Client,
    measurement: Measurement,
}

impl Driver {
    /// Opens all connections to all `targets`.
    ///
    /// # Errors
    ///
    /// Fails when a server cannot be connected to. The error names it.
    pub fn connect(targets: &[Target], plan: Plan) -> io::Result<Self> {
        let payload = Payload::new(plan.seed);
        let mut lanes =
            targets.iter().map(|target| Lane::new(target, plan)).collect::<io::Result<Vec<_>>>()?;
        // One connection to each server at a time, so that the kernel's sockets of all of them lie
        // about equally scattered in memory and none has the better places.
        for _ in 0..plan.connections {
            for Lane { target, client, .. } in &mut lanes {
                client.connect(&payload).map_err(|error| naming(target, &error))?;
            }
        }
        Ok(Self { plan, payload, lanes })
    }

    /// Drives all servers, and calls `progress` with the number of rounds that are over and of all
    /// rounds after each of them.
    ///
    /// # Errors
    ///
    /// Fails when a server closes a connection, sends back a wrong byte, stops answering or ends.
    /// The error names it.
    pub fn run(mut self, mut progress: impl FnMut(usize, usize)) -> io::Result<Vec<Measurement>> {
        let rounds = self.plan.warm_up + self.plan.turns;
        // Another order in each round, so that no server always comes after the same other one.
        let mut random = Random::new(self.plan.seed);
        let mut order: Vec<usize> = (0..self.lanes.len()).collect();
        for round in 0..rounds {
            random.shuffle(&mut order);
            for &index in &order {
                let lane = &mut self.lanes[index];
                lane.turn(self.plan.turn, &self.payload, round >= self.plan.warm_up)
                    .map_err(|error| naming(&lane.target, &error))?;
            }
            progress(round + 1, rounds);
        }
        Ok(self.lanes.into_iter().map(|lane| lane.measurement).collect())
    }
}

impl Lane {
    /// Prepares for one server.
    fn new(target: &Target, plan: Plan) -> io::Result<Self> {
        let load = Load { size: plan.size, pipeline: plan.pipeline };
        let measurement = Measurement {
            name: target.name.clone(),
            turns: Vec::with_capacity(plan.turns),
            latency: new_histogram(),
        };
        Ok(Self { target: target.clone(), client: Client::new(target.address, load)?, measurement })
    }

    /// Gives the server one turn, and keeps what was measured if it is `counted`.
    fn turn(&mut self, length: Duration, payload: &Payload, counted: bool) -> io::Result<()> {
        let mut uncounted = new_histogram();
        let latency = if counted { &mut self.measurement.latency } else { &mut uncounted };
        let before = cpu::of_process(self.target.pid)?;
        let start = Instant::now();
        let requests = self.client.turn(length, payload, latency)?;
        let elapsed = start.elapsed();
        thread::sleep(SETTLE);
        let after = cpu::of_process(self.target.pid)?;
        if counted {
            // Threads that ended in between take their time with them.
            let cpu = after.saturating_sub(before);
            self.measurement.turns.push(Turn { requests, elapsed, cpu });
        }
        Ok(())
    }
}

fn new_histogram() -> Histogram<u64> {
    Histogram::new_with_max(LONGEST_LATENCY.as_nanos() as u64, LATENCY_DIGITS)
        .expect("three digits and a minute are within the limits")
}

/// Adds to `error` which server it is about.
fn naming(target: &Target, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{} at {}: {error}", target.name, target.address))
}
