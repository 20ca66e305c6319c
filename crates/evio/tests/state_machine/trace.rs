//! The last operations of a connection, printed with a fault.

use std::collections::VecDeque;
use std::fmt;
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;

/// How many are kept.
const KEPT: usize = 60;

#[derive(Debug, Default)]
pub(crate) struct Trace {
    events: Mutex<VecDeque<Event>>,
}

#[derive(Debug)]
struct Event {
    /// Since the beginning of the round.
    at: Duration,
    thread: String,
    text: String,
}

impl Trace {
    pub(crate) fn note(&self, at: Duration, text: String) {
        let thread = thread::current().name().unwrap_or("server").to_owned();
        let mut events = self.events.lock();
        if events.len() == KEPT {
            events.pop_front();
        }
        events.push_back(Event { at, thread, text });
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A thread that hangs may hold the lock.
        let Some(events) = self.events.try_lock_for(Duration::from_millis(100)) else {
            return writeln!(f, "    (in use)");
        };
        for Event { at, thread, text } in &*events {
            let at = at.as_secs_f64() * 1_000.0;
            writeln!(f, "    {at:9.3} ms  {thread:<12} {text}")?;
        }
        Ok(())
    }
}
