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
    ///
    /// # Examples
    ///
    /// A program that connects, and what it connects to. It is told to end while it does.
    ///
    /// ```
    /// use std::net::SocketAddr;
    /// use std::time::Duration;
    /// use evio::{Action, Conn, ConnectOptions, Events, Handler, Origin, Server};
    /// use evio_sim::Faults;
    ///
    /// /// Has another server answer its clients.
    /// struct Front {
    ///     upstream: SocketAddr,
    /// }
    ///
    /// impl Handler for Front {
    ///     type Context = ();
    ///
    ///     fn context(&mut self, _: &Conn<'_>) {}
    ///
    ///     fn data(&mut self, conn: &mut Conn<'_>, _: &mut (), input: &[u8]) -> Action {
    ///         let Origin::Connected(tag) = conn.origin() else {
    ///             let options = ConnectOptions::default().tag(conn.id());
    ///             let begun = conn.event_loop().connect_with(self.upstream, &options);
    ///             let upstream = begun.ok().and_then(|id| conn.sibling(id));
    ///             return upstream.map_or(Action::Close, |mut upstream| {
    ///                 upstream.write(input);
    ///                 Action::None
    ///             });
    ///         };
    ///         if let Some(mut client) = tag.conn.and_then(|client| conn.sibling(client)) {
    ///             client.write(input);
    ///             client.close();
    ///         }
    ///         Action::Close
    ///     }
    ///
    ///     /// Both sides are kept until the client has its answer.
    ///     fn stopping(&mut self, _: &mut Conn<'_>, _: &mut ()) -> Action {
    ///         Action::None
    ///     }
    /// }
    ///
    /// evio_sim::for_each_seed(20, |sim| {
    ///     sim.set_faults(Faults::default());
    ///     let front = Server::bind(["tcp://10.0.0.1:80"])?;
    ///     let handle = front.handle();
    ///     sim.serve(front, Front { upstream: "10.0.0.2:80".parse()? })?;
    ///     let upstream = Events::new().data(|conn, _, input| {
    ///         conn.write(input);
    ///         Action::None
    ///     });
    ///     sim.serve(Server::bind(["tcp://10.0.0.2:80"])?, upstream)?;
    ///     sim.client(move |net| async move {
    ///         let mut conn = net.connect("10.0.0.1:80").await?;
    ///         conn.write_all(b"question").await?;
    ///         // On the way, or behind it.
    ///         net.sleep(Duration::from_millis(10)).await;
    ///         handle.shutdown_gracefully(Duration::from_secs(30));
    ///         assert_eq!(conn.read_to_end().await?, b"question");
    ///         // It has not waited for the end of its time.
    ///         assert!(net.now() < Duration::from_secs(20));
    ///         Ok(())
    ///     });
    ///     Ok(())
    /// });
    /// ```
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
