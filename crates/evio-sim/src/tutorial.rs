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
//! `evio-sim` goes into `[dev-dependencies]`. The test binds the same [`Server`](evio::Server)
//! that the program binds, to an address that exists in the simulation alone, and says what
//! clients do. A client is an async function, read from top to bottom; it needs no runtime.
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
//! dozen fails, and says how:
//!
//! ```text
//! seed 11407612367200829935: assertion `left == right` failed
//!   left: "1611\n"
//!  right: "2435\n"
//! The last of what happened; EVIO_TRACE=1 prints all of it:
//!       ...
//!       0.002419s     arrives Data(5, 1)
//!       0.002419s turn 12
//!       0.002419s     program wait #1: 1
//!       0.002420s     program recv #7: 1
//!       0.002420s   data 0-0-1: 1 bytes
//!       0.002420s     program send #7: 5
//!       ...
//!       0.003690s     arrives Data(7, 4)
//!       0.003690s     peer recv #5: 4
//! EVIO_SEED=11407612367200829935 repeats it (2 seeds went well before)
//! ```
//!
//! Behind the time is who acts: a turn of the loop, a callback of the handler with the id of its
//! connection, a call of the program or of a client, with the number of the socket and the result,
//! and a segment that arrives. Here a part of a line came by itself, 1 byte, and the handler
//! answered it as if it were all of it. With `EVIO_SEED` in the environment there is this one run,
//! as often as it takes, under a debugger if need be.
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
//! The clock moves when everybody waits, to whatever comes next. An hour costs nothing, and
//! deadlines are exact:
//!
//! ```
//! use std::time::Duration;
//! use evio::{Action, Events, Limits, Server};
//!
//! evio_sim::for_each_seed(20, |sim| {
//!     let hour = Duration::from_secs(3600);
//!     let limits = Limits::default().idle_timeout(Some(hour));
//!     let server = Server::bind(["tcp://10.0.0.1:80"])?.limits(limits);
//!     sim.serve(server, Events::new().data(|_, _, _| Action::None))?;
//!     sim.client(move |net| async move {
//!         let mut conn = net.connect("10.0.0.1:80").await?;
//!         conn.read_to_end().await?;
//!         assert!(net.now() > hour - Duration::from_secs(1));
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
