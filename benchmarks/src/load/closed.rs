//! The closed loop: each connection has its messages in flight and asks again when one is answered.

use std::io;
use std::time::{Duration, Instant};

use super::client::{Client, Outcome, Turning, no_answer};
use super::endpoint::Endpoint;

/// How long nothing at all may come back until the datagrams in flight are given up.
///
/// Well above what another program takes a core away for, so that hardly any reply comes later; a
/// reply that does is recognised and left out of the figures.
const LOSS_TIMEOUT: Duration = Duration::from_millis(50);

impl Client {
    /// Keeps all connections busy until the end, then waits until everything in flight is answered
    /// or, on UDP, lost.
    pub(super) fn closed_turn(&mut self, turning: &mut Turning<'_>) -> io::Result<Outcome> {
        let payload = turning.payload;
        for index in 0..self.connections.len() {
            self.ask(index, self.load.pipeline, turning.start, payload)?;
        }
        let lossy = matches!(self.endpoint, Endpoint::Udp(_));
        let mut in_flight = self.connections.len() * self.load.pipeline;
        let mut outcome = Outcome::default();
        while in_flight > 0 {
            let ready = if lossy { self.wait_for(LOSS_TIMEOUT)? } else { self.wait()? };
            if ready == 0 {
                outcome.lost += in_flight as u64;
                in_flight = self.replace_lost(turning)?;
            }
            for place in 0..ready {
                let event = self.events[place];
                let whole = self.handle(event, turning)?;
                outcome.answered += whole as u64;
                in_flight -= whole;
                let now = Instant::now();
                if whole > 0 && now < turning.end {
                    self.ask(event.data() as usize, whole, now, payload)?;
                    in_flight += whole;
                }
            }
        }
        if outcome.answered == 0 {
            return Err(no_answer());
        }
        Ok(outcome)
    }

    /// Gives up what is in flight, and asks as much anew while the turn lasts. Returns how much is
    /// in flight then.
    fn replace_lost(&mut self, turning: &mut Turning<'_>) -> io::Result<usize> {
        let now = Instant::now();
        let mut in_flight = 0;
        for index in 0..self.connections.len() {
            let lost = self.connections[index].give_up();
            if now < turning.end {
                self.ask(index, lost, now, turning.payload)?;
                in_flight += lost;
            }
        }
        Ok(in_flight)
    }
}
