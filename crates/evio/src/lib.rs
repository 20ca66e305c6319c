//! A small, fast event loop framework for network servers.
//!
//! A server is a [`Handler`], whose callbacks are called for everything that happens to its
//! connections, and the addresses to listen on:
//!
//! ```no_run
//! use evio::{Action, Conn, Handler};
//!
//! struct Echo;
//!
//! impl Handler for Echo {
//!     type Context = ();
//!     fn context(&mut self, _: &Conn<'_>) {}
//!     fn data(&mut self, conn: &mut Conn<'_>, _: &mut (), input: &[u8]) -> Action {
//!         conn.write(input);
//!         Action::None
//!     }
//! }
//!
//! fn main() -> Result<(), evio::Error> {
//!     evio::serve(Echo, ["tcp://localhost:5000", "unix:///tmp/echo.sock"])
//! }
//! ```
//!
//! With closures, the same in fewer lines:
//!
//! ```no_run
//! # use evio::{Action, Events};
//! # fn main() -> Result<(), evio::Error> {
//! Events::new()
//!     .data(|conn, _, input| { conn.write(input); Action::None })
//!     .serve(["tcp://localhost:5000"])
//! # }
//! ```
//!
//! - [`Handler`] lists the callbacks and their order; [`Events`] makes one from closures.
//! - [`Server`] binds first and runs later, on [one loop](Server::run) or
//!   [several](Server::run_each), each on its thread, with connections spread by [`LoadBalance`].
//! - [`Address`] tells what an address string can say: `tcp`, `tcp4`, `tcp6`, `udp`, `udp4`,
//!   `udp6` and `unix`.
//! - [`MessageSender`] sends messages of your own type to the handler of a loop, such as a question
//!   that brings along where the answer goes to.
//! - [`ServerHandle`] ends a server, and [`ConnHandle`] reaches a connection, from any thread.
//!   [`ServerHandle::shutdown_gracefully`] shows how connections finish their work first.
//! - [`Loop::connect`] makes a connection to one address, with the same callbacks; [`Loop::dial`]
//!   to the first of several that answers; [`Resolver::dial`] to a name.
//!   [`Server::without_addresses`] is for programs that are clients only.
//! - [`WorkerPool`] does what would hold up a loop; [`Conn::reply`] is what a peer is owed.
//! - [`ConnMap`] keeps the state of connections that others reach.
//! - [`Loop::watch`] watches any other descriptor; [`Server::start`] makes a server that lives
//!   inside another loop.
//! - [`Loop::set_timer`] and [`Loop::set_interval`] call back later, on any loop.
//! - [`InputStream`] joins messages that arrive in pieces, and takes out lines and messages behind
//!   their length.
//!
//! # Features
//!
//! `signals`, which is off by default, adds `Server::shutdown_on_signals`: SIGINT and SIGTERM end
//! the server. It needs the crate `signal-hook`.
//!
//! # Layers
//!
//! The layers below can be used alone: `evio-core` is the loop, on sockets that are bound already;
//! `evio-sys` is the poller. What `evio-core` has in its `Config` is set by the methods of
//! [`Server`] that have the same names.

#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod address;
mod bind;
mod bound_address;
mod error;
mod events;
mod loop_threads;
mod loops;
mod resolver;
mod run;
mod running_server;
mod server;
mod server_handle;
#[cfg(feature = "signals")]
mod signals;
mod worker_pool;

pub use address::{
    Address, Endpoint, Host, ParseAddressError, ParseAddressErrorKind, Scheme, UnixPath,
};
pub use bind::ReadySocket;
pub use bound_address::BoundAddress;
pub use error::Error;
pub use events::Events;
pub use evio_core::{
    Action, CloseReason, Conn, ConnHandle, ConnId, ConnMap, ConnState, ConnectOptions, Detached,
    DialError, DialFailure, DialId, FrameTooLong, Handler, InputStream, InputTooLong, Interest,
    Keepalive, LengthPrefix, Limits, LoadBalance, Loop, LoopHandle, LoopTimer, MessageSender,
    Origin, PanicPolicy, PauseReason, PendingAddresses, PlaceFn, Progress, RateLimit, Reply,
    SendError, Serving, SocketAddr, Stream, Tag, Timeout, TimerId, TooManyTimers, Udp, Unread,
    Unsent, WatchId, Watched, WrongMessageType,
};
pub use evio_sys::BACKEND;
pub use evio_sys::net::{self, ListenOptions};
pub use loops::Loops;
pub use resolver::Resolver;
pub use running_server::RunningServer;
pub use server::{Server, serve};
pub use server_handle::ServerHandle;
pub use worker_pool::{PoolFull, WorkerPool};
