//! A connection per request: connect, ask, receive the whole answer, close.

use std::io;
use std::time::Instant;

use super::client::{Client, Outcome, Turning};

impl Client {
    /// Keeps as many connections at it as the load says until the end, then waits until every
    /// request is answered. A request's time begins before it connects.
    pub(super) fn churn_turn(&mut self, turning: &mut Turning<'_>) -> io::Result<Outcome> {
        let mut outcome = Outcome::default();
        for index in 0..self.load.connections {
            let now = Instant::now();
            self.connect(turning.payload)?;
            self.ask(index, 1, now, turning.payload)?;
        }
        let mut in_flight = self.load.connections;
        while in_flight > 0 {
            for place in 0..self.wait()? {
                let event = self.events[place];
                let whole = self.handle(event, turning)?;
                outcome.answered += whole as u64;
                in_flight -= whole;
                let now = Instant::now();
                if whole > 0 && now < turning.end {
                    let index = event.data() as usize;
                    // The old connection is closed here.
                    self.connections[index] = self.open(index, turning.payload)?;
                    self.ask(index, 1, now, turning.payload)?;
                    in_flight += 1;
                }
            }
        }
        self.connections.clear();
        Ok(outcome)
    }
}
