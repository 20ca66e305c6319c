//! What a run does with every server.

use std::io;
use std::time::Duration;

use clap::ValueEnum;

use super::driver::Target;
use super::endpoint::Endpoint;
use crate::payload::MAX_SLICE;

/// How requests follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Pace {
    /// Each connection asks again when it is answered
    Closed,
    /// The same, with a new connection for each request
    Churn,
    /// On a schedule, at half of what the first server answered in a closed loop in the warm-up
    Open,
}

/// What is to be done with every server.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plan {
    /// How requests follow each other.
    pub pace: Pace,
    /// Connections to each server that send. Must not be zero.
    pub connections: usize,
    /// Connections to each server but the first that are open and silent.
    pub idle: usize,
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
    /// Turns up to which the run goes on while the ratios are not known well enough.
    pub most_turns: usize,
    /// The standard error of the ratios that is well enough.
    pub precision: f64,
    /// Servers, one after the other, of which the first is what the others are compared to. Must
    /// not be zero.
    pub group: usize,
    /// What the payload is made from.
    pub seed: u64,
}

impl Plan {
    /// Fails when `targets` cannot be measured in this way.
    pub(super) fn check(&self, targets: &[Target]) -> io::Result<()> {
        let udp = targets.iter().any(|target| matches!(target.endpoint, Endpoint::Udp(_)));
        let problem = if self.connections == 0 || self.size == 0 || self.pipeline == 0 {
            "there is nothing to send"
        } else if self.group == 0 {
            "there is nothing to compare with"
        } else if self.pace == Pace::Open && self.warm_up == 0 {
            "a schedule needs turns of warm-up to find its rate in"
        } else if udp && (self.pipeline > 1 || self.pace != Pace::Closed) {
            // Of two datagrams in flight, nobody could tell which one is lost.
            "on UDP there is one message in flight per client, in a closed loop"
        } else if udp && self.size > MAX_DATAGRAM {
            "a datagram is too small for the message"
        } else if self.pace == Pace::Churn && self.pipeline > 1 {
            "a connection per request has no second message in flight"
        } else {
            return Ok(());
        };
        Err(io::Error::new(io::ErrorKind::InvalidInput, problem))
    }
}

/// Most bytes in a message over UDP: what an IPv4 packet holds besides its own header and UDP's.
const MAX_DATAGRAM: u64 = MAX_SLICE as u64 - 1 - 20 - 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_plans_are_refused() {
        let turn = Duration::from_millis(1);
        let good = Plan {
            pace: Pace::Closed,
            connections: 1,
            idle: 0,
            size: 64,
            pipeline: 1,
            turn,
            warm_up: 1,
            turns: 1,
            most_turns: 1,
            precision: 0.01,
            group: 1,
            seed: 1,
        };
        let target = |endpoint: &str| {
            [Target { name: String::new(), endpoint: endpoint.parse().unwrap(), pid: 1 }]
        };
        let (tcp, udp) = (target("tcp://127.0.0.1:1"), target("udp://127.0.0.1:1"));
        let cases = [
            (&tcp, Plan { pipeline: 16, size: 1 << 20, ..good }, true),
            (&tcp, Plan { pace: Pace::Open, ..good }, true),
            (&tcp, Plan { pace: Pace::Open, warm_up: 0, ..good }, false),
            (&tcp, Plan { pace: Pace::Churn, pipeline: 2, ..good }, false),
            (&tcp, Plan { connections: 0, ..good }, false),
            (&tcp, Plan { group: 0, ..good }, false),
            (&udp, Plan { size: 65_507, ..good }, true),
            (&udp, Plan { size: 65_508, ..good }, false),
            (&udp, Plan { pipeline: 2, ..good }, false),
            (&udp, Plan { pace: Pace::Open, ..good }, false),
        ];
        for (targets, plan, fits) in cases {
            assert_eq!(plan.check(targets).is_ok(), fits, "{targets:?}: {plan:?}");
        }
    }
}
