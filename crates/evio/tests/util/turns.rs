//! The turns of a loop, and what is done in each.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use evio::Loop;

use super::{Driver, after_turns};

/// Counts the turns of a loop, and what callbacks say was done in each of them.
///
/// It is a task that leaves itself again, for the next turn. While it does, the loop does not
/// sleep.
#[derive(Clone, Default)]
pub(crate) struct Turns(Arc<Counts>);

#[derive(Default)]
struct Counts {
    turns: AtomicUsize,
    /// What has been done since this turn began.
    done: AtomicUsize,
    /// The most that was done in one turn.
    most: AtomicUsize,
    is_over: AtomicBool,
}

impl Turns {
    /// Begins to count, as soon as the loop gets to it.
    pub(crate) fn begin(&self, driver: &Driver) {
        let turns = self.clone();
        let begin = move |event_loop: &mut Loop<'_>| {
            turns.0.done.store(0, Ordering::SeqCst);
            turns.turn(event_loop);
        };
        driver.handle().post(begin).expect("the loop takes the task");
    }

    fn turn(self, event_loop: &mut Loop<'_>) {
        self.0.turns.fetch_add(1, Ordering::SeqCst);
        let done = self.0.done.swap(0, Ordering::SeqCst);
        self.0.most.fetch_max(done, Ordering::SeqCst);
        if !self.0.is_over.load(Ordering::SeqCst) {
            after_turns(event_loop, 1, move |event_loop| self.turn(event_loop));
        }
    }

    /// Notes that so much was done, by a callback.
    pub(crate) fn note(&self, count: usize) {
        self.0.done.fetch_add(count, Ordering::SeqCst);
    }

    /// Returns how many turns have begun.
    pub(crate) fn count(&self) -> usize {
        self.0.turns.load(Ordering::SeqCst)
    }

    /// Returns the most that was done in one turn.
    pub(crate) fn most(&self) -> usize {
        self.0.most.load(Ordering::SeqCst)
    }

    /// Ends to count.
    pub(crate) fn end(&self) {
        self.0.is_over.store(true, Ordering::SeqCst);
    }
}
