//! Tests of a handler on a simulated kernel: the unchanged event loop, clients as scripts, faults
//! by chance, and time that costs nothing. Everything comes from a seed, so that a run that failed
//! can be repeated.
//!
//! [`tutorial`] has a server with a bug, its first simulation, and what follows.
//!
//! # What is checked
//!
//! Beside what the clients assert:
//!
//! - Each connection that was opened gets exactly one ending, on the loop that opened it, and no
//!   other loop opens it; an outbound one that gets `connect_failed` gets it once and nothing
//!   else. After a callback has asked for the end, no other is made but the last.
//! - Input is not read while it is paused. Once a callback has left too much output, `drained`
//!   comes before any other callback that finds less.
//! - The handler is given the bytes that the client has sent, and all of them before it is told
//!   that the client has ended its output; the client is given the bytes that the loop has sent.
//! - A datagram that the handler is given was sent to it by that peer; it comes twice only if the
//!   network has doubled it.
//! - The loop has closed every descriptor when it has ended, and a TCP socket that has failed
//!   within a second, if no loop was ever late or blocked.
//! - It does not spin, look in vain again and again, or try sockets that are known to be full.
//! - No client waits for what can never come. One that fails with an error fails the test, unless
//!   the last call of it that has failed with an I/O error of that kind did so because its
//!   connection was cut by chance.
//!
//! # Several loops
//!
//! [`Simulation::serve_each`] runs all loops of a server in one thread: with the connections,
//! messages, broadcasts and the end that they hand to each other. The seed decides which of them
//! makes its turn next, which is late, and which is blocked in a callback while the others go on
//! ([`Stalls`]). A [`Blocker`] blocks one where a test wants it.
//!
//! # What is not simulated yet
//!
//! - Abstract names of Unix sockets, and multicast groups.
//! - Threads: a loop is interrupted in callbacks alone, and what another thread would do between
//!   two instructions, or under a lock, is not seen.
//! - A [`WorkerPool`](evio::WorkerPool): it has threads, and the system's time. That of a
//!   [`Resolver`](evio::Resolver) is not asked.
//! - Calls of a [`Detached`](evio::Detached) socket that wait. It reads what is there and writes
//!   what there is room for; what would wait is an error of kind `Unsupported`, or `WouldBlock`
//!   after [`Stream::set_nonblocking`](evio::Stream::set_nonblocking).
//! - Signals (`EINTR`): `evio_sys` repeats a call that one interrupts, beneath what is simulated.
//! - Errors of socket(2), bind(2) and listen(2) other than that an address is in use or that no
//!   descriptor is left: a server that meets one does not start.
//! - Descriptors of the program's own: watching one fails. So a server does not start that is to
//!   end by a signal or by `Server::shutdown_on`; the [tutorial] ends it otherwise.
//!
//! # Examples
//!
//! ```
//! use std::time::Duration;
//! use evio::{Action, Events, Server};
//!
//! evio_sim::for_each_seed(20, |sim| {
//!     let server = Server::bind(["tcp://10.0.0.1:80"])?;
//!     let echo = Events::new().data(|conn, _, input| {
//!         conn.write(input);
//!         Action::None
//!     });
//!     sim.serve(server, echo)?;
//!     for _ in 0..5 {
//!         sim.client(|net| async move {
//!             let mut conn = net.connect("10.0.0.1:80").await?;
//!             conn.write_all(b"hello\n").await?;
//!             assert_eq!(conn.read_line().await?, "hello\n");
//!             net.sleep(Duration::from_secs(3600)).await;
//!             Ok(())
//!         });
//!     }
//!     Ok(())
//! });
//! ```

mod checked;
mod connection;
mod excuse;
mod failure;
mod hosts;
mod net;
mod process;
mod report;
mod scheduler;
mod seeds;
mod serve;
mod simulation;
mod stalls;
mod tasks;
mod tracked;
pub mod tutorial;
mod udp;
mod world;

use std::error::Error;

pub use connection::Connection;
pub use evio_sys::sim::{Counts, Faults, Options};
pub use net::Net;
pub use seeds::{Summary, for_each_seed, for_seeds};
pub use simulation::{Outcome, Simulation};
pub use stalls::{Blocker, Stalls};
pub use udp::ClientUdp;
pub use world::World;

/// The result of a script, or of what prepares a simulation.
pub type Result<T = (), E = Box<dyn Error>> = std::result::Result<T, E>;
