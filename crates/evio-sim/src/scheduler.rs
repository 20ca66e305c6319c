//! The loops of the program and the scripts of the clients, and which of them acts next.

use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe};
use std::time::Duration;

use evio::Progress;
use evio_sys::sim::{Interface, Kernel};

use crate::failure::{message_of, with_sources};
use crate::process::Process;
use crate::stalls::Stalls;
use crate::tasks::Tasks;
use crate::world::{Agenda, Check, World};

/// After so many turns of a loop in a row without a wait, in which no client acts, it spins.
const SPIN: usize = 10_000;

/// With fewer descriptors than this, every sleep of all loops is looked at; with so many
/// every second one, with twice as many every third, and so on.
const EVERY_SLEEP: usize = 100;

/// So many turns that find nothing ready are forgiven each loop, at once and in a second. A turn
/// that found something may leave work for another one, and deadlines have their turns.
const IDLE: f64 = 100.0;
const IDLE_PER_SECOND: f64 = 40.0;

/// All that happens beside the kernel. A callback can be in the midst of it, and have it go on.
pub(crate) struct Scheduler {
    kernel: Kernel,
    pub(crate) tasks: RefCell<Tasks>,
    pub(crate) agenda: RefCell<Agenda>,
    /// Made after each turn.
    pub(crate) checks: RefCell<Vec<Check>>,
    seats: RefCell<Vec<Seat>>,
    /// `None` if nobody has set or drawn them.
    pub(crate) stalls: Cell<Option<Stalls>>,
    /// When the loop goes on that was blocked first.
    blocked_until: Cell<Option<Duration>>,
    was_held_up: Cell<bool>,
    /// Callbacks that were made.
    callbacks: Cell<u64>,
    /// So often all sleep before the next look for something that was overlooked.
    sleeps: Cell<usize>,
    /// What was found wrong in a callback, whose panic the loop may have caught.
    failure: RefCell<Option<String>>,
}

/// The place of a loop.
struct Seat {
    /// In traces.
    name: String,
    /// `None` in a turn, and when the loop has ended.
    process: Option<Box<dyn Process>>,
    has_ended: bool,
    /// It is late: it makes no turn before this time.
    late_until: Option<Duration>,
    turns: u64,
    /// How many turns that find nothing ready are forgiven it, as of the end of the last one. What
    /// is not used up does not add up: a loop that waits for long could spin for long.
    forgiven: f64,
    last_end: Duration,
}

impl Seat {
    /// Takes the loop, with the number of its turn.
    fn begin_turn(&mut self) -> Option<(Box<dyn Process>, u64)> {
        Some((self.process.take()?, self.turns + 1))
    }

    fn end_turn(&mut self, process: Box<dyn Process>, progress: Progress, now: Duration) {
        let change = if progress == Progress::Idle { -1.0 } else { 1.0 };
        let of_time = IDLE_PER_SECOND * (now - self.last_end).as_secs_f64();
        self.forgiven = (self.forgiven + of_time + change).min(IDLE);
        self.last_end = now;
        self.turns += 1;
        self.has_ended = progress == Progress::Ended;
        // As a thread does, a loop that has ended goes at once.
        self.process = Some(process).filter(|_| !self.has_ended);
    }
}

impl Scheduler {
    pub(crate) fn new(kernel: Kernel) -> Self {
        Self {
            kernel,
            tasks: RefCell::default(),
            agenda: RefCell::default(),
            checks: RefCell::default(),
            seats: RefCell::default(),
            stalls: Cell::default(),
            blocked_until: Cell::new(None),
            was_held_up: Cell::new(false),
            callbacks: Cell::new(0),
            sleeps: Cell::new(0),
            failure: RefCell::default(),
        }
    }

    pub(crate) fn add(&self, name: String, process: Box<dyn Process>) {
        self.seats.borrow_mut().push(Seat {
            name,
            process: Some(process),
            has_ended: false,
            late_until: None,
            turns: 0,
            forgiven: IDLE,
            last_end: self.kernel.now(),
        });
    }

    /// Returns how many loops there are, those that have ended among them.
    pub(crate) fn loops(&self) -> usize {
        self.seats.borrow().len()
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.seats.borrow().iter().all(|seat| seat.has_ended)
    }

    /// Returns whether a loop was ever late or blocked.
    pub(crate) fn was_held_up(&self) -> bool {
        self.was_held_up.get()
    }

    /// Returns the turns of all loops.
    pub(crate) fn turns(&self) -> u64 {
        self.seats.borrow().iter().map(|seat| seat.turns).sum()
    }

    /// Makes turns and runs scripts until all of them wait.
    pub(crate) fn settle(&self) {
        let mut in_a_row = 0;
        let most = SPIN * self.loops().max(1);
        loop {
            self.take_steps();
            // Either may come first.
            let loop_first = self.kernel.random_below(2) == 0;
            let mut acted = loop_first && self.turn_of_one();
            let scripts = self.tasks.borrow_mut().run_ready(&self.kernel);
            acted |= scripts;
            acted |= !loop_first && self.turn_of_one();
            // What arrived while a loop was asked whether it is due may have woken a script.
            if !acted && !self.tasks.borrow().has_ready() {
                return self.check_some_sleeps();
            }
            in_a_row = if scripts { 0 } else { in_a_row + 1 };
            assert!(in_a_row < most, "a loop spins: it makes turn after turn without a wait");
        }
    }

    /// Checks the more seldom the more there is to look at: what a loop has overlooked stays so
    /// until something else happens to it.
    fn check_some_sleeps(&self) {
        match self.sleeps.get() {
            0 => {
                self.check_asleep();
                self.sleeps.set(self.kernel.open_descriptors() / EVERY_SLEEP);
            }
            left => self.sleeps.set(left - 1),
        }
    }

    /// Checks that no loop that sleeps has left something that it was told of.
    pub(crate) fn check_asleep(&self) {
        let now = self.kernel.now();
        let is_up = |seat: &Seat| {
            let is_in_turn = seat.process.is_none() && !seat.has_ended;
            is_in_turn || seat.late_until.is_some_and(|end| end > now)
        };
        if self.seats.borrow().iter().any(is_up) {
            return;
        }
        if let Some(overlooked) = self.kernel.find_overlooked() {
            panic!("the loops sleep, and one of them has left what it was told of: {overlooked}");
        }
    }

    fn take_steps(&self) {
        loop {
            let due = self.agenda.borrow_mut().take_due(self.kernel.now());
            let Some(step) = due else { return };
            step(&self.world());
        }
    }

    fn check_turn(&self) {
        // A check has no turns made.
        for check in &mut *self.checks.borrow_mut() {
            check(&self.world());
        }
    }

    fn world(&self) -> World<'_> {
        let unfinished = self.tasks.borrow().count_unfinished();
        World { kernel: &self.kernel, unfinished, stalls: &self.stalls }
    }

    /// Makes a turn of one of the loops that have something to do: the others would be asleep, and
    /// one more turn could hide that nobody has woken them. Returns whether there was one.
    fn turn_of_one(&self) -> bool {
        let due = self.due();
        let Some(&drawn) = due.get(self.draw(due.len())) else { return false };
        let stalls = self.stalls.get().unwrap_or_default();
        // Late once, or a loop that is late each time would never make its turn.
        let was_late = self.seats.borrow_mut()[drawn].late_until.take().is_some();
        if !was_late && self.chance(stalls.late) {
            self.was_held_up.set(true);
            let late_until = self.kernel.now() + self.time_below(stalls.longest);
            self.seats.borrow_mut()[drawn].late_until = Some(late_until);
            return true;
        }
        let begun = self.seats.borrow_mut()[drawn].begin_turn();
        let Some((mut process, number)) = begun else { return false };
        self.kernel.tell(|| format!("{}, turn {number}", self.name_of(drawn)));
        // Callbacks may come back here, to have the other loops go on.
        let before = self.done();
        let progress = match process.turn() {
            // A kqueue reports each acknowledgement to a filter for room that is there already
            // (`sowwakeup` of FreeBSD), which is nothing to do.
            Ok(Progress::Worked) if self.kernel.interface() == Interface::Kqueue => {
                Progress::Worked
            }
            // Whether the poller had something to report counts for nothing: there can be input
            // left of other turns, or a tick due, and what is reported can be left alone.
            Ok(Progress::Idle | Progress::Worked) => match self.done() == before {
                true => Progress::Idle,
                false => Progress::Worked,
            },
            Ok(progress) => progress,
            Err(error) => panic!("{} has failed: {}", self.name_of(drawn), with_sources(&error)),
        };
        let now = self.kernel.now();
        self.seats.borrow_mut()[drawn].end_turn(process, progress, now);
        // A loop catches panics of callbacks, also those of other loops' turns within one.
        let failure = self.failure.borrow().clone();
        if let Some(failure) = failure {
            // It was printed when it came.
            panic::resume_unwind(Box::new(failure));
        }
        let forgiven = self.seats.borrow()[drawn].forgiven;
        assert!(forgiven >= 0.0, "{} looks in vain again and again", self.name_of(drawn));
        self.check_turn();
        true
    }

    fn name_of(&self, number: usize) -> String {
        self.seats.borrow()[number].name.clone()
    }

    /// Returns what a loop that does something in a turn changes: calls that came to something,
    /// callbacks, sockets that were accepted or closed.
    fn done(&self) -> (u64, u64, usize) {
        (self.kernel.done(), self.callbacks.get(), self.kernel.open_descriptors())
    }

    /// Returns which loops have something to do and are not late. The others fall asleep.
    fn due(&self) -> Vec<usize> {
        let now = self.kernel.now();
        let mut due = Vec::new();
        for (number, seat) in self.seats.borrow().iter().enumerate() {
            let is_late = seat.late_until.is_some_and(|end| end > now);
            let Some(process) = seat.process.as_ref().filter(|_| !is_late) else { continue };
            match is_due(&**process, &self.kernel) {
                true => due.push(number),
                false => self.kernel.fall_asleep(&process.poller()),
            }
        }
        due
    }

    /// Returns when something happens next.
    pub(crate) fn next_time(&self) -> Option<Duration> {
        let now = self.kernel.now();
        let deadline = |seat: &Seat| {
            let process = seat.process.as_ref()?;
            let wait = match is_due(&**process, &self.kernel) {
                true => Duration::ZERO,
                false => process.timeout()?,
            };
            Some(now.saturating_add(wait).max(seat.late_until.unwrap_or_default()))
        };
        let seats = self.seats.borrow();
        self.next_event().into_iter().chain(seats.iter().filter_map(deadline)).min()
    }

    /// Returns when something happens next that is not a loop's own doing.
    pub(crate) fn next_event(&self) -> Option<Duration> {
        let step = self.agenda.borrow().next_time();
        self.kernel.next_event().into_iter().chain(step).min()
    }

    /// Returns the same when no client waits any more: its timers are nobody's.
    pub(crate) fn next_event_without_clients(&self) -> Option<Duration> {
        let step = self.agenda.borrow().next_time();
        self.kernel.next_packet().into_iter().chain(step).min()
    }

    /// Ends the simulation, at the latest after this turn, for what a callback has found.
    pub(crate) fn fail(&self, failure: String) -> ! {
        self.keep_failure(&failure);
        panic!("{failure}");
    }

    fn keep_failure(&self, failure: &str) {
        self.failure.borrow_mut().get_or_insert_with(|| failure.to_owned());
    }

    /// Says of each client that has not come to its end what it has open.
    pub(crate) fn describe_unfinished(&self) -> String {
        let tasks = self.tasks.borrow();
        let lines = tasks.unfinished_hosts().map(|(client, host)| {
            let open = self.kernel.describe_host(host.into());
            format!("\nclient {client}, {host}: {open}")
        });
        lines.collect()
    }

    /// Lets everything but the loops that are in a turn go on for this time.
    pub(crate) fn block(&self, time: Duration) {
        self.was_held_up.set(true);
        let outer = self.blocked_until.get();
        let end = self.kernel.now().saturating_add(time);
        let end = outer.map_or(end, |outer| end.min(outer));
        self.blocked_until.set(Some(end));
        if let Err(panic) = panic::catch_unwind(AssertUnwindSafe(|| self.go_on_until(end))) {
            self.keep_failure(message_of(&*panic));
            panic::resume_unwind(panic);
        }
        self.kernel.advance_to(end);
        self.blocked_until.set(outer);
    }

    fn go_on_until(&self, end: Duration) {
        loop {
            self.settle();
            match self.next_time() {
                Some(next) if next < end => self.kernel.advance_to(next),
                _ => return,
            }
        }
    }

    /// Notes a callback of the loop that is in a turn, and blocks it if chance will have it.
    pub(crate) fn begin_callback(&self) {
        self.callbacks.set(self.callbacks.get() + 1);
        let stalls = self.stalls.get().unwrap_or_default();
        if self.chance(stalls.blocked) {
            self.block(self.time_below(stalls.longest));
        }
    }

    /// Draws a number below `bound`, if there is something to draw.
    fn draw(&self, bound: usize) -> usize {
        if bound > 1 { self.kernel.random_below(bound) } else { 0 }
    }

    /// Draws true with this probability; what never happens draws nothing.
    fn chance(&self, probability: f64) -> bool {
        const STEPS: usize = 1 << 20;
        probability > 0.0 && (self.kernel.random_below(STEPS) as f64) < probability * STEPS as f64
    }

    fn time_below(&self, longest: Duration) -> Duration {
        Duration::from_nanos(self.kernel.random_below(longest.as_nanos() as usize + 1) as u64)
    }
}

fn is_due(process: &dyn Process, kernel: &Kernel) -> bool {
    process.timeout() == Some(Duration::ZERO) || kernel.is_ready(&process.poller())
}

#[cfg(test)]
mod tests;
