//! One simulation: the loops of a program, its clients, and the time.

use std::cell::RefCell;
use std::env;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use evio_sys::sim::{Counts, Entered, Faults, Kernel, Options};

use crate::Result;
use crate::net::Net;
use crate::report::Report;
use crate::scheduler::Scheduler;
use crate::stalls::{Blocker, Stalls};
use crate::world::World;

/// So many sends to a full socket are forgiven, for each connection: a loop that is late tries one.
const VAIN_SENDS: u64 = 1;

/// After so many deadlines of each loop in a row, such as ticks, and so long, nothing is going to
/// help a client.
const DEADLINES: u64 = 50_000;
const LONG: Duration = Duration::from_secs(3_600);

/// After so many of each loop nobody is going to wait for the end of the test.
const MOST_DEADLINES: u64 = 1_000_000;

/// The loops of a program on a simulated kernel, and the scripts of its clients.
pub struct Simulation {
    seed: u64,
    pub(crate) kernel: Kernel,
    pub(crate) scheduler: Rc<Scheduler>,
    pub(crate) servers: Vec<Served>,
    longest: Duration,
    /// Behind the loops, which it has to outlive.
    _entered: Entered,
}

/// A server, or a loop by itself.
pub(crate) struct Served {
    /// Asks it to end.
    pub(crate) stop: Box<dyn Fn()>,
    pub(crate) report: Rc<RefCell<Report>>,
}

/// What a simulation has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// A hash of every call that was made of the kernel, with its result and its time.
    pub trace_hash: u64,
    /// How often each fault was injected.
    pub faults: Counts,
    /// Connections that the handler was told of.
    pub connections: u64,
    /// Turns of all loops.
    pub turns: u64,
    /// The virtual time at the end.
    pub time: Duration,
}

impl Simulation {
    /// Makes a simulation with nothing in it. The sizes of buffers, the times that segments and
    /// calls take and the faults are drawn from the seed ([`Options::drawn_from`]). The calling
    /// thread is simulated until it is dropped. With `EVIO_TRACE` in the environment every call is
    /// printed.
    ///
    /// # Errors
    ///
    /// Fails when the process is out of descriptors.
    ///
    /// # Panics
    ///
    /// Panics when the thread has a simulation already.
    pub fn new(seed: u64) -> io::Result<Self> {
        Self::with_options(seed, Options::drawn_from(seed))
    }

    /// Makes a simulation with these options, of which none is drawn.
    ///
    /// # Errors
    ///
    /// Those of [`new`](Self::new).
    ///
    /// # Panics
    ///
    /// Panics when the thread has a simulation already.
    pub fn with_options(seed: u64, options: Options) -> io::Result<Self> {
        let kernel = Kernel::new(seed, options)?;
        if env::var_os("EVIO_TRACE").is_some() {
            kernel.print_trace();
        }
        let entered = kernel.enter();
        Ok(Self {
            seed,
            scheduler: Rc::new(Scheduler::new(kernel.clone())),
            kernel,
            servers: Vec::new(),
            longest: Duration::from_secs(7 * 24 * 3600),
            _entered: entered,
        })
    }

    /// Returns the seed.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Returns the kernel, for what has no method here.
    #[must_use]
    pub fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    /// Replaces the faults that were drawn.
    pub fn set_faults(&mut self, faults: Faults) {
        self.kernel.set_faults(faults);
    }

    /// Sets the sizes of the buffers of sockets that are made from here on, in the place of those
    /// that were drawn.
    pub fn set_buffers(&mut self, send: usize, recv: usize) {
        self.kernel.set_buffers(send, recv);
    }

    /// Sets how many descriptors the program under test may have.
    pub fn set_descriptors(&mut self, most: usize) {
        self.kernel.set_descriptors(most);
    }

    /// Sets how much virtual time the simulation may take; a week if this is not called. It goes on
    /// to the last step of [`at`](Self::at) even so.
    pub fn set_longest(&mut self, time: Duration) {
        self.longest = time;
    }

    /// Sets how often a loop is held up. If this is not called before
    /// [`serve_each`](Self::serve_each), that draws it from the seed, for one loop as for several.
    /// The loops of [`serve`](Self::serve) and [`serve_loop`](Self::serve_loop) are held up only if
    /// this is called.
    pub fn set_stalls(&mut self, stalls: Stalls) {
        self.scheduler.stalls.set(Some(stalls));
    }

    /// Returns what a handler can block its loop with.
    #[must_use]
    pub fn blocker(&self) -> Blocker {
        Blocker(Rc::downgrade(&self.scheduler))
    }

    /// Adds a client. Its script begins when the simulation runs.
    ///
    /// What the script opens is on its host, and no part of the program under test: also a socket
    /// of [`ServerHandle::listen`](evio::ServerHandle::listen), whose connections are then neither
    /// counted nor checked. To add an address while the simulation runs, take a step
    /// [`at`](Self::at) its time.
    pub fn client<F>(&mut self, script: impl FnOnce(Rc<Net>) -> F)
    where
        F: Future<Output = Result> + 'static,
    {
        let mut tasks = self.scheduler.tasks.borrow_mut();
        let [network, high, low] = [16, 8, 0].map(|shift| (tasks.count() >> shift) as u8);
        let net = Net::new(self.kernel.clone(), Ipv4Addr::new(10, 1 + network, high, low));
        tasks.add(Rc::clone(&net), Box::pin(script(net)));
    }

    /// Takes a step at a virtual time: it ends the faults, cuts a host off, or checks a condition.
    /// A simulation whose clients have come to their ends before goes on until then.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use evio::{Action, Events, Server};
    ///
    /// evio_sim::for_each_seed(10, |sim| {
    ///     let server = Server::bind(["tcp://10.0.0.1:80"])?;
    ///     sim.serve(server, Events::new().data(|_, _, _| Action::Close))?;
    ///     sim.client(|net| async move {
    ///         let mut conn = net.connect("10.0.0.1:80").await?;
    ///         conn.write_all(b"hello\n").await?;
    ///         conn.read_to_end().await?;
    ///         Ok(())
    ///     });
    ///     sim.at(Duration::from_secs(60), |world| {
    ///         assert_eq!(world.unfinished_clients(), 0, "a client is still waiting");
    ///     });
    ///     Ok(())
    /// });
    /// ```
    pub fn at(&mut self, time: Duration, step: impl FnOnce(&World<'_>) + 'static) {
        self.scheduler.agenda.borrow_mut().add(time, Box::new(step));
    }

    /// Checks, when so much virtual time has passed, that every client has come to its end; faults
    /// and stalls end at half of it, for those may take any time.
    pub fn all_clients_end_within(&mut self, time: Duration) {
        self.at(time / 2, |world| world.stop_faults());
        self.at(time, move |world| {
            let left = world.unfinished_clients();
            assert_eq!(left, 0, "clients have not come to their ends within {time:?}");
        });
    }

    /// Calls `check` after each turn of a loop: for what has to hold all the time. State that the
    /// handler shares with it is in an `Rc` or an `Arc`.
    pub fn after_each_turn(&mut self, check: impl FnMut(&World<'_>) + 'static) {
        self.scheduler.checks.borrow_mut().push(Box::new(check));
    }

    /// Runs until every client has come to its end and what they sent has arrived, then ends the
    /// loops and checks what is left.
    ///
    /// Clients that wait while nothing is under way are given up when nothing but deadlines of the
    /// loops, such as ticks, has come for an hour of virtual time and 50,000 times a loop, or
    /// 1,000,000 times a loop. A step [`at`](Self::at) a later time puts that off.
    ///
    /// # Panics
    ///
    /// Panics when something is wrong; see the [crate's page](crate).
    pub fn run(self) -> Outcome {
        let longest = self.longest.max(self.scheduler.agenda.borrow().last_time());
        // How often nothing but deadlines of the loops has come, and since when.
        let (mut deadlines, mut since) = (0, Duration::ZERO);
        loop {
            self.scheduler.settle();
            if self.unfinished().is_none() {
                break;
            }
            if self.scheduler.next_event().is_some() {
                (deadlines, since) = (0, self.kernel.now());
            }
            deadlines += 1;
            self.check_wait(deadlines, self.kernel.now() - since);
            match self.scheduler.next_time() {
                Some(next) if next <= longest => self.kernel.advance_to(next),
                Some(_) => self.complain("clients have not come to their ends in the longest time"),
                None => self.complain("clients wait, and nothing is under way that could end that"),
            }
        }
        let is_in_time = |time: Duration| time <= longest;
        while self.scheduler.next_event_without_clients().is_some_and(is_in_time) {
            let next = self.scheduler.next_time().expect("there is an event at the latest");
            self.kernel.advance_to(next);
            self.scheduler.settle();
        }
        self.scheduler.check_asleep();
        self.end()
    }

    /// Checks that clients have not waited in vain for too long.
    fn check_wait(&self, deadlines: u64, waited: Duration) {
        let of_each = deadlines / self.scheduler.loops().max(1) as u64;
        if of_each >= MOST_DEADLINES || of_each >= DEADLINES && waited >= LONG {
            self.complain(&format!(
                "clients wait, and for {waited:?} nothing has come but {deadlines} deadlines of \
                 loops (`Simulation::at` with a step at a later time lets them wait until then)"
            ));
        }
    }

    fn complain(&self, what: &str) -> ! {
        self.scheduler.check_asleep();
        panic!("{what}:{}", self.scheduler.describe_unfinished());
    }

    fn unfinished(&self) -> Option<usize> {
        self.scheduler.tasks.borrow().unfinished()
    }

    /// Ends the loops, and checks what is left.
    fn end(self) -> Outcome {
        for server in &self.servers {
            (server.stop)();
        }
        loop {
            self.scheduler.settle();
            if self.scheduler.has_ended() {
                break;
            }
            let next = self.scheduler.next_time();
            self.kernel.advance_to(next.expect("the loops were told to end, and one does not"));
        }
        let mut opened = 0;
        for server in &self.servers {
            let report = server.report.borrow();
            report.check_end();
            opened += report.opened();
        }
        let left = self.kernel.open_descriptors();
        assert_eq!(left, 0, "descriptors are open after the end of the loops");
        let late = self.kernel.counts().late_closes;
        let is_late = late > 0 && !self.scheduler.was_held_up();
        assert!(!is_late, "{late} sockets that had failed were kept for more than a second");
        let vain = self.kernel.counts().vain_sends;
        let most = VAIN_SENDS * opened;
        assert!(vain <= most, "{vain} sends to sockets that were known to be full");
        Outcome {
            trace_hash: self.kernel.trace_hash(),
            faults: self.kernel.counts(),
            connections: opened,
            turns: self.scheduler.turns(),
            time: self.kernel.now(),
        }
    }
}

/// What is closed because of a panic has nothing to do with its cause.
impl Drop for Simulation {
    fn drop(&mut self) {
        if thread::panicking() {
            self.kernel.end_trace();
        }
    }
}

impl fmt::Debug for Simulation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulation").field("seed", &self.seed).finish_non_exhaustive()
    }
}
