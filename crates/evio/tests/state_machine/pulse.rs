//! Waiting for whatever happens next.

use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

/// Is given by everybody who has done something that others may be waiting for.
#[derive(Debug, Default)]
pub(crate) struct Pulse {
    beats: Mutex<u64>,
    beaten: Condvar,
}

impl Pulse {
    pub(crate) fn beat(&self) {
        *self.beats.lock() += 1;
        self.beaten.notify_all();
    }

    /// Waits for a beat, or until the time has passed.
    pub(crate) fn wait(&self, time: Duration) {
        let mut beats = self.beats.lock();
        let before = *beats;
        self.beaten.wait_while_for(&mut beats, |now| *now == before, time);
    }

    /// Waits however often there is a beat.
    pub(crate) fn pause(&self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.wait(end.saturating_duration_since(Instant::now()));
        }
    }

    /// Waits until nothing is missing, and returns what is when the time has passed.
    pub(crate) fn until<T>(
        &self,
        time: Duration,
        mut missing: impl FnMut() -> Option<T>,
    ) -> Result<(), T> {
        let end = Instant::now() + time;
        while let Some(what) = missing() {
            if Instant::now() >= end {
                return Err(what);
            }
            self.wait(Duration::from_millis(5));
        }
        Ok(())
    }
}
