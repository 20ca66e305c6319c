//! How connections are spread over the loops, and loops over processors.

use std::net;

use evio_core::{LoadBalance, PlaceFn};

use crate::server::Server;

impl Server {
    /// Chooses how connections are spread over the loops. Default: [`LoadBalance::RoundRobin`].
    ///
    /// # Examples
    ///
    /// ```
    /// use evio::{LoadBalance, Server};
    ///
    /// let server = Server::bind(["tcp://127.0.0.1:0"])?
    ///     // Clients that stay for hours: a loop whose clients have gone gets the next ones.
    ///     .load_balance(LoadBalance::LeastConnections);
    /// # drop(server);
    /// # Ok::<(), evio::Error>(())
    /// ```
    #[must_use]
    pub fn load_balance(mut self, load_balance: LoadBalance) -> Self {
        self.config.load_balance = load_balance;
        self
    }

    /// Chooses the loop of each connection by a function of the peer's address and the open
    /// connections of each loop, instead of a [`LoadBalance`]; see [`PlaceFn`].
    ///
    /// # Examples
    ///
    /// ```
    /// use evio::Server;
    ///
    /// let server = Server::bind(["tcp://127.0.0.1:0"])?
    ///     // The first loop is for this machine alone, the others are for everybody else.
    ///     .place_with(|peer, connections| match peer {
    ///         Some(peer) if !peer.ip().is_loopback() => {
    ///             (1..connections.len()).min_by_key(|&other| connections[other]).unwrap_or(0)
    ///         }
    ///         _ => 0,
    ///     });
    /// # drop(server);
    /// # Ok::<(), evio::Error>(())
    /// ```
    #[must_use]
    pub fn place_with(
        mut self,
        place: impl Fn(Option<net::SocketAddr>, &[usize]) -> usize + Send + Sync + 'static,
    ) -> Self {
        self.config.place_fn = Some(PlaceFn::new(place));
        self
    }

    /// Pins each loop to one processor of its own, as far as there are enough; not those of
    /// [`start_each`](Self::start_each). Default: the system moves the threads as it likes.
    ///
    /// # Platform notes
    ///
    /// Linux only; elsewhere the server does not start. Threads that are started on a loop are put
    /// on its processor too, and the thread that runs loop 0 stays there after the server's end.
    ///
    /// # Examples
    ///
    /// ```
    /// use evio::{Action, Events, Loops, Server};
    ///
    /// /// Runs an echo server with a loop on each processor.
    /// fn serve() -> Result<(), evio::Error> {
    ///     let server = Server::bind(["tcp://localhost:5000"])?.pin_loops(true);
    ///     server.run_each(Loops::Available, |_| {
    ///         Events::new().data(|conn, _, input| {
    ///             conn.write(input);
    ///             Action::None
    ///         })
    ///     })
    /// }
    /// ```
    #[must_use]
    pub fn pin_loops(mut self, pin: bool) -> Self {
        self.threads.pins = pin;
        self
    }

    /// Runs the loops under `SCHED_BATCH` (sched(7)): one that is woken waits until its processor
    /// is free, and does not take it from the thread that runs there. Default: it may take it.
    ///
    /// This is for more loops than processors: they interrupt each other at every wake-up, and then
    /// serve few connections in each turn. Four loops on one processor with 50 clients take a fifth
    /// less processor time so. Beside other busy programs a reply can be some milliseconds later.
    ///
    /// # Platform notes
    ///
    /// Linux only; it does nothing elsewhere, nor where the system refuses it. Threads that are
    /// started on a loop are as it is, and the thread that runs loop 0 stays so after the server's
    /// end.
    ///
    /// # Examples
    ///
    /// ```
    /// use evio::{Loops, Server};
    ///
    /// let loops = 8;
    /// let server = Server::bind(["tcp://127.0.0.1:0"])?;
    /// let server = server.batch_loops(loops > Loops::Available.count());
    /// # drop(server);
    /// # Ok::<(), evio::Error>(())
    /// ```
    #[must_use]
    pub fn batch_loops(mut self, batch: bool) -> Self {
        self.threads.are_batch = batch;
        self
    }
}
