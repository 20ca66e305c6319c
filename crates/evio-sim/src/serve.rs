//! The program of a simulation: servers, or loops by themselves.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;

use evio::{Handler, LoopHandle, Loops, Server};
use evio_core::EventLoop;
use evio_sys::sim::Kernel;

use crate::checked::Checked;
use crate::process::Process;
use crate::report::Report;
use crate::simulation::{Served, Simulation};
use crate::stalls::{Blocker, Stalls};

impl Simulation {
    /// Begins to run a server with one loop. It has to be bound after the simulation was made.
    ///
    /// Several servers run beside each other: what the one under test connects to may be another
    /// handler. Each has loops of its own, and all of them share the addresses, the faults and the
    /// descriptors of one machine.
    ///
    /// # Errors
    ///
    /// Fails as [`Server::start`] does.
    pub fn serve<M, H>(&mut self, server: Server, handler: H) -> Result<(), evio::Error>
    where
        M: Send + 'static,
        H: Handler<M> + 'static,
        H::Context: 'static,
    {
        let (handle, watch) = (server.handle(), self.watch());
        let running = server.start(watch.checked(0, handler))?;
        self.run_loops([running], watch, move || handle.shutdown());
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
        let (handle, watch) = (server.handle(), self.watch());
        let make = |event_loop: LoopHandle| watch.checked(event_loop.loop_id(), make(event_loop));
        let running = server.start_each_with(loops, make)?;
        self.run_loops(running, watch, move || handle.shutdown());
        Ok(())
    }

    /// Begins to run a loop. It has to be made after the simulation.
    ///
    /// # Errors
    ///
    /// Fails as [`EventLoop::start`] does.
    pub fn serve_loop<M, H>(&mut self, event_loop: EventLoop, handler: H) -> io::Result<()>
    where
        M: Send + 'static,
        H: Handler<M> + 'static,
        H::Context: 'static,
    {
        let (handle, watch) = (event_loop.handle(), self.watch());
        let running = event_loop.start(watch.checked(0, handler))?;
        self.run_loops([running], watch, move || handle.shutdown());
        Ok(())
    }

    fn watch(&self) -> Watch {
        let number = self.servers.len();
        Watch {
            server: if number == 0 { String::new() } else { format!("server {number}, ") },
            kernel: self.kernel.clone(),
            blocker: self.blocker(),
            report: Rc::default(),
        }
    }

    fn run_loops<P: Process + 'static>(
        &mut self,
        loops: impl IntoIterator<Item = P>,
        watch: Watch,
        stop: impl Fn() + 'static,
    ) {
        for (loop_id, process) in loops.into_iter().enumerate() {
            let name = format!("{}loop {loop_id}", watch.server);
            self.scheduler.add(name, Box::new(process));
        }
        self.servers.push(Served { stop: Box::new(stop), report: watch.report });
    }
}

/// What is watched of the handlers of a server.
struct Watch {
    /// What names it in traces; nothing, of the first one.
    server: String,
    kernel: Kernel,
    blocker: Blocker,
    report: Rc<RefCell<Report>>,
}

impl Watch {
    fn checked<H>(&self, loop_id: usize, handler: H) -> Checked<H> {
        let (kernel, blocker) = (self.kernel.clone(), self.blocker.clone());
        Checked::new(
            handler,
            (self.server.clone(), loop_id),
            kernel,
            blocker,
            Rc::clone(&self.report),
        )
    }
}
