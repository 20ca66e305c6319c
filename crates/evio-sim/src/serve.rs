//! The program of a simulation: a server or a loop.

use std::io;
use std::rc::Rc;

use evio::{Handler, LoopHandle, Loops, Server};
use evio_core::EventLoop;

use crate::checked::Checked;
use crate::process::Process;
use crate::simulation::Simulation;
use crate::stalls::Stalls;

impl Simulation {
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
        let running = server.start(self.checked(0, handler))?;
        self.run_loops([running], move || handle.shutdown());
        Ok(())
    }

    /// Begins to run a server with several loops, each with a handler that `make` makes from the
    /// loop's index. Which of them makes its turn next is drawn from the seed, and how they are
    /// [held up](Stalls). The server has to be bound after the simulation was made.
    ///
    /// How many loops there are is better a number: [`Loops::Available`] are as many as the machine
    /// has processors, and a seed goes another way on another machine.
    ///
    /// # Errors
    ///
    /// Fails as [`Server::start_each`] does.
    ///
    /// # Panics
    ///
    /// Panics when there is a loop already.
    ///
    /// # Examples
    ///
    /// See [`Blocker`](crate::Blocker).
    pub fn serve_each<M, H>(
        &mut self,
        server: Server,
        loops: impl Into<Loops>,
        mut make: impl FnMut(usize) -> H,
    ) -> Result<(), evio::Error>
    where
        M: Send + 'static,
        H: Handler<M> + 'static,
        H::Context: 'static,
    {
        self.serve_each_with(server, loops, |event_loop| make(event_loop.loop_id()))
    }

    /// As [`serve_each`](Self::serve_each), with the handle of the loop for `make`: for handlers
    /// that send messages to each other.
    ///
    /// # Errors
    ///
    /// Fails as [`Server::start_each`] does.
    ///
    /// # Panics
    ///
    /// Panics when there is a loop already.
    pub fn serve_each_with<M, H>(
        &mut self,
        server: Server,
        loops: impl Into<Loops>,
        mut make: impl FnMut(LoopHandle) -> H,
    ) -> Result<(), evio::Error>
    where
        M: Send + 'static,
        H: Handler<M> + 'static,
        H::Context: 'static,
    {
        if self.scheduler.stalls.get().is_none() {
            self.set_stalls(Stalls::drawn_by(&self.kernel));
        }
        let handle = server.handle();
        let make = |event_loop: LoopHandle| self.checked(event_loop.loop_id(), make(event_loop));
        let running = server.start_each_with(loops, make)?;
        self.run_loops(running, move || handle.shutdown());
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
        let running = event_loop.start(self.checked(0, handler))?;
        self.run_loops([running], move || handle.shutdown());
        Ok(())
    }

    fn checked<H>(&self, loop_id: usize, handler: H) -> Checked<H> {
        let report = Rc::clone(&self.report);
        Checked::new(handler, loop_id, self.kernel.clone(), self.blocker(), report)
    }

    fn run_loops<P: Process + 'static>(
        &mut self,
        loops: impl IntoIterator<Item = P>,
        stop: impl Fn() + 'static,
    ) {
        assert!(self.scheduler.loops() == 0, "a simulation has one server");
        loops.into_iter().for_each(|process| self.scheduler.add(Box::new(process)));
        self.stop = Some(Box::new(stop));
    }
}
