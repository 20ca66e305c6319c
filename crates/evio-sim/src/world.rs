//! What a simulation does at a time, beside its loop and its clients.

use std::cell::Cell;
use std::time::Duration;

use evio_sys::sim::{Faults, Kernel};

use crate::stalls::Stalls;

/// The simulation, as a step of it sees it: what [`Simulation::at`] and
/// [`Simulation::after_each_turn`] are given.
///
/// [`Simulation::at`]: crate::Simulation::at
/// [`Simulation::after_each_turn`]: crate::Simulation::after_each_turn
#[derive(Debug)]
pub struct World<'a> {
    pub(crate) kernel: &'a Kernel,
    /// Scripts of clients that have not come to their end.
    pub(crate) unfinished: usize,
    pub(crate) stalls: &'a Cell<Option<Stalls>>,
}

impl World<'_> {
    /// Returns the virtual time since the simulation began.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.kernel.now()
    }

    /// Returns how many clients have not come to the end of their scripts.
    #[must_use]
    pub fn unfinished_clients(&self) -> usize {
        self.unfinished
    }

    /// Returns how many connections the program under test has, those that it is making among them.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.kernel.open_streams()
    }

    /// Ends all faults and [`Stalls`] that happen by chance: what was injected before takes its
    /// course.
    pub fn stop_faults(&self) {
        self.stalls.set(Some(Stalls::default()));
        self.kernel.set_faults(Faults::default());
    }

    /// Returns the kernel, for what has no method here.
    #[must_use]
    pub fn kernel(&self) -> &Kernel {
        self.kernel
    }
}

pub(crate) type Step = Box<dyn FnOnce(&World<'_>)>;
pub(crate) type Check = Box<dyn FnMut(&World<'_>)>;

/// What is to happen at some time.
#[derive(Default)]
pub(crate) struct Agenda {
    /// The next is the last; those of one time are in the order in which they are to happen.
    steps: Vec<(Duration, Step)>,
}

impl Agenda {
    pub(crate) fn add(&mut self, time: Duration, step: Step) {
        let behind = self.steps.partition_point(|(other, _)| *other > time);
        self.steps.insert(behind, (time, step));
    }

    /// Returns when the next one is to happen.
    pub(crate) fn next_time(&self) -> Option<Duration> {
        self.steps.last().map(|(time, _)| *time)
    }

    /// Returns when the last one is to happen, and zero if there is none.
    pub(crate) fn last_time(&self) -> Duration {
        self.steps.first().map_or(Duration::ZERO, |(time, _)| *time)
    }

    /// Takes one whose time has come.
    pub(crate) fn take_due(&mut self, now: Duration) -> Option<Step> {
        let is_due = self.next_time().is_some_and(|time| time <= now);
        if is_due { self.steps.pop().map(|(_, step)| step) } else { None }
    }
}
