//! One simulation: a loop, its clients, and the time.

use std::cell::RefCell;
use std::env;
use std::fmt;
use std::future::Future;
use std::io;
use std::mem;
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use evio::{Handler, Progress, Server};
use evio_core::EventLoop;
use evio_sys::sim::{Counts, Entered, Faults, Kernel, Options};

use crate::Result;
use crate::checked::{Checked, Report};
use crate::net::Net;
use crate::process::Process;
use crate::tasks::Tasks;
use crate::world::{Agenda, Check, World};

/// After so many turns in a row without a wait, in which no client acts, the loop spins.
const SPIN: u32 = 10_000;

/// So many sends to a full socket are forgiven, for each connection: a loop that is late tries one.
const VAIN_SENDS: u64 = 1;

/// A loop on a simulated kernel, and the scripts of its clients.
pub struct Simulation {
    seed: u64,
    kernel: Kernel,
    tasks: Tasks,
    process: Option<Box<dyn Process>>,
    /// Asks the loop to end.
    stop: Option<Box<dyn Fn()>>,
    report: Rc<RefCell<Report>>,
    agenda: Agenda,
    checks: Vec<Check>,
    longest: Duration,
    turns: u64,
    /// Behind the process, which it has to outlive.
    _entered: Entered,
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
    /// Turns of the loop.
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
            kernel,
            tasks: Tasks::default(),
            process: None,
            stop: None,
            report: Rc::default(),
            agenda: Agenda::default(),
            checks: Vec::new(),
            longest: Duration::from_secs(7 * 24 * 3600),
            turns: 0,
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

    /// Sets how much virtual time the simulation may take; a week if this is not called.
    pub fn set_longest(&mut self, time: Duration) {
        self.longest = time;
    }

    /// Begins to run a server with one loop. It has to be bound after the simulation was made.
    ///
    /// # Errors
    ///
    /// Fails as [`Server::start`] does.
    ///
    /// # Panics
    ///
    /// Panics when there is a loop already.
    pub fn serve<M, H>(&mut self, server: Server, handler: H) -> Result<(), evio::Error>
    where
        M: Send + 'static,
        H: Handler<M> + 'static,
        H::Context: 'static,
    {
        let handle = server.handle();
        let running = server.start(self.checked(handler))?;
        self.run_process(running, move || handle.shutdown());
        Ok(())
    }

    /// Begins to run a loop. It has to be made after the simulation.
    ///
    /// # Errors
    ///
    /// Fails as [`EventLoop::start`] does.
    ///
    /// # Panics
    ///
    /// Panics when there is a loop already.
    pub fn serve_loop<M, H>(&mut self, event_loop: EventLoop, handler: H) -> io::Result<()>
    where
        M: Send + 'static,
        H: Handler<M> + 'static,
        H::Context: 'static,
    {
        let handle = event_loop.handle();
        let running = event_loop.start(self.checked(handler))?;
        self.run_process(running, move || handle.shutdown());
        Ok(())
    }

    fn checked<H>(&self, handler: H) -> Checked<H> {
        Checked::new(handler, self.kernel.clone(), Rc::clone(&self.report))
    }

    fn run_process(&mut self, process: impl Process + 'static, stop: impl Fn() + 'static) {
        assert!(self.process.is_none(), "a simulation has one loop");
        self.process = Some(Box::new(process));
        self.stop = Some(Box::new(stop));
    }

    /// Adds a client. Its script begins when the simulation runs.
    pub fn client<F>(&mut self, script: impl FnOnce(Rc<Net>) -> F)
    where
        F: Future<Output = Result> + 'static,
    {
        let [high, low] = (self.tasks.count() as u16).to_be_bytes();
        let net = Net::new(self.kernel.clone(), Ipv4Addr::new(10, 1, high, low));
        self.tasks.add(Rc::clone(&net), Box::pin(script(net)));
    }

    /// Has something happen at a virtual time: faults end, a host is cut off, a condition holds. A
    /// simulation whose clients have come to their ends before goes on until then.
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
        self.agenda.add(time, Box::new(step));
    }

    /// Checks, when so much virtual time has passed, that every client has come to its end; faults
    /// end at half of it, for those may take any time.
    pub fn all_clients_end_within(&mut self, time: Duration) {
        self.at(time / 2, |world| world.stop_faults());
        self.at(time, move |world| {
            let left = world.unfinished_clients();
            assert_eq!(left, 0, "clients have not come to their ends within {time:?}");
        });
    }

    /// Calls `check` after each turn of the loop: for what has to hold all the time. State that the
    /// handler shares with it is in an `Rc` or an `Arc`.
    pub fn after_each_turn(&mut self, check: impl FnMut(&World<'_>) + 'static) {
        self.checks.push(Box::new(check));
    }

    /// Runs until every client has come to its end and what they sent has arrived, then ends the
    /// loop and checks what is left.
    ///
    /// # Panics
    ///
    /// Panics when something is wrong; see the [crate's page](crate).
    pub fn run(mut self) -> Outcome {
        while let Some(client) = self.tasks.unfinished() {
            self.settle();
            if self.tasks.unfinished().is_none() {
                break;
            }
            let next = self.next_time();
            let Some(next) = next else {
                panic!("client {client} waits, and nothing is under way that could end that");
            };
            assert!(
                next <= self.longest,
                "client {client} has not come to its end in {:?}",
                self.longest
            );
            self.kernel.advance_to(next);
        }
        self.settle();
        while self.next_event().is_some_and(|next| next <= self.longest) {
            if let Some(next) = self.next_time() {
                self.kernel.advance_to(next);
            }
            self.settle();
        }
        self.end()
    }

    /// Makes turns and runs scripts until all of them wait.
    fn settle(&mut self) {
        let mut in_a_row = 0;
        loop {
            self.take_steps();
            // Either may come first.
            let loop_first = self.kernel.random_below(2) == 0;
            let mut acted = loop_first && self.turn_if_due();
            let scripts = self.tasks.run_ready(&self.kernel);
            acted |= scripts;
            acted |= !loop_first && self.turn_if_due();
            // What arrived while the loop was asked whether it is due may have woken a script.
            if !acted && !self.tasks.has_ready() {
                return;
            }
            in_a_row = if scripts { 0 } else { in_a_row + 1 };
            assert!(in_a_row < SPIN, "the loop spins: it makes turn after turn without a wait");
        }
    }

    fn take_steps(&mut self) {
        while let Some(step) = self.agenda.take_due(self.kernel.now()) {
            step(&self.world());
        }
    }

    fn world(&self) -> World<'_> {
        World { kernel: &self.kernel, unfinished: self.tasks.count_unfinished() }
    }

    fn check_turn(&mut self) {
        if self.checks.is_empty() {
            return;
        }
        let mut checks = mem::take(&mut self.checks);
        for check in &mut checks {
            check(&self.world());
        }
        self.checks = checks;
    }

    /// Makes a turn if the loop has something to do; otherwise it would be asleep, and one more
    /// turn could hide that nobody has woken it.
    fn turn_if_due(&mut self) -> bool {
        let Some(process) = &mut self.process else { return false };
        let is_due = process.timeout() == Some(Duration::ZERO);
        if !is_due && !self.kernel.is_ready(&process.poller()) {
            return false;
        }
        self.turns += 1;
        self.kernel.tell(|| format!("turn {}", self.turns));
        match process.turn() {
            Ok(Progress::Ended) => self.process = None,
            Ok(Progress::Worked | Progress::Idle) => {}
            Err(error) => panic!("the loop has failed: {error}"),
        }
        self.check_turn();
        true
    }

    /// Returns when something happens next.
    fn next_time(&self) -> Option<Duration> {
        let timeout = self.process.as_ref().and_then(|process| process.timeout());
        let deadline = timeout.map(|timeout| self.kernel.now().saturating_add(timeout));
        self.next_event().into_iter().chain(deadline).min()
    }

    /// Returns when something happens next that is not the loop's own doing.
    fn next_event(&self) -> Option<Duration> {
        self.kernel.next_event().into_iter().chain(self.agenda.next_time()).min()
    }

    /// Ends the loop, and checks what is left.
    fn end(mut self) -> Outcome {
        if let Some(stop) = self.stop.take() {
            stop();
        }
        while self.process.is_some() {
            self.settle();
            match self.next_time() {
                Some(next) if self.process.is_some() => self.kernel.advance_to(next),
                Some(_) => {}
                None => assert!(self.process.is_none(), "the loop was told to end, and does not"),
            }
        }
        let report = self.report.borrow();
        report.check_end();
        let left = self.kernel.open_descriptors();
        assert_eq!(left, 0, "descriptors are open after the end of the loop");
        let late = self.kernel.counts().late_closes;
        assert_eq!(late, 0, "sockets that had failed were kept for more than a second");
        let vain = self.kernel.counts().vain_sends;
        let most = VAIN_SENDS * report.opened();
        assert!(vain <= most, "{vain} sends to sockets that were known to be full");
        Outcome {
            trace_hash: self.kernel.trace_hash(),
            faults: self.kernel.counts(),
            connections: report.opened(),
            turns: self.turns,
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
