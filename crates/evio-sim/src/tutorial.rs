//! A handler, its first simulation, and what that finds.
//!
//! # A server with a bug
//!
//! The server counts. A client sends lines with numbers, and after each it gets the sum so far:
//!
//! ```
//! use evio::{Action, Conn, Handler};
//!
//! pub struct Sums;
//!
//! impl Handler for Sums {
//!     /// The sum of this connection.
//!     type Context = i64;
//!
//!     fn context(&mut self, _: &Conn<'_>) -> i64 {
//!         0
//!     }
//!
//!     fn data(&mut self, conn: &mut Conn<'_>, sum: &mut i64, input: &[u8]) -> Action {
//!         for line in String::from_utf8_lossy(input).lines() {
//!             *sum += line.parse::<i64>().unwrap_or_default();
//!             conn.write(format!("{sum}\n").as_bytes());
//!         }
//!         Action::None
//!     }
//! }
//! ```
//!
//! By hand it works: `nc` sends a line at a time. What is wrong with it shows when TCP cuts a line
//! in two, which on the loopback device it hardly ever does.
//!
//! # A simulation
//!
//! `evio-sim` goes where tests have their crates, in the version of `evio` that the program has:
//!
//! ```toml
//! [dependencies]
//! evio = { path = "../evio/crates/evio" }
//!
//! [dev-dependencies]
//! evio-sim = { path = "../evio/crates/evio-sim" }
//! ```
//!
//! | | |
//! |---|---|
//! | [`Simulation`](crate::Simulation) | one run: a server, or several, their clients, and the time. [`for_each_seed`](crate::for_each_seed) makes one from each seed, and your closure puts something in |
//! | [`Net`](crate::Net) | what the script of a client reaches the others with: it connects, waits, draws numbers |
//! | [`Connection`](crate::Connection), [`ClientUdp`](crate::ClientUdp) | the sockets of a client |
//! | [`Faults`](crate::Faults), [`Stalls`](crate::Stalls) | what goes wrong, and how often: drawn from the seed, if you set nothing; stalls are drawn for [`serve_each`](crate::Simulation::serve_each) alone |
//! | [`World`](crate::World) | the simulation as those see it who act at a time, or after each turn of a loop |
//!
//! The test binds the same [`Server`](evio::Server) that the program binds, to an address that
//! exists in the simulation alone, and says what clients do. A client is an async function, read
//! from top to bottom; it needs no runtime.
//!
//! ```should_panic
//! # use evio::{Action, Conn, Handler};
//! # struct Sums;
//! # impl Handler for Sums {
//! #     type Context = i64;
//! #     fn context(&mut self, _: &Conn<'_>) -> i64 { 0 }
//! #     fn data(&mut self, conn: &mut Conn<'_>, sum: &mut i64, input: &[u8]) -> Action {
//! #         for line in String::from_utf8_lossy(input).lines() {
//! #             *sum += line.parse::<i64>().unwrap_or_default();
//! #             conn.write(format!("{sum}\n").as_bytes());
//! #         }
//! #         Action::None
//! #     }
//! # }
//! use evio::Server;
//!
//! # fn sums_are_right() {
//! evio_sim::for_each_seed(1_000, |sim| {
//!     sim.serve(Server::bind(["tcp://10.0.0.1:80"])?, Sums)?;
//!     for _ in 0..3 {
//!         sim.client(|net| async move {
//!             let mut conn = net.connect("10.0.0.1:80").await?;
//!             let mut sum = 0;
//!             for _ in 0..5 {
//!                 let number = net.random_below(1_000);
//!                 conn.write_all(format!("{number}\n").as_bytes()).await?;
//!                 sum += number;
//!                 assert_eq!(conn.read_line().await?, format!("{sum}\n"));
//!             }
//!             Ok(())
//!         });
//!     }
//!     Ok(())
//! });
//! # }
//! # sums_are_right();
//! ```
//!
//! Each of the thousand runs has a seed of its own, from which everything in it comes: the sizes
//! of buffers, where segments are cut, which calls fail, which client is first. One of the first
//! few fails, and says how:
//!
//! ```text
//! thread 'sums_are_right' panicked at tests/sums.rs:27:17:
//! assertion `left == right` failed
//!   left: "67\n"
//!  right: "676\n"
//! seed 1885 has failed. The last of what happened; EVIO_TRACE=1 prints all of it:
//!       ...
//!       0.000000s     peer 10.1.0.1 opens #4: TCP 10.1.0.1:32768 to 10.0.0.1:80
//!       ...
//!       0.000236s     program accept #0: 7
//!       0.000236s     program opens #7: TCP 10.0.0.1:80 from 10.1.0.1:32768, #4
//!       ...
//!       0.000370s     peer 10.1.0.1 send #4: 4
//!       0.000370s     peer 10.1.0.1 recv #4: EAGAIN
//!       0.000555s     arrives data #4: 2
//!       0.000555s loop 0, turn 2
//!       0.000581s     program wait #1: 1
//!       0.000606s     program recv #7: 2
//!       0.000606s   data 0-0-1: 2 bytes
//!       0.000632s     program send #7: 3
//!       ...
//!       0.001715s client 1, 10.1.0.1, has failed
//! The sockets:
//!       ...
//!       #4 of peer 10.1.0.1: TCP 10.1.0.1:32768 to 10.0.0.1:80
//!       ...
//!       #7 of program: TCP 10.0.0.1:80 from 10.1.0.1:32768, #4
//! EVIO_SEED=1885 repeats it (0 seeds went well before)
//! ```
//!
//! Behind the time is who acts: a turn of the loop, a callback of the handler with the id of its
//! connection, a call of the program or of a client, with the number of the socket and the result,
//! and a segment that arrives. Here the client sent 4 bytes, 2 of them arrived by themselves, and
//! the handler answered them as if they were the line.
//!
//! - `EVIO_SEED=1885` in the environment makes this one run, as often as it takes, under a debugger
//!   if need be. Its trace is the same each time.
//! - `EVIO_SEEDS=100000` makes so many runs of each test, and with `cargo test -- --nocapture` a
//!   line about them is printed.
//! - `EVIO_TRACE=1` prints every call of a run.
//!
//! # The repair
//!
//! [`InputStream`](evio::InputStream) keeps what has no end yet. The same test passes now, and
//! stays:
//!
//! ```
//! use evio::{Action, Conn, Handler, InputStream, Server};
//!
//! struct Sums;
//!
//! impl Handler for Sums {
//!     type Context = (InputStream, i64);
//!
//!     fn context(&mut self, _: &Conn<'_>) -> Self::Context {
//!         Default::default()
//!     }
//!
//!     fn data(
//!         &mut self,
//!         conn: &mut Conn<'_>,
//!         context: &mut Self::Context,
//!         input: &[u8],
//!     ) -> Action {
//!         let (stream, sum) = context;
//!         let Ok(mut input) = stream.begin(input) else { return Action::Close };
//!         loop {
//!             match input.take_line(32) {
//!                 Ok(Some(line)) => {
//!                     *sum += String::from_utf8_lossy(line).trim().parse().unwrap_or(0);
//!                     conn.write(format!("{sum}\n").as_bytes());
//!                 }
//!                 Ok(None) => return Action::None,
//!                 Err(_) => return Action::Close,
//!             }
//!         }
//!     }
//! }
//!
//! # fn main() {
//! evio_sim::for_each_seed(50, |sim| {
//!     sim.serve(Server::bind(["tcp://10.0.0.1:80"])?, Sums)?;
//!     sim.client(|net| async move {
//!         let mut conn = net.connect("10.0.0.1:80").await?;
//!         conn.write_all(b"20\n22\n").await?;
//!         assert_eq!(conn.read_line().await?, "20\n");
//!         assert_eq!(conn.read_line().await?, "42\n");
//!         Ok(())
//!     });
//!     Ok(())
//! });
//! # }
//! ```
//!
//! A seed that has found something is worth keeping: [`for_seeds`](crate::for_seeds) runs those of
//! a list. It finds the same again as long as handler and script make the same calls; so keep the
//! script of a bug with it, as small as you can make it.
//!
//! # Time
//!
//! The clock moves when everybody waits, to whatever comes next. So an hour costs nothing, and a
//! deadline can be checked from both sides. Timers come as late as they may elsewhere: never early,
//! and up to 48 ms after their time. What they do has its way to the client, which is some
//! milliseconds, and seconds or minutes if the network loses it:
//!
//! ```
//! use std::time::Duration;
//! use evio::{Action, Events, Limits, Server};
//! use evio_sim::Faults;
//!
//! evio_sim::for_each_seed(20, |sim| {
//!     // Those that were drawn could delay the end, or cut the client off before.
//!     sim.set_faults(Faults::default());
//!     let hour = Duration::from_secs(3600);
//!     let limits = Limits::default().idle_timeout(Some(hour));
//!     let server = Server::bind(["tcp://10.0.0.1:80"])?.limits(limits);
//!     sim.serve(server, Events::new().data(|_, _, _| Action::None))?;
//!     sim.client(move |net| async move {
//!         let mut conn = net.connect("10.0.0.1:80").await?;
//!         conn.read_to_end().await?;
//!         let waited = net.now();
//!         assert!(waited >= hour && waited < hour + Duration::from_millis(100), "{waited:?}");
//!         Ok(())
//!     });
//!     Ok(())
//! });
//! ```
//!
//! A handler has to take its time from [`Loop::now`](evio::Loop::now) and its random numbers from
//! its own seed: what it asks the system for is not simulated, and a run that depends on it does
//! not repeat. A seed that goes well the second time is reported as such.
//!
//! # Several loops, names, and the end of a server
//!
//! [`serve_each`](crate::Simulation::serve_each) makes a handler for each loop, as
//! [`Server::run_each`](evio::Server::run_each) does. [`host`](crate::Simulation::host) makes a
//! name known, for [`Server::bind`](evio::Server::bind) and for a [`Resolver`](evio::Resolver) of
//! the handler; clients connect to addresses. No signal comes into a simulation: a server that was
//! told to wait for one, by `shutdown_on_signals` or [`shutdown_on`](evio::Server::shutdown_on),
//! does not start. What the signal would do, [`at`](crate::Simulation::at) does with the server's
//! handle:
//!
//! ```
//! use std::time::Duration;
//! use evio::{Action, Events, Server};
//!
//! evio_sim::for_each_seed(20, |sim| {
//!     sim.host("echo.internal", ["10.0.0.1"]);
//!     let server = Server::bind(["tcp://echo.internal:80"])?;
//!     let handle = server.handle();
//!     sim.serve_each(server, 3, |_loop_id| {
//!         let echo = Events::new().data(|conn, _, input| {
//!             conn.write(input);
//!             Action::None
//!         });
//!         echo.stopping(|conn, _| {
//!             conn.write(b"goodbye\n");
//!             Action::Close
//!         })
//!     })?;
//!     let (minute, grace) = (Duration::from_secs(60), Duration::from_secs(30));
//!     sim.at(minute, move |_| handle.shutdown_gracefully(grace));
//!     for _ in 0..5 {
//!         sim.client(move |net| async move {
//!             let mut conn = net.connect("10.0.0.1:80").await?;
//!             assert_eq!(conn.read_line().await?, "goodbye\n");
//!             assert!(net.now() >= minute);
//!             Ok(())
//!         });
//!     }
//!     Ok(())
//! });
//! ```
//!
//! # What goes wrong, and when it ends
//!
//! A client whose connection was cut by chance may fail; all others have to come to their end. For
//! clients that try again, [`all_clients_end_within`](crate::Simulation::all_clients_end_within)
//! says how long that may take once faults have ended. [`at`](crate::Simulation::at) makes
//! something happen at a time, and [`after_each_turn`](crate::Simulation::after_each_turn) checks
//! what has to hold always:
//!
//! ```
//! use std::cell::Cell;
//! use std::ops::ControlFlow;
//! use std::rc::Rc;
//! use std::time::Duration;
//! use evio::{Action, CloseReason, Conn, Handler, Server};
//!
//! /// Counts its guests, and shares the number with the test.
//! struct Guests(Rc<Cell<usize>>);
//!
//! impl Handler for Guests {
//!     type Context = ();
//!
//!     fn context(&mut self, _: &Conn<'_>) {
//!         self.0.set(self.0.get() + 1);
//!     }
//!
//!     fn data(&mut self, conn: &mut Conn<'_>, _: &mut (), input: &[u8]) -> Action {
//!         conn.write(input);
//!         Action::None
//!     }
//!
//!     fn closed(&mut self, _: &mut Conn<'_>, _: (), _: CloseReason) -> ControlFlow<()> {
//!         self.0.set(self.0.get() - 1);
//!         ControlFlow::Continue(())
//!     }
//! }
//!
//! evio_sim::for_each_seed(20, |sim| {
//!     let guests = Rc::new(Cell::new(0));
//!     sim.serve(Server::bind(["tcp://10.0.0.1:80"])?, Guests(Rc::clone(&guests)))?;
//!     sim.after_each_turn(move |world| assert!(guests.get() <= world.connections()));
//!     sim.client(|net| async move {
//!         // Until it has worked once.
//!         loop {
//!             let Ok(mut conn) = net.connect("10.0.0.1:80").await else { continue };
//!             conn.write_all(b"hello\n").await.ok();
//!             if conn.read_line().await.is_ok() {
//!                 return Ok(());
//!             }
//!             net.sleep(Duration::from_millis(100)).await;
//!         }
//!     });
//!     sim.client(|net| async move {
//!         let mut conn = net.connect("10.0.0.1:80").await?;
//!         // Nobody hears from this host for a minute.
//!         net.cut_off(true);
//!         net.sleep(Duration::from_secs(60)).await;
//!         net.cut_off(false);
//!         conn.write_all(b"back again\n").await?;
//!         assert_eq!(conn.read_line().await?, "back again\n");
//!         Ok(())
//!     });
//!     sim.all_clients_end_within(Duration::from_secs(600));
//!     Ok(())
//! });
//! ```
//!
//! [`Summary`](crate::Summary), which `for_each_seed` returns, says how often each fault was
//! injected: a test of a fault that never came shows nothing, so assert that it did.
//!
//! # A program that connects
//!
//! What your handler connects to may be another handler: each
//! [`serve`](crate::Simulation::serve) adds a server with loops of its own, and has an example. Its
//! lines in the trace begin with `server 1`. Faults also cut the connections between the servers,
//! which is no excuse for a client, so it asks [`any_was_cut`](crate::Net::any_was_cut). Without
//! [faults](crate::Simulation::set_faults) every client has to be served, also while the program
//! ends.
