//! Several servers in one run, in turns.

use std::io;
use std::str::FromStr;
use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::client::{Client, Load, Turning};
use super::endpoint::Endpoint;
use super::open::Schedule;
use super::plan::{Pace, Plan};
use crate::cpu;
use crate::payload::Payload;
use crate::random::Random;
use crate::report::{self, Measurement, Percentiles, Turn};

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

/// The part of what the first server can answer that is sent on a schedule: busy enough that
/// requests meet, far enough from the end that no queue grows without bound.
const OPEN_LOAD: f64 = 0.5;

/// The part of what was asked and answered in a closed loop that is sent at most. Where the first
/// server could have answered more, the generator was the slower one, and its own queue must not be
/// taken for the server's.
const OPEN_LIMIT: f64 = 0.7;

/// A server to be measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// What the report calls the server.
    pub name: String,
    /// Where it listens.
    pub endpoint: Endpoint,
    /// Its process, whose CPU time is read.
    pub pid: u32,
}

impl FromStr for Target {
    type Err = String;

    /// Reads NAME=ENDPOINT/PID.
    fn from_str(text: &str) -> Result<Self, String> {
        let (name, place) = text.split_once('=').ok_or("no '=' after the name")?;
        let (endpoint, pid) = place.rsplit_once('/').ok_or("no '/' before the process id")?;
        Ok(Self {
            name: name.to_owned(),
            endpoint: endpoint.parse()?,
            pid: pid.parse().map_err(|error| format!("process id {pid:?}: {error}"))?,
        })
    }
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
    /// Nanoseconds from a request to its whole reply, in the current turn.
    latency: Histogram<u64>,
}

/// How requests follow each other in a turn.
#[derive(Debug)]
enum Rhythm {
    Closed,
    Churn,
    Open(Schedule),
}

impl Driver {
    /// Opens all connections to all `targets`.
    ///
    /// # Errors
    ///
    /// Fails when the plan does not fit the targets, and when a server cannot be connected to. The
    /// error names it.
    pub fn connect(targets: &[Target], plan: Plan) -> io::Result<Self> {
        plan.check(targets)?;
        let payload = Payload::new(plan.seed);
        let mut lanes =
            targets.iter().map(|target| Lane::new(target, plan)).collect::<io::Result<Vec<_>>>()?;
        for Lane { target, client, .. } in lanes.iter_mut().skip(1) {
            for _ in 0..plan.idle {
                client.connect_idle().map_err(|error| naming(target, &error))?;
            }
        }
        let lasting = if plan.pace == Pace::Churn { 0 } else { plan.connections };
        // One connection to each server at a time, so that the kernel's sockets of all of them lie
        // about equally scattered in memory and none has the better places.
        for _ in 0..lasting {
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
        let Plan { warm_up, turns, most_turns, seed, .. } = self.plan;
        let mut rhythm = if self.plan.pace == Pace::Churn { Rhythm::Churn } else { Rhythm::Closed };
        // Another order in each round, so that no server always comes after the same other one.
        let mut random = Random::new(seed);
        for round in 0..warm_up {
            self.round(&mut random, &mut rhythm)?;
            progress(round + 1, warm_up + turns);
        }
        if self.plan.pace == Pace::Open {
            rhythm = Rhythm::Open(Schedule::new(seed, self.open_rate()));
        }
        for lane in &mut self.lanes {
            lane.measurement.forget();
        }
        let mut round = 0;
        while round < turns || (round < most_turns && !self.is_precise()) {
            self.round(&mut random, &mut rhythm)?;
            round += 1;
            progress(warm_up + round.min(turns), warm_up + turns);
        }
        Ok(self.lanes.into_iter().map(|lane| lane.measurement).collect())
    }

    /// Gives each server one turn.
    fn round(&mut self, random: &mut Random, rhythm: &mut Rhythm) -> io::Result<()> {
        let mut order: Vec<usize> = (0..self.lanes.len()).collect();
        random.shuffle(&mut order);
        for index in order {
            let lane = &mut self.lanes[index];
            lane.turn(self.plan.turn, &self.payload, rhythm)
                .map_err(|error| naming(&lane.target, &error))?;
        }
        Ok(())
    }

    /// Returns the requests per second of a schedule, after turns in a closed loop. How many the
    /// first server can answer is told by its CPU time, since it is the only one on its core.
    fn open_rate(&self) -> f64 {
        let Some(Lane { measurement: first, .. }) = self.lanes.first() else { return 1.0 };
        let most = first.cpu_per_request().map_or(f64::INFINITY, |nanos| 1e9 / nanos.median);
        let seen = first.requests_per_second().map_or(f64::INFINITY, |rate| rate.median);
        (most * OPEN_LOAD).min(seen * OPEN_LIMIT)
    }

    /// Tells whether every server's ratio is known as exactly as the plan wants it.
    fn is_precise(&self) -> bool {
        let is_precise = |lane: &Lane, first: &Lane| {
            report::ratio_error(&lane.measurement, &first.measurement) <= self.plan.precision
        };
        let mut groups = self.lanes.chunks(self.plan.group);
        groups.all(|group| group.iter().all(|lane| is_precise(lane, &group[0])))
    }
}

impl Lane {
    /// Prepares for one server.
    fn new(target: &Target, plan: Plan) -> io::Result<Self> {
        let Plan { connections, size, pipeline, .. } = plan;
        let client = Client::new(target.endpoint.clone(), Load { connections, size, pipeline })?;
        let latency = Histogram::new_with_max(LONGEST_LATENCY.as_nanos() as u64, LATENCY_DIGITS)
            .expect("three digits and a minute are within the limits");
        let measurement = Measurement {
            name: target.name.clone(),
            turns: Vec::with_capacity(plan.turns),
            latency: latency.clone(),
        };
        Ok(Self { target: target.clone(), client, measurement, latency })
    }

    /// Gives the server one turn.
    fn turn(&mut self, length: Duration, payload: &Payload, rhythm: &mut Rhythm) -> io::Result<()> {
        self.latency.reset();
        let before = cpu::of_process(self.target.pid)?;
        let start = Instant::now();
        let latency = &mut self.latency;
        let mut turning = Turning { payload, latency, start, end: start + length };
        let outcome = match rhythm {
            Rhythm::Closed => self.client.closed_turn(&mut turning)?,
            Rhythm::Churn => self.client.churn_turn(&mut turning)?,
            Rhythm::Open(schedule) => self.client.open_turn(&mut turning, schedule)?,
        };
        let elapsed = start.elapsed();
        thread::sleep(SETTLE);
        let after = cpu::of_process(self.target.pid)?;
        let cpu = after.saturating_sub(before);
        let (requests, lost) = (outcome.answered, outcome.lost);
        let latency = Percentiles::from(&self.latency);
        self.measurement.turns.push(Turn { requests, lost, elapsed, cpu, latency });
        self.measurement.latency.add(&self.latency).expect("both have the same bounds");
        Ok(())
    }
}

/// Adds to `error` which server it is about.
fn naming(target: &Target, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{} at {}: {error}", target.name, target.endpoint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets() {
        let target: Target = "floor=tcp://127.0.0.1:4000/12".parse().unwrap();
        assert_eq!((target.name.as_str(), target.pid), ("floor", 12));
        assert_eq!(target.endpoint.to_string(), "tcp://127.0.0.1:4000");
        let target: Target = "local=unix:///tmp/echo/12".parse().unwrap();
        assert_eq!((target.endpoint.to_string().as_str(), target.pid), ("unix:///tmp/echo", 12));
        for bad in ["", "floor", "f=tcp://127.0.0.1:4000", "f=127.0.0.1:1/2", "f=tcp://[::1]:1/-2"]
        {
            assert!(bad.parse::<Target>().is_err(), "{bad:?}");
        }
    }
}
