//! Which callbacks may come when.

use std::time::{Duration, Instant};

use super::link::Link;
use super::model::{Last, Server, Stage};
use super::world::World;
use crate::util::Call;

/// How late a timer may be before it counts as lost.
const TIMER_PATIENCE: Duration = Duration::from_secs(5);

impl Server {
    /// Checks that a callback may be made now, and takes it to have been.
    pub(crate) fn enter(&mut self, call: Call, link: &Link, world: &World) -> Result<(), String> {
        self.check_order(call)?;
        match call {
            Call::Opened => {
                self.stage = Stage::Open;
                self.wakes_before = link.wakes();
            }
            Call::Data => self.check_data()?,
            Call::Woken => {
                // Several wakes may be one, but not one several.
                let wakes = link.wakes();
                self.times_woken += 1;
                self.woken = wakes;
                if self.times_woken > wakes {
                    return Err(format!("woken for the {}th time, of {wakes}", self.times_woken));
                }
            }
            Call::Drained => self.check_drained(link, world)?,
            Call::Timer => {
                let due = self.timer.take().ok_or("a timer that was not set")?;
                let early = due.saturating_duration_since(Instant::now());
                if !early.is_zero() {
                    return Err(format!("a timer that comes {early:?} too early"));
                }
            }
            Call::Stopping => {
                if self.is_stopping || !world.is_stopping_gracefully() {
                    return Err("stopping, twice or without a graceful end".to_owned());
                }
                self.is_stopping = true;
            }
            Call::PeerClosed => {
                if self.peer_closed || self.input_ended {
                    return Err("the end of input, twice or after shutdown_read".to_owned());
                }
                self.peer_closed = true;
            }
            Call::Closed(reason) => self.stage = Stage::Over(Last::Closed(reason)),
            Call::Detached => self.stage = Stage::Over(Last::Detached),
            Call::ConnectFailed(reason) => self.stage = Stage::Over(Last::ConnectFailed(reason)),
        }
        Ok(())
    }

    fn check_order(&self, call: Call) -> Result<(), String> {
        let is_last = matches!(call, Call::Closed(_) | Call::Detached | Call::ConnectFailed(_));
        let fits = match self.stage {
            Stage::New => call == Call::Opened,
            Stage::Connecting => matches!(call, Call::Opened | Call::ConnectFailed(_)),
            Stage::Open => !matches!(call, Call::Opened | Call::ConnectFailed(_)),
            Stage::Over(_) => false,
        };
        if !fits {
            return Err(format!("{call:?} of a connection that is {:?}", self.stage));
        }
        let needs_context = !matches!(call, Call::ConnectFailed(_));
        if self.has_context != needs_context {
            return Err(format!("{call:?}, with a context: {}", self.has_context));
        }
        if self.is_ending && !is_last {
            return Err(format!("{call:?} after an ending was asked for"));
        }
        if call == Call::Detached && !self.is_detaching {
            return Err("detached, which nobody asked for".to_owned());
        }
        Ok(())
    }

    fn check_data(&self) -> Result<(), String> {
        if self.is_paused == Some(true) {
            return Err("input while reading is paused".to_owned());
        }
        if self.input_ended || self.peer_closed {
            return Err("input after its end".to_owned());
        }
        Ok(())
    }

    /// Checks that so much can have waited at once that it was congested. More cannot have waited
    /// since it was last drained than was written in all, less what the peer had by then.
    fn check_drained(&mut self, link: &Link, world: &World) -> Result<(), String> {
        let written = self.written + world.broadcast_bytes();
        let most = written.saturating_sub(self.taken_when_drained);
        if most <= self.lowest_watermark as u64 {
            let high = self.lowest_watermark;
            return Err(format!("drained, though no more than {most} bytes waited, of {high}"));
        }
        self.is_congested = false;
        self.lowest_watermark = self.limits.high_watermark;
        if link.continues.is_none() {
            self.taken_when_drained = link.peer.lock().taken.bytes;
        }
        Ok(())
    }

    /// Returns what should have happened to an open connection by now.
    pub(crate) fn overdue(&self, link: &Link) -> Option<String> {
        if self.timer.is_some_and(|due| due.elapsed() > TIMER_PATIENCE) {
            return Some("its timer has not come".to_owned());
        }
        let wakes = link.wakes();
        let is_owed = wakes > self.wakes_before && !self.wake_was_refused;
        if is_owed && self.woken < wakes {
            return Some(format!("a wake was lost: {} of {wakes}", self.woken));
        }
        None
    }
}
