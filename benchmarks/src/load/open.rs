//! The open loop: requests leave on a schedule, whether or not the earlier ones are answered.
//!
//! A server that stalls is asked all the same, so its waiting times are those that users would
//! find. Each is measured from when its request was due, not from when it could be sent.

use std::io;
use std::time::{Duration, Instant};

use super::client::{Client, Outcome, Turning};
use crate::random::Random;

/// When requests are due: at random times with a mean gap, as from many users who do not know of
/// each other.
#[derive(Debug)]
pub(super) struct Schedule {
    random: Random,
    mean_gap: Duration,
}

impl Schedule {
    /// Begins a schedule of so many requests per second.
    pub(super) fn new(seed: u64, rate: f64) -> Self {
        Self { random: Random::new(seed), mean_gap: Duration::from_secs_f64(1.0 / rate) }
    }

    /// Returns the time from one request to the next.
    fn gap(&mut self) -> Duration {
        self.mean_gap.mul_f64(-self.random.fraction().ln())
    }
}

impl Client {
    /// Sends on `schedule` until the end, then waits until everything in flight is answered.
    pub(super) fn open_turn(
        &mut self,
        turning: &mut Turning<'_>,
        schedule: &mut Schedule,
    ) -> io::Result<Outcome> {
        let mut outcome = Outcome::default();
        let mut in_flight = 0;
        let mut due = turning.start;
        let mut connections = (0..self.connections.len()).cycle();
        loop {
            while due < turning.end && due <= Instant::now() {
                let index = connections.next().expect("there is at least one connection");
                self.ask(index, 1, due, turning.payload)?;
                in_flight += 1;
                due += schedule.gap();
            }
            let ready = if due < turning.end {
                // Asked again and again: a sleep would end too late for the next request.
                self.wait_for(Duration::ZERO)?
            } else if in_flight > 0 {
                self.wait()?
            } else {
                return Ok(outcome);
            };
            for place in 0..ready {
                let event = self.events[place];
                let whole = self.handle(event, turning)?;
                outcome.answered += whole as u64;
                in_flight -= whole;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_have_their_mean() {
        let mut schedule = Schedule::new(3, 1000.0);
        let gaps: Vec<f64> = (0..10_000).map(|_| schedule.gap().as_secs_f64()).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        assert!((0.000_98..0.001_02).contains(&mean), "{mean}");
        // Of an exponential distribution, 1 - 1/e lie below the mean.
        let below = gaps.iter().filter(|&&gap| gap < 0.001).count();
        assert!((6_200..6_450).contains(&below), "{below}");
    }
}
